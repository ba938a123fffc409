import { ulid } from "ulid";
import { newVaultId } from "../crypto/token.ts";
import { Problem } from "../problem.ts";
import type { Identity } from "../vault/identities.ts";

/** An account and the vault that belongs to it; two ids from the first day (DESIGN D16). */
export type Account = { id: string; vault_id: string; ready: boolean };

/**
 * Finds the account of an identity, or opens one. Two first sign-ins at once end in the same account: the identity row is
 * the only thing that is fought for, and the loser reads the winner's (SECURITY S11).
 */
export async function accountFor(db: D1Database, { issuer, subject, email }: Identity, now: number): Promise<Account> {
  const known = await find(db, issuer, subject);
  if (known !== undefined) return known;
  const account_id = `acc_${ulid(now)}`;
  const vault_id = newVaultId();
  await db.batch([
    db
      .prepare(
        "INSERT INTO identity (issuer, subject, account_id, vault_id, email) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      )
      .bind(issuer, subject, account_id, vault_id, email),
    db
      .prepare(
        "INSERT INTO account (id, vault_id, created_at) SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM identity WHERE account_id = ?1)",
      )
      .bind(account_id, vault_id, now),
  ]);
  const account = await find(db, issuer, subject);
  if (account === undefined) throw new Problem("unavailable", "The account could not be opened.", { retry_after_s: 2 });
  return account;
}

/** Notes that the account's vault was made: from now on a missing vault is a deleted one, and is not made again (SECURITY S13). */
export async function markReady(db: D1Database, account_id: string, now: number): Promise<void> {
  await db.prepare("UPDATE account SET ready_at = ? WHERE id = ? AND ready_at IS NULL").bind(now, account_id).run();
}

async function find(db: D1Database, issuer: string, subject: string): Promise<Account | undefined> {
  const row = await db
    .prepare(
      "SELECT a.id, a.vault_id, a.ready_at FROM identity i JOIN account a ON a.id = i.account_id WHERE i.issuer = ? AND i.subject = ?",
    )
    .bind(issuer, subject)
    .first<{ id: string; vault_id: string; ready_at: number | null }>();
  return row === null ? undefined : { id: row.id, vault_id: row.vault_id, ready: row.ready_at !== null };
}
