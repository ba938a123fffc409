import type { Audit } from "./audit.ts";
import { unpack } from "./segments.ts";
import type { Tallies, Uncounted } from "./tallies.ts";
import { tallyOf, tallySql, type Bucket, type Tally } from "./tally.ts";
import { readRow } from "./uses.ts";

/** What one step may read: as rows, and as segments of them. */
const ROWS_A_STEP = 5_000;

/**
 * Counts the next few of the rows that have left uncounted, oldest first. Answers whether there are more. A step in which one of
 * these rows has left is not counted, and done again: nobody could tell whether it was read.
 */
export async function recount(
  db: D1Database,
  vault_id: string,
  storage: DurableObjectStorage,
  audit: Audit,
  tallies: Tallies,
): Promise<boolean> {
  const after = tallies.upto;
  if (after === undefined) return false;
  const upto = Math.min(after + ROWS_A_STEP, audit.heads.head_seq);
  const held = audit.seqs(after, upto);
  const found = await archived(db, vault_id, { after, held }, upto);
  const same = tallies.upto === after && audit.seqs(after, upto).join() === held.join();
  if (same) storage.transactionSync(() => tallies.reach(upto, found));
  return tallies.upto !== undefined;
}

/** Calls of a vault's rows in D1, up to a seq: young ones and packed ones in one transaction, since they are packed meanwhile. */
async function archived(db: D1Database, vault_id: string, { after, held }: Uncounted, upto: number): Promise<Tally[]> {
  const [young, packed] = (await db.batch([
    db
      .prepare(
        `${tallySql("hour")} AND vault_id = ? AND seq > ? AND seq <= ? AND seq NOT IN (SELECT value FROM json_each(?)) GROUP BY 1, 2`,
      )
      .bind(vault_id, after, upto, JSON.stringify(held)),
    db
      .prepare("SELECT packed FROM audit_segment WHERE vault_id = ? AND first_seq <= ? AND last_seq > ?")
      .bind(vault_id, upto, after),
  ])) as [D1Result<Tally>, D1Result<{ packed: number[] }>];
  const gone = new Set(held);
  const tallies = [...young.results];
  for (const segment of packed.results) {
    const rows = await unpack(segment.packed);
    const wanted = rows.filter(({ seq }) => seq > after && seq <= upto && !gone.has(seq));
    tallies.push(...tallyOf(wanted.map(readRow)));
  }
  return tallies;
}

/** Calls of the rows in D1 that a vault has not counted yet: what its own tallies lack. */
export async function uncountedTally(
  db: D1Database,
  vault_id: string,
  bucket: Bucket,
  from: string,
  { after, held }: Uncounted,
): Promise<Tally[]> {
  const { results } = await db
    .prepare(
      `${tallySql(bucket)} AND decision ->> '$.at' >= ? AND vault_id = ? AND seq > ? AND seq NOT IN (SELECT value FROM json_each(?)) GROUP BY 1, 2`,
    )
    .bind(from, vault_id, after, JSON.stringify(held))
    .all<Tally>();
  return results;
}
