import { drive, measureThroughput, type Throughput } from "./throughput.ts";
import type { Lane, Target } from "../targets/target.ts";

/** A server that speaks MCP at a path, and the token that it wants. */
export type McpServer = { target: Target; path: string; token: string };

const CONNECTIONS = 16;
const SESSIONS = 8;
/** As for the other parts: what is measured is code that its compiler is done with. */
const WARM_UP_MS = 2_000;
const ACCEPT = "application/json, text/event-stream";
const CURRENT = "2026-07-28";
const OLDER = "2025-11-25";
const CALLED = "list_keys";
const META = {
  "io.modelcontextprotocol/protocolVersion": CURRENT,
  "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};
const METHODS = ["tools/list", "tools/call"] as const;

/** Requests a second by lane: `current` servers are asked as clients of today ask, `sessions` as those of 2025. */
export async function measureMcp(
  { current, sessions }: { current: readonly McpServer[]; sessions: readonly McpServer[] },
  plan: { rounds: number; window_ms: number },
): Promise<Map<string, Throughput>> {
  const lanes: Lane[] = METHODS.flatMap((method) => current.map((server) => currentLane(server, method)));
  for (const server of sessions) {
    const ids = await Promise.all(Array.from({ length: SESSIONS }, () => openSession(server)));
    lanes.push(...METHODS.map((method) => sessionLane(server, method, ids)));
  }
  for (const lane of lanes) await drive(lane, CONNECTIONS, WARM_UP_MS);
  return measureThroughput(lanes, CONNECTIONS, plan);
}

/** How a lane is called. */
export function mcpLane(server: string, era: "current" | "session", method: (typeof METHODS)[number]): string {
  return `${server}, ${era}, ${method}`;
}

function currentLane(server: McpServer, method: (typeof METHODS)[number]): Lane {
  const params = { ...paramsOf(method), _meta: META };
  const headers = {
    "mcp-protocol-version": CURRENT,
    "mcp-method": method,
    ...("name" in params ? { "mcp-name": CALLED } : {}),
  };
  const call = encode(server, { jsonrpc: "2.0", id: 1, method, params }, headers);
  return { name: mcpLane(server.target.name, "current", method), target: server.target, calls: [call], status: 200 };
}

function sessionLane(server: McpServer, method: (typeof METHODS)[number], ids: readonly string[]): Lane {
  const calls = ids.map((id) =>
    encode(
      server,
      { jsonrpc: "2.0", id: 1, method, params: paramsOf(method) },
      { "mcp-session-id": id, "mcp-protocol-version": OLDER },
    ),
  );
  return { name: mcpLane(server.target.name, "session", method), target: server.target, calls, status: 200 };
}

function paramsOf(method: (typeof METHODS)[number]): object {
  return method === "tools/list" ? {} : { name: CALLED, arguments: {} };
}

async function openSession({ target, path, token }: McpServer): Promise<string> {
  const post = (message: object, headers: Record<string, string> = {}) =>
    fetch(`http://localhost:${target.port}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", accept: ACCEPT, ...headers },
      body: JSON.stringify({ jsonrpc: "2.0", ...message }),
    });
  const params = { protocolVersion: OLDER, capabilities: {}, clientInfo: { name: "bench", version: "1" } };
  const answer = await post({ id: 0, method: "initialize", params });
  const id = answer.headers.get("mcp-session-id");
  if (id === null) throw new Error(`${target.name} opened no session: ${answer.status} ${await answer.text()}`);
  await answer.text();
  await post({ method: "notifications/initialized" }, { "mcp-session-id": id, "mcp-protocol-version": OLDER });
  return id;
}

function encode({ target, path, token }: McpServer, message: object, headers: Record<string, string>): Buffer {
  const body = JSON.stringify(message);
  const head = {
    host: `localhost:${target.port}`,
    authorization: `Bearer ${token}`,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    accept: ACCEPT,
    ...headers,
  };
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
}
