import { ask } from "../vault/answer.ts";
import type { Tally } from "../vault/audit/tally.ts";
import { activityPage, NEWEST } from "./activity_page.ts";
import { exported } from "./export_parts.ts";
import { paged, type Handlers } from "./operation.ts";
import type { ACTIVITY_OPERATIONS } from "./schema.ts";
import { verify } from "./verify.ts";
import { wireRow, wireTime } from "./wire.ts";

const HOUR_MS = 3_600_000;
const STATS_SPAN_MS = { hour: 24 * HOUR_MS, day: 30 * 24 * HOUR_MS };

export const activityHandlers: Handlers<typeof ACTIVITY_OPERATIONS> = {
  listActivity: async ({ env, who, query }) => {
    const { limit, cursor = NEWEST, ...filter } = query;
    const page = await activityPage(env, who, cursor, limit + 1, filter);
    const { items, next_cursor = page.resume?.toString() } = paged(page.rows.map(wireRow), limit, ({ seq }) =>
      String(seq),
    );
    return { items, next_cursor };
  },
  exportActivity: async ({ env, who, query, request }) => exported(env, who, query, request.url),
  activityStats: async ({ vault, who, query }) => {
    const { bucket, since = wireTime(Date.now() - STATS_SPAN_MS[bucket]) } = query;
    const { tally, counting } = await ask(vault.tally(who.caller, bucket, since));
    return { items: bucketed(tally), counting };
  },
  verifyActivity: ({ env, who }) => verify(env, who),
  verifyFurther: ({ env, who, body }) => verify(env, who, body.cursor),
};

/** Tallies by time, oldest first: how many calls ended how, and how long those took that were carried. */
function bucketed(tallies: readonly Tally[]) {
  const buckets = new Map<
    string,
    { calls: number; outcomes: Record<string, number>; timed: number; latency_ms: number }
  >();
  for (const { bucket, outcome, calls, timed, latency_ms } of tallies) {
    const sum = buckets.get(bucket) ?? { calls: 0, outcomes: {}, timed: 0, latency_ms: 0 };
    sum.calls += calls;
    sum.outcomes[outcome] = (sum.outcomes[outcome] ?? 0) + calls;
    sum.timed += timed;
    sum.latency_ms += latency_ms;
    buckets.set(bucket, sum);
  }
  return [...buckets]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([bucket, { calls, outcomes, timed, latency_ms }]) => ({
      at: `${bucket}${bucket.length === 13 ? "" : "T00"}:00:00.000Z`,
      calls,
      outcomes,
      mean_latency_ms: timed === 0 ? undefined : Math.round(latency_ms / timed),
    }));
}
