import type { Price } from "../../catalog/prices.ts";
import type { Answer } from "../answer.ts";
import type { Caller } from "../tokens/caller.ts";
import { listSpend, resetPrice, setPrice } from "../calls/manage_spend.ts";
import type { KnownPrice } from "../calls/prices.ts";
import type { SpendPage, SpendPlace, SpendRow } from "../calls/spending.ts";
import { change, read } from "../surface.ts";
import { ConnectionSurface } from "./connections.ts";

/** What was spent, and what models cost. */
export abstract class SpendSurface extends ConnectionSurface {
  /** A page of what was spent. */
  spendPage(
    caller: Caller,
    from_day: number,
    to_day: number,
    filter: { token?: string | undefined; key?: string | undefined },
    page: { limit: number; after?: SpendPlace | undefined } = { limit: 5_000 },
  ): Promise<Answer<SpendPage>> {
    return this[read](caller, (parts, by) => listSpend(parts, { from_day, to_day, ...filter }, page, by.policy.keys));
  }

  /** The same as the router of the release before asks: by how many rows go before, each row with the sum of all. */
  listSpend(
    caller: Caller,
    from_day: number,
    to_day: number,
    filter: { token?: string | undefined; key?: string | undefined },
    { limit, skip }: { limit: number; skip: number },
  ): Promise<Answer<(SpendRow & { total: number })[]>> {
    return this[read](caller, (parts, by) => {
      const upto = { limit: skip + limit };
      const { rows, total } = listSpend(parts, { from_day, to_day, ...filter }, upto, by.policy.keys);
      return rows.slice(skip).map((row) => ({ ...row, total }));
    });
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
