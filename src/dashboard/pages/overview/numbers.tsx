import type { ReactNode } from "react";
import { Link } from "wouter";
import { now } from "../../data/clock.ts";
import { useAnswer } from "../../data/queries.ts";
import { WENT_WRONG } from "../activity/words.tsx";
import { failedIn, refusedIn, type Bucket } from "./buckets.ts";

/** The last day in four numbers. */
export function Numbers(): ReactNode {
  const { data, error } = useAnswer("GET /activity/stats", { query: { bucket: "hour" } }, { every_ms: 30_000 });
  const day = data?.items.filter(({ at }) => Date.parse(at) >= now() - 86_400_000);
  const calls = sum(day, ({ calls }) => calls);
  const refused = sum(day, refusedIn);
  const failed = sum(day, failedIn);
  const timed = day?.filter(({ mean_latency_ms }) => mean_latency_ms !== undefined) ?? [];
  const latency =
    sum(timed, ({ mean_latency_ms = 0, calls }) => mean_latency_ms * calls) / (sum(timed, ({ calls }) => calls) || 1);
  const known = day !== undefined;
  // Not to know is not to be on the way to knowing.
  const told = (value: string) => (known ? value : error === null ? undefined : "–");
  return (
    <dl className="numbers">
      <Figure name="Calls in 24 hours" value={told(calls.toLocaleString())} to="/activity?span=24h" />
      <Figure name="Refused" value={told(refused.toLocaleString())} to="/activity?span=24h&outcome=refused" />
      <Figure
        name="Failed or cut"
        value={told(failed.toLocaleString())}
        to={`/activity?span=24h&outcome=${WENT_WRONG}`}
      />
      <Figure
        name="Mean latency"
        value={told(timed.length === 0 ? "–" : `${Math.round(latency)} ms`)}
        to="/activity?span=24h"
      />
    </dl>
  );
}

function sum(buckets: readonly Bucket[] | undefined, of: (bucket: Bucket) => number): number {
  return (buckets ?? []).reduce((total, bucket) => total + of(bucket), 0);
}

function Figure({ name, value, to }: { name: string; value: string | undefined; to: string }): ReactNode {
  return (
    <div className="figure">
      <dt>{name}</dt>
      <dd>{value === undefined ? <span className="bone" /> : <Link href={to}>{value}</Link>}</dd>
    </div>
  );
}
