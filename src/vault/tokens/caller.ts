import type { TokenKind } from "../../crypto/token.ts";
import { Problem } from "../../problem.ts";
import type { Origin } from "../audit/row.ts";
import type { Effect } from "../account/frozen.ts";
import type { Repeatable } from "../idempotency.ts";
import { judgeToken } from "../policy/checks.ts";
import { judgeUse } from "../policy/judge.ts";
import { grantsScope, type Scope } from "../policy/scopes.ts";
import type { Token } from "./token.ts";
import type { Tokens } from "./tokens.ts";

/**
 * Who may call an operation. `session_recent`: a person who signed in at most ten minutes ago (SECURITY S3); `refresh`: whoever
 * holds an app token's refresh token; `oauth:…`: a client whose grant has that scope.
 */
export type Authority = "session" | "session_recent" | "device" | "app" | "refresh" | `oauth:${Scope}`;

/** Somebody who asks the vault to manage something: a verified token, and what the operation's row in the authority table says. */
export type Caller = {
  hash: string;
  /** As the token spells it; only of a refresh token, whose successor is derived from it. */
  secret?: string | undefined;
  kind: TokenKind;
  may: readonly Authority[];
  origin: Origin;
  repeatable?: Repeatable | undefined;
};

const RECENT_MS = 10 * 60_000;
const SLIDE_AFTER_MS = 60 * 60_000;
const DAY_MS = 86_400_000;

/** How long what slides lives unused, and at most (CONTRACT §3). */
const LIFE = {
  ses: { idle_ms: 30 * DAY_MS, limit_ms: 90 * DAY_MS },
  dev: { idle_ms: 90 * DAY_MS, limit_ms: 365 * DAY_MS },
} as const;

/** When a session or device that is used now ends. */
export function slidingExpiry(kind: keyof typeof LIFE, created_at: number, now: number): number {
  return Math.min(now + LIFE[kind].idle_ms, lifeEnd(kind, created_at));
}

/** When it ends however much it is used. */
export function lifeEnd(kind: keyof typeof LIFE, created_at: number): number {
  return created_at + LIFE[kind].limit_ms;
}

/** Keeps alive what is in use. */
export function slide(tokens: Tokens, { id, kind, created_at, seen_at }: Token, now: number): void {
  if ((kind === "ses" || kind === "dev") && now - (seen_at ?? 0) > SLIDE_AFTER_MS)
    tokens.touch(id, now, slidingExpiry(kind, created_at, now));
}

/** The caller's live token, or a refusal; what it is wanted for decides while the vault is frozen. What is in use slides. */
export function recognise(tokens: Tokens, caller: Caller, now: number, effect: Effect = "change"): Token {
  const token = tokens.byHash(caller.hash);
  if (token === undefined || token.kind !== caller.kind)
    throw new Problem("invalid_token", "This token is not known here.");
  // An app token's policy binds it here too: where and when it may be used, and that those it was derived from still stand.
  const denial =
    token.kind === "app"
      ? judgeUse(tokens.lineage(token), caller.origin, now, effect)
      : judgeToken({ token, now }, effect);
  if (denial !== undefined) throw new Problem(denial.code, denial.detail, { rule: denial.rule });
  if (!caller.may.some((authority) => grants(authority, token, now))) {
    const recent = caller.may.includes("session_recent");
    throw new Problem(
      "insufficient_scope",
      recent
        ? "Sign in again to do this: it needs a sign-in of the last ten minutes."
        : "This kind of token may not do this.",
    );
  }
  slide(tokens, token, now);
  return token;
}

/** Did they come by `/v1/mcp`? A model speaks there, whosever token it holds: a client's, or a device's for the bridge. */
export function cameByMcp({ may }: Caller): boolean {
  return may.some((authority) => authority.startsWith("oauth:"));
}

function grants(authority: Authority, token: Token, now: number): boolean {
  switch (authority) {
    case "session":
      return token.kind === "ses";
    case "session_recent":
      return token.kind === "ses" && now - (token.signed_in_at ?? 0) <= RECENT_MS;
    case "device":
      return token.kind === "dev";
    case "app":
      return token.kind === "app";
    case "oauth:vault:read":
    case "oauth:vault:proxy":
    case "oauth:vault:write":
    case "oauth:vault:reveal":
      return token.kind === "oat" && grantsScope(token.policy.scopes ?? [], authority.slice("oauth:".length) as Scope);
    // A refresh token can only be exchanged, and that is not asked here.
    case "refresh":
      return false;
  }
}
