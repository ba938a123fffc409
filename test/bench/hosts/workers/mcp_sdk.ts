import { createMcpHandler, Server } from "@modelcontextprotocol/server";
import { KEYS, TOOLS } from "./mcp_tools.ts";

/** The SDK's own handler: a fresh server for each request, nobody is asked who they are and nothing is written. */
const handler = createMcpHandler(
  () => {
    const server = new Server({ name: "bench", version: "1" }, { capabilities: { tools: {} } });
    server.setRequestHandler("tools/list", () => ({ tools: TOOLS }));
    server.setRequestHandler("tools/call", () => ({
      content: [{ type: "text", text: JSON.stringify(KEYS) }],
      structuredContent: KEYS,
    }));
    return server;
  },
  { legacy: "reject" },
);

export default { fetch: (request) => handler.fetch(request) } satisfies ExportedHandler;
