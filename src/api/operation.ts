import type * as z from "zod";
import type { Identified } from "../auth/caller.ts";
import type { UserVault } from "../vault/vault.ts";
import type { Operation } from "./schema.ts";

/** What an operation works with: the vault that the caller named by token, and the input as its schema left it. */
type Asked<Query, Body> = {
  env: Env;
  request: Request;
  who: Identified;
  vault: DurableObjectStub<UserVault>;
  param: (name: string) => string;
  query: Query;
  body: Body;
};

type Checked<Schema> = Schema extends z.ZodType ? z.output<Schema> : unknown;
type Field<Row, Name extends string> = Row extends Record<Name, infer Schema> ? Checked<Schema> : unknown;

/** Does what a row of the contract says: answers its `answer`, or a whole response of its own. */
type Handler<Row extends Operation> = (
  asked: Asked<Field<Row, "query">, Field<Row, "body">>,
) => Promise<z.output<Row["answer"]> | Response>;

/** One handler for each row of a table of the contract. */
export type Handlers<Table extends Record<string, Operation>> = { [Id in keyof Table]: Handler<Table[Id]> };

/** Any handler, once its input was checked against its own row. */
export type AnyHandler = (asked: Asked<never, never>) => Promise<unknown>;

/** One page of a list that is at hand as a whole. */
export function pageOf<T>(
  all: readonly T[],
  { limit, cursor = 0 }: { limit: number; cursor?: number | undefined },
): { items: T[]; next_cursor?: string } {
  const end = cursor + limit;
  return { items: all.slice(cursor, end), ...(end < all.length ? { next_cursor: String(end) } : {}) };
}

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
