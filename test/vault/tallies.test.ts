import { env } from "cloudflare:workers";
import * as fc from "fast-check";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { archivedRows } from "../../src/directory/audit.ts";
import { ask } from "../../src/vault/answer.ts";
import { ship } from "../../src/vault/audit/outbox.ts";
import { recount as countSome } from "../../src/vault/audit/recount.ts";
import { retain } from "../../src/vault/audit/retention.ts";
import type { AuditRow, Decision, Outcome, Settled } from "../../src/vault/audit/row.ts";
import { Tallies } from "../../src/vault/audit/tallies.ts";
import { bucketOf, type Bucket, type Tally } from "../../src/vault/audit/tally.ts";
import type { Parts } from "../../src/vault/parts.ts";
import { held } from "../../src/vault/surface.ts";
import { remember, restore } from "../support/restore.ts";
import { CALLED, evict, inside, newVault, runAlarmAfter, sql, travel, type Vault } from "../support/vault.ts";

const RUNS = 8;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

beforeEach(() => {
  vi.spyOn(console, "error").mockReturnValue();
});

function within<T>(vault: Vault, work: (parts: Parts, state: DurableObjectState) => T | Promise<T>): Promise<T> {
  return inside(vault, (object, state) => {
    const parts = object[held];
    if (parts === undefined) throw new Error("there is no vault");
    return work(parts, state);
  });
}

/** Calls that ended as they are told to, so many hours ago. */
const write = (vault: Vault, outcomes: readonly (Partial<Outcome> | undefined)[], hours_ago = 0) =>
  within(vault, ({ audit }) => {
    const at = Date.now() - hours_ago * HOUR_MS;
    for (const outcome of outcomes) {
      const { seq } = audit.append(CALLED, at);
      if (outcome !== undefined) audit.settle(seq, { outcome: "ok", ...outcome }, at);
    }
  });

const shipAll = (vault: Vault) => within(vault, ({ housekeeping }) => housekeeping.handlers.ship(Date.now()));

/** A release from before there were tallies: it ships, and counts no calls. */
const shipUncounted = (vault: Vault) =>
  within(vault, async (parts, { storage }) => {
    const tallies = Object.assign(Object.create(Tallies.prototype), { add: () => {} }) as Tallies;
    await ship(env.DB, vault.id, storage, parts.audit, { ...parts, tallies });
  });

/** Counts up to so many rows. */
const recount = (vault: Vault, rows: number) =>
  within(vault, (parts, { storage }) => countSome(env.DB, vault.id, storage, parts.audit, parts.tallies, rows));

const uncounted = (vault: Vault) => within(vault, ({ tallies }) => tallies.uncounted);

async function countOut(vault: Vault): Promise<void> {
  while (await recount(vault, 1_000));
}

/** By bucket and outcome, in a fixed order. */
function merged(tallies: readonly Tally[]): Tally[] {
  const sums = new Map<string, Tally>();
  for (const { bucket, outcome, calls, timed, latency_ms } of tallies) {
    const sum = sums.get(bucket + outcome) ?? { bucket, outcome, calls: 0, timed: 0, latency_ms: 0 };
    sum.calls += calls;
    sum.timed += timed;
    sum.latency_ms += latency_ms;
    sums.set(bucket + outcome, sum);
  }
  return [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
}

/** As the API answers it. */
async function told(vault: Vault, bucket: Bucket, since: string): Promise<Tally[]> {
  return merged((await within(vault, ({ tallies }) => tallies.of(bucket, since))).tally);
}

/** Every row there is, wherever it is. */
async function everyRow(vault: Vault): Promise<AuditRow[]> {
  const here = await sql<AuditRow>(vault, "SELECT seq, decision, hash, outcome, outcome_hash FROM audit");
  const { rows } = await archivedRows(env.DB, vault.id, Number.MAX_SAFE_INTEGER, 100_000, {});
  return [...new Map([...rows, ...here].map((row) => [row.seq, row])).values()];
}

/** Rows looked at one by one. */
function counted(rows: readonly AuditRow[], bucket: Bucket, since: string): Tally[] {
  return merged(
    rows.flatMap((row) => {
      const decision = JSON.parse(row.decision) as Decision;
      const ended = row.outcome === null ? undefined : (JSON.parse(row.outcome) as Settled);
      if (decision.action !== "proxy.call" || decision.at < bucketOf(bucket, since)) return [];
      return {
        bucket: bucketOf(bucket, decision.at),
        outcome: ended?.outcome ?? decision.outcome ?? "pending",
        calls: decision.count ?? 1,
        timed: ended?.latency_ms === undefined ? 0 : 1,
        latency_ms: ended?.latency_ms ?? 0,
      };
    }),
  );
}

async function assertExact(vault: Vault): Promise<void> {
  const rows = await everyRow(vault);
  for (const [bucket, days] of [
    ["hour", 3],
    ["day", 100],
  ] as const) {
    const since = new Date(Date.now() - days * DAY_MS).toISOString();
    expect(await told(vault, bucket, since)).toEqual(counted(rows, bucket, since));
  }
}

const many = (length: number, latency_ms: number) => Array.from({ length }, () => ({ latency_ms }));

/** What may happen to a vault's rows. Each step leaves the count exact. */
const STEPS: Record<string, (vault: Vault, n: number) => Promise<unknown>> = {
  calls: (vault, n) => write(vault, [{ latency_ms: n }, {}, { outcome: "failed", latency_ms: 7 }, undefined], n),
  old_calls: (vault, n) => write(vault, many(20, 3), 24 * 65 + n),
  refusals: (vault, n) =>
    within(vault, ({ audit }) => {
      audit.append({ ...CALLED, outcome: "refused", rule: "methods" }, Date.now());
      audit.append({ ...CALLED, outcome: "refused", rule: "methods", count: n + 2 }, Date.now() - n * HOUR_MS);
    }),
  others: (vault) =>
    within(vault, ({ audit }) => void audit.append({ ...CALLED, action: "key.pause", outcome: "ok" }, 0)),
  end: (vault, n) =>
    within(vault, ({ audit, under_way }) => {
      const [open] = under_way.all();
      if (open !== undefined) audit.settle(open.seq, { outcome: "cut", rule: "revoked", latency_ms: n }, Date.now());
    }),
  interrupt: (vault, n) =>
    within(vault, ({ audit, under_way }) => {
      const [open] = under_way.all();
      if (open === undefined) return;
      audit.interrupt(open.seq, Date.now());
      if (n % 2 === 0) audit.settle(open.seq, { outcome: "ok", latency_ms: n }, Date.now());
    }),
  ship: shipAll,
  sleep: evict,
  roll_back: async (vault) => {
    await shipUncounted(vault);
    await evict(vault);
  },
  recount: (vault, n) => recount(vault, 1 + n),
  pack: (vault) => retain(env.DB, vault.id, Date.now()),
  restore: async (vault, n) => {
    const then = await remember(vault);
    await write(vault, [{ latency_ms: n }, undefined, {}], n);
    await STEPS.end?.(vault, n);
    await shipAll(vault);
    await restore(vault, then);
    // It is noticed by looking, or by the first row that would leave.
    if (n % 3 === 0) return ask(vault.stub.restored());
    await write(vault, many(1 + (n % 6), 1), 1);
    return shipAll(vault).catch(() => {});
  },
};

describe("statistics", () => {
  it("are what a count of every row comes to, whatever has become of the rows", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(...Object.keys(STEPS)), fc.nat(30)), { minLength: 5, maxLength: 10 }),
        async (steps) => {
          const vault = await newVault();
          await write(vault, [{ latency_ms: 5 }, {}], 2);
          for (const [name, n] of steps) {
            await STEPS[name]?.(vault, n);
            if (name !== "restore") continue;
            // What goes wrong here would be counted anew, and hidden, when the vault next wakes.
            await countOut(vault);
            await assertExact(vault);
          }
          await countOut(vault);
          await assertExact(vault);
          await evict(vault);
          expect(await uncounted(vault)).toBeUndefined();
        },
      ),
      { numRuns: RUNS },
    );
  }, 60_000);

  it("of a vault that is older than its tallies are counted by its alarm, and told meanwhile", async () => {
    const vault = await newVault();
    await write(vault, [{ latency_ms: 5 }, {}, undefined], 30);
    await write(vault, [{ latency_ms: 9 }, { outcome: "failed" }], 1);
    await shipUncounted(vault);
    await evict(vault);
    await write(vault, [{}, {}], 3);
    const asked = vi.spyOn(env.DB, "prepare");
    const answered = async () => {
      const { tally, counting } = await ask(vault.stub.tally(vault.ada, "day", "2000-01-01T00:00:00.000Z"));
      return { calls: tally.reduce((sum, { calls }) => sum + calls, 0), counting };
    };
    expect(await answered()).toEqual({ calls: 3, counting: true });
    expect(asked).not.toHaveBeenCalled();
    await runAlarmAfter(vault, 1);
    expect(await answered()).toEqual({ calls: 7, counting: false });
    await assertExact(vault);
  });

  it("are counted a few rows at a time, the newest first, and a crash goes on where it was", async () => {
    const vault = await newVault();
    // The clock stands, so that no hour ends meanwhile.
    travel(0);
    for (const hours_ago of [5, 4, 3, 2, 1]) await write(vault, [{}, {}, {}], hours_ago);
    await shipUncounted(vault);
    await evict(vault);
    const since = new Date(Date.now() - 2 * DAY_MS).toISOString();
    const seen: number[][] = [];
    for (let more = true; more; await evict(vault)) {
      more = await recount(vault, 4);
      // What comes and leaves meanwhile is counted too.
      await write(vault, [{}]);
      await shipAll(vault);
      seen.push((await told(vault, "hour", since)).map((hour) => hour.calls));
    }
    expect(seen).toEqual([
      [1, 3, 1],
      [2, 3, 3, 2],
      [3, 3, 3, 3, 3],
      [3, 3, 3, 3, 3, 4],
    ]);
    await assertExact(vault);
  });

  it("count nothing twice where rows leave while they are being counted", async () => {
    const vault = await newVault();
    await write(vault, [{}, undefined, {}], 2);
    await shipUncounted(vault);
    await evict(vault);
    await within(vault, async ({ housekeeping, audit, under_way }) => {
      const batch = env.DB.batch.bind(env.DB);
      vi.spyOn(env.DB, "batch").mockImplementationOnce(async (statements) => {
        const found = await batch(statements);
        const [open] = under_way.all();
        if (open !== undefined) audit.settle(open.seq, { outcome: "ok" }, Date.now());
        await housekeeping.handlers.ship(Date.now());
        return found as never;
      });
      await housekeeping.handlers.recount(Date.now());
    });
    expect(await uncounted(vault)).toBeDefined();
    await countOut(vault);
    await assertExact(vault);
  });

  it("are forgotten after twelve months, with the rows", async () => {
    const vault = await newVault();
    await write(vault, [{}, {}]);
    await shipAll(vault);
    expect(await told(vault, "day", "2000-01-01T00:00:00.000Z")).toHaveLength(1);
    travel(366 * DAY_MS);
    await within(vault, ({ housekeeping }) => housekeeping.handlers.retain(Date.now()));
    expect(await told(vault, "day", "2000-01-01T00:00:00.000Z")).toEqual([]);
    await assertExact(vault);
  });
});
