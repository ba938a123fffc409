import { createMcpHandler } from "@modelcontextprotocol/server";
import { configOf } from "../config.ts";
import { logFault } from "../problem.ts";
import { stepUp } from "./refusal.ts";
import { acceptsEither } from "./session_bridge.ts";
import { serverFor } from "./server.ts";
import type { Served } from "./serve.ts";
import { toolNamed } from "./tools.ts";
import { holds } from "./visit.ts";

/** How often a stream says that it is there, and so how late it is noticed that nobody listens. */
const KEEP_ALIVE_MS = 2_000;

/** Clients of 2026-07-28: no session, a fresh server for each request. */
export async function serveCurrent({ request, env, ctx, visit }: Served, body: unknown): Promise<Response> {
  const called = calledBy(body);
  const needed = called?.scope;
  if (needed !== undefined && !holds(visit, needed)) {
    const message = `This needs ${needed}, which ${visit.guest.name} was not granted.`;
    return stepUp(configOf(env), [...new Set([...visit.guest.scopes, needed])], message);
  }
  const { conformance_fixtures } = configOf(env);
  if (methodOf(body) === "subscriptions/listen" && !conformance_fixtures) return nothingToHear(body);
  const handler = createMcpHandler(() => serverFor(env, ctx), {
    legacy: "reject",
    // A call that may last is a stream from the start: that its client has left is told by what is written to it, and by nothing else.
    responseMode: called?.effect === "calls out" && acceptsEither(request.headers) ? "sse" : "auto",
    keepAliveMs: KEEP_ALIVE_MS,
    ...(conformance_fixtures ? { bus: (await import("./fixtures.ts")).bus } : {}),
    onerror: (fault) => logFault("mcp_refused", fault),
  });
  // The body was read and judged already; who asks is told beside it, not in it.
  const authInfo = { token: "", clientId: visit.guest.id, scopes: [...visit.guest.scopes], extra: { visit } };
  return handler.fetch(request, { authInfo, parsedBody: body });
}

function methodOf(body: unknown): unknown {
  return (body as { method?: unknown } | null)?.method;
}

/** Nothing that we list changes unasked, and a stream that nothing can end is not opened (SECURITY S6). */
function nothingToHear(body: unknown): Response {
  const { id = null } = body as { id?: unknown };
  const error = { code: -32_601, message: "Method not found" };
  return Response.json({ jsonrpc: "2.0", error, id }, { status: 404 });
}

/** Which of our tools is called; undefined for everything else. */
function calledBy(body: unknown) {
  const { method, params } = (body ?? {}) as { method?: unknown; params?: { name?: unknown } };
  return method === "tools/call" && typeof params?.name === "string" ? toolNamed(params.name) : undefined;
}
