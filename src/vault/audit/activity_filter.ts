import type { AuditRow, Decision, Settled } from "./row.ts";

/** What activity is narrowed by (CONTRACT §5); all of it must hold. Times are RFC 3339 in UTC. */
export type ActivityFilter = {
  key?: string | undefined;
  key_version?: string | undefined;
  token?: string | undefined;
  grant?: string | undefined;
  device?: string | undefined;
  action?: string | undefined;
  /** One, or several with commas between. */
  outcome?: string | undefined;
  provider?: string | undefined;
  country?: string | undefined;
  ip?: string | undefined;
  /** The rule on trial that would have refused; `any` for whichever. */
  would_refuse?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
  q?: string | undefined;
  /** Ids as a JSON array: rows about these keys, and rows about no key by an actor among them (SECURITY S22). */
  within?: string | undefined;
};

/** How a row ended, as far as it has, as SQL. */
export const OUTCOME = "coalesce(outcome ->> '$.outcome', decision ->> '$.outcome', 'pending')";

/** A row's texts, read: what a condition looks at. */
type Read = { decision: Decision; outcome: Settled | undefined; text: string };

/** One condition a field, in both wordings: SQL over the stored texts, each `?` taking the value, and the same in code. */
type Condition = { sql: string; holds: (row: Read, value: string) => boolean };

const WHO: Condition = {
  sql: "(decision ->> '$.actor.id' = ? OR decision ->> '$.subject' = ?)",
  holds: ({ decision }, value) => decision.actor.id === value || decision.subject === value,
};
const field = (name: "action" | "provider" | "country" | "ip"): Condition => ({
  sql: `decision ->> '$.${name}' = ?`,
  holds: ({ decision }, value) => decision[name] === value,
});

const CONDITIONS: Record<keyof ActivityFilter, Condition> = {
  key: {
    sql: "(decision ->> '$.key' = ? OR decision ->> '$.key_name' = ?)",
    holds: ({ decision }, value) => decision.key === value || decision.key_name === value,
  },
  key_version: {
    sql: "decision ->> '$.key_version' = CAST(? AS INTEGER)",
    holds: ({ decision }, value) => decision.key_version === Number(value),
  },
  token: {
    sql: `(${WHO.sql} OR decision ->> '$.token' = ?)`,
    holds: (row, value) => WHO.holds(row, value) || row.decision.token === value,
  },
  grant: WHO,
  device: WHO,
  action: field("action"),
  outcome: {
    sql: `instr(',' || ? || ',', ',' || ${OUTCOME} || ',') > 0`,
    holds: ({ decision, outcome }, value) =>
      value.split(",").includes(outcome?.outcome ?? decision.outcome ?? "pending"),
  },
  provider: field("provider"),
  country: field("country"),
  ip: field("ip"),
  would_refuse: {
    sql: "decision ->> '$.would_refuse' = coalesce(nullif(?, 'any'), decision ->> '$.would_refuse')",
    holds: ({ decision: { would_refuse } }, value) =>
      value === "any" ? would_refuse !== undefined : would_refuse === value,
  },
  since: { sql: "decision ->> '$.at' >= ?", holds: ({ decision }, value) => decision.at >= value },
  until: { sql: "decision ->> '$.at' < ?", holds: ({ decision }, value) => decision.at < value },
  q: {
    sql: "instr(lower(decision), lower(?)) > 0",
    holds: ({ text }, value) => text.toLowerCase().includes(value.toLowerCase()),
  },
  within: {
    sql: "coalesce(decision ->> '$.key', decision ->> '$.actor.id') IN (SELECT value FROM json_each(?))",
    holds: ({ decision }, value) => (JSON.parse(value) as string[]).includes(decision.key ?? decision.actor.id),
  },
};

/** A filter as SQL, the same for the vault's outbox and for D1: both keep the same texts under the same names. */
export function filterSql(filter: ActivityFilter): { where: string; values: string[] } {
  const given = conditionsOf(filter);
  return {
    where: ["true", ...given.map(({ sql }) => sql)].join(" AND "),
    values: given.flatMap(({ sql, value }) => Array.from(sql.matchAll(/\?/g), () => value)),
  };
}

/** Whether rows have to be looked through for those that pass; what is only too old is not looked at. */
export function narrows(filter: ActivityFilter): boolean {
  return conditionsOf({ ...filter, since: undefined }).length > 0;
}

/** A filter in code, for rows that come out of a segment. */
export function passes(filter: ActivityFilter, row: AuditRow): boolean {
  const given = conditionsOf(filter);
  if (given.length === 0) return true;
  const outcome = row.outcome === null ? undefined : (JSON.parse(row.outcome) as Settled);
  const read = { decision: JSON.parse(row.decision) as Decision, outcome, text: row.decision };
  return given.every(({ holds, value }) => holds(read, value));
}

/** Ids and names that every row which passes must mention; a segment that mentions none of them is passed by. */
export function subjectsWanted({ key, token, grant, device }: ActivityFilter): string[] {
  return [key, token, grant, device].filter((one) => one !== undefined);
}

function conditionsOf(filter: ActivityFilter): (Condition & { value: string })[] {
  return (Object.entries(CONDITIONS) as [keyof ActivityFilter, Condition][]).flatMap(([name, condition]) => {
    const value = filter[name];
    return value === undefined ? [] : [{ ...condition, value }];
  });
}
