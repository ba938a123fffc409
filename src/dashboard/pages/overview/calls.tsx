import { useState, type ReactNode } from "react";
import { now } from "../../data/clock.ts";
import { useAnswer } from "../../data/queries.ts";
import { Bars, type Bar } from "../../ui/bars.tsx";
import { Choice } from "../../ui/choice.tsx";
import { Card } from "../../ui/page.tsx";
import { Answered } from "../../ui/states.tsx";
import { failedIn, refusedIn, type Bucket } from "./buckets.ts";

type Span = "hour" | "day";

const SPANS = { hour: { count: 24, ms: 3_600_000 }, day: { count: 30, ms: 86_400_000 } } as const;
/** From the bottom up. */
const SERIES = [
  {
    name: "OK",
    className: "bar-ok",
    of: (bucket: Bucket) => bucket.calls - refusedIn(bucket) - failedIn(bucket),
  },
  { name: "Failed or cut", className: "bar-failed", of: failedIn },
  { name: "Refused", className: "bar-refused", of: refusedIn },
] as const;

/** Calls by the hour or the day, stacked by how they ended. */
export function Calls(): ReactNode {
  const [span, setSpan] = useState<Span>("hour");
  const stats = useAnswer("GET /activity/stats", { query: { bucket: span } }, { every_ms: 30_000 });
  return (
    <Card
      title="Calls"
      actions={
        <>
          <ul className="legend">
            {SERIES.map(({ name, className }) => (
              <li key={name}>
                <i className={className} aria-hidden="true" /> {name}
              </li>
            ))}
          </ul>
          <Choice
            label="Span"
            hideLabel
            value={span}
            onChange={setSpan}
            options={[
              ["hour", "Last 24 hours"],
              ["day", "Last 30 days"],
            ]}
          />
        </>
      }
    >
      <div className="chart-room">
        <Answered of={stats} lines={5}>
          {({ items, counting }) => {
            const buckets = filled(items, span);
            const total = buckets.reduce((sum, { calls }) => sum + calls, 0);
            return (
              <>
                <Bars
                  bars={buckets.map((bucket) => barOf(bucket, span))}
                  label={`${total.toLocaleString()} calls in the last ${span === "hour" ? "24 hours" : "30 days"}`}
                  format={compact}
                  whole
                />
                {counting ? <p className="muted">Earlier calls are still being counted.</p> : null}
              </>
            );
          }}
        </Answered>
      </div>
    </Card>
  );
}

/** Every bucket up to now, those in which nothing happened too. The server's buckets begin at whole hours and days in UTC. */
function filled(items: readonly Bucket[], span: Span): Bucket[] {
  const { count, ms } = SPANS[span];
  const known = new Map(items.map((bucket) => [Date.parse(bucket.at), bucket]));
  const last = Math.floor(now() / ms) * ms;
  return Array.from({ length: count }, (_, index) => {
    const at = last - (count - 1 - index) * ms;
    return known.get(at) ?? { at: new Date(at).toISOString(), calls: 0, outcomes: {} };
  });
}

function barOf(bucket: Bucket, span: Span): Bar {
  return {
    id: bucket.at,
    label: labelOf(bucket.at, span),
    title: describe(bucket, span),
    parts: SERIES.map(({ className, of }) => ({ className, value: of(bucket) })),
  };
}

const HOUR = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
// Days are the server's, in UTC: in the person's zone they would seem to begin in the middle of one.
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });

function labelOf(at: string, span: Span): string {
  return (span === "hour" ? HOUR : DAY).format(new Date(at));
}

function describe(bucket: Bucket, span: Span): string {
  const parts = SERIES.map(({ name, of }) => `${name} ${of(bucket).toLocaleString()}`);
  const latency = bucket.mean_latency_ms === undefined ? [] : [`mean ${bucket.mean_latency_ms} ms`];
  return [labelOf(bucket.at, span), ...parts, ...latency].join("\n");
}

const COMPACT = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });

function compact(value: number): string {
  return COMPACT.format(value);
}
