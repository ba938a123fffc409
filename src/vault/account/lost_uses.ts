import type { Decision, Outcome } from "../audit/row.ts";
import { dayOf } from "../policy/limits.ts";
import type { Parts } from "../parts.ts";
import type { Tokens } from "../tokens/tokens.ts";

/** A token's calls with a key on one day, and what they came to, in millionths of a dollar. */
type Uses = { token_id: string; key_id: string; day: number; calls: number; cost: number };

/** What the log does not say of a call. */
const UNTOLD = { model: "", estimated: 0, input: 0, output: 0, cached_input: 0 };
const CALLS = new Set(["proxy.call", "key.test"]);

/** Calls of a life that this vault does not remember: what counts and what budgets pay for is counted on, so that nobody begins anew. */
export class LostUses {
  readonly #tokens: Tokens;
  readonly #uses = new Map<string, Uses>();
  readonly #known = new Map<string, boolean>();

  constructor(tokens: Tokens) {
    this.#tokens = tokens;
  }

  /** One call that was lost. Of tokens that are unknown by now nothing is kept: they can call no more. */
  add({ action, outcome, at, actor, token = actor.id, key = "" }: Decision, ended: Outcome | undefined): void {
    const let_through = CALLS.has(action) && outcome === undefined && ended?.outcome !== "refused";
    if (!let_through || !this.#isKnown(token)) return;
    const day = dayOf(Date.parse(at));
    const name = `${token} ${key} ${day}`;
    const uses = this.#uses.get(name) ?? { token_id: token, key_id: key, day, calls: 0, cost: 0 };
    uses.calls++;
    uses.cost += Math.round((ended?.usd ?? 0) * 1_000_000);
    this.#uses.set(name, uses);
  }

  /** Counts them, at each token whose leave they need now. */
  count({ meters, spending }: Parts): void {
    for (const { token_id, key_id, day, calls, cost } of this.#uses.values()) {
      const token = this.#tokens.find(token_id);
      const holders = token === undefined ? [] : this.#tokens.lineage(token);
      for (const { token: holder, rules } of holders) if (rules.limits !== undefined) meters.add(holder.id, calls, day);
      const payers = holders.filter(({ rules }) => rules.spend !== undefined).map(({ token: { id } }) => id);
      if (cost > 0) spending.add(payers, { ...UNTOLD, key_id, day, calls, cost });
    }
  }

  #isKnown(id: string): boolean {
    const is_known = this.#known.get(id) ?? this.#tokens.find(id) !== undefined;
    this.#known.set(id, is_known);
    return is_known;
  }
}
