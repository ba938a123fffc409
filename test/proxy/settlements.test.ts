import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { settleSoon, takeSettlements } from "../../src/proxy/settlements.ts";
import type { Settlement } from "../../src/vault/calls/dispatch.ts";

/** What vaults were told by questions of their own. */
const alone: number[][] = [];
const settle = async (settled: readonly Settlement[]) => {
  alone.push(settled.map(({ seq }) => seq));
  return { ok: true, value: undefined };
};
const env = { USER_VAULT: { getByName: () => ({ settle }) } } as unknown as Env;
const told: Promise<void>[] = [];
const ended = (vault: string, seq: number) => told.push(settleSoon(env, vault, { seq, outcome: "ok" }));
const seqs = (settled: readonly Settlement[]) => settled.map(({ seq }) => seq);

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("scheduler", { wait: (ms: number) => new Promise((resolve) => setTimeout(resolve, ms)) });
});
afterEach(async () => {
  // Longer than a sender goes on. Not "all timers": what another file has left running in this process may set new ones for ever.
  await vi.advanceTimersByTimeAsync(11_000);
  await Promise.all(told.splice(0));
  alone.length = 0;
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("an outcome goes alone once it has waited for 250 ms, together with those that came meanwhile", async () => {
  ended("v", 1);
  await vi.advanceTimersByTimeAsync(100);
  ended("v", 2);
  ended("another", 3);
  await vi.advanceTimersByTimeAsync(149);
  expect(alone).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(alone).toEqual([[1, 2]]);
  await vi.advanceTimersByTimeAsync(100);
  expect(alone).toEqual([[1, 2], [3]]);
});

it("where one calls again before that, no outcome goes alone: each rides with the next call, at any pace", async () => {
  for (let seq = 1; seq <= 40; seq++) {
    ended("v", seq);
    await vi.advanceTimersByTimeAsync(130);
    expect(seqs(takeSettlements("v"))).toEqual([seq]);
  }
  await vi.advanceTimersByTimeAsync(10_000);
  expect(alone).toEqual([]);
});

it("one that asks for nothing more is told although others have ridden", async () => {
  ended("v", 1);
  await vi.advanceTimersByTimeAsync(200);
  expect(seqs(takeSettlements("v"))).toEqual([1]);
  ended("v", 2);
  await vi.advanceTimersByTimeAsync(249);
  expect(alone).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(alone).toEqual([[2]]);
});

it("a sender that its runtime has ended is not waited for", async () => {
  vi.stubGlobal("scheduler", { wait: () => new Promise(() => {}) });
  void settleSoon(env, "v", { seq: 1, outcome: "ok" });
  vi.stubGlobal("scheduler", { wait: (ms: number) => new Promise((resolve) => setTimeout(resolve, ms)) });
  await vi.advanceTimersByTimeAsync(1_000);
  ended("v", 2);
  await vi.advanceTimersByTimeAsync(250);
  expect(alone).toEqual([[1, 2]]);
});

it("of a vault that is gone nothing is kept, and it is asked once", async () => {
  const asked = vi.fn(async () => ({ ok: false, refusal: { code: "invalid_token", detail: "" } }));
  const deleted = { USER_VAULT: { getByName: () => ({ settle: asked }) } } as unknown as Env;
  const done = settleSoon(deleted, "gone", { seq: 1, outcome: "ok" });
  await vi.advanceTimersByTimeAsync(10_000);
  await done;
  expect(asked).toHaveBeenCalledTimes(1);
  expect(takeSettlements("gone")).toEqual([]);
});
