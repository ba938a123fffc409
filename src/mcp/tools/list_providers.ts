import * as z from "zod";
import { accountHandlers } from "../../api/account.ts";
import { ACCOUNT_OPERATIONS, Provider } from "../../api/schema.ts";
import { CATEGORIES } from "../../catalog/provider.ts";
import { answerOf, operationOf } from "../operation.ts";
import { asQuery, listOf, numberedPages } from "../shapes.ts";
import { tool } from "../tool.ts";

export const list_providers = tool({
  name: "list_providers",
  title: "List providers",
  description: "Lists the API providers that the locker knows, with their base URL and how they take a key.",
  scope: "vault:read",
  effect: "reads",
  input: z.strictObject({
    ...numberedPages,
    category: z.enum(CATEGORIES).optional().describe("Only providers of this kind"),
    q: z.string().max(100).optional().describe("Only providers whose id or name contains this"),
  }),
  output: listOf(Provider),
  run: async (by, input) => {
    const query = asQuery(ACCOUNT_OPERATIONS.listProviders.query, input);
    return answerOf(await accountHandlers.listProviders({ ...operationOf(by, "vault:read"), query, body: {} }));
  },
});
