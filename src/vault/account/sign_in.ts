import { configOf } from "../../config.ts";
import { mintToken } from "../../crypto/token.ts";
import { Problem } from "../../problem.ts";
import { accountIdOf } from "./account.ts";
import { actorOf } from "../tokens/actor.ts";
import { GENESIS, type Origin } from "../audit/row.ts";
import { recognise, slidingExpiry, type Caller } from "../tokens/caller.ts";
import { mayGoFrom, type Identity, type IdentityRef } from "./identities.ts";
import { tagOf } from "../calls/leashes.ts";
import { cutTokens } from "../tokens/ending.ts";
import { beginMigrations, migrate } from "../migrate.ts";
import { cut, record, type Parts } from "../parts.ts";
import type { WrappedDataKey } from "../keys/data_keys.ts";
import type { Receipt } from "../receipt.ts";
import type { Sealer } from "../keys/sealer.ts";

/** Makes the schema, the marker and the data key of a new vault: one synchronous step, after all that awaits. */
export function layFoundation(
  storage: DurableObjectStorage,
  sealer: Sealer,
  account_id: string,
  data_key: WrappedDataKey,
  now: number,
): void {
  beginMigrations(storage.sql);
  migrate(storage);
  storage.transactionSync(() => {
    storage.sql.exec(
      "INSERT INTO vault (id, account_id, created_at, checked_at, head_seq, head_hash, outcome_seq, outcome_hash) VALUES (1, ?1, ?2, ?2, ?3, ?4, ?5, ?6)",
      account_id,
      now,
      GENESIS.head_seq,
      GENESIS.head_hash,
      GENESIS.outcome_seq,
      GENESIS.outcome_hash,
    );
    sealer.data_keys.add(data_key, now);
  });
}

export function nameAccount(parts: Parts, caller: Caller, name: string): void {
  const by = recognise(parts.tokens, caller, Date.now());
  parts.sql.exec("UPDATE vault SET name = ?", name);
  record(parts, by, caller, "account.change", {});
}

/** D1 only hints at a vault: the vault refuses an account that is not its own. */
export function assertAccount(parts: Parts, account_id: string): void {
  if (accountIdOf(parts) !== account_id) throw new Problem("gone", "This vault belongs to another account.");
}

/** Starts a session for an identity that this vault holds (SECURITY S11). */
export function startSession(
  parts: Parts,
  account_id: string,
  identity: Identity,
  origin: Origin,
): { token: string; expires_at: number } {
  const { identities, tokens, audit, env, vault_id } = parts;
  assertAccount(parts, account_id);
  if (!identities.holds(identity.issuer, identity.subject))
    throw new Problem("gone", "This sign-in belongs to no vault here.");
  const now = Date.now();
  const { token, hash } = mintToken(configOf(env).token_keys, "ses", vault_id);
  const expires_at = slidingExpiry("ses", now, now);
  identities.put(identity, now);
  const ended = tokens.sessionsInTheWay(now);
  for (const id of ended) tokens.revoke(id, now);
  void cut(parts, ended.map(tagOf.token), "revoked");
  const name = identity.email ?? identity.name ?? "session";
  // A sign-in after a freeze is always later than it, however coarse the clock.
  const signed_in_at = Math.max(now, (tokens.frozen?.at ?? 0) + 1);
  const session = tokens.add({ kind: "ses", hash, name, policy: {}, expires_at, signed_in_at }, now);
  for (const subject of ended) {
    audit.append({ actor: actorOf(session), action: "session.revoke", outcome: "ok", subject, ...origin }, now);
  }
  audit.append({ actor: actorOf(session), action: "session.create", outcome: "ok", ...origin }, now);
  return { token, expires_at };
}

/** Adds an identity for a person who has just signed in (SECURITY S11). */
export function linkIdentity(parts: Parts, caller: Caller, identity: Identity): void {
  const now = Date.now();
  const by = recognise(parts.tokens, caller, now);
  parts.identities.put(identity, now);
  record(parts, by, caller, "identity.link", { subject: identity.issuer });
}

/**
 * Lets an identity sign in no more, for when somebody else has linked theirs or has come by one. Every other session ends: any of them may be
 * of it. One stays, and not one that somebody has just linked: whoever gets hold of a session cannot lock its person out with it.
 */
export async function unlinkIdentity(parts: Parts, caller: Caller, which: IdentityRef): Promise<Receipt> {
  const { identities, tokens, gate } = parts;
  const now = Date.now();
  const by = recognise(tokens, caller, now, "stop");
  const from = mayGoFrom(identities.list(), which);
  if (from === undefined)
    throw new Problem(
      "conflict",
      "This is the only sign-in of this account. Link another first, or delete the account.",
    );
  if (from > now) {
    const detail = `The oldest sign-in of an account stays until another has been linked for seven days: here until ${new Date(from).toISOString()}.`;
    throw new Problem("conflict", detail);
  }
  const found = identities.remove(which);
  const ended = found ? endSessionsBut(parts, by.id, now) : [];
  if (found) record(parts, by, caller, "identity.unlink", { subject: `${which.issuer} ${which.subject}` });
  gate.bump();
  const cut = await cutTokens(parts, ended, "revoked");
  return { id: accountIdOf(parts), revoked_at: now, last_used_at: null, ...cut };
}

/** Ends every session but one, if one is to stay. Answers whose they were. */
export function endSessionsBut({ tokens }: Parts, id: string | undefined, now: number): string[] {
  return tokens.sessions(now, null).flatMap((each) => (each === id ? [] : tokens.revoke(each, now)));
}
