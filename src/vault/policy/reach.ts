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

/** Of the activity, such a caller sees what was done with their keys, and what they did themselves. */
export function activityWithin({ reach }: Parts, by: Token, filter: ActivityFilter): ActivityFilter {
  return reach === null ? filter : { ...filter, within: JSON.stringify([actorOf(by).id, ...reach]) };
}
