import type { Spent } from "../calls/budget.ts";

/** So many calls in any one second or minute. Both may be given. */
export type Rate = { per_second?: number | undefined; per_minute?: number | undefined };

/** The rules of a policy that count. */
export type Limits = {
  max_uses?: number | undefined;
  daily_quota?: number | undefined;
  rate?: Rate | undefined;
  max_concurrent?: number | undefined;
};

/** What a meter shows: the uses so far in all and on a day, when the n-th last one was, and how many calls are under way. */
export type Reading = {
  used: number;
  usedOn(day: number): number;
  nthLast(n: number): number | undefined;
  open(): number;
  spent(now: number): Spent;
};

/** One limit, looked at: how long until it lets a call through again. 0: it does now; Infinity: it never will. */
export type LimitCheck = { rule: keyof Limits; wait_ms: number; detail: string };

const DAY_MS = 86_400_000;
const WINDOWS_MS = { per_second: 1_000, per_minute: 60_000 } as const;
/** Nobody knows when a call under way will end. */
const ASK_AGAIN_MS = 1_000;

export function counts({ max_uses, daily_quota, rate, max_concurrent }: Limits): boolean {
  return (max_uses ?? daily_quota ?? rate ?? max_concurrent) !== undefined;
}

/** The UTC day of a time. */
export function dayOf(now: number): number {
  return Math.floor(now / DAY_MS);
}

/** The longest look back that a rate needs. */
export function depthOf(rate: Rate | undefined): number {
  return Math.max(rate?.per_second ?? 0, rate?.per_minute ?? 0);
}

/**
 * Looks at each limit. A rate is exact in every window, not only in those that begin with the clock's minute: the n-th last
 * call must be a whole window ago.
 */
export function* checkLimits(limits: Limits, reading: Reading, now: number): Generator<LimitCheck> {
  const { max_uses, daily_quota, rate, max_concurrent } = limits;
  if (max_uses !== undefined) {
    const wait_ms = reading.used < max_uses ? 0 : Infinity;
    yield { rule: "max_uses", wait_ms, detail: `This token's uses (max_uses: ${max_uses}) are spent.` };
  }
  if (daily_quota !== undefined) {
    const day = dayOf(now);
    const wait_ms = reading.usedOn(day) < daily_quota ? 0 : (day + 1) * DAY_MS - now;
    yield {
      rule: "daily_quota",
      wait_ms,
      detail: `This token's uses of today (daily_quota: ${daily_quota}) are spent.`,
    };
  }
  for (const [name, window_ms] of Object.entries(WINDOWS_MS) as [keyof Rate, number][]) {
    const most = rate?.[name];
    if (most === undefined) continue;
    const wait_ms = Math.max(0, (reading.nthLast(most) ?? -Infinity) + window_ms - now);
    yield { rule: "rate", wait_ms, detail: `This token's rate (${name}: ${most}) is reached.` };
  }
  if (max_concurrent !== undefined) {
    const wait_ms = reading.open() < max_concurrent ? 0 : ASK_AGAIN_MS;
    const detail = `This token has as many calls under way as it may (max_concurrent: ${max_concurrent}).`;
    yield { rule: "max_concurrent", wait_ms, detail };
  }
}
