import { createHash, randomBytes } from "node:crypto";
import { configOf } from "../../config.ts";
import { mintToken } from "../../crypto/token.ts";
import { Problem } from "../../problem.ts";
import { issueTokens, type GrantTokens } from "./access_tokens.ts";
import type { Origin } from "../audit/row.ts";
import { recognise, type Caller } from "./caller.ts";
import type { ClientSnapshot, NewGrant } from "./grants.ts";
import { endGrant } from "./manage_grants.ts";
import { record, type Parts } from "../parts.ts";
import type { AskRule } from "../policy/policy.ts";
import { resolveKeys } from "../policy/resolve_policy.ts";
import type { Scope } from "../policy/scopes.ts";
import type { Token } from "./token.ts";

/** An authorization request whose client, redirect URI and parameters were checked. It waits here, not in the browser. */
export type AuthorizationRequest = {
  client_id: string;
  client: ClientSnapshot;
  redirect_uri: string;
  state: string | null;
  code_challenge: string;
  resource: string;
  scopes: readonly Scope[];
  /** The client wants, and can use, refresh tokens. */
  refreshable: boolean;
  /** The client is our own, on a device that is to be signed in (devices.md). */
  device?: { name: string; platform: string } | undefined;
};

/** What a consent page shows besides the request: who is asked, and the keys to choose from. */
export type ConsentPage = {
  handle: string;
  account: string;
  keys: readonly { id: string; name: string; provider: string }[];
  more_keys: boolean;
};

/** What a person says to a request. `keys` null means every key; `lasts_ms` null means until it is disconnected. */
export type ConsentDecision =
  | {
      allow: true;
      scopes: readonly Scope[];
      keys: readonly string[] | null;
      ask: AskRule | null;
      lasts_ms: number | null;
    }
  | { allow: false };

/** Where the answer goes, and the code if it was a yes. */
export type ConsentAnswer = { redirect_uri: string; state: string | null; code: string | undefined };

/** What a client shows for its code. `verifier` is what the code challenge was made of (RFC 7636 §4.5). */
export type CodeExchange = {
  hash: string;
  client_id: string;
  redirect_uri: string | null;
  verifier: string;
  resource: string | null;
};

type Approved = NewGrant & Omit<AuthorizationRequest, "scopes" | "client" | "client_id" | "state" | "device">;

const CONSENT_MS = 10 * 60_000;
const CODE_MS = 60_000;
/** As long as a refresh token lives idle: what came of a code that is replayed later has ended by itself. */
const KEEP_USED_MS = 30 * 86_400_000;
const GRANT_LIMIT_MS = 365 * 86_400_000;
const WAITING_LIMIT = 20;
const KEYS_SHOWN = 500;

/** Keeps a request for the person of this session to decide. The handle works once, in this session only. */
export function beginConsent(parts: Parts, caller: Caller, request: AuthorizationRequest): ConsentPage {
  const { sql, tokens, keys } = parts;
  const now = Date.now();
  const by = recognise(tokens, caller, now);
  const handle = randomBytes(32).toString("base64url");
  sql.exec(
    `DELETE FROM consent WHERE expires_at <= ?1
     OR hash IN (SELECT hash FROM consent ORDER BY created_at DESC LIMIT -1 OFFSET ?2)`,
    now,
    WAITING_LIMIT - 1,
  );
  sql.exec(
    "INSERT INTO consent (hash, session_id, request, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
    hashOf(handle),
    by.id,
    JSON.stringify(request),
    now,
    now + CONSENT_MS,
  );
  const shown = keys.list(undefined, KEYS_SHOWN + 1, {});
  return {
    handle,
    account: by.name,
    keys: shown.slice(0, KEYS_SHOWN).map(({ id, name, destination }) => ({ id, name, provider: destination.provider })),
    more_keys: shown.length > KEYS_SHOWN,
  };
}

/** The request behind a handle, which is used up by this: once, and only in the session that was shown the page. */
export function takeRequest({ sql }: Parts, by: Token, handle: string): AuthorizationRequest {
  const [row] = sql
    .exec<{ request: string }>(
      "DELETE FROM consent WHERE hash = ? AND session_id = ? AND expires_at > ? RETURNING request",
      hashOf(handle),
      by.id,
      Date.now(),
    )
    .toArray();
  if (row !== undefined) return JSON.parse(row.request) as AuthorizationRequest;
  throw new Problem("not_found", "This request was answered already, or is too old. Start again in the app.");
}

/** Takes the person's decision. The handle is used up by it, whatever it is. */
export function decideConsent(parts: Parts, caller: Caller, handle: string, decision: ConsentDecision): ConsentAnswer {
  const { sql, tokens, env, vault_id } = parts;
  const now = Date.now();
  const by = recognise(tokens, caller, now);
  const { client_id, client, state, scopes: _asked, device, ...request } = takeRequest(parts, by, handle);
  if (device !== undefined)
    throw new Problem("invalid_request", "This request is a device's; it has a page of its own.");
  const answer = { redirect_uri: request.redirect_uri, state };
  if (!decision.allow || decision.scopes.length === 0) {
    record(parts, by, caller, "consent.deny", { subject: client_id });
    return { ...answer, code: undefined };
  }
  const { scopes, ask, lasts_ms } = decision;
  if (scopes.some((scope) => !_asked.includes(scope)))
    throw new Problem("invalid_request", "More was allowed than was asked for.");
  const keys = decision.keys && resolveKeys(parts.keys, decision.keys, "key");
  const expires_at = now + Math.min(lasts_ms ?? GRANT_LIMIT_MS, GRANT_LIMIT_MS);
  const approved: Approved = { ...request, client_id, client, scopes, keys, ask, expires_at };
  const { token, hash } = mintToken(configOf(env).token_keys, "oac", vault_id);
  sql.exec("DELETE FROM authorization_code WHERE expires_at <= ?", now - KEEP_USED_MS);
  sql.exec("DELETE FROM authorization_code WHERE used_at IS NULL AND expires_at <= ?", now);
  sql.exec(
    "INSERT INTO authorization_code (hash, approved, expires_at) VALUES (?, ?, ?)",
    hash,
    JSON.stringify(approved),
    now + CODE_MS,
  );
  record(parts, by, caller, "consent.allow", { subject: client_id });
  return { ...answer, code: token };
}

/**
 * Gives tokens for a code, once: checking it, using it up and issuing is one step, so of a hundred exchanges at once one succeeds.
 * A code that is shown again has been seen by somebody else: what came of it ends (RFC 6749 §4.1.2).
 */
export async function redeemCode(parts: Parts, exchange: CodeExchange, origin: Origin): Promise<GrantTokens> {
  const { sql, grants, audit, families } = parts;
  const family = isOpen(parts, exchange.hash) ? await families.keys.prepare() : undefined;
  const now = Date.now();
  const row = findCode(parts, exchange.hash);
  if (row === undefined) throw refused("This code is not known here, or has expired.");
  if (row.used_at !== null) {
    endReplayed(parts, row.grant_id ?? "", origin);
    throw refused("This code was used already. What came of it has been revoked.");
  }
  if (row.expires_at <= now) throw refused("This code has expired.");
  const { redirect_uri, code_challenge, resource, refreshable, ...approved } = JSON.parse(row.approved) as Approved;
  if (exchange.client_id !== approved.client_id) throw refused("This code was given to another client.");
  if (exchange.redirect_uri !== null && exchange.redirect_uri !== redirect_uri)
    throw refused("redirect_uri is not the one that the code was sent to.");
  if (challengeOf(exchange.verifier) !== code_challenge)
    throw refused("code_verifier does not belong to the request that asked for this code.");
  if (exchange.resource !== null && exchange.resource !== resource)
    throw new Problem("invalid_target", "resource is not the one that was asked for.");

  // A code of the release before knows nothing of asking.
  const grant = grants.add({ ...approved, ask: approved.ask ?? null }, now);
  sql.exec("UPDATE authorization_code SET used_at = ?, grant_id = ? WHERE hash = ?", now, grant.id, exchange.hash);
  const actor = { kind: "oauth" as const, id: grant.id, name: grant.client.name };
  audit.append({ actor, action: "grant.create", outcome: "ok", subject: grant.client_id, ...origin }, now);
  return issueTokens(parts, grant, refreshable ? family : undefined, origin, now);
}

type Code = { approved: string; expires_at: number; used_at: number | null; grant_id: string | null };

function findCode({ sql }: Parts, hash: string): Code | undefined {
  const columns = "approved, expires_at, used_at, grant_id";
  return sql.exec<Code>(`SELECT ${columns} FROM authorization_code WHERE hash = ?`, hash).toArray()[0];
}

/** Might an exchange succeed? Only then is it worth making a key for. */
function isOpen(parts: Parts, hash: string): boolean {
  const code = findCode(parts, hash);
  return code !== undefined && code.used_at === null && (JSON.parse(code.approved) as Approved).refreshable;
}

/** Ends a code that others have seen: it can be exchanged no more. Answers the grant that came of it, if it was. */
export function endCode({ sql }: Parts, hash: string): string | undefined {
  sql.exec("DELETE FROM authorization_code WHERE hash = ? AND used_at IS NULL", hash);
  const [used] = sql
    .exec<{ grant_id: string | null }>("SELECT grant_id FROM authorization_code WHERE hash = ?", hash)
    .toArray();
  return used?.grant_id ?? undefined;
}

/** Takes back every question that waits for its person, and every code that no client has exchanged. */
export function dropAuthorizations({ sql }: Parts): void {
  sql.exec("DELETE FROM consent");
  sql.exec("DELETE FROM authorization_code WHERE used_at IS NULL");
}

function endReplayed(parts: Parts, grant_id: string, origin: Origin): void {
  const { grants, audit, regrets } = parts;
  const grant = grants.find(grant_id);
  regrets.settle(grant_id);
  if (grant === undefined || grant.revoked_at !== null) return;
  const actor = { kind: "oauth" as const, id: grant.id, name: grant.client.name };
  audit.append({ actor, action: "grant.revoke", outcome: "ok", rule: "code_replayed", ...origin }, Date.now());
  // Dead before this returns; only the cutting of what is open goes on behind the answer.
  void endGrant(parts, grant_id);
}

function refused(detail: string): Problem {
  return new Problem("invalid_grant", detail);
}

/** RFC 7636 §4.2, S256. */
export function challengeOf(verifier: string): string {
  return createHash("sha256").update(verifier).digest("base64url");
}

function hashOf(handle: string): string {
  return createHash("sha256").update(handle).digest("base64url");
}
