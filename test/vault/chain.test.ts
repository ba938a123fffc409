import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { Verification } from "../../src/api/schema.ts";
import { verify } from "../../src/api/verify.ts";
import type { Identified } from "../../src/auth/caller.ts";
import { ask } from "../../src/vault/answer.ts";
import { ChainCheck } from "../../src/vault/audit/chain.ts";
import { chainHash, GENESIS, type AuditRow, type ChainHeads } from "../../src/vault/audit/row.ts";
import { checkChain } from "../support/chain.ts";
import { counted, longLog } from "../support/long_log.ts";
import {
  type Vault,
  authorize,
  evict,
  mintApp,
  newVault,
  refusalOf,
  runAlarmAfter,
  sql,
  storeKey,
  travel,
  wholeLog,
} from "../support/vault.ts";

/** A vault with rows of every sort: at once whole, settled out of order, refused, interrupted, late, pending; part of it in D1. */
async function eventfulVault(): Promise<Vault> {
  const vault = await newVault();
  await storeKey(vault, "k");
  const app = await mintApp(vault);
  const call = () => authorize(vault, app, "k");
  const [one, two, three] = [await call(), await call(), await call()];
  await ask(vault.stub.settle([{ seq: two.seq, outcome: "ok", status: 200 }]));
  await refusalOf(authorize(vault, app, "nothing"));
  await ask(vault.stub.settle([{ seq: one.seq, outcome: "failed", status: 500 }]));
  await runAlarmAfter(vault, 15_001);
  await evict(vault);
  await ask(vault.stub.settle([{ seq: three.seq, outcome: "ok", status: 200 }]));
  const [four] = [await call(), await call()];
  await ask(vault.stub.settle([{ seq: four.seq, outcome: "canceled" }]));
  await evict(vault);
  return vault;
}

type Log = { rows: AuditRow[]; heads: ChainHeads };

function faultOf({ rows, heads }: Log): string | undefined {
  return checkChain(rows, heads, { latest: heads }).fault;
}

describe("the log", () => {
  it("holds: gapless, chained, wherever its rows are, and across sleep", async () => {
    const vault = await eventfulVault();
    const log = await wholeLog(vault);
    const seqs = log.rows.map(({ seq }) => seq).toSorted((a, b) => a - b);
    expect(seqs).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
    expect(log.heads).toMatchObject({ head_seq: 10, outcome_seq: 5 });
    expect(faultOf(log)).toBeUndefined();
    const { results } = await env.DB.prepare("SELECT seq FROM audit WHERE vault_id = ?").bind(vault.id).all();
    expect(results.length).toBeGreaterThan(0);
    expect(results.length).toBeLessThan(10);
  });

  it("holds after everything has left for D1 and the vault has slept, and goes on from there", async () => {
    const vault = await eventfulVault();
    for (let i = 0; i < 3; i++) await runAlarmAfter(vault, 16_000);
    expect(await sql(vault, "SELECT seq FROM audit")).toEqual([]);
    await evict(vault);
    expect(faultOf(await wholeLog(vault))).toBeUndefined();
    await storeKey(vault, "later");
    const log = await wholeLog(vault);
    expect(log.rows).toHaveLength(11);
    expect(faultOf(log)).toBeUndefined();
  });
});

describe("a change is noticed", () => {
  let log: Log;
  beforeAll(async () => {
    log = await wholeLog(await eventfulVault());
  });

  /** The same log with one row changed. */
  const withRow = (seq: number, change: (row: AuditRow) => Partial<AuditRow>): Log => ({
    ...log,
    rows: log.rows.map((row) => (row.seq === seq ? { ...row, ...change(row) } : row)),
  });
  const settledSeq = () => log.rows.find(({ outcome }) => outcome !== null)?.seq as number;

  it("of any row's text, with and without a hash that fits", () => {
    for (const { seq, decision } of log.rows) {
      const changed = decision.replace(/"at":"..../, '"at":"1999');
      expect(faultOf(withRow(seq, () => ({ decision: changed })))).toMatch(/changed/);
      expect(faultOf(withRow(seq, () => ({ decision: changed, hash: chainHash(changed) })))).toBeDefined();
    }
  });

  it("of any outcome's text, with and without a hash that fits", () => {
    for (const { seq, outcome } of log.rows) {
      if (outcome === null) continue;
      const text = outcome.replace(/"outcome":"\w+"/, '"outcome":"denied"');
      expect(faultOf(withRow(seq, () => ({ outcome: text })))).toMatch(/outcome of row \d+ was changed/);
      expect(faultOf(withRow(seq, () => ({ outcome: text, outcome_hash: chainHash(text) })))).toBeDefined();
    }
  });

  it("of any row that was taken away, the newest and the oldest included", () => {
    for (const { seq } of log.rows) {
      expect(faultOf({ ...log, rows: log.rows.filter((row) => row.seq !== seq) })).toMatch(/missing/);
      expect(faultOf({ ...log, rows: log.rows.filter((row) => row.seq <= seq - 1) })).toMatch(/missing/);
    }
  });

  it("of an outcome that was taken away", () => {
    expect(faultOf(withRow(settledSeq(), () => ({ outcome: null, outcome_hash: null })))).toMatch(
      /outcome \d+ is missing/,
    );
  });

  it("of the order of rows", () => {
    for (let seq = 1; seq < log.rows.length; seq++) {
      const swapped = log.rows.map((row) =>
        row.seq === seq ? { ...row, seq: seq + 1 } : row.seq === seq + 1 ? { ...row, seq } : row,
      );
      expect(faultOf({ ...log, rows: swapped })).toMatch(/changed/);
    }
  });

  it("of two rows that exchanged their outcomes", () => {
    const [a, b] = log.rows.filter(({ outcome }) => outcome !== null) as [AuditRow, AuditRow];
    const rows = log.rows.map((row) => {
      const from = row === a ? b : row === b ? a : row;
      return { ...row, outcome: from.outcome, outcome_hash: from.outcome_hash };
    });
    expect(faultOf({ ...log, rows })).toMatch(/belongs to another row/);
  });

  it.each([11, 1_000, 0, -1])("of a row that somebody put at %i", (seq) => {
    const decision = JSON.stringify({ seq, prev: log.heads.head_hash, action: "key.delete", outcome: "ok" });
    const row = { seq, decision, hash: chainHash(decision), outcome: null, outcome_hash: null };
    expect(faultOf({ ...log, rows: [row, ...log.rows] })).toMatch(/was added/);
  });

  const added = (seq: number, number: number) =>
    withRow(seq, (row) => {
      const outcome = JSON.stringify({ seq: number, prev: "", of: row.hash, at: "", outcome: "refused" });
      return { outcome, outcome_hash: chainHash(outcome) };
    });

  it("of an outcome that somebody gave to a row that has none of its own", () => {
    const whole = log.rows.find(({ decision }) => decision.includes("key.create"))?.seq as number;
    const pending = log.rows.find(
      ({ decision, outcome }) => decision.includes("proxy.call") && !decision.includes("refused") && outcome === null,
    )?.seq as number;
    for (const number of [1, 5, 6, 1_000]) {
      expect(faultOf(added(whole, number)), `whole, ${number}`).toMatch(/was added/);
      expect(faultOf(added(pending, number)), `pending, ${number}`).toMatch(/was added/);
    }
    // A row that was whole from the beginning never gets one, whatever the heads are.
    expect(checkChain(added(whole, 6).rows, log.heads).fault).toMatch(/was added/);
  });

  it("of a row that is there twice", () => {
    expect(faultOf({ ...log, rows: [...log.rows, log.rows[3] as AuditRow] })).toMatch(/twice/);
  });

  it.each([1, 3, 1_000])("alike, when the log is read %i rows at a time", (page_rows) => {
    const faultIn = (rows: AuditRow[]) => checkChain(rows, log.heads, { latest: log.heads, page_rows }).fault;
    expect(faultIn(log.rows)).toBeUndefined();
    for (const { seq, decision, outcome } of log.rows) {
      expect(faultIn(log.rows.filter((row) => row.seq !== seq))).toMatch(/missing/);
      const changed = decision.replace(/"at":"..../, '"at":"1999');
      expect(faultIn(withRow(seq, () => ({ decision: changed, hash: chainHash(changed) })).rows)).toBeDefined();
      if (outcome === null) continue;
      expect(faultIn(withRow(seq, () => ({ outcome: null, outcome_hash: null })).rows)).toMatch(
        /outcome \d+ is missing/,
      );
    }
    for (const number of [1, 5, 6]) expect(faultIn(added(settledSeq() + 1, number).rows)).toBeDefined();
  });

  it("of a row that somebody put where a restore has lost some, whichever page it is on", () => {
    const row = (seq: number, prev: string, more: object): AuditRow => {
      const decision = JSON.stringify({ seq, prev, action: "key.create", outcome: "ok", ...more });
      return { seq, decision, hash: chainHash(decision), outcome: null, outcome_hash: null };
    };
    const first = row(1, GENESIS.head_hash, {});
    const lost = { rows: [{ first: 2, last: 4, prev: first.hash }], outcomes: [] };
    const restored = row(5, "of a row that nobody has", { lost });
    const heads = { ...GENESIS, head_seq: 5, head_hash: restored.hash };
    for (const page_rows of [1, 2, 3]) {
      const faultWith = (...added: AuditRow[]) =>
        checkChain([first, ...added, restored], heads, { latest: heads, page_rows }).fault;
      expect(faultWith()).toBeUndefined();
      for (const seq of [2, 3, 4]) expect(faultWith(row(seq, first.hash, {}))).toBe(`row ${seq} was added`);
    }
  });

  it("of anything at all, in any one character", () => {
    const texts = ["decision", "hash", "outcome", "outcome_hash"] as const;
    const edit = fc.record({
      row: fc.nat(9),
      column: fc.constantFrom(...texts),
      at: fc.nat(2_000),
      char: fc.constantFrom("x", "0", '"', " "),
    });
    fc.assert(
      fc.property(edit, ({ row: index, column, at, char }) => {
        const row = log.rows[index] as AuditRow;
        const text = row[column];
        if (text === null || text === "" || text[at % text.length] === char) return;
        const changed = text.slice(0, at % text.length) + char + text.slice((at % text.length) + 1);
        expect(faultOf(withRow(row.seq, () => ({ [column]: changed })))).toBeDefined();
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("a long log", () => {
  const PAGE = 1_000;
  it("is walked by several requests to one verdict, and a change at any seam between them is noticed", async () => {
    const { vault, who } = await longLog(4 * PAGE + 100);
    const rows = (await wholeLog(vault)).rows.length;
    const walk = async (meanwhile = async () => {}) => {
      const told = [await verify(env, who, undefined, 1)];
      for (let cursor = told[0]?.next_cursor; cursor !== undefined; cursor = told.at(-1)?.next_cursor) {
        if (told.length === 1) await meanwhile();
        told.push(await verify(env, who, cursor, 1));
      }
      for (const one of told) Verification.strict().parse(one);
      return told;
    };
    expect((await walk()).map(({ ok, rows, left }) => ({ ok, rows, left }))).toEqual([
      { ok: undefined, rows: 2 * PAGE, left: rows - 2 * PAGE },
      { ok: undefined, rows: 3 * PAGE, left: rows - 3 * PAGE },
      { ok: undefined, rows: 4 * PAGE, left: rows - 4 * PAGE },
      { ok: true, rows, left: undefined },
    ]);
    const change = async (seq: number) => {
      const row = await env.DB.prepare("SELECT decision FROM audit WHERE vault_id = ? AND seq = ?")
        .bind(vault.id, seq)
        .first<{ decision: string }>();
      const changed = row?.decision.replace("key.create", "key.delete") ?? "";
      await env.DB.prepare("UPDATE audit SET decision = ?, hash = ? WHERE vault_id = ? AND seq = ?")
        .bind(changed, chainHash(changed), vault.id, seq)
        .run();
    };
    // The first row of the request to come: only what the cursor carries can tell that it is another.
    const told = await walk(() => change(rows - 2 * PAGE));
    expect(told).toHaveLength(2);
    expect(told[1]).toMatchObject({
      ok: false,
      fault: `row ${rows - 2 * PAGE} is not the one that the next refers to`,
    });
    expect((await verify(env, who, undefined, 1)).fault).toBeUndefined();
  });

  it("asks D1 no more in one request than it may, and for statistics not at all", async () => {
    const { vault, who } = await longLog(25 * PAGE);
    const once = counted(env);
    const { next_cursor } = await verify(once.env, who);
    expect(next_cursor).toBeDefined();
    expect(once.statements()).toBeLessThan(200);
    const asked = vi.spyOn(env.DB, "prepare");
    await ask(vault.stub.tally(vault.ada, "hour", new Date(0).toISOString()));
    expect(asked).not.toHaveBeenCalled();
  });

  it("is gone on with only from what this vault was given, to the letter", async () => {
    const { who } = await longLog(2 * PAGE);
    const { next_cursor = "" } = await verify(env, who, undefined, 0);
    expect((await verify(env, who, next_cursor)).ok).toBe(true);
    const other = await newVault();
    const stranger = { vault_id: other.id, caller: other.ada } as Identified;
    expect(await refusalOf(verify(env, stranger, next_cursor))).toBe("invalid_request");
    for (const forged of ["", "e30.", `${next_cursor}x`, `A${next_cursor}`, next_cursor.replace(/\..*/, ".")])
      expect(await refusalOf(verify(env, who, forged)), forged.slice(0, 10)).toBe("invalid_request");
  });

  it("takes no more keeping than there were calls under way at once, however long", () => {
    let [prev, outcome_prev] = ["", ""];
    const rows = Array.from({ length: 3_000 }, (_, at): AuditRow => {
      const decision = JSON.stringify({ seq: at + 1, prev, action: "proxy.call" });
      prev = chainHash(decision);
      return { seq: at + 1, decision, hash: prev, outcome: null, outcome_hash: null };
    });
    // Three that lasted as long as all the others, one after the other.
    const ended = [...rows.slice(3), ...rows.slice(0, 3)];
    for (const [at, row] of ended.entries()) {
      row.outcome = JSON.stringify({ seq: at + 1, prev: outcome_prev, of: row.hash, outcome: "ok" });
      row.outcome_hash = outcome_prev = chainHash(row.outcome);
    }
    const heads = { head_seq: 3_000, head_hash: prev, outcome_seq: 3_000, outcome_hash: outcome_prev };
    const check = ChainCheck.from(heads);
    check.read(rows.slice(100).toReversed());
    expect(JSON.stringify(check.soFar).length).toBeLessThan(1_500);
    check.read(rows.slice(0, 100).toReversed());
    expect(check.end(heads)).toEqual({ rows: 3_000, fault: undefined });
  });

  it("is read for one vault only so fast", async () => {
    const { stub, ada } = await newVault();
    travel(0);
    const read = (rows: number) => ask(stub.activity(ada, 10, rows));
    for (let times = 0; times < 2; times++) await read(1_000_000);
    const refused = await read(500_000).catch((problem: unknown) => problem);
    expect(refused).toMatchObject({ code: "rate_limited", extras: { rule: "activity_reads", retry_after_s: 15 } });
    expect(await refusalOf(ask(stub.lookFurther(ada, 500_000)))).toBe("rate_limited activity_reads");
    travel(15_000);
    await ask(stub.lookFurther(ada, 500_000));
    expect(await refusalOf(ask(stub.lookFurther(ada, 500_000)))).toBe("rate_limited activity_reads");
  });
});

describe("in D1", () => {
  it.each([
    [
      "a changed row",
      "UPDATE audit SET decision = replace(decision, '\"ok\"', '\"no\"') WHERE vault_id = ?1 AND seq = 2",
    ],
    ["a deleted row", "DELETE FROM audit WHERE vault_id = ?1 AND seq = 3"],
    [
      "a truncated end",
      "DELETE FROM audit WHERE vault_id = ?1 AND seq = (SELECT max(seq) FROM audit WHERE vault_id = ?1)",
    ],
    [
      "a row of another vault",
      "INSERT INTO audit SELECT ?1, 99, at, decision, hash, outcome, outcome_hash FROM audit WHERE vault_id = ?1 AND seq = 1",
    ],
  ])("%s is noticed by the vault that has forgotten it", async (_what, tampering) => {
    const vault = await eventfulVault();
    for (let i = 0; i < 3; i++) await runAlarmAfter(vault, 16_000);
    expect(faultOf(await wholeLog(vault))).toBeUndefined();
    await env.DB.prepare(tampering).bind(vault.id).run();
    expect(faultOf(await wholeLog(vault))).toBeDefined();
  });

  it("rows that come while somebody verifies are no fault", async () => {
    const vault = await eventfulVault();
    const { heads } = await wholeLog(vault);
    travel(1_000);
    await storeKey(vault, "meanwhile");
    const { rows, heads: latest } = await wholeLog(vault);
    expect(checkChain(rows, heads, { latest }).fault).toBeUndefined();
    expect(checkChain(rows, heads).fault).toBeUndefined();
  });
});
