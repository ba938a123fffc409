import type { Answer, Locker } from "./client.ts";
import { Failure } from "./failure.ts";

/** Where somebody sees what there is of a kind. */
const LISTS = {
  token: "tokens list",
  client: "clients list",
  device: "devices list",
  "open question": "approvals",
} as const;

/** As short as an id may be said. */
const SHORTEST = 4;

/**
 * The one that is meant: by id, by name, or by the beginning or the end of an id that no other has. One that is dead is meant where
 * none that lives is.
 */
export function findOne<T extends { id: string; name: string }>(
  items: readonly T[],
  ref: string,
  what: keyof typeof LISTS,
  lives: (item: T) => boolean = () => true,
): T {
  const exact = items.find(({ id }) => id === ref);
  if (exact !== undefined) return exact;
  const named = items.filter(({ name }) => name === ref);
  const short = ref.length < SHORTEST ? [] : items.filter(({ id }) => matches(id, ref));
  const fitting = named.length > 0 ? named : short;
  const living = fitting.filter(lives);
  const found = living.length > 0 ? living : fitting;
  const [one, another] = found;
  if (one === undefined)
    throw new Failure(`There is no ${what} ${JSON.stringify(ref)}.`, {
      code: "not_found",
      hint: `See what there is: apilocker ${LISTS[what]}`,
    });
  if (another !== undefined)
    throw new Failure(`Several fit ${JSON.stringify(ref)}: ${found.map(({ id }) => id).join(", ")}.`, {
      code: "ambiguous",
      hint: "Say one of these ids.",
    });
  return one;
}

export type Token = Answer<"GET /tokens">["items"][number];

/** An app token. Names may be used again once theirs is dead. */
export async function findToken(locker: Locker, ref: string): Promise<Token> {
  return findOne(await locker.list("GET /tokens"), ref, "token", isLive);
}

/** One that rotates is dead too once it was not refreshed in time. */
export function isLive({ revoked_at, expires_at, refresh_by }: Token): boolean {
  return revoked_at === undefined && [expires_at, refresh_by].every((at) => !at || Date.parse(at) > Date.now());
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
