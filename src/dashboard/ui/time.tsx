import { useEffect, useState, type ReactNode } from "react";
import { now } from "../data/clock.ts";

const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const STEPS = [
  [60_000, 1_000, "second"],
  [3_600_000, 60_000, "minute"],
  [86_400_000, 3_600_000, "hour"],
  [30 * 86_400_000, 86_400_000, "day"],
  [365 * 86_400_000, 30 * 86_400_000, "month"],
  [Number.POSITIVE_INFINITY, 365 * 86_400_000, "year"],
] as const;

/** A moment as a person says it; the exact one, in their zone, on demand. */
export function When({ at, none = "never" }: { at: string | undefined; none?: string }): ReactNode {
  const since = useNow(at !== undefined);
  if (at === undefined) return <span className="faint">{none}</span>;
  return (
    <time dateTime={at} title={exact(at)}>
      {ago(Date.parse(at) - since)}
    </time>
  );
}

/** The exact time, in the person's zone. */
export function exact(at: string): string {
  return EXACT.format(new Date(at));
}

function ago(distance_ms: number): string {
  if (Math.abs(distance_ms) < 5_000) return "now";
  const [, unit_ms, unit] = STEPS.find(([limit]) => Math.abs(distance_ms) < limit) ?? STEPS[5];
  return RELATIVE.format(Math.round(distance_ms / unit_ms), unit);
}

const TICK_MS = 10_000;

/** The time, now and then. */
function useNow(ticking = true, every_ms = TICK_MS): number {
  const [at, setAt] = useState(now);
  useEffect(() => {
    if (!ticking) return;
    const timer = setInterval(() => setAt(now()), every_ms);
    return () => clearInterval(timer);
  }, [ticking, every_ms]);
  return at;
}

/** A moment as a `datetime-local` field wants it, which knows no zone but the person's. */
export function forInput(at: string | undefined): string {
  if (at === undefined) return "";
  const date = new Date(at);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
