import {
  isInitializeRequest,
  isJSONRPCRequest,
  parseJSONRPCMessage,
  type JSONRPCMessage,
} from "@modelcontextprotocol/server";
import { logFault, Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import { GUESTS } from "../vault/calls/visit.ts";
import { sessionObjectName } from "../vault/calls/mcp_sessions.ts";
import { malformed } from "./refusal.ts";
import { CURRENT_VERSION, SESSION_VERSIONS } from "./server.ts";
import type { Served } from "./serve.ts";
import { eventStream } from "./event_stream.ts";
import { streamRequest } from "./session_wire.ts";
import { vaultOf } from "./visit.ts";

const INVALID_REQUEST = -32_600;
const INVALID_PARAMS = -32_602;
const SERVER_ERROR = -32_000;
/** The only revision with batches, and the one that is spoken where a request names none (2025-06-18, Streamable HTTP). */
const BATCHING_VERSION = "2025-03-26";
/** Messages in one body; each tool call in it is a call of its own. */
const BATCH = 20;

/**
 * Clients of 2025 and before: the router's end of a session. The vault has said already that the session, if one is named, is
 * this caller's; here its object is asked and its stream carried, with a comment now and then so that nothing on the way takes
 * it for dead.
 */
export async function serveSession(served: Served, body: unknown): Promise<Response> {
  const session_id = sessionIn(served.request.headers);
  switch (served.request.method) {
    case "GET":
      return stream(served, session_id ?? "");
    case "DELETE":
      return close(served, session_id ?? "");
    default:
      return post(served, session_id, body);
  }
}

async function post(served: Served, session_id: string | null, body: unknown): Promise<Response> {
  const { request, visit } = served;
  if (!acceptsEither(request.headers))
    return malformed(SERVER_ERROR, "Not Acceptable: accept both application/json and text/event-stream", 406);
  const messages = messagesOf(body);
  if (messages === undefined) return malformed(INVALID_REQUEST, "Invalid Request: not JSON-RPC 2.0");
  const begins = messages.some((message) => "method" in message && message.method === "initialize");
  if (begins && (session_id !== null || Array.isArray(body)))
    return malformed(INVALID_REQUEST, "Invalid Request: initialize comes alone and opens a session of its own");
  // A hello that would be refused, or that waits for no answer, opens nothing.
  if (begins && !messages.every((message) => isJSONRPCRequest(message) && isInitializeRequest(message)))
    return malformed(INVALID_PARAMS, "Invalid params for initialize");
  if (!begins && session_id === null) return malformed(SERVER_ERROR, "Bad Request: Mcp-Session-Id header is required");
  const unsupported = begins ? undefined : versionRefusal(request);
  if (unsupported !== undefined) return unsupported;
  if (Array.isArray(body) && (request.headers.get("mcp-protocol-version") ?? BATCHING_VERSION) !== BATCHING_VERSION)
    return malformed(
      INVALID_REQUEST,
      `Invalid Request: only ${BATCHING_VERSION} has batches, send one message at a time`,
    );

  const id = session_id ?? (await open(served));
  const socket = await connected(served, id, streamRequest(visit, { method: "POST", messages, begin: begins }));
  if (!messages.some(isJSONRPCRequest)) {
    socket.close(1000);
    return new Response(null, { status: 202 });
  }
  return eventStream(socket, request, id);
}

/** The stream on which the server speaks unasked. */
async function stream(served: Served, session_id: string): Promise<Response> {
  const { request, visit } = served;
  if (!accepts(request.headers.get("accept") ?? "", "text/event-stream"))
    return malformed(SERVER_ERROR, "Not Acceptable: accept text/event-stream", 406);
  const unsupported = versionRefusal(request);
  if (unsupported !== undefined) return unsupported;
  return eventStream(await connected(served, session_id, streamRequest(visit, { method: "GET" })), request, session_id);
}

async function close({ env, visit }: Served, session_id: string): Promise<Response> {
  const caller = { ...visit.caller, may: GUESTS };
  await ask(vaultOf(env, visit).endSession(caller, session_id));
  return new Response(null, { status: 204 });
}

function open({ env, visit }: Served): Promise<string> {
  return ask(vaultOf(env, visit).openSession({ ...visit.caller, may: GUESTS }));
}

async function connected({ env }: Served, session_id: string, asking: Request): Promise<WebSocket> {
  let answer: Response;
  try {
    answer = await env.MCP_SESSION.getByName(sessionObjectName(session_id)).fetch(asking);
  } catch (fault) {
    logFault("session_unreachable", fault);
    throw new Problem("unavailable", "The session could not be reached. Try again shortly.", { retry_after_s: 1 });
  }
  if (answer.webSocket === null) throw new Problem("not_found", "Session not found", { rule: "session" });
  answer.webSocket.accept();
  return answer.webSocket;
}

function messagesOf(body: unknown): JSONRPCMessage[] | undefined {
  const all = Array.isArray(body) ? body : [body];
  if (all.length === 0 || all.length > BATCH) return undefined;
  try {
    return all.map((message) => parseJSONRPCMessage(message));
  } catch {
    return undefined;
  }
}

function versionRefusal(request: Request): Response | undefined {
  const version = request.headers.get("mcp-protocol-version");
  if (version === null || SESSION_VERSIONS.includes(version)) return undefined;
  return malformed(
    SERVER_ERROR,
    `Bad Request: Unsupported protocol version (supported versions: ${SESSION_VERSIONS.join(", ")})`,
  );
}

/** The session that a request names. Clients of today have none: what they say of one means nothing (2026-07-28, Streamable HTTP). */
export function sessionIn(headers: Headers): string | null {
  return headers.get("mcp-protocol-version") === CURRENT_VERSION ? null : headers.get("mcp-session-id");
}

/** Whoever posts in a session takes an answer either way: as one message, or as a stream of them. */
export function acceptsEither(headers: Headers): boolean {
  const accept = headers.get("accept") ?? "";
  return accepts(accept, "application/json") && accepts(accept, "text/event-stream");
}

function accepts(accept: string, type: string): boolean {
  return accept.includes(type) || accept.includes("*/*");
}
