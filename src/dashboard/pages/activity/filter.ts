import { now } from "../../data/clock.ts";

/** What activity can be narrowed by; each stands in the address under its own name. */
export const FILTERS = [
  "q",
  "key",
  "key_version",
  "token",
  "grant",
  "device",
  "action",
  "outcome",
  "provider",
  "country",
  "ip",
  "would_refuse",
  "since",
  "until",
] as const;

export type FilterName = (typeof FILTERS)[number];

export const SPANS = [
  ["", "Any time"],
  ["1h", "Last hour"],
  ["24h", "Last day"],
  ["7d", "Last week"],
  ["30d", "Last month"],
] as const;

const SPAN_MS: Record<string, number> = {
  "1h": 3_600_000,
  "24h": 86_400_000,
  "7d": 7 * 86_400_000,
  "30d": 30 * 86_400_000,
};
const MINUTE_MS = 60_000;

/** The filter in an address. A span counts back from the minute, so that it stays one question while it is looked at. */
export function filterIn(search: URLSearchParams): { [Name in FilterName]?: string } {
  const named = FILTERS.flatMap((name) => {
    const value = search.get(name);
    return value === null || value === "" ? [] : [[name, value] as const];
  });
  const span = SPAN_MS[search.get("span") ?? ""];
  const since = span === undefined ? undefined : new Date(Math.floor(now() / MINUTE_MS) * MINUTE_MS - span);
  return { ...Object.fromEntries(named), ...(since === undefined ? {} : { since: since.toISOString() }) };
}
