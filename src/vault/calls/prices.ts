import { PRICES, PRICES_AS_OF, type Price } from "../../catalog/prices.ts";

/** A price as it counts here: the catalog's, as of a date, or one that the person has set. */
export type KnownPrice = Price & { as_of: string; own: boolean };

/** Tokens of one call. Input counts all input; the cached parts are parts of it. */
export type Usage = {
  model: string;
  input: number;
  output: number;
  cached_input: number;
  cache_write: number;
  /** What the provider itself says that it cost, in US dollars. */
  usd?: number | undefined;
};

/** Table `price`: prices of the person's own, over those of the catalog. */
export class Prices {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** All prices that count, by provider and model. */
  list(): KnownPrice[] {
    const providers = [...PRICES, ...this.own()].map(({ provider }) => provider);
    return [...new Set(providers)].sort().flatMap((provider) => this.#for(provider));
  }

  set({ provider, model, input, output, cached_input, cache_write }: Price, now: number): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO price (provider, model, input, output, cached_input, cache_write, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
      provider,
      model,
      input,
      output,
      cached_input ?? null,
      cache_write ?? null,
      now,
    );
  }

  /** Goes back to the catalog's price. True where there was one of the person's own. */
  remove(provider: string, model: string): boolean {
    const query = "DELETE FROM price WHERE provider = ? AND model = ? RETURNING 1";
    return this.#sql.exec(query, provider, model).toArray().length > 0;
  }

  /** Is anything known of what this provider costs? */
  knows(provider: string): boolean {
    return this.#for(provider).length > 0;
  }

  /** What the tokens cost, in millionths of a dollar, rounded up. An unknown model costs as much as the provider's dearest. */
  cost(provider: string, { model, input, output, cached_input, cache_write, usd }: Usage): number {
    if (usd !== undefined) return Math.ceil(usd * 1_000_000);
    const price = this.#of(provider, model);
    if (price === undefined) return 0;
    const { cached_input: cached = price.input, cache_write: written = price.input } = price;
    const plain = Math.max(0, input - cached_input - cache_write);
    return Math.ceil(plain * price.input + cached_input * cached + cache_write * written + output * price.output);
  }

  #of(provider: string, model: string): Price | undefined {
    const all = this.#for(provider);
    const fitting = all.filter((price) => model.startsWith(price.model));
    if (fitting.length > 0) return fitting.reduce((one, next) => (next.model.length > one.model.length ? next : one));
    const dearest = (name: "input" | "output" | "cache_write") =>
      Math.max(...all.map((each) => each[name] ?? each.input));
    if (all.length === 0) return undefined;
    return { provider, model, input: dearest("input"), output: dearest("output"), cache_write: dearest("cache_write") };
  }

  #for(provider: string): KnownPrice[] {
    const own = this.own(provider);
    const set = new Set(own.map(({ model }) => model));
    const listed = PRICES.filter((price) => price.provider === provider && !set.has(price.model));
    const all = [...own, ...listed.map((price) => ({ ...price, as_of: PRICES_AS_OF, own: false }))];
    return all.sort((a, b) => a.model.localeCompare(b.model));
  }

  /** Those that a person has set. */
  own(provider: string | null = null): KnownPrice[] {
    type Stored = Omit<Price, "cached_input" | "cache_write"> & {
      cached_input: number | null;
      cache_write: number | null;
      at: number;
    };
    return this.#sql
      .exec<Stored>("SELECT * FROM price WHERE ?1 IS NULL OR provider = ?1", provider)
      .toArray()
      .map(({ at, cached_input, cache_write, ...price }) => ({
        ...price,
        cached_input: cached_input ?? undefined,
        cache_write: cache_write ?? undefined,
        as_of: new Date(at).toISOString().slice(0, 10),
        own: true,
      }));
  }
}
