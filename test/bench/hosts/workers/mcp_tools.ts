import { toolsWithin } from "../../../../src/mcp/tools.ts";

/** What the peers serve: API Locker's own list of tools, worked out beforehand, and an answer that is always the same. */
export const TOOLS = toolsWithin(["vault:read"]);
export const KEYS = { keys: [{ id: "key_bench", name: "bench", provider: "custom", tags: [] }] };
