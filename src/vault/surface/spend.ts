import type { Price } from "../../catalog/prices.ts";
import type { Answer } from "../answer.ts";
import type { Caller } from "../tokens/caller.ts";
import { listSpend, resetPrice, setPrice } from "../calls/manage_spend.ts";
import type { KnownPrice } from "../calls/prices.ts";
import type { SpendPage, SpendPlace } from "../calls/spending.ts";
import { change, read } from "../surface.ts";
import { ConnectionSurface } from "./connections.ts";

/** What was spent, and what models cost. */
export abstract class SpendSurface extends ConnectionSurface {
  /** A page of what was spent. */
  listSpend(
    caller: Caller,
    from_day: number,
    to_day: number,
    filter: { token?: string | undefined; key?: string | undefined },
    page: { limit: number; after?: SpendPlace | undefined } = { limit: 5_000 },
  ): Promise<Answer<SpendPage>> {
    return this[read](caller, (parts, by) => listSpend(parts, { from_day, to_day, ...filter }, page, by.policy.keys));
  }

  listPrices(caller: Caller): Promise<Answer<KnownPrice[]>> {
    return this[read](caller, ({ prices }) => prices.list());
  }

  setPrice(caller: Caller, price: Price): Promise<Answer<KnownPrice>> {
    return this[change](caller, (parts) => setPrice(parts, caller, price));
  }

  resetPrice(caller: Caller, name: Pick<Price, "provider" | "model">): Promise<Answer<KnownPrice[]>> {
    return this[change](caller, (parts) => resetPrice(parts, caller, name));
  }
}
