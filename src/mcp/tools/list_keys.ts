import * as z from "zod";
import { keyHandlers } from "../../api/keys.ts";
import { Key } from "../../api/schema.ts";
import { CATEGORIES } from "../../catalog/provider.ts";
import { answerOf, operationOf } from "../operation.ts";
import { listOf, pagesOf } from "../shapes.ts";
import { tool } from "../tool.ts";

export const list_keys = tool({
  name: "list_keys",
  title: "List keys",
  description:
    "Lists the API keys that this client may see: name, provider, where each may be sent, state and use. Never a secret.",
  scope: "vault:read",
  effect: "reads",
  reading: "listKeys",
  input: z.strictObject({
    ...pagesOf("key"),
    provider: z.string().max(40).optional().describe("Only keys for this provider id"),
    category: z.enum(CATEGORIES).optional().describe("Only keys for providers of this kind"),
    tag: z.string().max(40).optional().describe("Only keys with this tag"),
    q: z.string().max(100).optional().describe("Only keys whose name contains this"),
  }),
  output: listOf(Key),
  run: async (by, query) => answerOf(await keyHandlers.listKeys({ ...operationOf(by, "vault:read"), query, body: {} })),
});
