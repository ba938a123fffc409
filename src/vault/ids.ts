import { monotonicFactory } from "ulid";

/** A new id such as `key_01J…`, for something that was made at that time. */
export type NewId = (prefix: string, now: number) => string;

/**
 * Makes the ids of one table. They follow one another as what they name was made, within a millisecond too, so that a list by id is
 * a list by age. Each vault has makers of its own: an id tells nobody what a neighbour does (SECURITY S27).
 */
export function newIds(): NewId {
  let random = new Uint8Array(0);
  let at = 0;
  // Some are drawn at once: `ulid` by itself would ask the runtime sixteen times an id.
  const ulid = monotonicFactory(() => {
    if (at === random.length) [random, at] = [crypto.getRandomValues(new Uint8Array(64)), 0];
    return (random[at++] ?? 0) / 256;
  });
  return (prefix, now) => `${prefix}_${ulid(now)}`;
}
