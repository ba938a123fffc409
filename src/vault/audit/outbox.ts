import type { Audit } from "./audit.ts";
import type { AuditRow } from "./row.ts";
import type { Tallies } from "./tallies.ts";
import { readRow, usesOf, type Read } from "./uses.ts";
import type { Grants } from "../tokens/grants.ts";
import type { Keys } from "../keys/keys.ts";
import type { Tokens } from "../tokens/tokens.ts";
import type { Versions } from "../keys/versions.ts";

/**
 * How many rows go to D1 at once, and how long one may wait for company (DESIGN D2). On one machine D1 stands on the vault's own
 * thread, so the call that comes while a batch leaves waits for it; with those that wait for the garbage that is fewer than one in a hundred.
 */
export const BATCH_ROWS = 300;
export const BATCH_WAIT_MS = 10_000;

/**
 * One statement whatever the number of rows; a deleted vault's come too late. Nothing is written where D1 has any row from `?3` on, or one
 * of those that have not ended here (`?4`): whose that is must be known first.
 */
const INSERT = `INSERT INTO audit (vault_id, seq, at, decision, hash, outcome, outcome_hash)
  SELECT ?1, value ->> 'seq', value ->> 'at', value ->> 'decision', value ->> 'hash', value ->> 'outcome', value ->> 'outcome_hash'
  FROM json_each(?2) WHERE NOT EXISTS (SELECT 1 FROM tombstone WHERE vault_id = ?1)
    AND NOT EXISTS (SELECT 1 FROM audit WHERE vault_id = ?1 AND seq >= ?3)
    AND NOT EXISTS (SELECT 1 FROM audit WHERE vault_id = ?1 AND seq IN (SELECT value FROM json_each(?4)))
  ON CONFLICT DO NOTHING`;

/** Which of these rows D1 does not hold to the letter. */
const ARRIVED = `SELECT ours.value ->> 'seq' AS seq FROM json_each(?2) ours WHERE NOT EXISTS (
  SELECT 1 FROM audit a WHERE a.vault_id = ?1 AND a.seq = ours.value ->> 'seq'
    AND a.hash = ours.value ->> 'hash' AND a.outcome_hash IS ours.value ->> 'outcome_hash')`;

/** What is counted as rows leave: uses, and calls. */
type Counted = { tallies: Tallies; tokens: Tokens; grants: Grants; keys: Keys; versions: Versions };

/** D1 has rows under our numbers that are not ours. */
export class OtherRows extends Error {}

/** What left for D1: how many rows, and whether anything but the use of keys is among them. */
export type Shipped = { rows: number; managed: boolean };

/** Rows that change nothing about keys, tokens and grants. */
export const CHANGES_NOTHING: ReadonlySet<string> = new Set(["proxy.call", "proxy.late", "tool.ask", "tool.call"]);

/** Ships whole rows to D1. A row leaves the outbox only after D1 has confirmed it. */
export async function ship(
  db: D1Database,
  vault_id: string,
  storage: DurableObjectStorage,
  audit: Audit,
  counted: Counted,
): Promise<Shipped> {
  const rows = audit.whole(BATCH_ROWS);
  const [first] = rows;
  if (first === undefined) return { rows: 0, managed: false };
  const read = rows.map(readRow);
  const packed = JSON.stringify(read.map(({ row, decision }) => ({ ...row, at: Date.parse(decision.at) })));
  const insert = async (from: number, under_way: readonly number[]) =>
    (await db.prepare(INSERT).bind(vault_id, packed, from, JSON.stringify(under_way)).run()).meta.changes;
  const under_way = audit.seqs(0, first.seq - 1);
  const { lives } = audit;
  const assertSameLife = () => {
    if (audit.lives !== lives) throw new OtherRows("These rows are others since a restore was caught up with");
  };
  // Unless a call has lasted longer than later ones, D1 ends before these rows, and this is all that is asked of it.
  if (first.seq < audit.newest_left || (await insert(first.seq, under_way)) !== rows.length) {
    await assertOurs(db, vault_id, audit, [...under_way, ...rows.map(({ seq }) => seq)]);
    assertSameLife();
    if ((await insert(Number.MAX_SAFE_INTEGER, [])) !== rows.length) await assertArrived(db, vault_id, rows);
  }
  assertSameLife();
  storage.transactionSync(() => {
    audit.forget(rows.map(({ seq }) => seq));
    countUses(read, counted);
    counted.tallies.add(read);
  });
  return { rows: rows.length, managed: read.some(({ decision }) => !CHANGES_NOTHING.has(decision.action)) };
}

/**
 * After a restore D1 knows more of this vault than the vault does, and rows of two lives would stand there as one log. The chain
 * says which it is: where the newest row is ours, all before it are, but for the ends of calls that have not ended here, or otherwise.
 */
async function assertOurs(db: D1Database, vault_id: string, audit: Audit, seqs: readonly number[]): Promise<void> {
  const { results } = await db
    .prepare(
      `SELECT seq, hash, outcome_hash FROM audit WHERE vault_id = ?1
       AND seq IN (SELECT value FROM json_each(?2) UNION ALL SELECT max(seq) FROM audit WHERE vault_id = ?1)`,
    )
    .bind(vault_id, JSON.stringify(seqs))
    .all<Pick<AuditRow, "seq" | "hash" | "outcome_hash">>();
  const other = results.find((row) => !audit.knows(row));
  if (other !== undefined) throw new OtherRows(`D1 holds another audit row under seq ${other.seq}`);
}

/** Some seq was there before: shipped earlier by us, or somebody else's row, and then ours must not be forgotten. */
async function assertArrived(db: D1Database, vault_id: string, rows: readonly AuditRow[]): Promise<void> {
  const { results } = await db.prepare(ARRIVED).bind(vault_id, JSON.stringify(rows)).all<{ seq: number }>();
  if (results.length === 0) return;
  throw new OtherRows(`D1 holds other audit rows under seq ${results.map(({ seq }) => seq).join(", ")}`);
}

/** One write per token, key and version. */
function countUses(rows: readonly Read[], { tokens, grants, keys, versions: counted }: Counted): void {
  for (const [id, { uses, refused, last_used_at, versions }] of usesOf(rows)) {
    if (id.startsWith("key_")) {
      keys.addUse(id, uses, last_used_at ?? 0);
      for (const [version, use] of versions) counted.addUse(id, version, use);
    } else if (id.startsWith("grt_")) grants.addUse(id, uses, refused, last_used_at);
    else tokens.addUse(id, uses, refused, last_used_at);
  }
}
