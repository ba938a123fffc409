import { Failure } from "./failure.ts";

/** As short as an id may be said. */
const SHORTEST = 4;

/** The one that is meant: by id, by name, or by the beginning or the end of an id that no other has. */
export function findOne<T extends { id: string; name: string }>(items: readonly T[], ref: string, what: string): T {
  const exact = items.find(({ id }) => id === ref);
  if (exact !== undefined) return exact;
  const named = items.filter(({ name }) => name === ref);
  const short = ref.length < SHORTEST ? [] : items.filter(({ id }) => matches(id, ref));
  const found = named.length > 0 ? named : short;
  const [one, another] = found;
  if (one === undefined) throw new Failure(`There is no ${what} ${JSON.stringify(ref)}.`, { code: "not_found" });
  if (another !== undefined)
    throw new Failure(`Several fit ${JSON.stringify(ref)}: ${found.map(({ id }) => id).join(", ")}.`, {
      code: "ambiguous",
      hint: "Say one of these ids.",
    });
  return one;
}

function matches(id: string, ref: string): boolean {
  const wanted = ref.toUpperCase();
  const [, ulid = id] = id.split("_");
  return id.toUpperCase().startsWith(wanted) || ulid.startsWith(wanted) || ulid.endsWith(wanted);
}

/** Ids of one time look alike at their beginning; their end tells them apart. */
export function shortId(id: string): string {
  return id.slice(-8);
}
