import { configOf } from "../../config.ts";
import { mintToken } from "../../crypto/token.ts";
import { Problem } from "../../problem.ts";
import { actorOf } from "./actor.ts";
import type { Event, Origin } from "../audit/row.ts";
import { recognise, type Caller } from "./caller.ts";
import { faultOf, unmet, type Claims } from "./claims.ts";
import { cutTokens } from "./ending.ts";
import { record, type Parts } from "../parts.ts";
import { plain } from "../plain.ts";
import { isWithin } from "../policy/reach.ts";
import type { Receipt } from "../receipt.ts";
import { resolvePolicy } from "../policy/resolve_policy.ts";
import type { NewTrust, Trust } from "./trusts.ts";

/** A machine's own token, verified: whose it is by its issuer's word, and what it can be told by if it is shown again. */
export type Presented = { claims: Claims; hash: string; expires_at: number };

const LIVES_MS = 15 * 60_000;
const REMEMBERED_MS = 60 * 60_000;
const NAME_LENGTH = 100;
/** The last moment that has a date. */
const LATEST_MS = 8.64e15;

/** Lets a machine identity in. Whoever can do that can use the keys, so it is a person's in the browser (SECURITY S3). */
export function createTrust(parts: Parts, caller: Caller, trust: NewTrust): Trust {
  const { tokens, trusts, keys, env, vault_id } = parts;
  const by = recognise(tokens, caller, Date.now());
  const fault = faultOf(trust.issuer, trust.claims);
  if (fault !== undefined)
    throw new Problem("invalid_request", `claims ${fault}.`, { errors: [{ field: "claims", rule: fault }] });
  const policy = { ...resolvePolicy(keys, trust.policy), expires_at: trust.policy.expires_at };
  const { public_origin } = configOf(env);
  const stored = trusts.add({ ...trust, policy }, (id) => trustAddress(public_origin, vault_id, id));
  record(parts, by, caller, "trust.create", { subject: stored.id });
  return stored;
}

/** Ends a trust and, in the same step, every token that was minted for it. */
export async function deleteTrust(parts: Parts, caller: Caller, id: string): Promise<Receipt> {
  const { tokens, trusts, gate, reach } = parts;
  const now = Date.now();
  const by = recognise(tokens, caller, now, "stop");
  const { last_used_at, policy } = trusts.must(id);
  if (!isWithin(reach, policy.keys)) throw new Problem("not_found", "There is no such trust.");
  trusts.delete(id);
  const ended = tokens.revokeChildren(id, now);
  gate.bump();
  record(parts, by, caller, "trust.delete", { subject: id });
  return { id, revoked_at: now, last_used_at, ...(await cutTokens(parts, ended, "revoked")) };
}

/** The name by which a machine asks for its trust, and what its own token must be made out to unless something else was chosen. */
export function trustAddress(public_origin: string, vault_id: string, id: string): string {
  return `${public_origin}/trusts/${vault_id}/${id}`;
}

/**
 * A token of fifteen minutes for a machine whose own was verified (RFC 8693). Everything that was verified outside is compared
 * once more with what is trusted now, in the step that mints: nothing that was deleted meanwhile lets anybody in.
 */
export function exchange(
  parts: Parts,
  id: string,
  { claims, hash, expires_at: shown_until }: Presented,
  origin: Origin,
): { token: string; id: string; expires_at: number } {
  const { trusts, tokens, meters, quota, audit, env, vault_id } = parts;
  const now = Date.now();
  const trust = trusts.find(id);
  if (trust === undefined || trust.issuer !== claims.iss) throw unknownTrust();
  const refuse = (rule: string, detail: string) => refused(parts, trust, origin, rule, detail);
  if (tokens.frozen !== null) throw refuse("frozen", "The vault is frozen.");
  quota.assertRoom(audit.heads.head_seq, now);
  if (![claims.aud].flat().includes(trust.audience))
    throw refuse("audience", "The token is made out to somebody else.");
  const claim = unmet(trust.claims, claims);
  if (claim !== undefined) throw refuse("claims", `The token's claim ${claim} is not what this trust asks for.`);
  const ends = trust.policy.expires_at ?? Infinity;
  if (ends <= now) throw refuse("expired", "This trust has expired.");
  if (trust.single_use && !trusts.take(hash, shown_until, now))
    throw refuse("replay", "This token was exchanged before.");
  for (const child of tokens.forgetDead(id, now - REMEMBERED_MS)) meters.remove(child);
  const expires_at = Math.min(now + LIVES_MS, ends);
  const { expires_at: _ends, ...policy } = trust.policy;
  const minted = mintToken(configOf(env).token_keys, "app", vault_id);
  const subject = typeof claims.sub === "string" ? claims.sub : "";
  const name = plain(`${trust.name}: ${subject}`).slice(0, NAME_LENGTH);
  const fresh = {
    kind: "app" as const,
    hash: minted.hash,
    parent_id: id,
    name,
    policy,
    expires_at,
    signed_in_at: null,
  };
  const row = tokens.add(fresh, now);
  trusts.used(id, now);
  const spent = trust.single_use
    ? { hash, until: new Date(Math.min(shown_until, LATEST_MS)).toISOString() }
    : undefined;
  audit.append({ actor: actorOf(row), action: "token.exchange", outcome: "ok", subject: id, spent, ...origin }, now);
  return { token: minted.token, id: row.id, expires_at };
}

/** The same words whether the vault, the trust or its issuer is another. */
export function unknownTrust(): Problem {
  return new Problem("invalid_request", "No trust of that address takes tokens of this issuer.");
}

function refused(
  { audit, refusals }: Parts,
  { id, name }: Trust,
  origin: Origin,
  rule: string,
  detail: string,
): Problem {
  const now = Date.now();
  const actor = { kind: "vault" as const, id, name };
  const event: Event & { outcome: "refused" } = {
    actor,
    action: "token.exchange",
    outcome: "refused",
    rule,
    ...origin,
  };
  const request_id = refusals.isFirst(event, now) ? audit.append(event, now).id : undefined;
  return new Problem("invalid_request", detail, { rule, request_id });
}
