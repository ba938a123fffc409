import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { Problem } from "../../src/problem.ts";
import { ask } from "../../src/vault/answer.ts";
import type { Dispatch } from "../../src/vault/calls/dispatch.ts";
import type { Estimate } from "../../src/vault/calls/spending.ts";
import { accessOf, newRotating, refreshWith, type Held } from "../support/refresh.ts";
import {
  type App,
  type Vault,
  authorize,
  evict,
  keyNamed,
  mintApp,
  newVault,
  outbox,
  refusalOf,
  runAlarmAfter,
  sql,
  travel,
} from "../support/vault.ts";

const DESTINATION = {
  provider: "openai",
  origin: "https://api.openai.com",
  base_path: "",
  placement: { in: "bearer" } as const,
  headers: {},
};

/** gpt-4o: 2.5 dollars in and 10 out, a million tokens. Here a call of n tokens of output costs n x 10 millionths. */
const estimate = (output: number | null): Estimate => ({ model: "gpt-4o", input: 0, output });
const took = (output: number) => ({
  usage: { model: "gpt-4o", input: 0, output, cached_input: 0, cache_write: 0 },
  bytes_out: output,
});

async function spender(
  usd_per_day: number,
): Promise<{ vault: Vault; app: App; call: (most: number | null) => Promise<Dispatch> }> {
  const vault = await newVault();
  await ask(vault.stub.createKey(vault.ada, keyNamed("k", { destination: DESTINATION }), { secret: "sk-openai" }));
  const app = await mintApp(vault, { spend: { usd_per_day } });
  const call = (most: number | null) => authorize(vault, app, "k", { method: "POST", estimate: estimate(most) });
  return { vault, app, call };
}

const settle = ({ stub }: Vault, { seq }: Dispatch, output: number) =>
  ask(Promise.resolve(stub.settle([{ seq, outcome: "ok", status: 200, metered: took(output) }])));

async function total(vault: Vault): Promise<number> {
  const { rows, total } = await ask(Promise.resolve(vault.stub.spendPage(vault.ada, 0, 1e6, {})));
  const sum = rows.reduce((sum, { cost }) => sum + cost, 0);
  expect(total).toBe(sum);
  return sum;
}

describe("a budget", () => {
  it("is asked for what a call may come to before anything is done", async () => {
    const { vault, app } = await spender(1);
    const before = (await outbox(vault)).length;
    expect(await refusalOf(authorize(vault, app, "k", { method: "POST" }))).toBe("estimate_needed");
    // Some servers take such a call for a POST.
    expect(await refusalOf(authorize(vault, app, "k", { method: "GET", overridden: true }))).toBe("estimate_needed");
    expect((await outbox(vault)).length).toBe(before);
    expect(await refusalOf(authorize(vault, app, "k", { method: "GET" }))).toBe("accepted");
  });

  it("has room for calls at once as far as all of them fit in, and for one that nobody can bound alone", async () => {
    const { vault, call } = await spender(0.01);
    const first = await call(500);
    expect(await refusalOf(call(501))).toBe("rate_limited spend");
    const second = await call(500);
    await settle(vault, first, 100);
    await settle(vault, second, 100);
    // 2,000 of 10,000 are spent. What cannot be bounded waits for the others, and the others for it.
    const unbounded = await call(null);
    expect(await refusalOf(call(1))).toBe("rate_limited spend");
    expect(await refusalOf(call(null))).toBe("rate_limited spend");
    await settle(vault, unbounded, 790);
    const last = await call(500);
    await settle(vault, last, 500);
    expect(await refusalOf(call(1))).toBe("rate_limited spend");
    expect(await total(vault)).toBe(2_000 + 7_900 + 5_000);
  });

  it("is never overdrawn by more than the last call's own size, and nothing is lost or counted twice, through evictions", async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant("calls" as const),
          most: fc.option(fc.integer({ min: 1, max: 400 })),
          at_once: fc.integer({ min: 1, max: 4 }),
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant("end" as const),
          which: fc.nat(),
          share: fc.integer({ min: 0, max: 100 }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("evict" as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        const { vault, call } = await spender(0.01);
        const open: { dispatch: Dispatch; most: number }[] = [];
        let sum = 0;
        let largest = 0;
        for (const each of steps) {
          if (each.do === "evict") await evict(vault);
          else if (each.do === "calls") {
            const asked = await Promise.allSettled(Array.from({ length: each.at_once }, () => call(each.most)));
            for (const one of asked)
              if (one.status === "fulfilled") open.push({ dispatch: one.value, most: each.most ?? 900 });
              else expect((one.reason as Problem).extras.rule).toBe("spend");
          } else {
            const [ended] = open.splice(each.which % Math.max(1, open.length), 1);
            if (ended === undefined) continue;
            const output = Math.floor((ended.most * each.share) / 100);
            await settle(vault, ended.dispatch, output);
            await settle(vault, ended.dispatch, output);
            sum += output * 10;
            largest = Math.max(largest, output * 10);
          }
        }
        expect(await total(vault)).toBe(sum);
        expect(sum).toBeLessThan(10_000 + Math.max(1, largest));
      }),
      { numRuns: 15 },
    );
  });

  it("books a call that nobody tells of by the most that it may have been", async () => {
    const { vault, call } = await spender(1);
    await call(300);
    await evict(vault);
    await runAlarmAfter(vault, 20_000);
    await runAlarmAfter(vault, 20_000);
    expect(await total(vault)).toBe(3_000);
    expect(await sql(vault, "SELECT * FROM spend_open")).toEqual([]);
    const { rows } = await ask(Promise.resolve(vault.stub.spendPage(vault.ada, 0, 1e6, {})));
    expect(rows).toMatchObject([{ calls: 1, estimated: 1 }]);
  });

  it("is told to the router of the release before as that asks", async () => {
    const { vault, call } = await spender(1);
    await settle(vault, await call(100), 100);
    const asked = (skip: number) =>
      ask(Promise.resolve(vault.stub.listSpend(vault.ada, 0, 1e6, {}, { limit: 2, skip })));
    expect(await asked(0)).toMatchObject([{ calls: 1, total: 1_000 }]);
    expect(await asked(1)).toEqual([]);
  });

  it("begins anew with the UTC day", async () => {
    vi.setSystemTime(Date.UTC(2026, 10, 26, 23, 0));
    const { vault, call } = await spender(0.001);
    await settle(vault, await call(100), 100);
    expect(await refusalOf(call(1))).toBe("rate_limited spend");
    travel(3_600_000);
    await settle(vault, await call(50), 50);
    expect(await total(vault)).toBe(1_500);
  });

  it("belongs to the token through its rotations, what is still under way too", async () => {
    const { vault } = await spender(1);
    const first = await newRotating(vault, "hourly", { spend: { usd_per_day: 0.01 } });
    const call = (held: Held, most: number) =>
      authorize(vault, accessOf(held), "k", { method: "POST", estimate: estimate(most) });
    const under_way = await call(first, 400);
    const second = await refreshWith(vault, first);
    await settle(vault, await call(second, 500), 500);
    expect(await refusalOf(call(second, 101))).toBe("rate_limited spend");
    const third = await refreshWith(vault, second);
    await evict(vault);
    expect(await refusalOf(call(third, 101))).toBe("rate_limited spend");
    await settle(vault, await call(third, 100), 100);
    await settle(vault, under_way, 400);
    expect(await refusalOf(call(third, 1))).toBe("rate_limited spend");
    expect(await total(vault)).toBe(10_000);
  });

  it("is not charged for a call whose secret never left", async () => {
    const { vault, call, app } = await spender(1);
    await sql(vault, "UPDATE key_version SET sealed = NULL");
    await sql(vault, "UPDATE data_key SET share_name = 'nowhere'");
    await evict(vault);
    expect(await refusalOf(call(100))).toBe("unavailable");
    expect(await sql(vault, "SELECT * FROM spend_open")).toEqual([]);
    expect(await total(vault)).toBe(0);
    expect(app.id).toMatch(/^tok_/);
  });
});
