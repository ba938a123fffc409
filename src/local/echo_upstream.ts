import type { IncomingMessage, ServerResponse } from "node:http";
import { listenOnLoopback } from "./loopback.ts";
import { echoWebSocket } from "./websocket_echo.ts";

const EVENT_MS = 250;

// Where providers expect a credential; the first one present is the one that counts.
const CREDENTIAL_HEADERS = ["authorization", "x-api-key", "api-key", "x-goog-api-key", "x-auth-token"];

/**
 * An API to play with: answers what it saw, streams events for ever on `/stream`, and echoes WebSocket messages. Of the
 * credential it tells the last four characters only, so that a person can see that it arrived and nobody can use it.
 */
export function startEchoUpstream(port: number): Promise<{ origin: string; stop: () => Promise<void> }> {
  return listenOnLoopback(port, answer, echoWebSocket);
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  const url = new URL(request.url ?? "/", "http://localhost");
  if (url.pathname.endsWith("/stream")) return streamEvents(response);
  const saw = {
    method: request.method,
    path: url.pathname,
    headers: Object.keys(request.headers),
    credential: lastFour(request, url),
  };
  response.writeHead(200, { "content-type": "application/json" }).end(`${JSON.stringify(saw, null, 2)}\n`);
}

function streamEvents(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  let count = 0;
  const send = () => response.write(`data: ${JSON.stringify({ count: ++count, at: new Date().toISOString() })}\n\n`);
  const timer = setInterval(send, EVENT_MS);
  response.once("close", () => clearInterval(timer));
  send();
}

function lastFour(request: IncomingMessage, url: URL): string | null {
  const found = CREDENTIAL_HEADERS.map((name) => request.headers[name]).find((value) => typeof value === "string");
  const credential = found ?? url.searchParams.get("key") ?? url.searchParams.get("api_key");
  return typeof credential === "string" ? `…${credential.slice(-4)}` : null;
}
