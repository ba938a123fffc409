import { configOf } from "../config.ts";
import type { Identified } from "../auth/caller.ts";
import { archivedRows, archivedTally } from "../directory/audit.ts";
import { ask } from "../vault/answer.ts";
import type { ActivityFilter, Tally } from "../vault/activity_filter.ts";
import type { AuditRow, ChainHeads } from "../vault/audit.ts";
import { checkChain, type ChainCheck } from "../vault/chain.ts";
import { exportStream } from "./export.ts";
import { paged, type Handler } from "./operation.ts";
import { wireRow, wireTime } from "./wire.ts";

const VERIFY_PAGE = 1_000;
const HOUR_MS = 3_600_000;
const STATS_SPAN_MS = { hour: 24 * HOUR_MS, day: 30 * 24 * HOUR_MS };

type ActivityAsked = ActivityFilter & { limit: number; cursor?: number };

export const activityHandlers = {
  listActivity: async ({ env, who, query }) => {
    const { limit, cursor = Number.MAX_SAFE_INTEGER, ...filter }: ActivityAsked = query;
    const { rows } = await activityPage(env, who, cursor, limit + 1, filter);
    return paged(rows.map(wireRow), limit, ({ seq }) => String(seq));
  },
  exportActivity: async ({ env, who, query }) => {
    const { format, ...filter }: ActivityFilter & { format: "csv" | "jsonl" } = query;
    // The first page is read before anything is answered: who may not read gets a refusal, not an empty file.
    const first = await activityPage(env, who, Number.MAX_SAFE_INTEGER, VERIFY_PAGE, filter);
    const rest = async (before: number) => (await activityPage(env, who, before, VERIFY_PAGE, filter)).rows;
    return exportStream(format, first.rows, rest, VERIFY_PAGE, configOf(env).public_origin);
  },
  activityStats: async ({ env, vault, who, query }) => {
    const asked: { bucket: "hour" | "day"; since?: string } = query;
    const { bucket, since = wireTime(Date.now() - STATS_SPAN_MS[bucket]) } = asked;
    const { tally, held } = await ask(vault.tally(who.caller, bucket, since));
    return { items: bucketed([...tally, ...(await archivedTally(env.DB, who.vault_id, bucket, since, held))]) };
  },
  verifyActivity: async ({ env, who }) => {
    const { rows, fault, heads } = await verifyActivity(env, who);
    return { ok: fault === undefined, rows, head: { seq: heads.head_seq, hash: heads.head_hash }, fault };
  },
} satisfies Record<string, Handler>;

/**
 * Rows newest first, below `before`: those still in the vault and those in D1. The vault is asked first: a row that is shipped
 * in between is then seen twice, never missed.
 */
async function activityPage(
  env: Env,
  { vault_id, caller }: Identified,
  before: number,
  limit: number,
  filter: ActivityFilter,
): Promise<{ rows: AuditRow[]; heads: ChainHeads }> {
  const { rows: held, heads } = await ask(env.USER_VAULT.getByName(vault_id).activity(caller, before, limit, filter));
  const archived = await archivedRows(env.DB, vault_id, before, limit, filter);
  const by_seq = new Map([...archived, ...held].map((row) => [row.seq, row]));
  const rows = [...by_seq.values()].sort((a, b) => b.seq - a.seq).slice(0, limit);
  return { rows, heads };
}

/** Walks the whole log and checks both chains against the heads that the vault holds. */
async function verifyActivity(env: Env, who: Identified): Promise<ChainCheck & { heads: ChainHeads }> {
  const all: AuditRow[] = [];
  const first = await activityPage(env, who, Number.MAX_SAFE_INTEGER, VERIFY_PAGE, {});
  for (let page = first.rows; page.length > 0;) {
    all.push(...page);
    const last = page.at(-1) as AuditRow;
    if (page.length < VERIFY_PAGE) break;
    page = (await activityPage(env, who, last.seq, VERIFY_PAGE, {})).rows;
  }
  return { ...checkChain(all, first.heads), heads: first.heads };
}

/** Tallies by time, oldest first: how many calls ended how, and how long those took that were carried. */
function bucketed(tallies: readonly Tally[]) {
  const buckets = new Map<
    string,
    { calls: number; outcomes: Record<string, number>; timed: number; latency_ms: number }
  >();
  for (const { bucket, outcome, calls, latency_ms } of tallies) {
    const sum = buckets.get(bucket) ?? { calls: 0, outcomes: {}, timed: 0, latency_ms: 0 };
    sum.calls += calls;
    sum.outcomes[outcome] = (sum.outcomes[outcome] ?? 0) + calls;
    if (latency_ms !== null) {
      sum.timed += calls;
      sum.latency_ms += latency_ms;
    }
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
