import { LOOKS } from "../vault/audit/allowance.ts";
import { filterSql, passes, subjectsWanted, type ActivityFilter } from "../vault/audit/activity_filter.ts";
import type { AuditRow } from "../vault/audit/row.ts";
import { unpack } from "../vault/audit/segments.ts";

/** Rows of a page; `resume` is where to go on when nothing more was found within what one request may read. */
export type ArchivePage = { rows: AuditRow[]; resume?: number | undefined };

/** How many rows each read for a page looks through, well within the time that D1 gives it, and whether there may be a further one. */
type Patience = { looks: readonly number[]; further: (rows: number) => Promise<boolean> };

const PATIENCE: Patience = { looks: LOOKS, further: () => Promise.resolve(true) };
const SEGMENTS_A_READ = 4;
const SEGMENTS_AT_MOST = 20;
/** What unpacking so many is worth. */
const ROWS_OF_SEGMENTS = 2_000;
/** Times follow numbers but for what clocks may differ by. */
const CLOCKS_MS = 60 * 60_000;

/** Audit rows of a vault that have reached D1, newest first below `before`: young ones as rows, older ones in segments. */
export async function archivedRows(
  db: D1Database,
  vault_id: string,
  before: number,
  limit: number,
  filter: ActivityFilter,
  patience = PATIENCE,
): Promise<ArchivePage> {
  const young = await youngRows(db, vault_id, before, limit, filter, patience);
  // A row that was shipped late may be older than a whole segment, so a full page is no reason yet to stop.
  return packedRows(db, vault_id, before, limit, filter, young, patience);
}

/** Rows that are not packed, and down to which seq they were looked through; `resume`, where that was not all. */
type Young = ArchivePage & { down_to: number };

/**
 * However many rows there are, so many of them are read for a page, and none that is too old for its filter. What was not looked
 * at is for the next page.
 */
async function youngRows(
  db: D1Database,
  vault_id: string,
  before: number,
  limit: number,
  filter: ActivityFilter,
  { looks, further }: Patience,
): Promise<Young> {
  const { where, values } = filterSql(filter);
  const since = oldest(filter);
  const rows: AuditRow[] = [];
  for (let read = 0, below = before; ; read++) {
    const look = looks[read];
    if (look === undefined || (read > 0 && !(await further(look)))) return { rows, down_to: below, resume: below };
    const floor = "(SELECT seq FROM audit WHERE vault_id = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT 1) - ?3";
    const [found, next] = (await db.batch([
      db
        .prepare(
          `SELECT seq, decision, hash, outcome, outcome_hash FROM audit
           WHERE vault_id = ?1 AND seq < ?2 AND seq > ${floor} AND ${where} ORDER BY seq DESC LIMIT ?`,
        )
        .bind(vault_id, below, look, ...values, limit - rows.length),
      db
        .prepare(`SELECT seq, at FROM audit WHERE vault_id = ?1 AND seq <= ${floor} ORDER BY seq DESC LIMIT 1`)
        .bind(vault_id, below, look),
    ])) as [D1Result<AuditRow>, D1Result<{ seq: number; at: number }>];
    rows.push(...found.results);
    const [older] = next.results;
    if (rows.length === limit || older === undefined) return { rows, down_to: 0 };
    if (older.at < since) return { rows, down_to: older.seq + 1 };
    below = older.seq + 1;
  }
}

/** The same page with what segments have of it. */
async function packedRows(
  db: D1Database,
  vault_id: string,
  before: number,
  limit: number,
  filter: ActivityFilter,
  young: Young,
  { further }: Patience,
): Promise<ArchivePage> {
  let { rows } = young;
  let below = before;
  for (let read = 0; read < SEGMENTS_AT_MOST; read += SEGMENTS_A_READ) {
    if (read > 0 && !(await further(ROWS_OF_SEGMENTS))) break;
    const enough = rows.length < limit ? young.down_to - 1 : (rows[limit - 1]?.seq ?? 0);
    const segments = await segmentsBelow(db, vault_id, below, enough, filter);
    for (const { packed } of segments) {
      const found = (await unpack(packed)).filter(
        (row) => row.seq < before && row.seq >= young.down_to && passes(filter, row),
      );
      rows = [...rows, ...found].sort((a, b) => b.seq - a.seq).slice(0, limit);
    }
    const last = segments.at(-1);
    if (last === undefined || segments.length < SEGMENTS_A_READ) return { rows, resume: young.resume };
    below = last.first_seq;
  }
  return { rows, resume: below };
}

/** Before when nothing is wanted. */
function oldest({ since }: ActivityFilter): number {
  return since === undefined ? 0 : Date.parse(since) - CLOCKS_MS;
}

type StoredSegment = { first_seq: number; packed: number[] };

async function segmentsBelow(
  db: D1Database,
  vault_id: string,
  below: number,
  above: number,
  filter: ActivityFilter,
): Promise<StoredSegment[]> {
  const wanted = subjectsWanted(filter);
  const mentions = wanted.map(() => "EXISTS (SELECT 1 FROM json_each(subjects) WHERE value = ?)");
  const conditions = ["vault_id = ?", "first_seq < ?", "last_seq > ?", "last_at >= ?", ...mentions];
  const { results } = await db
    .prepare(
      `SELECT first_seq, packed FROM audit_segment WHERE ${conditions.join(" AND ")}
       ORDER BY first_seq DESC LIMIT ?`,
    )
    .bind(vault_id, below, above, oldest(filter), ...wanted, SEGMENTS_A_READ)
    .all<StoredSegment>();
  return results;
}
