import { liesWithin, readNetwork } from "./network.ts";
import { coversGlob, readGlob } from "./path.ts";
import type { Budget } from "../calls/budget.ts";
import type { Rate } from "./limits.ts";
import type { AskRule, Terms } from "./policy.ts";
import { addressOf } from "./rules.ts";

/** What a token may do, and when it ends: all that may not grow unseen. Rules on trial allow and refuse nothing. */
export type Bounds = Terms & { expires_at?: number | null | undefined };

/** One comparison a field: may `after` allow anything that `before` does not? Either may be absent, which allows all. */
type Comparison<Value> = (before: Value, after: Value) => boolean;

const outside: Comparison<readonly string[] | undefined> = (before, after) =>
  before !== undefined && (after === undefined || after.some((one) => !before.includes(one)));
const more: Comparison<number | undefined> = (before, after) => (after ?? Infinity) > (before ?? Infinity);

const COMPARISONS: { [Field in keyof Required<Bounds>]: Comparison<Bounds[Field]> } = {
  keys: outside,
  methods: outside,
  countries: outside,
  scopes: outside,
  paths: (before, after) =>
    before !== undefined &&
    (after === undefined ||
      after.some((inner) => !before.some((outer) => coversGlob(readGlob(outer), readGlob(inner))))),
  ip_allow: (before, after) =>
    before !== undefined &&
    (after === undefined || after.some((inner) => !before.some((outer) => isRangeWithin(inner, outer)))),
  not_before: (before, after) => (after ?? -Infinity) < (before ?? -Infinity),
  expires_at: (before, after) => (after ?? Infinity) > (before ?? Infinity),
  max_uses: more,
  daily_quota: more,
  max_concurrent: more,
  rate: isFaster,
  spend: isRicher,
  ask: (before, after) => before !== undefined && (after === undefined || asksLess(before, after)),
  allow_credential_endpoints: (before = false, after = false) => after && !before,
};

/**
 * The fields in which one policy allows something that another does not. None is missed; a field may be named although the two
 * come to the same, where only a proof would show it (globs and ranges are compared one by one).
 */
export function widerFields(before: Bounds, after: Bounds): (keyof Bounds)[] {
  return (Object.keys(COMPARISONS) as (keyof Bounds)[]).filter((field) => isWiderIn(field, before, after));
}

function isWiderIn(field: keyof Bounds, before: Bounds, after: Bounds): boolean {
  // Each field's comparison takes that field's values, which the type of a union of fields cannot say.
  const compare = COMPARISONS[field] as Comparison<unknown>;
  return compare(before[field], after[field]);
}

/** Fewer methods, fewer paths, or more addresses to which somebody said always. */
export function asksLess(before: AskRule, after: AskRule): boolean {
  const always = new Set(before.allowed?.map(addressOf));
  return (
    outside(after.methods, before.methods) ||
    COMPARISONS.paths(after.paths, before.paths) ||
    (after.allowed ?? []).some((call) => !always.has(addressOf(call)))
  );
}

function isRangeWithin(inner: string, outer: string): boolean {
  const [one, other] = [readNetwork(inner), readNetwork(outer)];
  return one !== undefined && other !== undefined && liesWithin(one, other);
}

/** A limit on a minute holds each second within it to the same; one on a second allows a minute sixty times as much. */
function isFaster(before: Rate = {}, after: Rate = {}): boolean {
  const a_second = Math.min(after.per_second ?? Infinity, after.per_minute ?? Infinity);
  const a_minute = Math.min(after.per_minute ?? Infinity, (after.per_second ?? Infinity) * 60);
  return a_second > (before.per_second ?? Infinity) || a_minute > (before.per_minute ?? Infinity);
}

/** A month's budget holds each of its days to the same; a day's allows a month at most thirty-one times as much. */
function isRicher(before: Budget = {}, after: Budget = {}): boolean {
  const a_day = Math.min(after.usd_per_day ?? Infinity, after.usd_per_month ?? Infinity);
  const a_month = Math.min(after.usd_per_month ?? Infinity, (after.usd_per_day ?? Infinity) * 31);
  return a_day > (before.usd_per_day ?? Infinity) || a_month > (before.usd_per_month ?? Infinity);
}
