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
  const handler = createMcpHandler(() => serverFor(env, ctx), {
    legacy: "reject",
    onerror: (fault) => logFault("mcp_refused", fault),
  });
  // The body was read and judged already; who asks is told beside it, not in it.
  const authInfo = { token: "", clientId: visit.guest.id, scopes: [...visit.guest.scopes], extra: { visit } };
  return handler.fetch(request, { authInfo, parsedBody: body });
}

/** The scope that a call of one of our tools needs; undefined for everything else. */
function scopeOfCall(body: unknown) {
  const { method, params } = (body ?? {}) as { method?: unknown; params?: { name?: unknown } };
  return method === "tools/call" && typeof params?.name === "string" ? scopeOfTool(params.name) : undefined;
}
