import { isJsonContentType, isLegacyRequest } from "@modelcontextprotocol/server";
import { readText } from "../api/body.ts";
import { Problem } from "../problem.ts";
import { serveCurrent } from "./current.ts";
import { malformed, methodNotAllowed } from "./refusal.ts";
import { serveSession } from "./session_bridge.ts";
import type { Visit } from "./visit.ts";

/** A request of somebody who was let in. */
export type Served = { request: Request; env: Env; ctx: ExecutionContext; visit: Visit };

const PARSE_ERROR = -32_700;

/** Splits the eras: clients of 2026 speak for themselves in every request, older ones hold a session. */
export async function serve(served: Served): Promise<Response> {
  const { request } = served;
  if (request.method !== "POST")
    return request.headers.has("mcp-session-id") ? serveSession(served, undefined) : methodNotAllowed();
  if (!isJsonContentType(request.headers.get("content-type")))
    throw new Problem("unsupported_media_type", "Unsupported Media Type: Content-Type must be application/json");
  const text = await readText(request);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return malformed(PARSE_ERROR, "Parse error: the body is not JSON");
  }
  return (await isLegacyRequest(request, body)) ? serveSession(served, body) : serveCurrent(served, body);
}
