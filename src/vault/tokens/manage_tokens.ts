import { assertMayResume, takeOffHold } from "../account/on_hold.ts";
import { configOf } from "../../config.ts";
import { mintToken } from "../../crypto/token.ts";
import { Problem } from "../../problem.ts";
import { cameByMcp, recognise, type Caller } from "./caller.ts";
import { giveBack } from "./give_back.ts";
import { accountIdOf } from "../account/account.ts";
import { cutTokens } from "./ending.ts";
import type { Family } from "./families.ts";
import type { Generation } from "./generations.ts";
import type { Effect } from "../account/frozen.ts";
import { record, type Parts } from "../parts.ts";
import { isWithin } from "../policy/reach.ts";
import type { Policy } from "../policy/policy.ts";
import type { Receipt } from "../receipt.ts";
import { resolvePolicy, type PolicyInput } from "../policy/resolve_policy.ts";
import { CADENCES_MS, type Cadence } from "./rotation.ts";
import type { Token } from "./token.ts";
import { withinDevice } from "../policy/within.ts";

/** A new app token: its row, and its texts, which are answered once and not kept. `expires_at` is the access token's. */
export type CreatedToken = { row: Token; token: string; expires_at: number | null; refresh_token?: string | undefined };

export type Rotation = Cadence | "static";

/** Somebody who asked a person for a token: it is made under them, with what is left of the wish within their own rights. */
type Under = { id: string; policy: Policy; expires_at: number | null };

/** An app token, and how it rotates if it does: `refresh_by` is when it ends without a refresh. */
export type AppToken = Token & { rotation?: (Family & { refresh_by: number }) | undefined };
export type AppTokenDetails = AppToken & { generations?: Generation[] | undefined };

/** A new app token. */
export async function createToken(
  parts: Parts,
  caller: Caller,
  name: string,
  input: PolicyInput,
  rotation: Rotation = "static",
  under?: Under,
): Promise<CreatedToken> {
  const { tokens, families, env, vault_id } = parts;
  const prepared = rotation === "static" ? undefined : await families.keys.prepare();
  const now = Date.now();
  const by = recognise(tokens, caller, now);
  const terms =
    under ?? withinDevice(by, { policy: resolvePolicy(parts.keys, input), expires_at: input.expires_at ?? null });
  const { policy, expires_at } = terms;
  const parent_id = under?.id ?? (by.kind === "ses" ? undefined : by.id);
  const fresh = { kind: "app" as const, parent_id, name, policy, expires_at, signed_in_at: null };
  if (prepared === undefined || rotation === "static") {
    const { token, hash } = mintToken(configOf(env).token_keys, "app", vault_id);
    const row = tokens.add({ ...fresh, hash }, now);
    record(parts, by, caller, "token.create", { subject: row.id });
    return { row, token, expires_at: row.expires_at };
  }
  const row = tokens.add({ ...fresh, hash: null }, now);
  const access_ms = CADENCES_MS[rotation];
  const rhythm = { refresh_kind: "ref" as const, cadence: rotation, access_ms, idle_ms: 2 * access_ms };
  record(parts, by, caller, "token.create", { subject: row.id });
  const { token, expires_at: access_ends, refresh_token } = families.open(prepared, row, rhythm, caller.origin, now);
  return { row, token, expires_at: access_ends, refresh_token };
}

/** The app token of that id, with its uses up to this moment. */
export function appToken(parts: Parts, id: string): AppToken {
  const token = parts.tokens.find(id);
  if (token?.kind !== "app" || !isWithin(parts.reach, token.policy.keys))
    throw new Problem("not_found", "There is no such token.");
  return withRotation(parts, withUses(parts, [token]))[0] as AppToken;
}

/** The app token of that id, with the generations that are remembered. */
export function appTokenDetails(parts: Parts, id: string): AppTokenDetails {
  return withGenerations(parts, appToken(parts, id));
}

/** A token with the generations that are remembered, if it rotates. */
export function withGenerations({ families }: Parts, token: AppToken): AppTokenDetails {
  return { ...token, generations: token.rotation && families.history(token.rotation) };
}

/** Tokens with how they rotate. */
export function withRotation({ families }: Parts, tokens: readonly Token[]): AppToken[] {
  return tokens.map((token) => {
    const family = families.of(token.id);
    return family === undefined
      ? token
      : { ...token, rotation: { ...family, refresh_by: family.answered_at + family.idle_ms } };
  });
}

/** The browser session of that id. */
export function session(parts: Parts, id: string): Token {
  const token = parts.tokens.find(id);
  if (token?.kind !== "ses") throw new Problem("not_found", "There is no such session.");
  return token;
}

/** All sessions of a person begin under that person's name: this tells one browser from another. */
export function renameSession(parts: Parts, caller: Caller, id: string, name: string): Token {
  const by = recognise(parts.tokens, caller, Date.now());
  if (session(parts, id).revoked_at !== null) throw new Problem("not_found", "There is no such session.");
  parts.tokens.rename(id, name);
  record(parts, by, caller, "session.rename", { subject: id });
  return session(parts, id);
}

/** Pausing cuts what the token has open. */
export async function pauseToken(parts: Parts, caller: Caller, id: string): Promise<AppToken> {
  const by = recognise(parts.tokens, caller, Date.now(), "stop");
  const { paused_at, revoked_at } = appToken(parts, id);
  if (revoked_at !== null) throw new Problem("conflict", "A revoked token cannot be paused.");
  parts.tokens.pause(id, Date.now());
  parts.gate.bump();
  if (paused_at === null) record(parts, by, caller, "token.pause", { subject: id });
  await cutTokens(parts, [id, ...parts.tokens.descendants(id)], "token_paused");
  return appToken(parts, id);
}

export function resumeToken(parts: Parts, caller: Caller, id: string): AppToken {
  const by = recognise(parts.tokens, caller, Date.now());
  if (appToken(parts, id).revoked_at !== null) throw new Problem("conflict", "A revoked token cannot be resumed.");
  assertMayResume(parts, by, id);
  parts.tokens.resume(id);
  takeOffHold(parts, id);
  record(parts, by, caller, "token.resume", { subject: id });
  return appToken(parts, id);
}

/** Ends a token: it is dead and that is recorded before anything is awaited. Doing it again answers the first time's receipt. */
export async function endToken(
  parts: Parts,
  caller: Caller,
  action: string,
  which: (self: Token) => Token,
  effect: Effect = "stop",
): Promise<Receipt> {
  const { tokens, gate, regrets } = parts;
  const now = Date.now();
  const by = recognise(tokens, caller, now, effect);
  const { id, kind, revoked_at, last_used_at, seen_at } = which(by);
  const ended = tokens.revoke(id, now);
  if (!cameByMcp(caller)) regrets.settle(id);
  else if (revoked_at === null) regrets.keep(id, ended, now);
  if (revoked_at === null) {
    gate.bump();
    record(parts, by, caller, action, { subject: id });
  }
  // A session makes no calls: being seen is its use.
  const used_at = kind === "ses" ? seen_at : last_used_at;
  return {
    id,
    revoked_at: revoked_at ?? now,
    last_used_at: used_at,
    ...(await cutTokens(parts, ended, "revoked")),
  };
}

/** Takes back that a client has revoked it. */
export function giveTokenBack(parts: Parts, caller: Caller, id: string): AppToken {
  giveBack(parts, caller, appToken(parts, id).id, "token.restore");
  return appToken(parts, id);
}

/** Signs out everywhere: ends every browser session of this vault, the caller's own too. */
export async function endSessions(parts: Parts, caller: Caller): Promise<Receipt> {
  const { tokens, gate } = parts;
  const now = Date.now();
  const by = recognise(tokens, caller, now, "stop");
  const sessions = tokens.sessions(now, null);
  const ended = sessions.flatMap((id) => tokens.revoke(id, now));
  gate.bump();
  record(parts, by, caller, "session.revoke_all", {});
  const cut = await cutTokens(parts, ended, "revoked");
  const sessions_closed = cut.sessions_closed + sessions.length;
  return { id: accountIdOf(parts), revoked_at: now, last_used_at: by.seen_at, ...cut, sessions_closed };
}

/** Counts of uses as stored, plus those still in the outbox. */
export function withUses({ audit }: Parts, tokens: Token[]): Token[] {
  const recent = audit.uses.byId();
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
