import { toolsFor } from "../../../../src/mcp/tools.ts";
import type { Visit } from "../../../../src/mcp/visit.ts";

const READER = { guest: { scopes: ["vault:read"] } } as unknown as Visit;

/** What the peers serve: API Locker's own list of tools, worked out beforehand, and an answer that is always the same. */
export const TOOLS = toolsFor(READER);
export const KEYS = { keys: [{ id: "key_bench", name: "bench", provider: "custom", tags: [] }] };
