import type { TokenKind } from "../crypto/token.ts";
import { Problem } from "../problem.ts";
import type { Origin } from "./audit.ts";
import type { Repeatable } from "./idempotency.ts";
import { judgeToken } from "./policy.ts";
import { grantsScope, type Scope } from "./scopes.ts";
import type { Token, Tokens } from "./tokens.ts";

/**
 * Who may call an operation. `session_recent`: a person who signed in at most ten minutes ago (SECURITY S3); `oauth:…`: a client
 * whose grant has that scope.
 */
export type Authority = "session" | "session_recent" | "device" | "app" | `oauth:${Scope}`;

/** Somebody who asks the vault to manage something: a verified token, and what the operation's row in the authority table says. */
export type Caller = {
  hash: string;
  kind: TokenKind;
  may: readonly Authority[];
  origin: Origin;
  repeatable?: Repeatable | undefined;
};

const RECENT_MS = 10 * 60_000;
const SLIDE_AFTER_MS = 60 * 60_000;
const SESSION_IDLE_MS = 30 * 86_400_000;
const SESSION_LIMIT_MS = 90 * 86_400_000;

/** When a session that is used now ends: 30 days idle, 90 days at most. */
export function sessionExpiry(created_at: number, now: number): number {
  return Math.min(now + SESSION_IDLE_MS, created_at + SESSION_LIMIT_MS);
}

/** The caller's live token, or a refusal. A session in use slides. */
export function recognise(tokens: Tokens, caller: Caller, now: number): Token {
  const token = tokens.byHash(caller.hash);
  if (token === undefined || token.kind !== caller.kind)
    throw new Problem("invalid_token", "This token is not known here.");
  const denial = judgeToken({ token, now });
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
  if (token.kind === "ses" && now - (token.seen_at ?? 0) > SLIDE_AFTER_MS)
    tokens.touch(token.id, now, sessionExpiry(token.created_at, now));
  return token;
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
  }
}
