import type { ActivityFilter } from "../audit/activity_filter.ts";
import { actorOf } from "../tokens/actor.ts";
import type { Parts } from "../parts.ts";
import type { Token } from "../tokens/token.ts";

/** The keys that a caller was given, of all that there are; null where they were given all, later ones too. */
export type Reach = ReadonlySet<string> | null;

/** Devices manage the whole vault: their choice of keys is about what they may use (SECURITY S4). */
function reachOf({ kind, policy }: Token): Reach {
  return policy.keys === undefined || kind === "dev" ? null : new Set(policy.keys);
}

/**
 * The vault as a caller may see it (SECURITY S22): a key outside their choice is not there, whatever it is looked for by, and so
 * is every token, device and client that reaches further than they do. Only what is asked and managed goes through this; what
 * decides calls judges for itself.
 */
export function within(parts: Parts, by: Token): Parts {
  const reach = reachOf(by);
  return reach === null ? parts : { ...parts, reach, keys: parts.keys.within(reach) };
}

/** Does something that reaches these keys (absent: all) reach no further than the caller? */
export function isWithin(reach: Reach, keys: readonly string[] | null | undefined): boolean {
  return reach === null || (keys != null && keys.every((id) => reach.has(id)));
}

/** The same as a condition of SQL on the JSON array of ids that `keys` is, and its values. */
export function withinSql(keys: string, reach: Reach): { where: string; values: (string | null)[] } {
  const where = `(? IS NULL OR (${keys} IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM json_each(${keys}) WHERE value NOT IN (SELECT value FROM json_each(?)))))`;
  return { where, values: [reachValue(reach), reachValue(reach)] };
}

export function reachValue(reach: Reach): string | null {
  return reach === null ? null : JSON.stringify([...reach]);
}

/**
 * The filter under which such a caller sees the activity: what was done with their keys, and what they did themselves. A key that is
 * there may be asked for by any name of its own, and is meant whatever it was called when a row was written (DESIGN D16).
 */
export function activityWithin({ reach, keys }: Parts, by: Token, filter: ActivityFilter): ActivityFilter {
  const key = filter.key === undefined ? undefined : (keys.find(filter.key)?.id ?? filter.key);
  const within = reach === null ? undefined : JSON.stringify([actorOf(by).id, ...reach]);
  return { ...filter, key, within };
}
