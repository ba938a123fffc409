import type * as z from "zod";
import { Problem } from "../problem.ts";

const BODY_BYTES = 1024 * 1024;

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

/** The JSON body of a request, at most 1 MiB of it, counted as it arrives. */
export async function readJson(request: Request): Promise<unknown> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json\b/i.test(type))
    throw new Problem("unsupported_media_type", "Send a JSON body as application/json.");
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > BODY_BYTES) throw new Problem("too_large", "The body is larger than 1 MiB.");
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new Problem("invalid_request", "The body is not JSON.", { errors: [{ field: "", rule: "must be JSON" }] });
  }
}
