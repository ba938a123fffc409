import type * as z from "zod";
import { Problem } from "../problem.ts";

/** Checks a value against its schema; what is wrong with it is told by field and rule, never by value. */
export function parse<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value, { error: ruleOf });
  if (result.success) return result.data;
  throw complaint(result.error);
}

/** What is wrong with an input that was judged with {@link ruleOf}. */
export function complaint(error: z.ZodError): Problem {
  const errors = error.issues.flatMap((issue) => {
    const at = issue.path.join(".");
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => ({
        field: [at, key].filter(Boolean).join("."),
        rule: "is not a field of this request",
      }));
    return [{ field: at, rule: issue.message }];
  });
  const [first] = errors;
  return new Problem(
    "invalid_request",
    first === undefined ? "The request is not valid." : `${first.field || "The body"}: ${first.rule}.`,
    { errors },
  );
}

/** What a value must be, where its schema does not say so in words of its own. */
export function ruleOf(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? "must be given" : `must be ${KINDS[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return among(issue.values);
    case "invalid_union":
      return Array.isArray(issue.options) ? among(issue.options) : UNSAID;
    case "too_small":
      return `must ${bound(issue.origin, "at least", Number(issue.minimum), issue.inclusive)}`;
    case "too_big":
      return `must ${bound(issue.origin, "at most", Number(issue.maximum), issue.inclusive)}`;
    case "invalid_format":
      return `must be ${FORMATS[issue.format] ?? "as /openapi.json has it"}`;
    case "invalid_key":
      return issue.issues[0]?.message ?? "must have other names";
    default:
      return UNSAID;
  }
}

const UNSAID = "must be as /openapi.json has it";

function among(values: readonly unknown[]): string {
  return `must be ${values.length > 1 ? "one of " : ""}${values.map(String).join(", ")}`;
}

const KINDS: Record<string, string> = {
  string: "a text",
  int: "a whole number",
  number: "a number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
};
const FORMATS: Record<string, string> = {
  datetime: "a time such as 2027-01-31T12:00:00Z",
  date: "a day such as 2027-01-31",
  url: "a URL",
};

function bound(origin: string, most: string, limit: number, inclusive = true): string {
  if (limit === 1 && most === "at least" && origin !== "number") return "not be empty";
  if (origin === "string") return `have ${most} ${limit} characters`;
  if (origin === "array") return `have ${most} ${limit} items`;
  if (inclusive) return `be ${most} ${limit}`;
  return `be ${most === "at least" ? "more" : "less"} than ${limit}`;
}
