import type { AuditRow } from "../vault/audit.ts";

/** Audit rows of a vault that have reached D1, newest first below `before`. */
export async function archivedRows(
  db: D1Database,
  vault_id: string,
  before: number,
  limit: number,
): Promise<AuditRow[]> {
  const { results } = await db
    .prepare(
      "SELECT seq, decision, hash, outcome, outcome_hash FROM audit WHERE vault_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
    )
    .bind(vault_id, before, limit)
    .all<AuditRow>();
  return results;
}
