import { createMcpHandler } from "@modelcontextprotocol/server";
import { configOf } from "../config.ts";
import { logFault } from "../problem.ts";
import { stepUp } from "./refusal.ts";
import { serverFor } from "./server.ts";
import type { Served } from "./serve.ts";
import { scopeOfTool } from "./tools.ts";
import { holds } from "./visit.ts";

/** Clients of 2026-07-28: no session, a fresh server for each request. */
export async function serveCurrent({ request, env, ctx, visit }: Served, body: unknown): Promise<Response> {
  const needed = scopeOfCall(body);
  if (needed !== undefined && !holds(visit, needed)) {
    const message = `This needs ${needed}, which ${visit.guest.name} was not granted.`;
    return stepUp(configOf(env), [...new Set([...visit.guest.scopes, needed])], message);
  }
  const { conformance_fixtures } = configOf(env);
  if (methodOf(body) === "subscriptions/listen" && !conformance_fixtures) return nothingToHear(body);
  const handler = createMcpHandler(() => serverFor(env, ctx), {
    legacy: "reject",
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
  return Response.json({ jsonrpc: "2.0", error, id }, { status: 404, headers: { "cache-control": "no-store" } });
}

/** The scope that a call of one of our tools needs; undefined for everything else. */
function scopeOfCall(body: unknown) {
  const { method, params } = (body ?? {}) as { method?: unknown; params?: { name?: unknown } };
  return method === "tools/call" && typeof params?.name === "string" ? scopeOfTool(params.name) : undefined;
}
