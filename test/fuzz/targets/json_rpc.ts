import assert from "node:assert/strict";
import { classifyInboundRequest } from "@modelcontextprotocol/server";
import { answerDirectly } from "../../../src/mcp/direct.ts";
import type { Arrived } from "../../../src/mcp/serve.ts";
import { Problem } from "../../../src/problem.ts";
import type { Target } from "../fuzz.ts";

const VERSION = "2026-07-28";
const META = {
  "io.modelcontextprotocol/protocolVersion": VERSION,
  "io.modelcontextprotocol/clientInfo": { name: "a", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};
const question = (method: string, params: object) =>
  JSON.stringify({ jsonrpc: "2.0", id: 7, method, params: { ...params, _meta: META } });

/** A vault that greets everybody and knows no key. */
const vault = {
  greet: async () => ({
    ok: true,
    value: { id: "grt_a", name: "a", scopes: ["vault:read", "vault:write", "vault:proxy"] },
  }),
  readForTool: async () => ({
    ok: true,
    value: JSON.stringify({ ok: false, refusal: new Problem("not_found", "There is no such key.").toRefusal() }),
  }),
};
const env = {
  PUBLIC_ORIGIN: "http://localhost:8420",
  PROXY_ORIGIN: "http://localhost:8421",
  ROOT_KEYS: `r1:${"A".repeat(43)}=`,
  TOKEN_KEYS: `t1:${"B".repeat(42)}A=`,
  USER_VAULT: { getByName: () => vault },
} as unknown as Env;

/** What is answered without the SDK's server is what that would serve: no more, and under the id that asked. */
export const target: Target = {
  seeds: [
    [question("tools/list", {}), "tools/list", ""],
    [question("tools/call", { name: "list_keys", arguments: {} }), "tools/call", "list_keys"],
    [question("tools/call", { name: "get_key_metadata", arguments: { key: "k" } }), "tools/call", "get_key_metadata"],
  ],
  words: [
    '"jsonrpc":"2.0"',
    '"id":',
    '"params":',
    '"_meta":{}',
    "__proto__",
    "1e400",
    "tools/call",
    "list_keys",
    "get_activity",
    '"arguments":{}',
  ],
  async run([body = "", method = "", name = ""]) {
    let said: unknown;
    try {
      said = JSON.parse(body);
    } catch {
      return;
    }
    const header = (text: string) => /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text);
    if (!header(method)) return;
    const request = new Request("https://locker.example/v1/mcp", {
      method: "POST",
      headers: { "mcp-method": method, "mcp-protocol-version": VERSION, ...(header(name) ? { "mcp-name": name } : {}) },
    });
    const visit = { vault_id: "0".repeat(24), caller: {} };
    const answer = await answerDirectly({ request, env, ctx: {}, visit } as unknown as Arrived, said);
    if (answer === undefined) return;
    // Nothing is answered here that the SDK would refuse, or read as something else.
    const route = classifyInboundRequest({
      httpMethod: "POST",
      protocolVersionHeader: VERSION,
      mcpMethodHeader: method,
      ...(header(name) ? { mcpNameHeader: name } : {}),
      body: said,
    });
    assert.equal(route.kind, "modern");
    const asked = said as { id: unknown; method: string };
    const answered = (await answer.json()) as { id: unknown; jsonrpc: unknown; result: unknown };
    assert.deepEqual(
      [answered.id, answered.jsonrpc, typeof answered.result, asked.method],
      [asked.id, "2.0", "object", method],
    );
  },
};
