import { configOf, type Config } from "../config.ts";
import { verifyToken, type TokenKind } from "../crypto/token.ts";
import { originOf } from "../auth/origin.ts";
import { limitWeak } from "../auth/weak.ts";
import { asProblem, Problem, problemResponse } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { Origin } from "../vault/audit/audit.ts";
import { isOurs } from "../vault/alerts/public_host.ts";
import type { Ask, Dispatch } from "../vault/calls/dispatch.ts";
import { ProxyCall } from "./call.ts";
import { takeToken } from "./find_token.ts";
import { guard, overridesMethod, refuseBrowsers, upstreamHeaders, valueOf, type HeaderLines } from "./headers.ts";
import { handBack } from "./hand_back.ts";
import { askFirst, contentDigest, PATIENCE, type Patience } from "./hold.ts";
import { inject } from "./inject.ts";
import { RefusedTokens } from "./refused_tokens.ts";
import { Scrubber } from "./scrub.ts";
import { sign } from "./sign.ts";
import { returnSettlements, takeSettlements } from "./settlements.ts";
import { readProxyPath, targetOf, type ProxyPath } from "./target.ts";
import { ESTIMATED_BYTES, estimateOf } from "./usage.ts";

const HEADER_BYTES = 64 * 1024;
const REPLAYED_BYTES = ESTIMATED_BYTES;
const TAKEN: ReadonlySet<TokenKind> = new Set(["app", "dev", "oat"]);
const REFUSED_METHODS = new Set(["TRACE", "TRACK", "CONNECT"]);
const SERVED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY";

/** Where something that outlives the answer is waited for. */
type Waiting = Pick<ExecutionContext, "waitUntil"> & Partial<Pick<ExecutionContext, "abort">>;

/** A request on its way. `body` becomes bytes where it may have to be sent twice. */
type Errand = {
  config: Config;
  env: Env;
  ctx: Waiting;
  request: Request;
  asked: ProxyPath;
  headers: HeaderLines;
  query: string;
  vault_id: string;
  mac: string;
  question: Ask;
  body: ReadableStream<Uint8Array> | ArrayBuffer | null;
  /** Every body is searched for the credential, whatever the key says. */
  scrubbed?: boolean;
  /** For a person whose yes it needs. */
  patience: Patience;
};

/** A call that has been sent, and what the upstream answered. */
type Attempt = { call: ProxyCall; upstream: Upstream; answer: Response; timing: string };

/** What this isolate remembers of refused tokens; never of one that was accepted. */
const refused = new RefusedTokens();

/** What the rest of a call works with once the vault has said yes. */
type Upstream = { target: URL; headers: Headers; scrubber: Scrubber; upgrade: boolean };

/** The proxy's whole origin: every request is a call to carry, every refusal a problem with the same guarding headers. */
export async function proxy(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  const carried = carryOut(request, env, ctx);
  // A client that leaves ends the invocation there and then unless something is still waited for, and its row must be ended.
  ctx.waitUntil(carried.catch(() => {}));
  try {
    return await carried;
  } catch (thrown) {
    return refusalOf(asProblem(thrown));
  }
}

/**
 * SDKs read why they were refused from `error`; stripe-node goes by it alone and takes an answer without it for a success,
 * whatever its status.
 */
function refusalOf(problem: Problem): Response {
  const error = { type: problem.code, code: problem.code, message: problem.message };
  const refusal = problemResponse(problem, problem.extras.request_id, { error });
  guard(refusal.headers);
  if (refusal.status === 405) refusal.headers.set("allow", SERVED_METHODS);
  return refusal;
}

/** A call, step by step: refuse what needs no asking, ask the vault once, send, carry the answer, settle. */
async function carryOut(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  const config = configOf(env);
  const lines = [...request.headers];
  assertServable(request, lines);
  const asked = readProxyPath(request.url);
  const { token, headers, query } = takeToken(lines, asked.query);
  const { kind, vault_id, hash, mac, weak } = verifyToken(config.token_keys, token);
  if (!TAKEN.has(kind))
    throw new Problem("invalid_token", "The proxy takes app tokens, devices and OAuth access tokens.");
  refused.check(mac, Date.now());
  const origin = originOf(request);
  await limitWeak(env, { weak }, origin.ip);

  const overridden = overridesMethod(headers, query);
  const upgrade = isUpgrade(lines);
  const question = { hash, key: asked.key, method: request.method, path: asked.path, overridden, upgrade, ...origin };
  const { body } = request;
  const way = { config, env, ctx, request, asked, headers, query };
  return carry({ ...way, vault_id, mac, question, body, patience: PATIENCE });
}

/**
 * A call of somebody whose token was verified before, and of whom no token is at hand: a tool's. `hash` is what the vault knows it
 * by. Its body is at hand whole, so that the same call is the same question when it comes again.
 */
export async function callFor(
  { vault_id, hash, origin }: { vault_id: string; hash: string; origin: Origin },
  request: Request,
  asked: ProxyPath,
  env: Env,
  ctx: Waiting,
  patience: Patience,
): Promise<Response> {
  const config = configOf(env);
  const headers = [...request.headers];
  assertServable(request, headers);
  const { method } = request;
  const body = request.body && (await request.arrayBuffer());
  const { query, key, path } = asked;
  const question = { hash, key, method, path, overridden: overridesMethod(headers, query), ...origin };
  // What is read to a model is searched whole: it would go on to wherever the model's words go.
  const way = { config, env, ctx, request, asked, headers, query, scrubbed: true };
  return carry({ ...way, vault_id, mac: hash, question, body, patience });
}

async function carry(errand: Errand): Promise<Response> {
  const { ctx } = errand;
  const first = await attempt(errand);
  if (!mayFallBack(first, errand)) return settleHandBack(errand, first);
  // The upstream does not take the new secret yet, or the access token any more: while a rotation overlaps the one before is
  // asked for, else a newer token. A use of its own.
  void first.answer.body?.cancel().catch(() => {});
  ctx.waitUntil(first.call.endBeforeNext({ outcome: "ok" }));
  return settleHandBack(errand, await attempt({ ...errand, question: { ...errand.question, ...again(first) } }));
}

/** Hands the answer back; one that cannot be is dropped, and the call settled as failed. */
function settleHandBack(
  { config, ctx, request, asked }: Errand,
  { call, upstream, answer, timing }: Attempt,
): Response {
  try {
    const drop = () => ctx.abort?.("dropped");
    const { response, done } = handBack(call, { config, request, asked, drop, ...upstream }, answer, timing);
    ctx.waitUntil(done);
    return response;
  } catch (thrown) {
    void answer.body?.cancel().catch(() => {});
    throw failed(call, ctx, request, thrown);
  }
}

/** Asks the vault and sends the request. Whatever goes wrong after the vault's yes is settled here. */
async function attempt(errand: Errand): Promise<Attempt> {
  const { config, env, ctx, request, vault_id } = errand;
  const started_at = Date.now();
  const allowed = await authorizeOrAsk(errand);
  const dispatch = errand.scrubbed === true ? { ...allowed, scrub: true } : allowed;
  const vault_ms = Date.now() - started_at;
  const call = new ProxyCall(env, vault_id, dispatch, started_at);
  try {
    const upstream = prepare(config, dispatch, errand);
    if (mayNeedAgain(dispatch)) await keepBody(errand);
    errand.body = await sign(upstream, dispatch, request.method, errand.body);
    const sent_at = Date.now();
    const answer = await send(call, errand, upstream);
    return { call, upstream, answer, timing: `vault;dur=${vault_ms}, upstream;dur=${Date.now() - sent_at}` };
  } catch (thrown) {
    throw failed(call, ctx, request, thrown);
  }
}

/** Ends a call that went wrong, and words it. */
function failed(call: ProxyCall, ctx: Waiting, request: Request, thrown: unknown): Problem {
  const problem = call.stopped.aborted ? call.cutProblem() : asProblem(thrown);
  const gone = request.signal.aborted;
  ctx.waitUntil(call.end(gone ? { outcome: "canceled" } : { outcome: "failed", rule: problem.code }));
  return new Problem(problem.code, problem.message, { ...problem.extras, request_id: call.dispatch.request_id });
}

/** A small body is read before it is sent where the call may have to be made again. One that comes with a GET cannot be. */
async function keepBody(errand: Errand): Promise<void> {
  if (hasUnusualBody(errand.request)) return;
  const length = Number(errand.request.headers.get("content-length") ?? Infinity);
  if (errand.body instanceof ReadableStream && length <= REPLAYED_BYTES)
    errand.body = await errand.request.arrayBuffer();
}

function mayFallBack({ call, answer }: Attempt, { body }: Errand): boolean {
  return answer.status === 401 && mayNeedAgain(call.dispatch) && !(body instanceof ReadableStream);
}

function mayNeedAgain({ overlaps, renews }: Dispatch): boolean {
  return overlaps || renews !== undefined;
}

/** What the vault is asked the second time. */
function again({ call: { dispatch } }: Attempt): Pick<Ask, "overlap" | "stale"> {
  return dispatch.overlaps ? { overlap: true } : { stale: dispatch.renews };
}

function assertServable(request: Request, headers: HeaderLines): void {
  if (REFUSED_METHODS.has(request.method))
    throw new Problem("method_not_allowed", `${request.method} is never sent on.`);
  refuseBrowsers(headers);
  let size = 0;
  for (const [name, value] of headers) size += name.length + value.length + 4;
  if (size > HEADER_BYTES) throw new Problem("too_large", "The request's headers are larger than 64 KiB.");
  if (hasUnusualBody(request) && !request.headers.has("content-length")) {
    throw new Problem("invalid_request", `A body of unknown length cannot be sent with ${request.method}.`);
  }
}

/** Some search APIs want a body with a GET (RFC 9110 §9.3.1 gives it no meaning, and forbids none). */
function hasUnusualBody({ method, body }: Request): boolean {
  return body !== null && (method === "GET" || method === "HEAD");
}

/** The vault's yes. Where a budget pays, it wants to know first what the call may come to. */
async function authorized(errand: Errand): Promise<Dispatch> {
  try {
    return await authorize(errand);
  } catch (thrown) {
    if (!(thrown instanceof Problem) || thrown.code !== "estimate_needed") throw thrown;
    await keepBody(errand);
    const { request, body, question } = errand;
    const length = Number(request.headers.get("content-length") ?? ESTIMATED_BYTES);
    const text = body instanceof ArrayBuffer ? new TextDecoder().decode(body) : "";
    errand.question = { ...question, estimate: estimateOf(text, length) };
    return authorize(errand);
  }
}

/** Asks the vault. Where a person must be asked first, the call is held meanwhile, its body with it. */
async function authorizeOrAsk(errand: Errand): Promise<Dispatch> {
  try {
    return await authorized(errand);
  } catch (thrown) {
    if (!(thrown instanceof Problem) || thrown.code !== "approval_required" || errand.question.content !== undefined)
      throw thrown;
  }
  const { env, vault_id, request, query } = errand;
  await keepBody(errand);
  const content = contentDigest(query, errand.body instanceof ReadableStream ? "unknown" : errand.body);
  errand.question = { ...errand.question, content };
  return askFirst(
    () => authorized(errand),
    () => env.USER_VAULT.getByName(vault_id),
    request.signal,
    errand.patience,
  );
}

async function authorize({ env, vault_id, mac, question }: Errand): Promise<Dispatch> {
  const settled = takeSettlements(vault_id);
  try {
    return await ask(env.USER_VAULT.getByName(vault_id).authorize(question, settled));
  } catch (thrown) {
    if (thrown instanceof Problem) {
      // A refusal means that the vault was reached and has them; only a fault may have lost them, and settling twice is harmless.
      if (thrown.code === "unavailable") returnSettlements(vault_id, settled);
      else refused.note(mac, thrown, Date.now());
    }
    throw thrown;
  }
}

function isUpgrade(headers: HeaderLines): boolean {
  return valueOf(headers, "upgrade")?.toLowerCase() === "websocket";
}

function prepare(config: Config, dispatch: Dispatch, { asked, headers: given, query }: Errand): Upstream {
  // No path at all is judged as `/`, but means the base address itself: `/graphql` and `/graphql/` are two things.
  const target = targetOf(dispatch.destination, asked.path === "" ? "" : dispatch.path, query);
  assertForeign(config, target);
  const headers = upstreamHeaders(given);
  const upgrade = isUpgrade(given);
  if (upgrade) {
    headers.set("upgrade", "websocket");
    const protocols = valueOf(given, "sec-websocket-protocol");
    if (protocols !== null) headers.set("sec-websocket-protocol", protocols);
  }
  if (dispatch.scrub) {
    headers.delete("range");
    headers.delete("if-range");
  }
  const texts = inject(headers, target, dispatch.destination, dispatch.secret);
  return { target, headers, scrubber: new Scrubber(texts), upgrade };
}

/** Our own hosts are never an upstream, whatever a key says (SECURITY S26). */
export function assertForeign(config: Config, target: URL): void {
  if (isOurs(config, target)) throw new Problem("target_refused", "The proxy does not call itself.");
}

async function send(
  call: ProxyCall,
  { request, body }: Errand,
  { target, headers, upgrade }: Upstream,
): Promise<Response> {
  if (upgrade) await call.leashNow();
  else call.follow(request.signal);
  try {
    // The runtime lets a body through with a GET only from a Request that came with it.
    const carried = hasUnusualBody(request) ? new Request(target, request) : target;
    const answer = await fetch(carried, {
      ...(carried === target ? { method: request.method, body } : {}),
      headers,
      // A redirect is handed back, not followed: following it would carry the credential to a host that nobody named.
      redirect: "manual",
      cache: "no-store",
      // What becomes of a socket once it is open is the relay's affair.
      signal: upgrade ? AbortSignal.any([call.stopped, request.signal]) : call.stopped,
    });
    call.answered(answer.status);
    return answer;
  } catch (fault) {
    if (call.stopped.aborted) throw fault;
    throw new Problem("upstream_unreachable", "The upstream could not be reached.", { cause: fault });
  }
}
