import type { Audit } from "./audit.ts";
import { unpack } from "./segments.ts";
import type { Stretch, Tallies } from "./tallies.ts";
import { tallyOf, tallySql, type Tally } from "./tally.ts";
import { readRow } from "./uses.ts";

/** What one step may read: as rows, and as segments of them. A call that comes meanwhile waits for it where D1 is on its thread. */
const ROWS_A_STEP = 2_000;

/**
 * Counts the next few of the rows that have left uncounted, the newest first: those are asked for most. Answers whether there are more. A
 * step in which one of these rows has left is not counted, and done again: nobody could tell whether it was read.
 */
export async function recount(
  db: D1Database,
  vault_id: string,
  storage: DurableObjectStorage,
  audit: Audit,
  tallies: Tallies,
  rows_a_step = ROWS_A_STEP,
): Promise<boolean> {
  const { uncounted } = tallies;
  if (uncounted === undefined) return false;
  const { upto } = uncounted;
  const end = { after: Math.max(uncounted.after, upto - rows_a_step), upto };
  const held = audit.seqs(end.after, upto);
  const found = await archived(db, vault_id, end, held);
  const same = tallies.uncounted === uncounted && audit.seqs(end.after, upto).join() === held.join();
  if (same) storage.transactionSync(() => tallies.reach(end, found));
  return tallies.uncounted !== undefined;
}

/** Calls of a vault's rows in D1, but for those that are held here: young ones and packed ones in one transaction, since they are packed meanwhile. */
async function archived(
  db: D1Database,
  vault_id: string,
  { after, upto }: Stretch,
  held: readonly number[],
): Promise<Tally[]> {
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
