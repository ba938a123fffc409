import { limitWeak } from "../auth/weak.ts";
import { configOf, type Config } from "../config.ts";
import { asProblem, Problem, problemWords, saying, type ProblemWords } from "../problem.ts";
import { isOurs } from "../vault/alerts/public_host.ts";
import type { Dispatch } from "../vault/calls/dispatch.ts";
import { authorizeOrAsk } from "./authorize.ts";
import { ProxyCall } from "./call.ts";
import { errandFor, errandOf, hasUnusualBody, isUpgrade, keepBody, type Errand } from "./errand.ts";
import { guard, upstreamHeaders, valueOf } from "./headers.ts";
import { handBack, type Attempt, type Upstream } from "./hand_back.ts";
import { inject } from "./inject.ts";
import { Scrubber } from "./scrub.ts";
import { sign } from "./sign.ts";
import { targetOf } from "./target.ts";

/** An answer, and when all that it leaves to do is done. */
type Carried = { response: Response; done: Promise<unknown> };

/** The proxy's whole origin: every request is a call to carry, every refusal a problem with the same guarding headers. */
export async function proxy(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  try {
    const carried = carry(errandOf(request, env, ctx));
    // A client that leaves ends the invocation there and then unless something is still waited for, and its row must be ended.
    ctx.waitUntil(carried.then(({ done }) => done).catch(() => {}));
    return (await carried).response;
  } catch (thrown) {
    return refusalOf(asProblem(thrown), configOf(env));
  }
}

/** A call of somebody whose token was verified before ({@link errandFor}): the proxy's own door, as for everybody else. */
export async function callFor(...said: Parameters<typeof errandFor>): Promise<Response> {
  const errand = await errandFor(...said);
  const { response, done } = await carry(errand);
  errand.ctx.waitUntil(done);
  return response;
}

/** What is said of tokens that are not ours, or are none: the same each time, so it is worded once. */
const worded = new Map<string, ProblemWords>();

function refusalOf(problem: Problem, config: Config): Response {
  const { anonymous, ...more } = problem.extras;
  const constant = problem.code === "invalid_token" && Object.keys(more).length === 0;
  const said = `${problem.message} ${anonymous}`;
  const words = (constant ? worded.get(said) : undefined) ?? wordsOf(problem, config);
  if (constant) worded.set(said, words);
  return saying(words);
}

/**
 * SDKs read why they were refused from `error`; stripe-node goes by it alone and takes an answer without it for a success,
 * whatever its status.
 */
function wordsOf(problem: Problem, { public_origin }: Config): ProblemWords {
  const error = { type: problem.code, code: problem.code, message: problem.message };
  // Taken for an address, it must not lead to what stands at that path of the upstream.
  const words = problemWords(problem, { type: `${public_origin}/problems/${problem.code}`, error });
  guard(words.headers);
  return words;
}

/** A call, step by step: ask the vault once, send, carry the answer, settle. */
async function carry(errand: Errand): Promise<Carried> {
  const { ctx, env, weak, question } = errand;
  if (weak) await limitWeak(env, errand, question.ip);
  const first = await attempt(errand);
  const { again } = first.call.dispatch;
  if (first.answer.status !== 401 || again === undefined || errand.body instanceof ReadableStream) {
    // Whoever reads the answer to a model has more to say to it than this.
    return settleHandBack(errand, first, errand.scrubbed !== true);
  }
  // The upstream does not take the new secret yet, or the access token any more: while a rotation overlaps the one before is
  // asked for, else a newer token. A use of its own.
  void first.answer.body?.cancel().catch(() => {});
  ctx.waitUntil(first.call.endBeforeNext({ outcome: "ok" }));
  return settleHandBack(errand, await attempt({ ...errand, question: { ...errand.question, ...again } }), false);
}

/** Hands the answer back; one that cannot be is dropped, and the call settled as failed. */
async function settleHandBack(errand: Errand, attempt: Attempt, alone: boolean): Promise<Carried> {
  try {
    return await handBack(errand, attempt, alone);
  } catch (thrown) {
    void attempt.answer.body?.cancel().catch(() => {});
    throw failed(attempt.call, errand, thrown);
  }
}

/** Asks the vault and sends the request. Whatever goes wrong after the vault's yes is settled here. */
async function attempt(errand: Errand): Promise<Attempt> {
  const { config, env, request, vault_id } = errand;
  const started_at = Date.now();
  const allowed = await authorizeOrAsk(errand);
  const dispatch = errand.scrubbed === true ? { ...allowed, scrub: true } : allowed;
  const vault_ms = Date.now() - started_at;
  const call = new ProxyCall(env, vault_id, dispatch, started_at);
  try {
    const upstream = prepare(config, dispatch, errand);
    if (dispatch.again !== undefined) await keepBody(errand);
    if (dispatch.destination.placement.in === "sigv4")
      errand.body = await sign(upstream, dispatch, request.method, errand.body);
    const sent_at = Date.now();
    const answer = await send(call, errand, upstream);
    return { call, upstream, answer, timing: `vault;dur=${vault_ms}, upstream;dur=${Date.now() - sent_at}` };
  } catch (thrown) {
    throw failed(call, errand, thrown);
  }
}

/** Ends a call that went wrong, and words it. */
function failed(call: ProxyCall, { ctx, request }: Errand, thrown: unknown): Problem {
  const problem = call.stopped.aborted ? call.cutProblem() : asProblem(thrown);
  const gone = request.signal.aborted;
  ctx.waitUntil(call.end(gone ? { outcome: "canceled" } : { outcome: "failed", rule: problem.code }));
  return new Problem(problem.code, problem.message, { ...problem.extras, request_id: call.dispatch.request_id });
}

function prepare(config: Config, dispatch: Dispatch, { asked, headers: given, query }: Errand): Upstream {
  // No path at all is judged as `/`, but means the base address itself: `/graphql` and `/graphql/` are two things.
  const target = targetOf(dispatch.destination, asked.path, query);
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
  else call.follow(request);
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
