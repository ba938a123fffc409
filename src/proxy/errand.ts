import { originOf } from "../auth/origin.ts";
import { isSaidToFit } from "../body.ts";
import { configOf, type Config } from "../config.ts";
import { verifyToken, type TokenKind } from "../crypto/token.ts";
import { Problem } from "../problem.ts";
import type { Origin } from "../vault/audit/row.ts";
import type { Ask } from "../vault/calls/dispatch.ts";
import { assertGone, bearerOf, takeToken } from "./find_token.ts";
import { linesOf, overridesMethod, refuseBrowsers, valueOf, type HeaderLines } from "./headers.ts";
import { PATIENCE, type Patience } from "./hold.ts";
import { RefusedTokens } from "./refused_tokens.ts";
import { readProxyPath, type ProxyPath } from "./target.ts";
import { ESTIMATED_BYTES } from "./usage.ts";

const HEADER_BYTES = 64 * 1024;
const REPLAYED_BYTES = ESTIMATED_BYTES;
const TAKEN: ReadonlySet<TokenKind> = new Set(["app", "dev", "oat"]);
const SERVED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY";
const REFUSED_METHODS = new Set(["TRACE", "TRACK", "CONNECT"]);

/** Where something that outlives the answer is waited for. */
export type Waiting = Pick<ExecutionContext, "waitUntil"> & Partial<Pick<ExecutionContext, "abort">>;

/** Ends an invocation there and then, with all that it holds: what is `retryable` the runtime takes for a lost connection, and logs no line of it. */
export function drop(ctx: Waiting): void {
  ctx.abort?.({ retryable: true });
}

/** A request on its way. `body` becomes bytes where it may have to be sent twice. */
export type Errand = {
  config: Config;
  env: Env;
  ctx: Waiting;
  request: Request;
  asked: ProxyPath;
  headers: HeaderLines;
  query: string;
  vault_id: string;
  mac: string;
  /** Signed by a key that has leaked. */
  weak: boolean;
  question: Ask;
  body: ReadableStream<Uint8Array> | ArrayBuffer | null;
  /** Every body is searched for the credential, whatever the key says. */
  scrubbed?: boolean;
  /** For a person whose yes it needs. */
  patience: Patience;
};

/** What this isolate remembers of refused tokens; never of one that was accepted. */
export const refused = new RefusedTokens();

/** A request as it came, refused where nobody need be asked: by arithmetic alone, and before anything is made for it. */
export function errandOf(request: Request, env: Env, ctx: Waiting): Errand {
  const config = configOf(env);
  assertMethod(request);
  // A forged one is refused before anything else is walked through: a flood of them is to cost whoever sends it, not us.
  const bearer = bearerOf(request.headers);
  const verified = bearer === undefined ? undefined : verifyToken(config.token_keys, bearer);
  const lines = linesOf(request.headers);
  assertServable(request, lines);
  const asked = readProxyPath(request.url);
  const found = takeToken(lines, asked.query);
  const { token, headers, query } = found;
  const { kind, vault_id, hash, mac, weak } =
    verified !== undefined && token === bearer ? verified : verifyToken(config.token_keys, token);
  if (!TAKEN.has(kind))
    throw new Problem("invalid_token", "The proxy takes app tokens, devices and OAuth access tokens.");
  refused.check(mac, Date.now());
  assertGone(found);

  const overridden = overridesMethod(headers, query);
  const upgrade = isUpgrade(lines);
  const { method, body } = request;
  const question = { hash, key: asked.key, method, path: asked.path, overridden, upgrade, ...originOf(request) };
  return { config, env, ctx, request, asked, headers, query, vault_id, mac, weak, question, body, patience: PATIENCE };
}

/**
 * The errand of somebody whose token was verified before, and of whom no token is at hand: a tool's. `hash` is what the vault knows it
 * by. Its body is at hand whole, so that the same call is the same question when it comes again.
 */
export async function errandFor(
  { vault_id, hash, origin }: { vault_id: string; hash: string; origin: Origin },
  request: Request,
  asked: ProxyPath,
  env: Env,
  ctx: Waiting,
  patience: Patience,
): Promise<Errand> {
  const config = configOf(env);
  assertMethod(request);
  // One question, one answer: there is nobody behind a tool to hold a conversation.
  const headers = linesOf(request.headers).filter(([name]) => name !== "upgrade");
  assertServable(request, headers);
  const { method } = request;
  const body = request.body && (await request.arrayBuffer());
  const { query, key, path } = asked;
  const question = { hash, key, method, path, overridden: overridesMethod(headers, query), ...origin };
  // What is read to a model is searched whole: it would go on to wherever the model's words go.
  const way = { config, env, ctx, request, asked, headers, query, scrubbed: true };
  return { ...way, vault_id, mac: hash, weak: false, question, body, patience };
}

/** A small body is read before it is sent where the call may have to be made again. One that comes with a GET cannot be. */
export async function keepBody(errand: Errand): Promise<void> {
  if (hasUnusualBody(errand.request)) return;
  if (errand.body instanceof ReadableStream && isSaidToFit(errand.request, REPLAYED_BYTES))
    errand.body = await errand.request.arrayBuffer();
}

function assertMethod({ method }: Request): void {
  if (REFUSED_METHODS.has(method))
    throw new Problem("method_not_allowed", `${method} is never sent on.`, { allow: SERVED_METHODS });
}

function assertServable(request: Request, headers: HeaderLines): void {
  refuseBrowsers(headers);
  let size = 0;
  for (const [name, value] of headers) size += name.length + value.length + 4;
  if (size > HEADER_BYTES) throw new Problem("too_large", "The request's headers are larger than 64 KiB.");
  if (hasUnusualBody(request) && !request.headers.has("content-length")) {
    throw new Problem("invalid_request", `A body of unknown length cannot be sent with ${request.method}.`);
  }
}

/** Some search APIs want a body with a GET (RFC 9110 §9.3.1 gives it no meaning, and forbids none). */
export function hasUnusualBody(request: Request): boolean {
  // The method first: to look at a body is to make a stream of it.
  return (request.method === "GET" || request.method === "HEAD") && request.body !== null;
}

export function isUpgrade(headers: HeaderLines): boolean {
  return valueOf(headers, "upgrade")?.toLowerCase() === "websocket";
}
