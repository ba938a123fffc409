import type { Visit } from "./visit.ts";

/**
 * How the router and a session's object talk: one WebSocket a stream, as `McpAgent` wants it, so that the object may sleep while
 * a stream is open. These are the names that `McpAgent` of agents 0.32 gives to it; it is frozen, and the version is pinned.
 */
const METHOD_HEADER = "cf-mcp-method";
const MESSAGE_HEADER = "cf-mcp-message";
/** Ours: who asks, with every request, since a session holds no authority (SECURITY S23). */
export const VISIT_HEADER = "x-apilocker-visit";
/** Ours: this request begins the session. */
export const BEGIN_HEADER = "x-apilocker-begin";

/** What comes back: a piece of an event stream, and whether it was the last. */
type Frame = { type: "cf_mcp_agent_event"; event: string; close?: boolean };

/** The request that opens a stream to a session's object: made afresh, nothing of the client's own request goes into it. */
export function streamRequest(
  visit: Visit,
  { method, messages = [], begin = false }: { method: "POST" | "GET"; messages?: readonly unknown[]; begin?: boolean },
): Request {
  const headers = new Headers({ upgrade: "websocket", [METHOD_HEADER]: method, [VISIT_HEADER]: packed(visit) });
  if (method === "POST") headers.set(MESSAGE_HEADER, packed(messages));
  if (begin) headers.set(BEGIN_HEADER, "1");
  return new Request("https://session/v1/mcp", { headers });
}

export function visitIn(packed_visit: string): Visit {
  return JSON.parse(Buffer.from(packed_visit, "base64").toString("utf8")) as Visit;
}

/** A piece of the stream, or nothing where the message is not about it. */
export function frameIn(data: unknown): Frame | undefined {
  if (typeof data !== "string") return undefined;
  const message = JSON.parse(data) as Partial<Frame>;
  return message.type === "cf_mcp_agent_event" ? (message as Frame) : undefined;
}

/** As text that a header can carry. */
function packed(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64");
}
