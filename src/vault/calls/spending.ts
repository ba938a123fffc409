import { monthBegan, type Spent } from "./budget.ts";
import { dayOf } from "../policy/limits.ts";
import type { Prices, Usage } from "./prices.ts";

/**
 * What a call may come to, as far as its request tells: `output` is null where nothing bounds it, or where what goes in is not
 * all in the request.
 */
export type Estimate = { model: string; input: number; output: number | null };

/** Only what is posted costs anything; an override may make it that. */
export function mayCost({ method, overridden }: { method: string; overridden: boolean }): boolean {
  return method === "POST" || overridden;
}

/** What a carried call came to. Without `usage` the answer did not say; `bytes_out` bounds what was written. */
export type Metered = { usage?: Usage | undefined; bytes_out: number };

/** A row of what was spent; cost in millionths of a dollar. `derived_…` are the part that derived tokens' own rows tell as well. */
export type SpendRow = {
  token_id: string;
  day: number;
  key_id: string;
  model: string;
  calls: number;
  estimated: number;
  input: number;
  output: number;
  cached_input: number;
  cost: number;
  derived_calls: number;
  derived_estimated: number;
  derived_cost: number;
};

/** Days, and what else a list of what was spent is narrowed by. `keys`: ids as a JSON array. */
export type SpendFilter = {
  from_day: number;
  to_day: number;
  token?: string | undefined;
  key?: string | undefined;
  keys?: string | null | undefined;
};

/** The last row of a page, by what rows are sorted by: the next page begins after it. */
export type SpendPlace = Pick<SpendRow, "day" | "cost" | "token_id" | "key_id" | "model">;

/** A page, and what all rows on all pages come to: what several budgets paid for counts once. */
export type SpendPage = { rows: SpendRow[]; total: number };

type OpenRow = {
  token_ids: string;
  day: number;
  key_id: string;
  provider: string;
  estimate: string;
  most: number | null;
};

/**
 * Tables `spend` and `spend_open`. What a call may come to is reserved in the step that lets it through, and booked when its row
 * ends: by what the answer said, else by the most that it may have been. Nothing is ever lost: a call that nobody tells of is
 * booked by its reservation. Budgets belong to a token's id, so rotation changes nothing about them.
 */
export class Spending {
  readonly #sql: SqlStorage;
  readonly #prices: Prices;
  /** Calls under way that a budget pays for: read once, then followed, so that one that nobody pays for costs no look-up. */
  #open: Set<number> | undefined;

  constructor(sql: SqlStorage, prices: Prices) {
    this.#sql = sql;
    this.#prices = prices;
  }

  /** What a token has spent by now. */
  spent(token_id: string, now: number): Spent {
    const today = dayOf(now);
    const { today: of_today, this_month } = this.#sql
      .exec<{ today: number; this_month: number }>(
        "SELECT coalesce(sum(cost) FILTER (WHERE day = ?2), 0) AS today, coalesce(sum(cost), 0) AS this_month FROM spend WHERE token_id = ?1 AND day BETWEEN ?3 AND ?2",
        token_id,
        today,
        monthBegan(now),
      )
      .one();
    const open = this.#sql
      .exec<{ most: number | null }>(
        "SELECT most FROM spend_open WHERE EXISTS (SELECT 1 FROM json_each(token_ids) WHERE value = ?)",
        token_id,
      )
      .toArray()
      .map(({ most }) => most ?? Infinity);
    return { today: of_today, this_month, open };
  }

  /** The most that a call may come to, in millionths of a dollar. */
  most(provider: string, { model, input, output }: Estimate): number {
    if (output === null) return Infinity;
    // All of the input might be written to a cache, which costs the most.
    return this.#prices.cost(provider, { model, input, output, cached_input: 0, cache_write: input });
  }

  /** Reserves it, in the step that lets the call through. */
  reserve(
    seq: number,
    token_ids: readonly string[],
    key: { id: string; provider: string },
    estimate: Estimate,
    now: number,
  ): void {
    const most = this.most(key.provider, estimate);
    this.#reserved().add(seq);
    this.#sql.exec(
      "INSERT INTO spend_open (seq, token_ids, day, key_id, provider, estimate, most) VALUES (?, ?, ?, ?, ?, ?, ?)",
      seq,
      JSON.stringify(token_ids),
      dayOf(now),
      key.id,
      key.provider,
      JSON.stringify(estimate),
      Number.isFinite(most) ? most : null,
    );
  }

  /** The call never left: it cost nothing. */
  release(seq: number): void {
    if (!this.#reserved().delete(seq)) return;
    this.#sql.exec("DELETE FROM spend_open WHERE seq = ?", seq);
  }

  /** Books a call that a budget pays for, once; answers its cost in millionths of a dollar, and whether it was estimated. */
  book(seq: number, metered: Metered | undefined): { cost: number; estimated: boolean } | undefined {
    if (!this.#reserved().delete(seq)) return undefined;
    const [row] = this.#sql.exec<OpenRow>("DELETE FROM spend_open WHERE seq = ? RETURNING *", seq).toArray();
    if (row === undefined) return undefined;
    const { day, key_id, provider, most } = row;
    const estimate = JSON.parse(row.estimate) as Estimate;
    const usage = metered?.usage ?? supposed(estimate, metered?.bytes_out ?? 0);
    const estimated = metered?.usage === undefined;
    const told = this.#prices.cost(provider, usage);
    const cost = estimated ? Math.max(told, most ?? 0) : told;
    const { model, input, output, cached_input } = usage;
    const spent = { day, key_id, model: model.slice(0, 100), calls: 1, estimated: estimated ? 1 : 0, cost };
    this.add(JSON.parse(row.token_ids) as string[], { ...spent, input, output, cached_input });
    return { cost, estimated };
  }

  /** Adds calls to what was spent. The first of the tokens is the one that called, or the nearest of those it comes from that has a budget. */
  add(token_ids: readonly string[], spent: Omit<SpendRow, "token_id" | `derived_${string}`>): void {
    const { day, key_id, model, calls, estimated, input, output, cached_input, cost } = spent;
    for (const [above, token_id] of token_ids.entries()) {
      this.#sql.exec(
        `INSERT INTO spend (token_id, day, key_id, model, calls, estimated, input, output, cached_input, cost, derived_calls, derived_estimated, derived_cost)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?5 * ?11, ?6 * ?11, ?10 * ?11)
         ON CONFLICT DO UPDATE SET calls = calls + ?5, estimated = estimated + ?6, input = input + ?7, output = output + ?8, cached_input = cached_input + ?9, cost = cost + ?10,
           derived_calls = derived_calls + ?5 * ?11, derived_estimated = derived_estimated + ?6 * ?11, derived_cost = derived_cost + ?10 * ?11`,
        token_id,
        day,
        key_id,
        model,
        calls,
        estimated,
        input,
        output,
        cached_input,
        cost,
        above === 0 ? 0 : 1,
      );
    }
  }

  /** What was spent on those days, the newest and dearest first. Of a row that grows meanwhile a later page may not tell again. */
  list({ from_day, to_day, token, key, keys }: SpendFilter, limit: number, after?: SpendPlace): SpendPage {
    const wanted = `day BETWEEN ?1 AND ?2 AND (?3 IS NULL OR token_id = ?3) AND (?4 IS NULL OR key_id = ?4)
      AND (?5 IS NULL OR key_id IN (SELECT value FROM json_each(?5)))`;
    const asked = [from_day, to_day, token ?? null, key ?? null, keys ?? null];
    const place = after && [after.day, after.cost, after.token_id, after.key_id, after.model];
    const rows = this.#sql.exec<SpendRow>(
      `SELECT * FROM spend WHERE ${wanted} ${place === undefined ? "" : "AND (-day, -cost, token_id, key_id, model) > (-?7, -?8, ?9, ?10, ?11)"}
       ORDER BY day DESC, cost DESC, token_id, key_id, model LIMIT +?6`,
      ...asked,
      limit,
      ...(place ?? []),
    );
    const { total } = this.#sql
      .exec<{ total: number }>(
        `SELECT coalesce(sum(cost - iif(?3 IS NULL, derived_cost, 0)), 0) AS total FROM spend WHERE ${wanted}`,
        ...asked,
      )
      .one();
    return { rows: rows.toArray(), total };
  }

  /** Forgets days that no budget looks at any more. */
  forget(before_day: number): void {
    this.#sql.exec("DELETE FROM spend WHERE day < ?", before_day);
  }

  #reserved(): Set<number> {
    this.#open ??= new Set(
      this.#sql
        .exec<{ seq: number }>("SELECT seq FROM spend_open")
        .toArray()
        .map(({ seq }) => seq),
    );
    return this.#open;
  }
}

/** An answer that did not say: all that was asked, and a token for each byte that came, which is more than there can be. */
function supposed({ model, input }: Estimate, bytes_out: number): Usage {
  return { model, input, output: bytes_out, cached_input: 0, cache_write: input };
}
