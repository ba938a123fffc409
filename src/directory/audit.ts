import {
  filterSql,
  passes,
  subjectsWanted,
  tallySql,
  type ActivityFilter,
  type Tally,
} from "../vault/audit/activity_filter.ts";
import type { AuditRow } from "../vault/audit/row.ts";
import { unpack } from "../vault/audit/segments.ts";

/** Rows of a page; `resume` is where to go on when nothing more was found within what one request may read. */
export type ArchivePage = { rows: AuditRow[]; resume?: number | undefined };

const SEGMENTS_A_READ = 4;
const SEGMENTS_AT_MOST = 20;

/** Audit rows of a vault that have reached D1, newest first below `before`: young ones as rows, older ones in segments. */
export async function archivedRows(
  db: D1Database,
  vault_id: string,
  before: number,
  limit: number,
  filter: ActivityFilter,
): Promise<ArchivePage> {
  const { where, values } = filterSql(filter);
  const { results } = await db
    .prepare(
      `SELECT seq, decision, hash, outcome, outcome_hash FROM audit WHERE vault_id = ? AND seq < ? AND ${where} ORDER BY seq DESC LIMIT ?`,
    )
    .bind(vault_id, before, ...values, limit)
    .all<AuditRow>();
  let rows = results;
  let below = before;
  for (let read = 0; read < SEGMENTS_AT_MOST; read += SEGMENTS_A_READ) {
    // A row that was shipped late may be older than a whole segment, so a full page is no reason yet to stop.
    const enough = rows.length < limit ? 0 : (rows[limit - 1]?.seq ?? 0);
    const segments = await segmentsBelow(db, vault_id, below, enough, filter);
    for (const { packed } of segments) {
      const found = (await unpack(packed)).filter((row) => row.seq < before && passes(filter, row));
      rows = [...rows, ...found].sort((a, b) => b.seq - a.seq).slice(0, limit);
    }
    const last = segments.at(-1);
    if (last === undefined || segments.length < SEGMENTS_A_READ) return { rows };
    below = last.first_seq;
  }
  return { rows, resume: below };
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
  const { results } = await db
    .prepare(
      `SELECT first_seq, packed FROM audit_segment WHERE ${["vault_id = ?", "first_seq < ?", "last_seq > ?", ...mentions].join(" AND ")}
       ORDER BY first_seq DESC LIMIT ?`,
    )
    .bind(vault_id, below, above, ...wanted, SEGMENTS_A_READ)
    .all<StoredSegment>();
  return results;
}

/** Calls in D1 by bucket and outcome, without the rows that the vault still holds and has counted itself. */
export async function archivedTally(
  db: D1Database,
  vault_id: string,
  bucket: "hour" | "day",
  since: string,
  held: readonly number[],
): Promise<Tally[]> {
  const { results } = await db
    .prepare(`${tallySql(bucket)} AND vault_id = ? AND seq NOT IN (SELECT value FROM json_each(?)) GROUP BY 1, 2`)
    .bind(since, vault_id, JSON.stringify(held))
    .all<Tally>();
  return results;
}
