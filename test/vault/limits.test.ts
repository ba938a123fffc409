import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { Problem } from "../../src/problem.ts";
import { ask } from "../../src/vault/answer.ts";
import type { Dispatch } from "../../src/vault/calls/dispatch.ts";
import type { Policy } from "../../src/vault/policy/policy.ts";
import { openLeash } from "../support/leash.ts";
import { accessOf, newRotating, refreshWith } from "../support/refresh.ts";
import {
  type App,
  type Vault,
  authorize,
  calls,
  evict,
  mintApp,
  newVault,
  refusalOf,
  runAlarm,
  sql,
  storeKey,
  travel,
  vaultWithKey,
} from "../support/vault.ts";

/** Many calls at once: those that were let through, and how the others were refused. */
async function burst(vault: Vault, app: App, n: number): Promise<{ through: Dispatch[]; refused: Problem[] }> {
  const settled = await Promise.allSettled(Array.from({ length: n }, () => authorize(vault, app, "k")));
  return {
    through: settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])),
    refused: settled.flatMap((one) => (one.status === "rejected" ? [one.reason as Problem] : [])),
  };
}

const settle = ({ stub }: Vault, ...dispatches: Dispatch[]) =>
  ask(stub.settle(dispatches.map(({ seq }) => ({ seq, outcome: "ok" as const }))));

const rulesOf = (refused: Problem[]) => new Set(refused.map(({ code, extras }) => `${code} ${extras.rule}`));

describe("max_uses", () => {
  it("lets exactly so many calls through, however many ask at once and whatever the object forgets", async () => {
    const { vault, app } = await vaultWithKey({ max_uses: 7 });
    const first = await burst(vault, app, 5);
    expect(first.through).toHaveLength(5);
    await evict(vault);
    const second = await burst(vault, app, 20);
    expect(second.through).toHaveLength(2);
    expect(rulesOf(second.refused)).toEqual(new Set(["policy_denied max_uses"]));
    expect(second.refused.map(({ extras }) => extras.retry_after_s)).toEqual(
      Array.from({ length: 18 }, () => undefined),
    );
    await evict(vault);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("policy_denied max_uses");
  });

  it("is not spent by a refusal, nor by a call whose secret never left", async () => {
    const { vault, app } = await vaultWithKey({ max_uses: 1, methods: ["GET"] });
    expect(await refusalOf(authorize(vault, app, "k", { method: "POST" }))).toBe("policy_denied methods");
    await sql(vault, "UPDATE key_version SET sealed = NULL");
    await evict(vault);
    const kv = vi.spyOn(env.BLOBS, "get").mockResolvedValue(null as never);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("unavailable");
    kv.mockRestore();
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("accepted");
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("policy_denied max_uses");
  });
});

describe("rate", () => {
  it("is exact in every window, and Retry-After is when the next call is let through, to the second", async () => {
    vi.setSystemTime(1_800_000_000_000);
    const { vault, app } = await vaultWithKey({ rate: { per_minute: 3 } });
    expect((await burst(vault, app, 1)).through).toHaveLength(1);
    travel(20_000);
    const { through, refused } = await burst(vault, app, 10);
    expect(through).toHaveLength(2);
    expect(rulesOf(refused)).toEqual(new Set(["rate_limited rate"]));
    expect(new Set(refused.map(({ extras }) => extras.retry_after_s))).toEqual(new Set([40]));
    travel(39_999);
    await evict(vault);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("rate_limited rate");
    travel(1);
    // One place was free since the first call; the two others since twenty seconds later.
    expect((await burst(vault, app, 5)).through).toHaveLength(1);
    travel(20_000);
    expect((await burst(vault, app, 5)).through).toHaveLength(2);
  });

  it("per second and per minute hold together", async () => {
    vi.setSystemTime(1_800_000_000_000);
    const { vault, app } = await vaultWithKey({ rate: { per_second: 2, per_minute: 3 } });
    const first = await burst(vault, app, 5);
    expect(first.through).toHaveLength(2);
    expect(first.refused[0]?.extras.retry_after_s).toBe(1);
    travel(1_000);
    const second = await burst(vault, app, 5);
    expect(second.through).toHaveLength(1);
    expect(second.refused[0]?.extras.retry_after_s).toBe(59);
  });

  it("remembers more uses than one row holds, and forgets those that no window needs", async () => {
    vi.setSystemTime(1_800_000_000_000);
    const { vault, app } = await vaultWithKey({ rate: { per_minute: 100 } });
    for (let round = 0; round < 3; round++) {
      expect((await burst(vault, app, 105)).through, `round ${round}`).toHaveLength(100);
      await evict(vault);
      expect((await burst(vault, app, 5)).through, `round ${round}`).toHaveLength(0);
      travel(60_000);
    }
    const rows = await sql(vault, "SELECT slot FROM meter WHERE name = ?", app.id);
    expect(rows.length).toBeLessThanOrEqual(4);
  });
});

describe("daily_quota", () => {
  it("begins anew with the UTC day, and Retry-After leads there", async () => {
    vi.setSystemTime(Date.UTC(2027, 0, 5, 23, 59, 30));
    const { vault, app } = await vaultWithKey({ daily_quota: 4 });
    const { through, refused } = await burst(vault, app, 6);
    expect(through).toHaveLength(4);
    expect(refused.map(({ code, extras }) => [code, extras.rule, extras.retry_after_s])).toEqual([
      ["rate_limited", "daily_quota", 30],
      ["rate_limited", "daily_quota", 30],
    ]);
    travel(29_999);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("rate_limited daily_quota");
    await evict(vault);
    travel(1);
    expect((await burst(vault, app, 6)).through).toHaveLength(4);
  });
});

describe("max_concurrent", () => {
  it("is never exceeded; a place is free as soon as a call has ended, also after an eviction", async () => {
    const { vault, app } = await vaultWithKey({ max_concurrent: 3 });
    const { through, refused } = await burst(vault, app, 10);
    expect(through).toHaveLength(3);
    expect(rulesOf(refused)).toEqual(new Set(["rate_limited max_concurrent"]));
    expect(refused[0]?.extras.retry_after_s).toBe(1);
    await evict(vault);
    expect((await burst(vault, app, 5)).through).toHaveLength(0);
    await settle(vault, ...through.slice(0, 2));
    expect((await burst(vault, app, 5)).through).toHaveLength(2);
    await evict(vault);
    await settle(vault, ...through);
    expect((await burst(vault, app, 5)).through).toHaveLength(1);
  });

  it("a holder that is lost frees its place in 15 s, one that holds its leash keeps it", async () => {
    const { vault, app } = await vaultWithKey({ max_concurrent: 2 });
    const { through } = await burst(vault, app, 2);
    const [lost, held] = through as [Dispatch, Dispatch];
    await (
      await openLeash(vault, held)
    ).next;
    travel(14_000);
    await runAlarm(vault);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("rate_limited max_concurrent");
    travel(1_000);
    await runAlarm(vault);
    const next = await burst(vault, app, 3);
    expect(next.through).toHaveLength(1);
    const ends = (await calls(vault)).map(({ seq, outcome }) => [seq, outcome?.outcome]);
    expect(ends).toContainEqual([lost.seq, "interrupted"]);
    expect(ends).toContainEqual([held.seq, undefined]);
  });

  it("a leash that went with the object's end counts as lost from the moment the object is back", async () => {
    const { vault, app } = await vaultWithKey({ max_concurrent: 1 });
    const { seq } = await authorize(vault, app, "k");
    // As a crash leaves it: held by a leash of which nothing is left.
    await sql(vault, "UPDATE audit SET unclaimed_at = NULL WHERE seq = ?", seq);
    await evict(vault);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("rate_limited max_concurrent");
    travel(15_000);
    await runAlarm(vault);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("accepted");
  });
});

it.each<[string, Policy]>([
  ["max_uses", { max_uses: 4 }],
  ["daily_quota", { daily_quota: 4 }],
  ["rate", { rate: { per_minute: 4 } }],
  ["max_concurrent", { max_concurrent: 4 }],
])("%s counts on through rotations: old and new access tokens have one count between them", async (rule, policy) => {
  vi.setSystemTime(Date.UTC(2027, 0, 5, 12));
  const vault = await newVault();
  await storeKey(vault, "k");
  const first = await newRotating(vault, "hourly", policy);
  expect((await burst(vault, accessOf(first), 2)).through).toHaveLength(2);
  const second = await refreshWith(vault, first);
  const bursts = await Promise.all([first, second].map((held) => burst(vault, accessOf(held), 5)));
  expect(bursts.flatMap(({ through }) => through)).toHaveLength(2);
  const third = await refreshWith(vault, second);
  await evict(vault);
  const { through, refused } = await burst(vault, accessOf(third), 5);
  expect(through).toEqual([]);
  expect(new Set(refused.map(({ extras }) => extras.rule))).toEqual(new Set([rule]));
});

it("of several limits that are reached, the one that lasts longest is named", async () => {
  vi.setSystemTime(Date.UTC(2027, 0, 5, 12));
  const { vault, app } = await vaultWithKey({ daily_quota: 1, rate: { per_second: 1 }, max_concurrent: 1 });
  await authorize(vault, app, "k");
  const [refusal] = (await burst(vault, app, 1)).refused;
  expect(refusal?.extras).toMatchObject({ rule: "daily_quota", retry_after_s: 12 * 3_600 });
});

it("a token whose policy does not count writes nothing of the kind, one that counts writes one row a call", async () => {
  const { vault, app } = await vaultWithKey({ methods: ["GET"] });
  await burst(vault, app, 3);
  expect(await sql(vault, "SELECT * FROM meter")).toEqual([]);
  const counted = await mintApp(vault, {
    max_uses: 100,
    daily_quota: 100,
    rate: { per_minute: 50 },
    max_concurrent: 50,
  });
  await burst(vault, counted, 3);
  expect(await sql(vault, "SELECT used, day_used FROM meter")).toEqual([{ used: 3, day_used: 3 }]);
});
