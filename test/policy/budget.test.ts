import { describe, expect, it } from "vitest";
import { checkBudget, monthBegan, type Budget, type Spent } from "../../src/vault/calls/budget.ts";
import { counts, dayOf, depthOf } from "../../src/vault/policy/limits.ts";

const NOW = Date.UTC(2027, 0, 30, 18);
const HOUR_MS = 3_600_000;
const NOTHING: Spent = { today: 0, this_month: 0, open: [] };
const checked = (budget: Budget, spent: Partial<Spent> = {}, most = 1) => [
  ...checkBudget(budget, { ...NOTHING, ...spent }, most, NOW),
];
const waits = (...given: Parameters<typeof checked>) => checked(...given).map(({ wait_ms }) => wait_ms);

describe("a budget", () => {
  it("is looked at where there is one, the day's before the month's", () => {
    expect(checked({})).toEqual([]);
    expect(checked({ usd_per_month: 3, usd_per_day: 2 })).toEqual([
      { wait_ms: 0, detail: "This token's budget (usd_per_day: 2) is spent." },
      { wait_ms: 0, detail: "This token's budget (usd_per_month: 3) is spent." },
    ]);
  });

  it("that is spent has room again on the next UTC day, or in the next month, which may be next year's", () => {
    expect(waits({ usd_per_day: 2 }, { today: 2_000_000 })).toEqual([6 * HOUR_MS]);
    expect(waits({ usd_per_day: 2 }, { today: 1_999_999 })).toEqual([0]);
    expect(waits({ usd_per_day: 2 }, { today: 2_000_001, this_month: 0 })).toEqual([6 * HOUR_MS]);
    expect(waits({ usd_per_month: 2 }, { today: 9_000_000, this_month: 2_000_000 })).toEqual([30 * HOUR_MS]);
    const december = Date.UTC(2027, 11, 31, 23);
    const [check] = checkBudget({ usd_per_month: 0 }, NOTHING, 0, december);
    expect(check?.wait_ms).toBe(HOUR_MS);
  });

  it("lets one call through alone while something is left, whatever it may cost", () => {
    expect(waits({ usd_per_day: 2 }, { today: 1_999_999 }, Infinity)).toEqual([0]);
  });

  it("lets more through only where what all of them may come to fits in, to the last millionth", () => {
    const under_way = { today: 500_000, open: [300_000, 200_000] };
    expect(waits({ usd_per_day: 2 }, under_way, 1_000_000)).toEqual([0]);
    expect(checked({ usd_per_day: 2 }, under_way, 1_000_001)).toEqual([
      {
        wait_ms: 1_000,
        detail: "What is left of this token's budget (usd_per_day: 2) may be used up by calls under way.",
      },
    ]);
    expect(waits({ usd_per_day: 2 }, { today: 1, open: [0] }, 2_000_000)).toEqual([1_000]);
  });
});

describe("what is counted by", () => {
  it("is the UTC day, and the first day of the UTC month", () => {
    const day = Date.UTC(2027, 1, 1) / 86_400_000;
    expect([dayOf(Date.UTC(2027, 1, 1)), dayOf(Date.UTC(2027, 1, 1) - 1)]).toEqual([day, day - 1]);
    expect(monthBegan(Date.UTC(2027, 1, 28, 23, 59))).toBe(day);
    expect(monthBegan(Date.UTC(2027, 1, 1))).toBe(day);
    expect(monthBegan(Date.UTC(2027, 1, 1) - 1)).toBe(day - 31);
  });

  it("is as far back as the longer of two rates needs", () => {
    expect(depthOf(undefined)).toBe(0);
    expect(depthOf({ per_second: 3 })).toBe(3);
    expect(depthOf({ per_minute: 4 })).toBe(4);
    expect(depthOf({ per_second: 5, per_minute: 4 })).toBe(5);
  });

  it("is nothing where a policy counts nothing, and something where it counts to nought", () => {
    expect(counts({})).toBe(false);
    for (const limits of [{ max_uses: 0 }, { daily_quota: 0 }, { rate: {} }, { max_concurrent: 0 }])
      expect(counts(limits)).toBe(true);
  });
});
