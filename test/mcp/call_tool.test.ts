import { expect, it, vi } from "vitest";
import { callTool } from "../../src/mcp/call_tool.ts";

/** A tool called by a client that has left, in front of a vault that cannot be asked any more: what goes on record. */
async function leftBehind(scopes: readonly string[]): Promise<object[]> {
  const recorded: object[] = [];
  const vault = {
    readForTool: () => Promise.reject(new Error("the request is over")),
    recordTool: async (_caller: object, { outcome, rule }: { outcome: string; rule?: string }) => {
      recorded.push({ outcome, rule });
      return { ok: true };
    },
  };
  const calling = {
    env: { USER_VAULT: { getByName: () => vault } },
    config: { public_origin: "https://locker.example" },
    visit: { vault_id: "v", caller: { hash: "h", origin: {} }, guest: { id: "grt_1", name: "Agent", scopes } },
    context: { mcpReq: { signal: AbortSignal.abort() } },
  };
  await callTool(calling as unknown as Parameters<typeof callTool>[0], "list_keys");
  return recorded;
}

it("what leaving has broken off is canceled; what was refused is on record as that, however soon its client leaves", async () => {
  vi.spyOn(console, "error").mockReturnValue();
  expect(await leftBehind(["vault:read"])).toEqual([{ outcome: "canceled", rule: undefined }]);
  expect(await leftBehind([])).toEqual([{ outcome: "refused", rule: "scopes" }]);
  vi.restoreAllMocks();
});
