import { Connection } from "../client/connection.ts";
import { now } from "../clock.ts";
import { interleave, mapValues } from "../rounds.ts";
import { median, quantile } from "../statistics.ts";
import type { Lane } from "../targets/target.ts";

/** Milliseconds of calls one after another: the median of the rounds' percentiles; `spread` is the rounds' middle half. */
export type Latency = { p50: number; p95: number; p99: number; spread: number };

const UNTIMED = 5;

export async function measureLatency(
  lanes: readonly Lane[],
  { rounds, calls }: { rounds: number; calls: number },
): Promise<Map<string, Latency>> {
  return mapValues(await interleave(lanes, rounds, (lane, round) => timeCalls(lane, calls, round * calls)), summary);
}

async function timeCalls({ name, target, calls, status }: Lane, count: number, first: number): Promise<number[]> {
  const connection = await Connection.open(target.port);
  const times: number[] = [];
  for (let i = 0; i < UNTIMED + count; i++) {
    const call = calls[(first + i) % calls.length] as Buffer;
    const sent_at = now();
    const answered = await connection.exchange(call);
    if (i >= UNTIMED) times.push(now() - sent_at);
    if (answered !== status) throw new Error(`${name} answered ${answered} where ${status} was due.`);
  }
  connection.close();
  return times;
}

function summary(rounds: readonly number[][]): Latency {
  const of = (share: number) => rounds.map((times) => quantile(times, share));
  const medians = of(0.5);
  return {
    p50: median(medians),
    p95: median(of(0.95)),
    p99: median(of(0.99)),
    spread: quantile(medians, 0.75) - quantile(medians, 0.25),
  };
}
