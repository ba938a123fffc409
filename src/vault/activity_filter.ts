/** What activity is narrowed by (CONTRACT §5); all of it must hold. Times are RFC 3339 in UTC. */
export type ActivityFilter = {
  key?: string | undefined;
  token?: string | undefined;
  grant?: string | undefined;
  device?: string | undefined;
  action?: string | undefined;
  outcome?: string | undefined;
  provider?: string | undefined;
  country?: string | undefined;
  ip?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
  q?: string | undefined;
};

/** How a row ended, as far as it has. */
const OUTCOME = "coalesce(outcome ->> '$.outcome', decision ->> '$.outcome', 'pending')";

const WHO = "(decision ->> '$.actor.id' = ? OR decision ->> '$.subject' = ?)";

/** One condition a field; each `?` takes the field's value. */
const CONDITIONS: Record<keyof ActivityFilter, string> = {
  key: "(decision ->> '$.key' = ? OR decision ->> '$.key_name' = ?)",
  token: WHO,
  grant: WHO,
  device: WHO,
  action: "decision ->> '$.action' = ?",
  outcome: `${OUTCOME} = ?`,
  provider: "decision ->> '$.provider' = ?",
  country: "decision ->> '$.country' = ?",
  ip: "decision ->> '$.ip' = ?",
  since: "decision ->> '$.at' >= ?",
  until: "decision ->> '$.at' < ?",
  q: "instr(lower(decision), lower(?)) > 0",
};

/** A filter as SQL, the same for the vault's outbox and for D1: both keep the same texts under the same names. */
export function filterSql(filter: ActivityFilter): { where: string; values: string[] } {
  const parts: string[] = ["true"];
  const values: string[] = [];
  for (const [field, condition] of Object.entries(CONDITIONS) as [keyof ActivityFilter, string][]) {
    const value = filter[field];
    if (value === undefined) continue;
    parts.push(condition);
    values.push(...Array.from(condition.matchAll(/\?/g), () => value));
  }
  return { where: parts.join(" AND "), values };
}

/** Calls of one bucket of time that ended in one way. */
export type Tally = { bucket: string; outcome: string; calls: number; latency_ms: number | null };

/** Proxied calls since a time, counted by bucket (`hour`: 13 characters of the time, `day`: 10) and outcome, as SQL. */
export function tallySql(bucket: "hour" | "day"): string {
  return `SELECT substr(decision ->> '$.at', 1, ${bucket === "hour" ? 13 : 10}) AS bucket, ${OUTCOME} AS outcome,
    sum(coalesce(decision ->> '$.count', 1)) AS calls, sum(outcome ->> '$.latency_ms') AS latency_ms
    FROM audit WHERE decision ->> '$.action' = 'proxy.call' AND decision ->> '$.at' >= ?`;
}
