import { ulid } from "ulid";
import { newVaultId } from "../crypto/token.ts";
import { Problem } from "../problem.ts";
import type { Identity } from "../vault/account/identities.ts";

/** An account and the vault that belongs to it; two ids from the first day (DESIGN D16). */
export type Account = { id: string; vault_id: string; ready: boolean };

/**
 * Finds the account of an identity, or opens one. Two first sign-ins at once end in the same account: the identity row is
 * the only thing that is fought for, and the loser reads the winner's (SECURITY S11). Somebody whose verified e-mail address
 * has an account through another provider is told so: an address is never a reason to merge.
 */
export async function accountFor(db: D1Database, identity: Identity, now: number): Promise<Account> {
  const known = await find(db, identity);
  if (known !== undefined) return known;
  await assertAddressIsFree(db, identity);
  const account_id = `acc_${ulid(now)}`;
  const vault_id = newVaultId();
  await db.batch([
    insertIdentity(db, identity, { id: account_id, vault_id }),
    db
      .prepare(
        "INSERT INTO account (id, vault_id, created_at) SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM identity WHERE account_id = ?1)",
      )
      .bind(account_id, vault_id, now),
  ]);
  const account = await find(db, identity);
  if (account === undefined) throw new Problem("unavailable", "The account could not be opened.", { retry_after_s: 2 });
  return account;
}

/** Notes that the account's vault was made: from now on a missing vault is a deleted one, and is not made again (SECURITY S13). */
export async function markReady(db: D1Database, account_id: string, now: number): Promise<void> {
  await db.prepare("UPDATE account SET ready_at = ? WHERE id = ? AND ready_at IS NULL").bind(now, account_id).run();
}

/** Notes that an identity leads to this account's vault, unless it leads to another's. */
export async function linkToAccount(db: D1Database, identity: Identity, vault_id: string): Promise<void> {
  const account = await db.prepare("SELECT id FROM account WHERE vault_id = ?").bind(vault_id).first<{ id: string }>();
  if (account === null) throw new Problem("gone", "This account is no more.");
  await insertIdentity(db, identity, { id: account.id, vault_id }, "while the account is there").run();
  if ((await find(db, identity))?.vault_id !== vault_id) {
    throw new Problem("conflict", "That sign-in belongs to another account.");
  }
}

/** An identity leads to this vault no more. */
export async function unlinkFromVault(
  db: D1Database,
  { issuer, subject }: Pick<Identity, "issuer" | "subject">,
  vault_id: string,
): Promise<void> {
  const remove = "DELETE FROM identity WHERE issuer = ? AND subject = ? AND vault_id = ?";
  await db.prepare(remove).bind(issuer, subject, vault_id).run();
}

function insertIdentity(
  db: D1Database,
  identity: Identity,
  account: { id: string; vault_id: string },
  when: "before its account" | "while the account is there" = "before its account",
): D1PreparedStatement {
  const { issuer, subject, email } = identity;
  // One statement: an account that is deleted meanwhile must not leave an identity that leads nowhere.
  const there = when === "before its account" ? "true" : "EXISTS (SELECT 1 FROM account WHERE id = ?3)";
  return db
    .prepare(
      `INSERT INTO identity (issuer, subject, account_id, vault_id, email, verified_email)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE ${there} ON CONFLICT DO NOTHING`,
    )
    .bind(issuer, subject, account.id, account.vault_id, email, verifiedAddress(identity));
}

async function assertAddressIsFree(db: D1Database, identity: Identity): Promise<void> {
  const taken = await db
    .prepare("SELECT 1 FROM identity WHERE verified_email = ? LIMIT 1")
    .bind(verifiedAddress(identity))
    .first();
  if (taken === null) return;
  throw new Problem(
    "link_required",
    "You have an account with this e-mail address. Sign in the way you did before, then link this provider in the settings.",
  );
}

function verifiedAddress({ email, email_verified }: Identity): string | null {
  return email_verified && email !== null ? email.toLowerCase() : null;
}

async function find(db: D1Database, { issuer, subject }: Identity): Promise<Account | undefined> {
  const row = await db
    .prepare(
      "SELECT a.id, a.vault_id, a.ready_at FROM identity i JOIN account a ON a.id = i.account_id WHERE i.issuer = ? AND i.subject = ?",
    )
    .bind(issuer, subject)
    .first<{ id: string; vault_id: string; ready_at: number | null }>();
  return row === null ? undefined : { id: row.id, vault_id: row.vault_id, ready: row.ready_at !== null };
}
