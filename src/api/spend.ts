import { ask } from "../vault/answer.ts";
import type { Handlers } from "./operation.ts";
import type { SPEND_OPERATIONS } from "./schema.ts";
import { wireSpend } from "./wire.ts";

const DAY_MS = 86_400_000;
const SHOWN_DAYS = 31;

export const spendHandlers: Handlers<typeof SPEND_OPERATIONS> = {
  listSpend: async ({ vault, who, query }) => {
    const { since, until, token, key } = query;
    const to = until === undefined ? Math.floor(Date.now() / DAY_MS) : dayNumber(until);
    const from = since === undefined ? to - SHOWN_DAYS + 1 : dayNumber(since);
    const rows = await ask(vault.listSpend(who.caller, from, to, { token, key }));
    return { items: rows.map(wireSpend), total_usd: rows.reduce((sum, { cost }) => sum + cost, 0) / 1_000_000 };
  },
  listPrices: async ({ vault, who }) => ({ items: await ask(vault.listPrices(who.caller)) }),
  setPrice: async ({ vault, who, body }) => ask(vault.setPrice(who.caller, body)),
  resetPrice: async ({ vault, who, body }) => ({ items: await ask(vault.resetPrice(who.caller, body)) }),
};

function dayNumber(day: string): number {
  return Math.floor(Date.parse(day) / DAY_MS);
}
