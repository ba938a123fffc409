import { configOf, type Config } from "../config.ts";
import { verifyToken } from "../crypto/token.ts";
import { originOf } from "../auth/origin.ts";
import { asProblem, Problem, problemResponse } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { Ask, Dispatch } from "../vault/gate.ts";
import { ProxyCall } from "./call.ts";
import { carry } from "./carry.ts";
import { takeToken } from "./find_token.ts";
import { clientHeaders, guard, overridesMethod, refuseBrowsers, upstreamHeaders } from "./headers.ts";
import { inject } from "./inject.ts";
import { Scrubber } from "./scrub.ts";
import { returnSettlements, takeSettlements } from "./settlements.ts";
import { isOurs, readProxyPath, redirectedTo, targetOf, type ProxyPath } from "./target.ts";
import { relay } from "./websocket.ts";

const FIRST_BYTE_MS = 300_000;
const HEADER_BYTES = 64 * 1024;
const REFUSED_METHODS = new Set(["TRACE", "TRACK", "CONNECT"]);
const SERVED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY";

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
  const started_at = Date.now();
  const config = configOf(env);
  assertServable(request);
  const asked = readProxyPath(request.url);
  const { token, headers, query } = takeToken(request.headers, asked.query);
  const { kind, vault_id, hash } = verifyToken(config.token_keys, token);
  if (kind !== "app") throw new Problem("invalid_token", "The proxy takes app tokens.");

  const overridden = overridesMethod(headers, query);
  const question = { hash, key: asked.key, method: request.method, path: asked.path, overridden, ...originOf(request) };
  const dispatch = await authorize(env, vault_id, question);
  const vault_ms = Date.now() - started_at;

  const call = new ProxyCall(env, vault_id, dispatch, started_at);
  try {
    const upstream = prepare(config, dispatch, request, asked, headers, query);
    const sent_at = Date.now();
    const answer = await send(call, request, upstream);
    const timing = `vault;dur=${vault_ms}, upstream;dur=${Date.now() - sent_at}`;
    try {
      return handBack(config, call, request, asked, upstream, answer, timing, ctx);
    } catch (refused) {
      void answer.body?.cancel().catch(() => {});
      throw refused;
    }
  } catch (thrown) {
    const problem = call.stopped.aborted ? call.cutProblem() : asProblem(thrown);
    const gone = request.signal.aborted;
    ctx.waitUntil(call.end(gone ? { outcome: "canceled" } : { outcome: "failed", rule: problem.code }));
    throw new Problem(problem.code, problem.message, { ...problem.extras, request_id: dispatch.request_id });
  }
}

function assertServable(request: Request): void {
  if (REFUSED_METHODS.has(request.method))
    throw new Problem("method_not_allowed", `${request.method} is never sent on.`);
  refuseBrowsers(request.headers);
  let size = 0;
  for (const [name, value] of request.headers) size += name.length + value.length + 4;
  if (size > HEADER_BYTES) throw new Problem("too_large", "The request's headers are larger than 64 KiB.");
  if (hasUnusualBody(request) && !request.headers.has("content-length")) {
    throw new Problem("invalid_request", `A body of unknown length cannot be sent with ${request.method}.`);
  }
}

/** Some search APIs want a body with a GET (RFC 9110 §9.3.1 gives it no meaning, and forbids none). */
function hasUnusualBody({ method, body }: Request): boolean {
  return body !== null && (method === "GET" || method === "HEAD");
}

async function authorize(env: Env, vault_id: string, question: Ask): Promise<Dispatch> {
  const settled = takeSettlements(vault_id);
  try {
    return await ask(env.USER_VAULT.getByName(vault_id).authorize(question, settled));
  } catch (refused) {
    // A refusal means that the vault was reached and has them; only a fault may have lost them, and settling twice is harmless.
    if (refused instanceof Problem && refused.code === "unavailable") returnSettlements(vault_id, settled);
    throw refused;
  }
}

function prepare(
  config: Config,
  dispatch: Dispatch,
  request: Request,
  asked: ProxyPath,
  given: Headers,
  query: string,
): Upstream {
  // No path at all is judged as `/`, but means the base address itself: `/graphql` and `/graphql/` are two things.
  const target = targetOf(dispatch.destination, asked.path === "" ? "" : dispatch.path, query);
  assertForeign(config, target);
  const headers = upstreamHeaders(given);
  const upgrade = request.headers.get("upgrade")?.toLowerCase() === "websocket";
  if (upgrade) {
    headers.set("upgrade", "websocket");
    const protocols = given.get("sec-websocket-protocol");
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

async function send(call: ProxyCall, request: Request, { target, headers, upgrade }: Upstream): Promise<Response> {
  if (upgrade) await call.leashNow();
  const late = setTimeout(() => call.stop("first_byte"), FIRST_BYTE_MS);
  try {
    // The runtime lets a body through with a GET only from a Request that came with it.
    const carried = hasUnusualBody(request) ? new Request(target, request) : target;
    const answer = await fetch(carried, {
      ...(carried === target ? { method: request.method, body: request.body } : {}),
      headers,
      // A redirect is handed back, not followed: following it would carry the credential to a host that nobody named.
      redirect: "manual",
      cache: "no-store",
      signal: AbortSignal.any([call.stopped, request.signal]),
    });
    call.answered(answer.status);
    return answer;
  } catch (fault) {
    if (call.stopped.aborted) throw fault;
    throw new Problem("upstream_unreachable", "The upstream could not be reached.", { cause: fault });
  } finally {
    clearTimeout(late);
  }
}

function handBack(
  config: Config,
  call: ProxyCall,
  request: Request,
  asked: ProxyPath,
  { target, scrubber }: Upstream,
  answer: Response,
  timing: string,
  ctx: ExecutionContext,
): Response {
  const { dispatch } = call;
  const headers = clientHeaders(answer.headers, (value) => scrubber.text(value));
  for (const name of ["location", "content-location"]) {
    const value = answer.headers.get(name);
    if (value !== null)
      headers.set(
        name,
        scrubber.text(redirectedTo(value, target, dispatch.destination, { ...config, key: asked.key })),
      );
  }
  headers.set("apilocker-request-id", dispatch.request_id);
  headers.set("server-timing", timing);
  if (answer.webSocket !== null) {
    const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
    const { response, done } = relay(call, answer, headers, {
      offered,
      scrubber: dispatch.scrub ? scrubber : undefined,
    });
    ctx.waitUntil(done);
    return response;
  }
  if (/^text\/event-stream\b/i.test(answer.headers.get("content-type") ?? "")) ctx.waitUntil(call.leashNow());
  const scrubbed = dispatch.scrub || answer.status >= 400 ? scrubber : undefined;
  const { response, done } = carry(call, answer, headers, {
    scrubber: scrubbed,
    method: request.method,
    client: request.signal,
  });
  ctx.waitUntil(done);
  return response;
}
