import { CUSTOM, providerOf } from "../catalog/catalog.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import { paged, pageOf, type Handlers } from "./operation.ts";
import type { SPEND_OPERATIONS } from "./schema.ts";
import { wireSpend } from "./wire.ts";

const DAY_MS = 86_400_000;
const SHOWN_DAYS = 31;

export const spendHandlers: Handlers<typeof SPEND_OPERATIONS> = {
  listSpend: async ({ vault, who, query }) => {
    const { since, until, token, key, limit, cursor = 0 } = query;
    const to = until === undefined ? Math.floor(Date.now() / DAY_MS) : dayNumber(until);
    const from = since === undefined ? to - SHOWN_DAYS + 1 : dayNumber(since);
    const page = { limit: limit + 1, skip: cursor };
    const rows = await ask(vault.listSpend(who.caller, from, to, { token, key }, page));
    return {
      ...paged(rows.map(wireSpend), limit, () => String(cursor + limit)),
      total_usd: (rows[0]?.total ?? 0) / 1_000_000,
    };
  },
  listPrices: async ({ vault, who, query }) => pageOf(await ask(vault.listPrices(who.caller)), query),
  setPrice: async ({ vault, who, body }) => {
    if (body.provider !== CUSTOM && providerOf(body.provider) === undefined) {
      const errors = [{ field: "provider", rule: "must be a provider's id, or custom" }];
      throw new Problem("invalid_request", `There is no provider ${body.provider}.`, { errors });
    }
    return ask(vault.setPrice(who.caller, body));
  },
  resetPrice: async ({ vault, who, body }) => ({ items: await ask(vault.resetPrice(who.caller, body)) }),
};

function dayNumber(day: string): number {
  return Math.floor(Date.parse(day) / DAY_MS);
}
