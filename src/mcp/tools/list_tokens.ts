import * as z from "zod";
import { tokenHandlers } from "../../api/tokens.ts";
import { Token } from "../../api/schema.ts";
import { answerOf, operationOf } from "../operation.ts";
import { listOf, pagesOf } from "../shapes.ts";
import { tool } from "../tool.ts";

export const list_tokens = tool({
  name: "list_tokens",
  title: "List app tokens",
  description: "Lists app tokens with their policies and use: what each may call. Never a token itself.",
  scope: "vault:read",
  effect: "reads",
  reading: "listTokens",
  input: z.strictObject({
    ...pagesOf("tok"),
    q: z.string().max(100).optional().describe("Only tokens whose name contains this"),
    state: z.enum(["live", "ended"]).optional().describe("Only live ones, or only revoked and expired ones"),
  }),
  output: listOf(Token),
  run: async (by, query) =>
    answerOf(await tokenHandlers.listTokens({ ...operationOf(by, "vault:read"), query, body: {} })),
});
