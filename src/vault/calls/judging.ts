import type { ApiKey } from "../keys/key.ts";
import type { Keys } from "../keys/keys.ts";
import type { Versions } from "../keys/versions.ts";
import { NO_KEY } from "../policy/checks.ts";
import { judge } from "../policy/judge.ts";
import type { Call, Check, Denial, ReadMeter, Standing, Verdict } from "../policy/judgement.ts";
import type { Token } from "../tokens/token.ts";
import type { Tokens } from "../tokens/tokens.ts";
import type { Ask } from "./dispatch.ts";
import type { Meters } from "./meters.ts";
import type { Prices } from "./prices.ts";
import { mayCost, type Spending } from "./spending.ts";

/** What is judged by: who stands in the vault, and what was counted. */
type Evidence = { tokens: Tokens; keys: Keys; versions: Versions; meters: Meters; prices: Prices; spending: Spending };

/** Judges calls by what the vault holds at this moment. Reads only. */
export class Judging {
  readonly #parts: Evidence;
  readonly #readMeter: ReadMeter;

  constructor(parts: Evidence) {
    this.#parts = parts;
    const { meters, spending } = parts;
    this.#readMeter = (meter) => ({ ...meters.read(meter), spent: (now) => spending.spent(meter, now) });
  }

  /** The judgement of a new call: what is counted is counted in. */
  call(
    token: Token,
    ask: Omit<Ask, "hash">,
    now: number,
    note?: (check: Check) => void,
  ): { key: ApiKey | undefined; verdict: Verdict; holders: Standing["holders"] } {
    const holders = this.#parts.tokens.lineage(token);
    const current = this.#keyFor(holders, ask.key);
    const key = ask.overlap === true ? this.before(current, now) : current;
    const most = key && this.#most(holders, key, ask);
    const call = { ...ask, direct: ask.key === null, most };
    return { key, verdict: judge({ holders, key, now }, call, this.#readMeter, note), holders };
  }

  /** Ids of the tokens whose budgets pay for calls with this key: none where nobody knows what its provider costs. */
  payers(holders: Standing["holders"], { destination: { provider } }: ApiKey): string[] {
    const budgeted = holders.filter(({ rules }) => rules.spend !== undefined);
    return budgeted.length === 0 || !this.#parts.prices.knows(provider) ? [] : budgeted.map(({ token: { id } }) => id);
  }

  /** The most that the call may cost, where somebody pays. One that is only asked about costs nothing yet. */
  #most(holders: Standing["holders"], key: ApiKey, ask: Omit<Ask, "hash">): number | undefined {
    if (!mayCost(ask) || this.payers(holders, key).length === 0) return undefined;
    const { estimate } = ask;
    return estimate === undefined ? 0 : this.#parts.spending.most(key.destination.provider, estimate);
  }

  /** The judgement of a call that was let through, with its token as that is now: why it no longer stands. */
  standing(token: Token | undefined, key_id: string, call: Omit<Call, "direct">): Denial | undefined {
    const { tokens, keys } = this.#parts;
    if (token === undefined) return NO_KEY;
    const standing = { holders: tokens.lineage(token), key: keys.find(key_id), now: Date.now() };
    const verdict = judge(standing, { ...call, direct: false });
    return verdict.verdict === "deny" ? verdict.denial : undefined;
  }

  /** The key with the version that a rotation keeps in reserve; undefined where none does, or not any more. */
  before(key: ApiKey | undefined, now: number): ApiKey | undefined {
    if (key?.overlap_version == null || (key.overlap_until ?? 0) <= now) return undefined;
    return this.#parts.versions.at(key, key.overlap_version);
  }

  /** The key that is asked for; in direct mode the only one that all of them reach. */
  #keyFor(holders: Standing["holders"], ref: string | null): ApiKey | undefined {
    const { keys } = this.#parts;
    if (ref !== null) return keys.find(ref);
    const [first, ...others] = holders.map(({ rules }) => rules.keys).filter((named) => named !== undefined);
    if (first === undefined) return keys.only();
    const [only, second] = [...first].filter((id) => others.every((named) => named.has(id)));
    return only !== undefined && second === undefined ? keys.find(only) : undefined;
  }
}
