import { mustShowBearer } from "../auth/bearer.ts";
import { originOf } from "../auth/origin.ts";
import { limitWeak } from "../auth/weak.ts";
import { configOf, type Config } from "../config.ts";
import { verifyToken, type TokenKind, type VerifiedToken } from "../crypto/token.ts";
import { JSON_HEADERS } from "../json.ts";
import { asProblem, Problem } from "../problem.ts";
import { RefusedTokens } from "../proxy/refused_tokens.ts";
import { GUESTS } from "../vault/calls/visit.ts";
import { ALLOWED_METHODS, challenge, refusal } from "./refusal.ts";

/** Tokens that `/v1/mcp` takes: an OAuth client's, and a device's for the bridge that runs on it. */
const TAKEN: ReadonlySet<TokenKind> = new Set(["oat", "dev"]);
const LOOPBACK = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;

/** What this isolate remembers of refused tokens; never of one that was accepted. */
const refused = new RefusedTokens();

/** What serves, once it is loaded: asking for a module again is a round through the runtime. */
let serving: typeof import("./serve.ts") | undefined;

/** `/v1/mcp`: a token that we have signed, before anything else is looked at or loaded. */
export async function mcp(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  const config = configOf(env);
  if (!isWelcome(request, config))
    return ofOne(refusal(new Problem("csrf_refused", "This Origin may not call the MCP server.")));
  if (request.method === "OPTIONS") return withCors(new Response(null, { status: 204 }), request);
  return withCors(ofOne(await answered(request, env, ctx)), request);
}

async function answered(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  const config = configOf(env);
  try {
    const token = tokenOf(request, config);
    refused.check(token.mac, Date.now());
    const origin = originOf(request);
    await limitWeak(env, token, origin.ip);
    const caller = { hash: token.hash, kind: token.kind, may: GUESTS, origin };
    try {
      serving ??= await import("./serve.ts");
      return await serving.serve({ request, env, ctx, visit: { vault_id: token.vault_id, caller } });
    } catch (thrown) {
      if (thrown instanceof Problem && thrown.code === "invalid_token") refused.note(token.mac, thrown, Date.now());
      throw thrown;
    }
  } catch (thrown) {
    const problem = asProblem(thrown);
    return problem.code === "invalid_token" ? challenge(config, problem) : refusal(problem);
  }
}

/** What is answered is one caller's, whoever has worded it, and nothing but what it says it is. A stream says so itself. */
function ofOne(answer: Response): Response {
  for (const [name, value] of Object.entries(JSON_HEADERS))
    if (!answer.headers.has(name)) answer.headers.set(name, value);
  return answer;
}

/** The token is in the header and nowhere else: a URL is no place for it. */
function tokenOf(request: Request, config: Config): VerifiedToken {
  const token = verifyToken(config.token_keys, mustShowBearer(request, "Sign in to use this server."));
  if (!TAKEN.has(token.kind)) throw new Problem("invalid_token", "This kind of token is not for this server.");
  return token;
}

/**
 * A browser says where a request comes from. On one machine only that machine's own pages are welcome, or any page could reach
 * the server through a name that it rebinds; in a deployment any https page and local tool that holds a token, but none on the
 * proxy's origin.
 */
function isWelcome(request: Request, config: Config): boolean {
  const origin = request.headers.get("origin");
  if (origin === null) return true;
  if (origin === config.proxy_origin) return false;
  if (LOOPBACK.test(origin)) return true;
  return !config.local && /^https:\/\/[^/\s]+$/.test(origin);
}

/** Pages may read our answers where their Origin was welcome; no cookie is ever read here, so none is allowed. */
function withCors(answer: Response, request: Request): Response {
  const origin = request.headers.get("origin");
  if (origin === null && request.method !== "OPTIONS") return answer;
  const headers = new Headers(answer.headers);
  headers.set("access-control-allow-origin", origin ?? "*");
  headers.append("vary", "Origin");
  headers.set("access-control-expose-headers", "WWW-Authenticate, Mcp-Session-Id, Retry-After");
  if (request.method === "OPTIONS") {
    headers.set("access-control-allow-methods", ALLOWED_METHODS);
    headers.set(
      "access-control-allow-headers",
      // The star is for what clients add of their own, Mcp-Param-… among it; older browsers do not know it, and none reads it as Authorization.
      "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID, *",
    );
    headers.set("access-control-max-age", "7200");
  }
  return new Response(answer.body, { status: answer.status, headers });
}
