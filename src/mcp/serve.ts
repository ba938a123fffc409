import { isJsonContentType, isLegacyRequest } from "@modelcontextprotocol/server";
import { BODY_BYTES } from "../api/body.ts";
import { readText } from "../body.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import { serveCurrent } from "./current.ts";
import { answerDirectly, mayBeDirect } from "./direct.ts";
import { malformed, methodNotAllowed } from "./refusal.ts";
import { serveSession, sessionIn } from "./session_bridge.ts";
import { vaultOf, type Bearer, type Visit } from "./visit.ts";

/** A request with a token that we have signed; whether it is alive is the vault's to say. */
export type Arrived = { request: Request; env: Env; ctx: ExecutionContext; visit: Bearer };

/** A request of somebody who was let in. */
export type Served = Arrived & { visit: Visit };

const METHODS = new Set(["POST", "GET", "DELETE"]);
const PARSE_ERROR = -32_700;

/**
 * Asks who is there, and splits the eras: clients of 2026 speak for themselves in every request, older ones hold a session. The
 * body is read after that, but for what can be answered together with it.
 */
export async function serve(arrived: Arrived): Promise<Response> {
  const { request, env } = arrived;
  const early = mayBeDirect(request) ? messageIn(await request.text()) : undefined;
  const direct = early && (await answerDirectly(arrived, early.message));
  if (direct !== undefined) return direct;

  const session_id = sessionIn(request.headers);
  const served: Served = { ...arrived, visit: await greeted(env, arrived.visit, session_id) };
  if (!METHODS.has(request.method)) return methodNotAllowed();
  if (request.method !== "POST") return session_id === null ? methodNotAllowed() : serveSession(served, undefined);
  const { message } = early ?? messageIn(await textOf(request));
  if (message === undefined) return malformed(PARSE_ERROR, "Parse error: the body is not JSON");
  return (await isLegacyRequest(request, message)) ? serveSession(served, message) : serveCurrent(served, message);
}

async function greeted(env: Env, bearer: Bearer, session_id: string | null): Promise<Visit> {
  return { ...bearer, guest: await ask(vaultOf(env, bearer).greet(bearer.caller, session_id)) };
}

async function textOf(request: Request): Promise<string> {
  if (!isJsonContentType(request.headers.get("content-type")))
    throw new Problem("unsupported_media_type", "Unsupported Media Type: Content-Type must be application/json");
  return readText(request, BODY_BYTES);
}

/** What was posted; `message` is undefined where it is not JSON. */
function messageIn(text: string): { message: unknown } {
  try {
    return { message: JSON.parse(text) as unknown };
  } catch {
    return { message: undefined };
  }
}
