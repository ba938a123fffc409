import { OUTCOME } from "./activity_filter.ts";
import type { Settled } from "./row.ts";
import type { Read } from "./uses.ts";

/** Proxied calls of one bucket of time that ended in one way, and how long those took of which it is known. */
export type Tally = { bucket: string; outcome: string; calls: number; timed: number; latency_ms: number };

/** A bucket is named by so many letters of the times that lie in it. */
const LETTERS = { hour: 13, day: 10 } as const;
export type Bucket = keyof typeof LETTERS;

export function bucketOf(bucket: Bucket, time: string): string {
  return time.slice(0, LETTERS[bucket]);
}

/** Calls of rows in a table `audit`, the vault's or D1's, as SQL; more conditions may follow, then the grouping. */
export function tallySql(bucket: Bucket): string {
  return `SELECT substr(decision ->> '$.at', 1, ${LETTERS[bucket]}) AS bucket, ${OUTCOME} AS outcome,
    sum(coalesce(decision ->> '$.count', 1)) AS calls, count(outcome ->> '$.latency_ms') AS timed,
    coalesce(sum(outcome ->> '$.latency_ms'), 0) AS latency_ms
    FROM audit WHERE decision ->> '$.action' = 'proxy.call'`;
}

/** The same as SQL over what was added up by the hour. */
export function sumSql(bucket: Bucket): string {
  return `SELECT substr(hour, 1, ${LETTERS[bucket]}) AS bucket, outcome, sum(calls) AS calls, sum(timed) AS timed,
    sum(latency_ms) AS latency_ms FROM tally WHERE hour >= ? GROUP BY 1, 2`;
}

/** The same in code, by the hour. */
export function tallyOf(rows: readonly Read[]): Tally[] {
  const tallies = new Map<string, Tally>();
  for (const { row, decision } of rows) {
    if (decision.action !== "proxy.call") continue;
    const ended = row.outcome === null ? undefined : (JSON.parse(row.outcome) as Settled);
    const bucket = bucketOf("hour", decision.at);
    const outcome = ended?.outcome ?? decision.outcome ?? "pending";
    const name = `${bucket} ${outcome}`;
    const tally = tallies.get(name) ?? { bucket, outcome, calls: 0, timed: 0, latency_ms: 0 };
    tally.calls += decision.count ?? 1;
    tally.timed += ended?.latency_ms === undefined ? 0 : 1;
    tally.latency_ms += ended?.latency_ms ?? 0;
    tallies.set(name, tally);
  }
  return [...tallies.values()];
}
