import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { OAuthPlacement } from "../../src/catalog/provider.ts";
import { backoffMs, expiryOf, isDue, renewAt, waitOf, worthTrying } from "../../src/vault/connections/renewal.ts";

const PLAIN: OAuthPlacement = { in: "oauth", token_url: "https://id.example/token" };
const T0 = 1_800_000_000_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

describe("when a token ends", () => {
  it.each([
    [3_600, true, 3_600_000],
    [30, true, 30_000],
    [29, true, 30_000],
    [90 * 86_400, true, 90 * DAY_MS],
    [90 * 86_400 + 1, true, 90 * DAY_MS],
    [null, true, HOUR_MS],
  ])("%s s said, renewable %s: %d ms", (said, renewable, life_ms) => {
    expect(expiryOf(said, renewable, T0)).toBe(T0 + life_ms);
    expect(expiryOf(said, !renewable, T0)).toBe(said === null ? null : T0 + life_ms);
  });
});

describe("when it is renewed", () => {
  it.each<[string, number, OAuthPlacement, number]>([
    ["an hour: five minutes before, and no more", HOUR_MS, PLAIN, HOUR_MS - 300_000],
    ["ten minutes: a tenth before", 600_000, PLAIN, 540_000],
    ["as its provider needs", HOUR_MS, { ...PLAIN, renew_before_s: 1_200 }, HOUR_MS - 1_200_000],
    ["at the very end, where its provider needs no more", HOUR_MS, { ...PLAIN, renew_before_s: 0 }, HOUR_MS],
    ["never before half its life", HOUR_MS, { ...PLAIN, renew_before_s: 3_000 }, HOUR_MS / 2],
  ])("%s", (_what, life_ms, placement, after_ms) => {
    const life = { obtained_at: T0, expires_at: T0 + life_ms };
    expect(renewAt(life, placement)).toBe(T0 + after_ms);
    expect(isDue(life, placement, false, T0 + after_ms - 1)).toBe(false);
    expect(isDue(life, placement, false, T0 + after_ms)).toBe(true);
  });

  it("never, where it does not end", () => {
    const life = { obtained_at: T0, expires_at: null };
    expect(renewAt(life, PLAIN)).toBeNull();
    expect(isDue(life, PLAIN, false, T0 + 1_000 * DAY_MS)).toBe(false);
  });

  it("at once where the upstream refuses it, but not within half a minute of having been had", () => {
    const life = { obtained_at: T0, expires_at: T0 + HOUR_MS };
    expect(isDue(life, PLAIN, true, T0 + 29_999)).toBe(false);
    expect(isDue(life, PLAIN, true, T0 + 30_000)).toBe(true);
  });

  it("by a clock that was set back by more than half a minute", () => {
    const life = { obtained_at: T0, expires_at: T0 + HOUR_MS };
    for (const stale of [true, false]) {
      expect(isDue(life, PLAIN, stale, T0 - 30_000)).toBe(false);
      expect(isDue(life, PLAIN, stale, T0 - 30_001)).toBe(true);
    }
  });

  it("whatever life and clock: before its end, never in the first half of it, and once it is due it stays so", () => {
    const lives = fc.record({ life: fc.integer({ min: 30_000, max: 90 * DAY_MS }), before: fc.option(fc.nat(3_600)) });
    fc.assert(
      fc.property(lives, fc.nat(100 * DAY_MS), ({ life, before }, later) => {
        const placement = before === null ? PLAIN : { ...PLAIN, renew_before_s: before };
        const token = { obtained_at: T0, expires_at: T0 + life };
        const at = renewAt(token, placement) ?? 0;
        expect(at).toBeGreaterThanOrEqual(T0 + life / 2);
        expect(at).toBeLessThanOrEqual(T0 + life);
        expect(isDue(token, placement, false, T0 + later)).toBe(T0 + later >= at);
      }),
    );
  });
});

describe("a provider in trouble", () => {
  it.each([
    [1, undefined, 1_000],
    [2, undefined, 2_000],
    [9, undefined, 256_000],
    [10, undefined, 300_000],
    [50, undefined, 300_000],
    [1, 7, 7_000],
    [4, 7, 8_000],
    [1, 3_600, 3_600_000],
  ])("%d failures, retry-after %s: %d ms", (failures, retry_after_s, wait_ms) => {
    expect(backoffMs(failures, retry_after_s)).toBe(wait_ms);
  });

  it("is left alone for that long, but not by a clock that was set back", () => {
    const pause = { asked_at: T0, retry_at: T0 + 60_000 };
    expect(waitOf(pause, T0)).toBe(60_000);
    expect(waitOf(pause, T0 + 59_999)).toBe(1);
    expect(waitOf(pause, T0 + 60_000)).toBe(0);
    expect(waitOf(pause, T0 + 70_000)).toBe(0);
    expect(waitOf(pause, T0 - 30_000)).toBe(90_000);
    expect(waitOf(pause, T0 - 30_001)).toBe(0);
  });

  it("is given up by whoever does not wait after ten failures", () => {
    expect([0, 9, 10, 11].map(worthTrying)).toEqual([true, true, false, false]);
  });
});
