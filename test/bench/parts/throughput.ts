import { setTimeout as wait } from "node:timers/promises";
import { Connection } from "../client/connection.ts";
import { now } from "../clock.ts";
import type { Processes } from "../processes.ts";
import { interleave, mapValues } from "../rounds.ts";
import { median, sum } from "../statistics.ts";
import type { Lane } from "../targets/target.ts";

/** Calls a second (the median of the rounds) and CPU per call, with what the calls left to do afterwards. */
export type Throughput = { rps: number; cpu_ms: number | undefined; failed: number };

type Window = { calls: number; failed: number; seconds: number; cpu_s: number | undefined };

const RAMP_MS = 150;
const QUIET_POLL_MS = 100;
const QUIET_LIMIT_MS = 3_000;
const QUIET_CPU_S = 0.02;

export async function measureThroughput(
  lanes: readonly Lane[],
  connections: number,
  { rounds, window_ms }: { rounds: number; window_ms: number },
): Promise<Map<string, Throughput>> {
  return mapValues(await interleave(lanes, rounds, (lane) => drive(lane, connections, window_ms)), summary);
}

/** Calls as fast as the connections allow, for a while; used to warm up, too. */
export async function drive(lane: Lane, connections: number, window_ms: number): Promise<Window> {
  const { processes } = lane.target;
  await callAll(lane, connections, RAMP_MS);
  const before = processes?.usage().cpu_s;
  const started = now();
  const counts = await callAll(lane, connections, window_ms);
  const seconds = (now() - started) / 1000;
  if (processes !== undefined) await quiet(processes);
  const after = processes?.usage().cpu_s;
  const cpu_s = before === undefined || after === undefined ? undefined : after - before;
  return {
    calls: sum(counts.map(({ calls }) => calls)),
    failed: sum(counts.map(({ failed }) => failed)),
    seconds,
    cpu_s,
  };
}

function callAll(lane: Lane, connections: number, window_ms: number): Promise<{ calls: number; failed: number }[]> {
  const until = now() + window_ms;
  return Promise.all(Array.from({ length: connections }, (_, first) => callUntil(lane, first, until)));
}

async function callUntil({ target, calls, status }: Lane, first: number, until: number) {
  const count = { calls: 0, failed: 0 };
  const connection = await Connection.open(target.port);
  for (let i = first; now() < until; i++) {
    const answered = await connection.exchange(calls[i % calls.length] as Buffer);
    count.calls++;
    if (answered !== status) count.failed++;
  }
  connection.close();
  return count;
}

/** Waits for what the calls left behind (outcomes, batches): it is part of their cost, and must not burden the next target. */
async function quiet(processes: Processes): Promise<void> {
  const deadline = now() + QUIET_LIMIT_MS;
  for (let last = -1; now() < deadline; await wait(QUIET_POLL_MS)) {
    const { cpu_s } = processes.usage();
    if (last >= 0 && cpu_s - last < QUIET_CPU_S) return;
    last = cpu_s;
  }
}

function summary(windows: readonly Window[], name: string): Throughput {
  const calls = sum(windows.map((window) => window.calls));
  const failed = sum(windows.map((window) => window.failed));
  if (failed === calls) throw new Error(`${name} answered every call with another status than was due.`);
  const cpu = windows.map(({ cpu_s }) => cpu_s).filter((cpu_s) => cpu_s !== undefined);
  return {
    rps: median(windows.map((window) => (window.calls - window.failed) / window.seconds)),
    cpu_ms: cpu.length < windows.length ? undefined : (sum(cpu) * 1000) / calls,
    failed,
  };
}
