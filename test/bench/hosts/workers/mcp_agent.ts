import { McpAgent } from "agents/mcp";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { KEYS, TOOLS } from "./mcp_tools.ts";

/** A session as `McpAgent` holds it by itself. */
export class Sessions extends McpAgent {
  /** The same SDK, but to the compiler the copy of packages that only tests need. */
  override server = benchServer() as never;

  override async init(): Promise<void> {}
}

function benchServer(): Server {
  const server = new Server({ name: "bench", version: "1" }, { capabilities: { tools: {} } });
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: TOOLS }) as never);
  server.setRequestHandler(CallToolRequestSchema, () => ({
    content: [{ type: "text" as const, text: JSON.stringify(KEYS) }],
    structuredContent: KEYS,
  }));
  return server;
}

export default Sessions.serve("/mcp", { binding: "SESSIONS" });
