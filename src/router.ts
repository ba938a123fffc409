import { Hono, type HonoRequest } from "hono";
import { openapi } from "./api/openapi.ts";
import { operator } from "./api/operator.ts";
import { api } from "./api/routes.ts";
import { limitWeakCaller } from "./auth/weak.ts";
import { configOf, type Config } from "./config.ts";
import { oauth } from "./oauth/routes.ts";
import { consentPage, refusedRequestPage } from "./pages/consent.ts";
import { deviceSignInPage } from "./pages/device_sign_in.ts";
import { mcp } from "./mcp/route.ts";
import { docsPage } from "./pages/docs.ts";
import { pages } from "./pages/routes.ts";
import { problemPage } from "./pages/problem.ts";
import { asProblem, Problem, problemResponse } from "./problem.ts";
import { securityTxt } from "./pages/security_txt.ts";
import { signInPage } from "./pages/sign_in.ts";
import { guard } from "./proxy/headers.ts";
import { proxy } from "./proxy/send.ts";
import { signin } from "./signin/routes.ts";

/** What PUBLIC_ORIGIN serves, but for `/v1/mcp`. That is one function, as is what PROXY_ORIGIN serves. */
const app = new Hono<{ Bindings: Env }>()
  .use(async ({ env, req }, next) => {
    await limitWeakCaller(env, configOf(env), req.raw);
    await next();
  })
  .get("/.well-known/security.txt", ({ env }) => securityTxt(configOf(env), Date.now()))
  .route("/", signin)
  .route(
    "/",
    oauth({ signIn: signInPage, consent: consentPage, device: deviceSignInPage, refusal: refusedRequestPage }),
  )
  .route("/", operator)
  .route("/", api)
  .route("/", pages)
  .get("/docs", ({ env }) => docsPage(openapi(configOf(env))))
  .notFound(({ env, req }) => refusal(unserved(req.path, configOf(env)), req))
  .onError((thrown, { req }) => refusal(asProblem(thrown), req));

/** Agents ask there all day: finding a way through all the others costs as much as the answer. */
const MCP = /^https?:\/\/[^/?]+\/v1\/mcp(?:\?|$)/;

/** Two origins, two tables; a host that is neither is not served (SECURITY S1, S29). */
export async function route(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  let config: Config;
  try {
    config = configOf(env);
  } catch (fault) {
    console.error(JSON.stringify({ event: "misconfigured", error: String(fault) }));
    return problemResponse(new Problem("unavailable", "This deployment is not configured yet.", { retry_after_s: 60 }));
  }
  const host = (request.headers.get("host") ?? "").toLowerCase();
  if (isHostOf(config.proxy_origin, host)) return proxy(request, env, ctx);
  if (isHostOf(config.public_origin, host))
    return MCP.test(request.url) ? mcp(request, env, ctx) : app.fetch(withoutInternalHeaders(request), env, ctx);
  const misdirected = problemResponse(new Problem("misdirected", "This host is not served here."));
  guard(misdirected.headers);
  return misdirected;
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** Nothing is at this path, or not by this method. */
function unserved(path: string, { proxy_origin }: Config): Problem {
  // The one path of the other origin that people know: whoever took this one for it learns where theirs goes.
  if (path.startsWith("/v1/proxy/"))
    return new Problem("not_found", `Nothing is proxied here. Send the call to ${proxy_origin}/v1/proxy/…`);

  const served = METHODS.filter((method) => isServed(method === "HEAD" ? "GET" : method, path));
  // A browser may ask in advance about whatever it likes.
  if (served.every((method) => method === "OPTIONS"))
    return new Problem("not_found", "Nothing is served at this path. What the API serves is told at /docs.");
  const allow = served.join(", ");
  return new Problem("method_not_allowed", `Here is only ${allow}.`, { allow });
}

/** Is there a route of that method itself? Those of all methods are on the way to others. */
function isServed(method: string, path: string): boolean {
  const [routes] = app.router.match(method, path);
  return routes.some(([[, route]]) => route.method === method);
}

function refusal(problem: Problem, req: HonoRequest): Response | Promise<Response> {
  return forAPerson(req) ? problemPage(problem) : problemResponse(problem);
}

/** A browser that opens a page, as against a program or a page's own script. A well-known document is for programs only. */
function forAPerson({ method, path, raw }: HonoRequest): boolean {
  if (!["GET", "HEAD", "POST"].includes(method) || path.includes("/.well-known/")) return false;
  return /\btext\/html\b/.test(raw.headers.get("accept") ?? "");
}

/** A port that says nothing new may be spelled out (RFC 9110 §4.2). */
function isHostOf(origin: string, host: string): boolean {
  const own = origin.slice(origin.indexOf("//") + 2);
  return host === own || host === own + (origin.startsWith("https:") ? ":443" : ":80");
}

/** Headers that mean something to libraries inside are nobody's to send (DESIGN D8). */
function withoutInternalHeaders(request: Request): Request {
  if (![...request.headers.keys()].some((name) => name.startsWith("x-partykit-"))) return request;
  const headers = new Headers(request.headers);
  for (const name of request.headers.keys()) if (name.startsWith("x-partykit-")) headers.delete(name);
  return new Request(request, { headers });
}
