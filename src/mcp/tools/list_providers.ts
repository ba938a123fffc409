import * as z from "zod";
import { listProviders } from "../../catalog/catalog.ts";
import { CATEGORIES } from "../../catalog/provider.ts";
import { Provider } from "../../api/schema.ts";
import { listOf, page } from "../shapes.ts";
import { tool } from "../tool.ts";

export const list_providers = tool({
  name: "list_providers",
  title: "List providers",
  description: "Lists the API providers that the locker knows, with their base URL and how they take a key.",
  scope: "vault:read",
  effect: "reads",
  input: z.strictObject({
    ...page,
    category: z.enum(CATEGORIES).optional().describe("Only providers of this kind"),
    q: z.string().max(100).optional().describe("Only providers whose id or name contains this"),
  }),
  output: listOf(Provider),
  run: async (_asked, { limit, cursor, category, q = "" }) => {
    const wanted = q.toLowerCase();
    const found = listProviders(category).filter(({ id, name }) => `${id} ${name}`.toLowerCase().includes(wanted));
    const from = cursor === undefined ? 0 : found.findIndex(({ id }) => id === cursor) + 1;
    const items = found.slice(from, from + limit);
    const next_cursor = from + limit < found.length ? items.at(-1)?.id : undefined;
    return { items, next_cursor };
  },
});
