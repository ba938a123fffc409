import { configOf } from "../config.ts";
import { mintToken } from "../crypto/token.ts";
import { Problem } from "../problem.ts";
import { recognise, type Caller } from "./caller.ts";
import { tagOf } from "./leashes.ts";
import { usesOf } from "./outbox.ts";
import { cut, record, type Parts } from "./parts.ts";
import type { Policy } from "./policy.ts";
import type { Receipt } from "./receipt.ts";
import type { Token } from "./tokens.ts";
import { withinDevice } from "./within.ts";

/** Policy as a person writes it: `keys` are names, ids or `tag:x`; `expires_at` in epoch milliseconds. */
export type PolicyInput = Policy & { expires_at?: number | undefined };

const OUTBOX_SCAN = 10_000;

/** A new app token. Its text is answered once and not kept. */
export function createToken(
  parts: Parts,
  caller: Caller,
  name: string,
  input: PolicyInput,
): { token: string; row: Token } {
  const by = recognise(parts.tokens, caller, Date.now());
  const { expires_at = null, ...policy } = input;
  const keys = policy.keys && resolveKeys(parts, policy.keys, "policy.keys");
  const terms = withinDevice(by, { policy: { ...policy, keys }, expires_at });
  const { token, hash } = mintToken(configOf(parts.env).token_keys, "app", parts.vault_id);
  const parent_id = by.kind === "ses" ? undefined : by.id;
  const row = parts.tokens.add({ kind: "app", hash, parent_id, name, ...terms, signed_in_at: null }, Date.now());
  record(parts, by, caller, "token.create", { subject: row.id });
  return { token, row };
}

/** The app token of that id, with its uses up to this moment. */
export function appToken(parts: Parts, id: string): Token {
  const token = parts.tokens.find(id);
  if (token?.kind !== "app") throw new Problem("not_found", "There is no such token.");
  return withUses(parts, [token])[0] as Token;
}

/** The browser session of that id. */
export function session(parts: Parts, id: string): Token {
  const token = parts.tokens.find(id);
  if (token?.kind !== "ses") throw new Problem("not_found", "There is no such session.");
  return token;
}

/** Pausing cuts what the token has open. */
export async function pauseToken(parts: Parts, caller: Caller, id: string): Promise<Token> {
  const by = recognise(parts.tokens, caller, Date.now());
  appToken(parts, id);
  parts.tokens.pause(id, Date.now());
  parts.gate.bump();
  record(parts, by, caller, "token.pause", { subject: id });
  await cut(parts, tagOf.token(id), "token_paused");
  return appToken(parts, id);
}

export function resumeToken(parts: Parts, caller: Caller, id: string): Token {
  const by = recognise(parts.tokens, caller, Date.now());
  if (appToken(parts, id).revoked_at !== null) throw new Problem("conflict", "A revoked token cannot be resumed.");
  if (by.kind !== "ses" && parts.alerts.hasFrozen(id))
    throw new Problem("insufficient_scope", "An alert has stopped this token: a person resumes it in the browser.");
  parts.tokens.resume(id);
  record(parts, by, caller, "token.resume", { subject: id });
  return appToken(parts, id);
}

/** Ends a token: it is dead and that is recorded before anything is awaited. Doing it again answers the first time's receipt. */
export async function endToken(
  parts: Parts,
  caller: Caller,
  action: string,
  which: (self: Token) => Token,
): Promise<Receipt> {
  const { tokens, gate, under_way } = parts;
  const now = Date.now();
  const by = recognise(tokens, caller, now);
  const { id, revoked_at, last_used_at } = which(by);
  const ended = tokens.revoke(id, now);
  if (revoked_at === null) {
    gate.bump();
    record(parts, by, caller, action, { subject: id });
  }
  const cuts = await Promise.all(ended.map((each) => cut(parts, tagOf.token(each), "revoked")));
  const streams_cut = cuts.reduce((sum, one) => sum + one.streams_cut, 0);
  const unacknowledged = cuts.reduce((sum, one) => sum + one.unacknowledged, 0);
  const in_flight = unacknowledged + ended.reduce((sum, each) => sum + under_way.count("actor", each), 0);
  return { id, revoked_at: revoked_at ?? now, last_used_at, streams_cut, sessions_closed: 0, in_flight };
}

/** Counts of uses as stored, plus those still in the outbox. */
export function withUses({ audit }: Parts, tokens: Token[]): Token[] {
  const recent = usesOf(audit.latest(Number.MAX_SAFE_INTEGER, OUTBOX_SCAN));
  return tokens.map((token) => {
    const more = recent.get(token.id);
    if (more === undefined) return token;
    const { uses, refused, last_used_at } = more;
    return {
      ...token,
      uses: token.uses + uses,
      refused: token.refused + refused,
      last_used_at: last_used_at ?? token.last_used_at,
    };
  });
}

/** Names, ids and tags of keys as ids; a choice of keys is resolved when it is stored (SECURITY S22). */
export function resolveKeys({ keys }: Parts, refs: readonly string[], field: string): string[] {
  const ids = refs.flatMap((ref, index) => {
    const found = ref.startsWith("tag:")
      ? keys.tagged(ref.slice(4))
      : [keys.find(ref)?.id].filter((id) => id !== undefined);
    if (found.length > 0) return found;
    throw new Problem("invalid_request", `There is no key ${ref}.`, {
      errors: [{ field: `${field}.${index}`, rule: "must be the id, the name or the tag of a key that is there" }],
    });
  });
  return [...new Set(ids)];
}
