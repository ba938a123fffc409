import * as z from "zod";
import { CUSTOM, providerOf } from "../catalog/catalog.ts";
import { objectIn } from "../json.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { SpendPlace } from "../vault/calls/spending.ts";
import { paged, pageOf, type Handlers } from "./operation.ts";
import type { SPEND_OPERATIONS } from "./schema.ts";
import { wireSpend } from "./wire.ts";

const DAY_MS = 86_400_000;
const SHOWN_DAYS = 31;

export const spendHandlers: Handlers<typeof SPEND_OPERATIONS> = {
  listSpend: async ({ vault, who, query }) => {
    const { since, until, token, key, limit, cursor } = query;
    const to = until === undefined ? Math.floor(Date.now() / DAY_MS) : dayNumber(until);
    const from = since === undefined ? to - SHOWN_DAYS + 1 : dayNumber(since);
    const page = { limit: limit + 1, after: cursor === undefined ? undefined : placeIn(cursor) };
    const { rows, total } = await ask(vault.spendPage(who.caller, from, to, { token, key }, page));
    const { items, next_cursor } = paged(rows, limit, cursorOf);
    return { items: items.map(wireSpend), next_cursor, total_usd: total / 1_000_000 };
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

const Place = z.object({ day: z.int(), cost: z.int(), token_id: z.string(), key_id: z.string(), model: z.string() });

function cursorOf({ day, cost, token_id, key_id, model }: SpendPlace): string {
  return Buffer.from(JSON.stringify({ day, cost, token_id, key_id, model })).toString("base64url");
}

function placeIn(cursor: string): SpendPlace {
  const place = Place.safeParse(objectIn(Buffer.from(cursor, "base64url").toString()));
  if (place.success) return place.data;
  const rule = "must be the next_cursor of the page before";
  throw new Problem("invalid_request", `cursor: ${rule}.`, { errors: [{ field: "cursor", rule }] });
}

function dayNumber(day: string): number {
  return Math.floor(Date.parse(day) / DAY_MS);
}
