import type { Identified } from "../auth/caller.ts";
import type { UserVault } from "../vault/vault.ts";

/** What an operation works with: the vault that the caller named by token, and the operation's checked input. */
type Asked = {
  env: Env;
  who: Identified;
  vault: DurableObjectStub<UserVault>;
  param: (name: string) => string;
  query: never;
  body: never;
};

/** An operation: answers what its row of the contract says, or a whole response of its own. */
export type Handler = (asked: Asked) => Promise<unknown>;

/** A page of a list, as it was asked for. */
export type Queried = { limit: number; cursor?: string | undefined };

/** One page of what was read with one row too many. */
export function paged<T>(
  items: T[],
  limit: number,
  cursorOf: (item: T) => string,
): { items: T[]; next_cursor?: string } {
  const last = items[limit - 1];
  return items.length > limit && last !== undefined
    ? { items: items.slice(0, limit), next_cursor: cursorOf(last) }
    : { items };
}
