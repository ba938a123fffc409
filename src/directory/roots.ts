/** Accounts whose vault is not known to be wrapped under the current root key (SECURITY S19). */
export async function accountsUnderOtherRoots(
  db: D1Database,
  root_id: string,
  after: string,
  limit: number,
): Promise<{ id: string; vault_id: string }[]> {
  const { results } = await db
    .prepare(
      "SELECT id, vault_id FROM account WHERE ready_at IS NOT NULL AND root_id IS NOT ? AND id > ? ORDER BY id LIMIT ?",
    )
    .bind(root_id, after, limit)
    .all<{ id: string; vault_id: string }>();
  return results;
}

/** Notes under which root key these accounts' vaults are wrapped now. */
export async function noteRoot(db: D1Database, account_ids: readonly string[], root_id: string): Promise<void> {
  await db
    .prepare("UPDATE account SET root_id = ? WHERE id IN (SELECT value FROM json_each(?))")
    .bind(root_id, JSON.stringify(account_ids))
    .run();
}

/** How many accounts are not known to be wrapped under this root key. At none, every other may be removed. */
export async function countUnderOtherRoots(db: D1Database, root_id: string): Promise<number> {
  const row = await db
    .prepare("SELECT count(*) AS n FROM account WHERE ready_at IS NOT NULL AND root_id IS NOT ?")
    .bind(root_id)
    .first<{ n: number }>();
  return row?.n ?? 0;
}
