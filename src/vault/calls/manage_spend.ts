import type { Price } from "../../catalog/prices.ts";
import { Problem } from "../../problem.ts";
import { recognise, type Caller } from "../tokens/caller.ts";
import { record, type Parts } from "../parts.ts";
import type { KnownPrice } from "./prices.ts";
import type { SpendFilter, SpendPage, SpendPlace } from "./spending.ts";

/** What was spent on those days. Of a caller with a choice of keys, what was spent with these (SECURITY S22). */
export function listSpend(
  { spending, keys }: Parts,
  { key, ...filter }: SpendFilter,
  { limit, after }: { limit: number; after?: SpendPlace | undefined },
  reach: readonly string[] | undefined,
): SpendPage {
  const key_id = key === undefined ? undefined : keys.must(key).id;
  const keys_within = reach === undefined ? null : JSON.stringify(reach);
  return spending.list({ ...filter, key: key_id, keys: keys_within }, limit, after);
}

/** A price of the person's own. What is under way was reserved at the old one. */
export function setPrice(parts: Parts, caller: Caller, price: Price): KnownPrice {
  const now = Date.now();
  const by = recognise(parts.tokens, caller, now);
  parts.prices.set(price, now);
  record(parts, by, caller, "price.set", { provider: price.provider, subject: price.model });
  return { ...price, as_of: new Date(now).toISOString().slice(0, 10), own: true };
}

export function resetPrice(
  parts: Parts,
  caller: Caller,
  { provider, model }: Pick<Price, "provider" | "model">,
): KnownPrice[] {
  const by = recognise(parts.tokens, caller, Date.now());
  if (!parts.prices.remove(provider, model)) throw new Problem("not_found", "You have set no such price.");
  record(parts, by, caller, "price.reset", { provider, subject: model });
  return parts.prices.list();
}
