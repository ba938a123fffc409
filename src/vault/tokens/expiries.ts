import type { NewAlert } from "../alerts/alerts.ts";

/** Something with an end: a key, an app token or a grant. Times are epoch milliseconds. */
type Ending = { id: string; name: string; key: string | null; expires_at: number };

const DAY_MS = 86_400_000;
const AHEAD_MS = 7 * DAY_MS;
/** What was made for a short life ends as it was meant to: nobody is told. */
const LONG_LIFE_MS = 14 * DAY_MS;

/** Alerts about what ends within a week, and when to look again; null where nothing has an end. */
export function expiring(sql: SqlStorage, now: number): { alerts: NewAlert[]; again: number | null } {
  const endings = sql
    .exec<Ending>(
      `SELECT id, name, id AS key, expires_at FROM api_key WHERE expires_at > ?1 AND expires_at - created_at >= ?2
       UNION ALL SELECT id, name, NULL, expires_at FROM token
       WHERE kind = 'app' AND revoked_at IS NULL AND expires_at > ?1 AND expires_at - created_at >= ?2
       UNION ALL SELECT id, client ->> '$.name', NULL, expires_at FROM grant
       WHERE revoked_at IS NULL AND expires_at > ?1 AND expires_at - created_at >= ?2`,
      now,
      LONG_LIFE_MS,
    )
    .toArray();
  const later = endings.filter(({ expires_at }) => expires_at - now > AHEAD_MS);
  return {
    alerts: endings.filter(({ expires_at }) => expires_at - now <= AHEAD_MS).map(alertOf),
    again: later.length === 0 ? null : Math.min(...later.map(({ expires_at }) => expires_at)) - AHEAD_MS,
  };
}

function alertOf({ id, name, key, expires_at }: Ending): NewAlert {
  const facts = { expires_at: new Date(expires_at).toISOString() };
  return { kind: "expiring", subject: id, name, key: key ?? undefined, facts };
}
