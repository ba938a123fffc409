import type * as z from "zod";
import { Problem } from "../problem.ts";

/** Checks a value against its schema; what is wrong with it is told by field and rule, never by value. */
export function parse<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.flatMap((issue) => {
    const at = issue.path.join(".");
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => ({
        field: [at, key].filter(Boolean).join("."),
        rule: "is not a field of this request",
      }));
    return [{ field: at, rule: issue.message }];
  });
  const [first] = errors;
  throw new Problem(
    "invalid_request",
    first === undefined ? "The request is not valid." : `${first.field || "The body"}: ${first.rule}.`,
    { errors },
  );
}
