import * as z from "zod";
import { listOf, PageOfWhole, pagesOfWhole, PEOPLE, text, type Operation } from "./common.ts";

const day = z.iso.date().meta({ description: "A UTC day" });
const dollars = z.number().min(0).max(100_000).meta({ description: "US dollars a million tokens" });

const price = {
  provider: text(40),
  model: z.string().max(100).meta({ description: "The beginning of a model's name; the longest that fits counts" }),
  input: dollars,
  output: dollars,
  cached_input: dollars.optional(),
  cache_write: dollars.optional(),
};

export const NewPrice = z.strictObject(price);
export const PriceName = z.strictObject({ provider: price.provider, model: price.model });
export const Price = z.object({
  ...price,
  as_of: day,
  own: z.boolean().meta({ description: "Set by the person, over the catalog's" }),
});

export const SpendRow = z.object({
  day,
  token: z.string(),
  key: z.string(),
  model: z.string(),
  calls: z.int(),
  estimated: z.int().meta({
    description: "How many of them did not say what they took, and were counted by the most it may have been",
  }),
  input_tokens: z.number(),
  output_tokens: z.number(),
  cached_input_tokens: z.number(),
  usd: z.number(),
  derived: z.object({ calls: z.int(), estimated: z.int(), usd: z.number() }).optional().meta({
    description: "Part of it: calls by derived tokens with a budget of their own, whose rows tell them as well",
  }),
});

const SpendQuery = z.strictObject({
  limit: pagesOfWhole.limit,
  cursor: text(2_000).optional(),
  since: day.optional(),
  until: day.optional(),
  token: text(100).optional(),
  key: text(100).optional(),
});

/** What tokens with a budget have spent, and what models cost. */
export const SPEND_OPERATIONS = {
  listSpend: {
    method: "get",
    path: "/spend",
    summary: "What tokens with a budget have spent, by day, token, key and model",
    may: PEOPLE,
    query: SpendQuery,
    answer: listOf(SpendRow).extend({
      total_usd: z
        .number()
        .meta({ description: "Of all that was asked for, not of this page; what several budgets paid counts once" }),
    }),
    status: 200,
  },
  listPrices: {
    method: "get",
    path: "/prices",
    summary: "What models cost here: the catalog's prices and your own",
    may: PEOPLE,
    query: PageOfWhole,
    answer: listOf(Price),
    status: 200,
  },
  setPrice: {
    method: "post",
    path: "/prices",
    summary: "Set a price of your own",
    may: ["session"],
    body: NewPrice,
    answer: Price,
    status: 200,
  },
  resetPrice: {
    method: "post",
    path: "/prices/reset",
    summary: "Go back to the catalog's price",
    may: ["session"],
    body: PriceName,
    answer: z.object({ items: z.array(Price) }),
    status: 200,
  },
} as const satisfies Record<string, Operation>;
