/** At most so much a UTC day or month, in US dollars. Both may be given. */
export type Budget = { usd_per_day?: number | undefined; usd_per_month?: number | undefined };

/** What a token has spent, in millionths of a dollar, and what calls under way may come to. */
export type Spent = { today: number; this_month: number; open: readonly number[] };

/** One budget, looked at: how long until it lets a call through again. */
export type BudgetCheck = { wait_ms: number; detail: string };

const MILLIONTHS = 1_000_000;
/** Nobody knows when a call under way will end. */
const ASK_AGAIN_MS = 1_000;

/**
 * Is there room for one more call that may come to `most` (millionths of a dollar; Infinity where nobody can tell)? A call is let
 * through where all that is spent, all that is under way and its own most fit in; or, where something is left and nothing else is
 * under way, alone. So a budget is overdrawn by no more than the last call's own size.
 */
export function* checkBudget(
  { usd_per_day, usd_per_month }: Budget,
  { today, this_month, open }: Spent,
  most: number,
  now: number,
): Generator<BudgetCheck> {
  const at = new Date(now);
  const tomorrow = Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate() + 1);
  const next_month = Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1);
  const limits = [
    { name: "usd_per_day", usd: usd_per_day, spent: today, ends_at: tomorrow },
    { name: "usd_per_month", usd: usd_per_month, spent: this_month, ends_at: next_month },
  ];
  const under_way = open.reduce((sum, each) => sum + each, 0);
  for (const { name, usd, spent, ends_at } of limits) {
    if (usd === undefined) continue;
    const most_allowed = usd * MILLIONTHS;
    const detail = `This token's budget (${name}: ${usd}) is spent.`;
    if (spent >= most_allowed) yield { wait_ms: ends_at - now, detail };
    else if (open.length > 0 && spent + under_way + most > most_allowed)
      yield {
        wait_ms: ASK_AGAIN_MS,
        detail: `What is left of this token's budget (${name}: ${usd}) may be used up by calls under way.`,
      };
    else yield { wait_ms: 0, detail };
  }
}

/** The first UTC day (since 1970) of the month that `now` lies in. */
export function monthBegan(now: number): number {
  const at = new Date(now);
  return Math.floor(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1) / 86_400_000);
}
