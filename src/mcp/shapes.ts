import * as z from "zod";
import { parse } from "../api/parse.ts";
import * as api from "../api/schema/common.ts";

const limit = z.int().min(1).max(200).describe("How many at most");

/** How lists of things of a kind are paged: a cursor is what the page before said, and means nothing else. */
export const pagesOf = (kind: string) => ({
  limit: limit.default(50),
  cursor: api.pagesOf(kind).cursor.describe("next_cursor of the page before"),
});

/** The same of a list whose cursor is a number. */
export const numberedPages = {
  limit: limit.default(50),
  cursor: z
    .string()
    .regex(/^[1-9]\d{0,14}$/, "must be the next_cursor of the page before")
    .optional()
    .describe("next_cursor of the page before"),
};

export { listOf } from "../api/schema/common.ts";

export const keyRef = z.string().min(1).max(100).describe("Name or id of the key");

/** The arguments of a tool as an operation of the API reads them. */
export function asQuery<T extends z.ZodType>(schema: T, input: object): z.output<T> {
  return parse(schema, input);
}

export const idOf = (what: string) => z.string().min(1).max(100).describe(`Id of ${what}`);

/** By which a model may say what it means to destroy; the owner is asked all the same. */
export const confirmedName = (what: string) =>
  z.string().max(200).optional().describe(`To be sure that it is the one that is meant: ${what}`);
