import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LocalLocker } from "../../src/local/serve.ts";
import { portsOf, startLocker, type Ports } from "../support/locker.ts";
import { randomOf, type Random } from "../support/random.ts";
import { killRuntime } from "../support/runtime.ts";
import { startUpstream } from "../support/upstream.ts";
import { Life } from "./life.ts";

export type CrashOptions = {
  cycles: number;
  seed: number;
  /** So many calls are let through before a kill, however slow the machine. */
  at_least?: number;
  say?: (line: string) => void;
};

/** What was done, and what of it should not have been. */
export type Crashes = {
  cycles: number;
  calls: number;
  changes: number;
  refreshes: number;
  arrived: number;
  rows: number;
  unanswered: number;
  violations: string[];
};

/** A vault is lived in for so many crashes; then somebody else comes. */
const CRASHES_A_LIFE = 10;
const LONGEST_MS = 2_500;
/** A call that nobody carries any more is given up after 15 s (SECURITY S6). */
const GIVEN_UP_MS = 20_000;

/** Lives on the real runtime with durable state, kills it at any moment, starts it again and asks whether anything was lost. */
export async function crash({ cycles, seed, at_least = 0, say = () => {} }: CrashOptions): Promise<Crashes> {
  const stateDir = await mkdtemp(join(tmpdir(), "apilocker-crash-"));
  const upstream = await startUpstream((request, response) => {
    if (request.url?.startsWith("/slow") !== true) return void response.end("{}");
    response.writeHead(200, { "content-type": "text/event-stream" });
    let left = 14;
    const beat = setInterval(() => (left-- > 0 ? response.write("data: x\n\n") : response.end()), 50);
    response.on("close", () => clearInterval(beat));
  });
  let locker = await startLocker({ stateDir });
  const ports = portsOf(locker);
  const lives: Life[] = [];
  try {
    for (let cycle = 0; cycle < cycles; cycle++) {
      // Of each cycle its own, so that one that fails can be run again without those before it.
      const random = randomOf(seed + cycle);
      if (cycle % CRASHES_A_LIFE === 0)
        lives.push(await Life.begin(`s${seed}-c${cycle}@example.com`, locker, upstream));
      const life = lives.at(-1) as Life;
      const wait_ms = random() < 0.2 ? random() * 60 : random() * LONGEST_MS;
      const enough = life.counts.calls + at_least;
      await liveUntilKilled(life, locker, random, async () => {
        while (life.counts.calls < enough && life.violations.length === 0) await pause(10);
        await pause(wait_ms);
      });
      // Now and then the next one does not live long either: whatever wakes a vault is cut off too.
      if (random() < 0.1) {
        locker = await startAgain(stateDir, ports);
        await liveUntilKilled(life, locker, random, () => pause(random() * 200));
      }
      locker = await startAgain(stateDir, ports);
      await life.look(locker);
      const twice = await twiceInD1(locker);
      const violations = [...life.violations, ...(twice > 0 ? [`${twice} rows stand in D1 twice`] : [])];
      const { counts } = life;
      say(`seed ${seed} cycle ${cycle}: ${JSON.stringify(counts)}, killed after ${Math.round(wait_ms)} ms`);
      if (violations.length > 0) throw new Error(`seed ${seed}, cycle ${cycle}: ${violations.join("; ")}`);
    }
    if (cycles >= CRASHES_A_LIFE) {
      await pause(GIVEN_UP_MS);
      for (const life of lives) await life.lookAtTheEnd();
    }
    return total(cycles, lives);
  } finally {
    await Promise.all([locker.stop().catch(() => {}), upstream.stop()]);
    await rm(stateDir, { recursive: true, force: true });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function liveUntilKilled(life: Life, locker: LocalLocker, random: Random, wait: () => Promise<void>) {
  const over = new AbortController();
  const living = life.live(locker, random, over.signal);
  await wait();
  await killRuntime(locker);
  over.abort();
  await living;
}

async function startAgain(stateDir: string, ports: Ports): Promise<LocalLocker> {
  for (let left = 5; ; left--) {
    try {
      return await startLocker({ stateDir, ...ports });
    } catch (fault) {
      // A port that was let go a moment ago may not be had again at once.
      if (left === 0) throw fault;
    }
  }
}

async function twiceInD1({ miniflare }: LocalLocker): Promise<number> {
  const db = await miniflare.getD1Database("DB");
  const counted = await db
    .prepare("SELECT count(*) - count(DISTINCT decision ->> 'id') AS twice FROM audit")
    .first<{ twice: number }>();
  return counted?.twice ?? Number.NaN;
}

function total(cycles: number, lives: readonly Life[]): Crashes {
  const sum = (of: (life: Life) => number) => lives.reduce((so_far, life) => so_far + of(life), 0);
  return {
    cycles,
    calls: sum(({ counts }) => counts.calls),
    changes: sum(({ counts }) => counts.changes),
    refreshes: sum(({ counts }) => counts.refreshes),
    unanswered: sum(({ counts }) => counts.unanswered),
    arrived: sum(({ arrived }) => arrived),
    rows: sum(({ rows }) => rows),
    violations: lives.flatMap(({ violations }) => violations),
  };
}
