import { monotonicFactory } from "ulid";

const POOL = new Uint8Array(256);
let drawn = POOL.length;

/** Random bytes are drawn 256 at once: `ulid` by itself would ask the runtime sixteen times an id. */
function random(): number {
  if (drawn === POOL.length) {
    crypto.getRandomValues(POOL);
    drawn = 0;
  }
  return (POOL[drawn++] ?? 0) / 256;
}

const ulid = monotonicFactory(random);

/**
 * A new id of something in the vault, as `key_01J…`. Ids follow one another as their things were made, within a millisecond too:
 * a list by id is a list by age. They are no secrets: what was made in the same millisecond has the next one.
 */
export function newId(prefix: string, now: number): string {
  return `${prefix}_${ulid(now)}`;
}
