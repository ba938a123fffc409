import { describe, expect, it } from "vitest";
import { countCalls, countCountry, countEnds, newNormal, type Normal } from "../../src/vault/alerts/normal.ts";
import { FAILING, KINDS, simulate, simulateFailures } from "../support/traffic.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const START = Date.UTC(2026, 0, 1);

/** So many calls within the minute that begins at `at`; what was told about them. */
function calls(normal: Normal, at: number, count: number) {
  return Array.from({ length: count }, (_, i) => countCalls(normal, at + Math.floor((i * MINUTE_MS) / count))).filter(
    (told) => told !== undefined,
  );
}

/** Used for a month, `a_minute` in the first minute of every hour. */
function used(a_minute: number): Normal {
  const normal = newNormal(START);
  for (let hour = 0; hour < 30 * 24; hour++) calls(normal, START + hour * HOUR_MS, a_minute);
  return normal;
}
const NOW = START + 30 * DAY_MS;

describe("a surge", () => {
  it("of a quiet token begins at the floor, and is told once", () => {
    expect(calls(used(1), NOW, 59)).toEqual([]);
    expect(calls(used(1), NOW, 250)).toEqual([{ calls: 60, within: "minute", usual: 1 }]);
  });

  it("of a busy token is measured by what it usually does", () => {
    expect(calls(used(1_000), NOW, 1_999)).toEqual([]);
    const [surge] = calls(used(1_000), NOW, 4_000);
    expect(surge).toMatchObject({ within: "minute", usual: 1_000 });
    expect(surge?.calls).toBeGreaterThanOrEqual(2_000);
  });

  it("that trickles is seen by the hour", () => {
    const normal = used(2);
    const told = Array.from({ length: 60 }, (_, minute) => calls(normal, NOW + minute * MINUTE_MS, 20)).flat();
    expect(told).toMatchObject([{ calls: 300, within: "hour" }]);
  });

  it("is not seen in a token that is still new, nor in its first burst", () => {
    const normal = newNormal(START);
    expect(calls(normal, START, 100_000)).toEqual([]);
    expect(calls(normal, START + 2 * DAY_MS, 100_000)).toEqual([]);
  });

  it("does not make the next one normal", () => {
    const normal = used(1);
    for (let hour = 0; hour < 5; hour++) expect(calls(normal, NOW + hour * HOUR_MS, 5_000)).not.toEqual([]);
  });

  it("that stays becomes normal within days", () => {
    const normal = used(100);
    const told = Array.from({ length: 14 * 24 }, (_, hour) => calls(normal, NOW + hour * HOUR_MS, 450).length);
    expect(told.slice(0, 2)).not.toEqual([0, 0]);
    expect(told.slice(-24)).toEqual(Array.from({ length: 24 }, () => 0));
  });
});

describe("a burst of failures", () => {
  const month = (errors: number): Normal => {
    const normal = newNormal(START);
    for (let hour = 0; hour < 30 * 24; hour++) countEnds(normal, errors, 100, START + hour * HOUR_MS);
    return normal;
  };

  it("is told once a window", () => {
    const normal = month(1);
    const told = Array.from({ length: 50 }, () => countEnds(normal, 1, 1, NOW));
    expect(told.filter((one) => one !== undefined)).toEqual([{ errors: 10, calls: 10 }]);
  });

  it("is no burst where a token fails as often as always, or too seldom to tell", () => {
    expect(countEnds(month(30), 35, 100, NOW)).toBeUndefined();
    expect(countEnds(month(0), 9, 9, NOW)).toBeUndefined();
    expect(countEnds(month(1), 20, 100, NOW)).toBeUndefined();
  });

  it("needs something to compare with", () => {
    expect(countEnds(newNormal(START), 40, 40, START)).toBeUndefined();
  });
});

describe("a country", () => {
  const days = (countries: readonly string[]): Normal => {
    const normal = newNormal(START);
    for (const [day, country] of countries.entries()) countCountry(normal, country, START + day * DAY_MS);
    return normal;
  };

  it("is news after five days in one other", () => {
    expect(countCountry(days(["NZ", "NZ", "NZ", "NZ"]), "FR", NOW)).toBe(false);
    const normal = days(["NZ", "NZ", "NZ", "NZ", "NZ"]);
    expect(countCountry(normal, "FR", NOW)).toBe(true);
    expect(countCountry(normal, "FR", NOW)).toBe(false);
  });

  it("is no news for a token that is seen somewhere else every other day, nor where nobody knows it", () => {
    expect(countCountry(days(["NZ", "FR", "NZ", "DE", "NZ", "US", "NZ", "JP"]), "BR", NOW)).toBe(false);
    expect(countCountry(days(["NZ", "NZ", "NZ", "NZ", "NZ"]), "XX", NOW)).toBe(false);
  });

  it("takes no more room than thirty-two of them", () => {
    const normal = days(Array.from({ length: 200 }, (_, n) => `C${n}`));
    expect(Object.keys(normal.countries)).toHaveLength(32);
    expect(JSON.stringify(normal).length).toBeLessThan(2_500);
  });
});

/** The figures of docs/design/alerts.md are of 8 tokens over 180 days. */
const SIZE = { tokens: 3, days: 60, seed: 7 };

describe("over simulated traffic", () => {
  it.each(Object.keys(KINDS))("%s raises hardly a false alarm, and a thief's surge is seen", (kind) => {
    const { alarms_a_year, seen, after_minutes } = simulate(kind, SIZE);
    console.log(
      `${kind}: ${alarms_a_year.toFixed(2)} false alarms a token and year, tenfold seen ${seen}, after ${after_minutes} min`,
    );
    expect(alarms_a_year).toBeLessThanOrEqual(10);
    expect(seen).toBe(`${SIZE.tokens}/${SIZE.tokens}`);
  });

  it.each(Object.keys(FAILING))("%s raises hardly a false alarm of failures, and a dead key is seen", (kind) => {
    const { alarms_a_year, seen, after_calls } = simulateFailures(kind, SIZE);
    console.log(
      `${kind}: ${alarms_a_year.toFixed(2)} false alarms a token and year, a dead key seen ${seen} within ${after_calls} calls`,
    );
    expect(alarms_a_year).toBeLessThanOrEqual(10);
    expect(seen).toBe(`${SIZE.tokens}/${SIZE.tokens}`);
  });
});
