import { useEffect, useRef, useState, type ReactNode } from "react";
import type { Answer } from "../../data/api.ts";
import { useAnswer } from "../../data/queries.ts";
import { Choice } from "../../ui/choice.tsx";
import { Card } from "../../ui/page.tsx";
import { Answered } from "../../ui/states.tsx";

type Bucket = Answer<"GET /activity/stats">["items"][number];
type Span = "hour" | "day";

const SPANS = { hour: { count: 24, ms: 3_600_000 }, day: { count: 30, ms: 86_400_000 } } as const;
/** From the bottom up. */
const SERIES = [
  {
    name: "OK",
    className: "bar-ok",
    of: ({ calls, outcomes }: Bucket) => calls - refusedIn(outcomes) - failedIn(outcomes),
  },
  { name: "Failed or cut", className: "bar-failed", of: ({ outcomes }: Bucket) => failedIn(outcomes) },
  { name: "Refused", className: "bar-refused", of: ({ outcomes }: Bucket) => refusedIn(outcomes) },
] as const;

const [HEIGHT, FLOOR, LEFT, TOP] = [190, 22, 34, 6];
/** A label needs this much room. */
const LABEL_WIDTH = 76;

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
          {({ items }) => <Bars buckets={filled(items, span)} span={span} />}
        </Answered>
      </div>
    </Card>
  );
}

function refusedIn(outcomes: Bucket["outcomes"]): number {
  return outcomes.refused ?? 0;
}

function failedIn(outcomes: Bucket["outcomes"]): number {
  return (outcomes.failed ?? 0) + (outcomes.cut ?? 0) + (outcomes.interrupted ?? 0) + (outcomes.canceled ?? 0);
}

/** Every bucket up to now, those in which nothing happened too. The server's buckets begin at whole hours and days in UTC. */
function filled(items: readonly Bucket[], span: Span): Bucket[] {
  const { count, ms } = SPANS[span];
  const known = new Map(items.map((bucket) => [Date.parse(bucket.at), bucket]));
  const last = Math.floor(Date.now() / ms) * ms;
  return Array.from({ length: count }, (_, index) => {
    const at = last - (count - 1 - index) * ms;
    return known.get(at) ?? { at: new Date(at).toISOString(), calls: 0, outcomes: {} };
  });
}

function Bars({ buckets, span }: { buckets: readonly Bucket[]; span: Span }): ReactNode {
  const [room, width] = useWidth();
  const most = niceCeiling(Math.max(1, ...buckets.map(({ calls }) => calls)));
  const step = (width - LEFT) / buckets.length;
  const y = (value: number) => (HEIGHT - FLOOR - TOP) * (1 - value / most) + TOP;
  const total = buckets.reduce((sum, { calls }) => sum + calls, 0);
  const every = Math.ceil(LABEL_WIDTH / step);
  return (
    <div ref={room}>
      <svg
        className="chart"
        width={width}
        height={HEIGHT}
        role="img"
        aria-label={`${total.toLocaleString()} calls in the last ${span === "hour" ? "24 hours" : "30 days"}`}
      >
        {[0, 0.5, 1].map((share) => (
          <g key={share}>
            <line x1={LEFT} x2={width} y1={y(most * share)} y2={y(most * share)} className="chart-line" />
            <text x={LEFT - 6} y={y(most * share) + 4} textAnchor="end" className="chart-text">
              {share === 0.5 && most < 2 ? "" : compact(most * share)}
            </text>
          </g>
        ))}
        {buckets.map((bucket, index) => (
          <g key={bucket.at}>
            <title>{describe(bucket, span)}</title>
            <rect x={LEFT + index * step} y={TOP} width={step} height={HEIGHT - FLOOR - TOP} className="chart-hit" />
            <Stack of={bucket} x={LEFT + index * step + step * 0.14} width={step * 0.72} y={y} />
            {index % every === 0 && LEFT + index * step + LABEL_WIDTH / 2 < width ? (
              <text x={LEFT + (index + 0.5) * step} y={HEIGHT - 6} textAnchor="middle" className="chart-text">
                {labelOf(bucket.at, span)}
              </text>
            ) : null}
          </g>
        ))}
      </svg>
    </div>
  );
}

/** How wide there is room to draw, so that lines and letters keep their size on every screen. */
function useWidth() {
  const room = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(300);
  useEffect(() => {
    if (room.current === null) return;
    const watch = new ResizeObserver(([entry]) => setWidth(Math.max(200, Math.floor(entry?.contentRect.width ?? 300))));
    watch.observe(room.current);
    return () => watch.disconnect();
  }, []);
  return [room, width] as const;
}

type StackProps = { of: Bucket; x: number; width: number; y: (value: number) => number };

function Stack({ of, x, width, y }: StackProps): ReactNode {
  let below = 0;
  return SERIES.map(({ name, className, of: count }) => {
    const value = count(of);
    const [top, bottom] = [y(below + value), y(below)];
    below += value;
    if (value <= 0) return null;
    return <rect key={name} x={x} y={top} width={width} height={bottom - top} rx={1.5} className={className} />;
  });
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

function niceCeiling(value: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 5, 10].find((factor) => factor * magnitude >= value) ?? 10) * magnitude;
}

const COMPACT = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });

function compact(value: number): string {
  return COMPACT.format(value);
}
