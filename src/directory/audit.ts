import { filterSql, tallySql, type ActivityFilter, type Tally } from "../vault/activity_filter.ts";
import type { AuditRow } from "../vault/audit.ts";

/** Audit rows of a vault that have reached D1, newest first below `before`. */
export async function archivedRows(
  db: D1Database,
  vault_id: string,
  before: number,
  limit: number,
  filter: ActivityFilter,
): Promise<AuditRow[]> {
  const { where, values } = filterSql(filter);
  const { results } = await db
    .prepare(
      `SELECT seq, decision, hash, outcome, outcome_hash FROM audit WHERE vault_id = ? AND seq < ? AND ${where} ORDER BY seq DESC LIMIT ?`,
    )
    .bind(vault_id, before, ...values, limit)
    .all<AuditRow>();
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
