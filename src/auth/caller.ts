import type { Config } from "../config.ts";
import { verifyToken, type TokenKind, type VerifiedToken } from "../crypto/token.ts";
import { Problem } from "../problem.ts";
import type { Authority, Caller } from "../vault/tokens/caller.ts";
import { mustShowBearer } from "./bearer.ts";
import { readCookie, SESSION_COOKIE } from "./cookies.ts";
import { originOf } from "./origin.ts";

/** A caller whose token was verified, and whose vault it is. Whether the token lives, the vault decides. */
export type Identified = { vault_id: string; caller: Caller };

const KIND_OF: Record<Authority, TokenKind> = {
  session: "ses",
  session_recent: "ses",
  device: "dev",
  app: "app",
  "oauth:vault:read": "oat",
  "oauth:vault:proxy": "oat",
  "oauth:vault:write": "oat",
  "oauth:vault:reveal": "oat",
  refresh: "ref",
};

/**
 * Who is calling, for an operation that `may` be called by these. A bearer token wins over the cookie, and the cookie counts
 * only where the browser says that the request comes from our own pages (SECURITY S25).
 */
export function identify(request: Request, config: Config, may: readonly Authority[]): Identified {
  const token = tokenOf(request, config);
  if (!may.some((authority) => KIND_OF[authority] === token.kind)) {
    throw new Problem("insufficient_scope", "This kind of token may not do this.");
  }
  return identified(token, request, may);
}

function identified(token: VerifiedToken, request: Request, may: readonly Authority[]): Identified {
  const { vault_id, hash, kind } = token;
  const secret = kind === "ref" ? token.secret : undefined;
  return { vault_id, caller: { hash, secret, kind, may, origin: originOf(request) } };
}

function tokenOf(request: Request, config: Config): VerifiedToken {
  if (request.headers.has("authorization")) {
    const bearer = mustShowBearer(request, "Send the token as Authorization: Bearer.");
    const token = verifyToken(config.token_keys, bearer);
    // A session travels in its cookie only: elsewhere it would outlive the browser's protection.
    if (token.kind === "ses") throw new Problem("invalid_token", "A session token is not a bearer token.");
    return token;
  }
  const session = sessionToken(request, config);
  assertSameOrigin(request, config);
  return session;
}

/**
 * The session of a request that came by navigation, such as the return from a provider: only for what a link may do, or what
 * something else has proven to be the person's own wish.
 */
export function sessionOf(request: Request, config: Config, may: readonly Authority[]): Identified {
  return identified(sessionToken(request, config), request, may);
}

function sessionToken(request: Request, config: Config): VerifiedToken {
  const cookie = readCookie(request, config, SESSION_COOKIE);
  if (cookie === undefined)
    throw new Problem("invalid_token", "Sign in, or send a token as Authorization: Bearer.", { anonymous: true });
  const token = verifyToken(config.token_keys, cookie);
  if (token.kind !== "ses") throw new Problem("invalid_token", "This cookie holds no session.");
  return token;
}

/**
 * A WebSocket is opened by a page of any site, with the cookie and without asking first: with a session it must name exactly our
 * origin, whatever else the browser says (SECURITY S24).
 */
export function assertOwnSocket(request: Request, config: Config): void {
  if (request.headers.has("authorization") || request.headers.get("origin") === config.public_origin) return;
  throw new Problem("csrf_refused", "A WebSocket with a session cookie must be opened by our own pages.");
}

/** Refuses what another site made the browser send. */
export function assertSameOrigin(request: Request, config: Config): void {
  const site = request.headers.get("sec-fetch-site");
  const same = site === null ? request.headers.get("origin") === config.public_origin : site === "same-origin";
  if (!same) throw new Problem("csrf_refused", "A request with a session cookie must come from our own pages.");
}
