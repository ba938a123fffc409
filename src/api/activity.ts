import { configOf } from "../config.ts";
import type { Identified } from "../auth/caller.ts";
import { archivedRows } from "../directory/audit.ts";
import { ask } from "../vault/answer.ts";
import type { ActivityFilter } from "../vault/audit/activity_filter.ts";
import type { AuditRow, ChainHeads } from "../vault/audit/row.ts";
import { ChainCheck, type Checked } from "../vault/audit/chain.ts";
import { checkpointOf } from "../vault/audit/retention.ts";
import type { Tally } from "../vault/audit/tally.ts";
import { exportStream } from "./export.ts";
import { paged, type Handlers } from "./operation.ts";
import type { ACTIVITY_OPERATIONS } from "./schema.ts";
import { wireRow, wireTime } from "./wire.ts";

const PAGE_ROWS = 1_000;
const HOUR_MS = 3_600_000;
const STATS_SPAN_MS = { hour: 24 * HOUR_MS, day: 30 * 24 * HOUR_MS };

export const activityHandlers: Handlers<typeof ACTIVITY_OPERATIONS> = {
  listActivity: async ({ env, who, query }) => {
    const { limit, cursor = Number.MAX_SAFE_INTEGER, ...filter } = query;
    const page = await activityPage(env, who, cursor, limit + 1, filter);
    const { items, next_cursor = page.resume?.toString() } = paged(page.rows.map(wireRow), limit, ({ seq }) =>
      String(seq),
    );
    return { items, next_cursor };
  },
  exportActivity: async ({ env, who, query }) => {
    const { format, ...filter } = query;
    // The first page is read before anything is answered: who may not read gets a refusal, not an empty file.
    const read = async (before: number) => {
      const page = await activityPage(env, who, before, PAGE_ROWS, filter);
      return { rows: page.rows, before: following(page, PAGE_ROWS) };
    };
    return exportStream(format, await read(Number.MAX_SAFE_INTEGER), read, configOf(env).public_origin);
  },
  activityStats: async ({ vault, who, query }) => {
    const { bucket, since = wireTime(Date.now() - STATS_SPAN_MS[bucket]) } = query;
    const { tally, counting } = await ask(vault.tally(who.caller, bucket, since));
    return { items: bucketed(tally), counting };
  },
  verifyActivity: async ({ env, who }) => {
    const { rows, fault, heads } = await verifyActivity(env, who);
    return { ok: fault === undefined, rows, head: { seq: heads.head_seq, hash: heads.head_hash }, fault };
  },
};

type Page = { rows: AuditRow[]; heads: ChainHeads; resume?: number | undefined };

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
): Promise<Page> {
  const vault = env.USER_VAULT.getByName(vault_id);
  const { rows: held, heads, seen } = await ask(vault.activity(caller, before, limit, filter));
  const { rows: archived, resume } = await archivedRows(env.DB, vault_id, before, limit, seen);
  const by_seq = new Map([...archived, ...held].map((row) => [row.seq, row]));
  // What lies beyond is the next page's, also where the vault has it.
  const rows = [...by_seq.values()].filter(({ seq }) => seq >= (resume ?? 0));
  rows.sort((a, b) => b.seq - a.seq).splice(limit);
  return { rows, heads, resume };
}

/** Where the page after this one begins; undefined after the last. */
function following({ rows, resume }: Page, limit: number): number | undefined {
  return rows.length < limit ? resume : rows.at(-1)?.seq;
}

/** Walks the whole log, a page at a time, and checks both chains, from the checkpoint to the heads that the vault holds. */
async function verifyActivity(env: Env, who: Identified): Promise<Checked & { heads: ChainHeads }> {
  const from = await checkpointOf(env.DB, who.vault_id);
  const read = (before: number) => activityPage(env, who, before, PAGE_ROWS, {});
  let page = await read(Number.MAX_SAFE_INTEGER);
  const { heads } = page;
  const check = new ChainCheck(heads, from);
  check.read(page.rows);
  for (let before = following(page, PAGE_ROWS); before !== undefined; before = following(page, PAGE_ROWS)) {
    page = await read(before);
    check.read(page.rows);
  }
  const { heads: latest } = await ask(env.USER_VAULT.getByName(who.vault_id).activity(who.caller, 1, 1, {}));
  const checked = check.end(latest);
  // What was forgotten meanwhile, being too old, is not missing.
  const purged = checked.fault !== undefined && (await checkpointOf(env.DB, who.vault_id)).head_seq > from.head_seq;
  return purged ? verifyActivity(env, who) : { ...checked, heads };
}

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
