import * as z from "zod";
import { PEOPLE, text, time, type Operation } from "./common.ts";

export const Question = z.strictObject({
  token_id: text(100),
  key: text(100).optional().meta({ description: "Name or id; left out: a call without /v1/proxy/{key} in front" }),
  method: z
    .string()
    .regex(/^[A-Za-z-]{1,32}$/, "must be a method")
    .default("GET"),
  path: z
    .string()
    .max(8_192)
    .regex(/^([/][^?#]*)?$/, "must begin with a slash and have no query")
    .default("/")
    .meta({ description: "The upstream path, below the key's base path" }),
  ip: z.union([z.ipv4(), z.ipv6()]).optional().meta({ description: "Left out: the caller's own" }),
  country: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9]$/, "must be an ISO 3166 code of two letters")
    .optional(),
  at: time.optional().meta({ description: "Left out: now" }),
});

export const Explanation = z.object({
  decision: z.enum(["allow", "ask", "deny"]),
  rule: z.string().optional().meta({ description: "The rule that refuses" }),
  code: z.string().optional(),
  status: z.int().optional(),
  detail: z.string().optional(),
  retry_after_s: z.int().optional(),
  would_refuse: z.object({ rule: z.string(), detail: z.string() }).optional(),
  key: z.object({ id: z.string(), name: z.string() }).optional(),
  checks: z.array(
    z.object({
      rule: z.string(),
      token_id: z.string().meta({ description: "Whose rule: the token's, or that of one it was derived from" }),
      passed: z.boolean(),
    }),
  ),
});

/** Why a call would be let through or refused. */
export const EXPLAIN_OPERATIONS = {
  explain: {
    method: "post",
    path: "/explain",
    summary: "What would be decided about a call, and by which rule; nothing is sent, counted or recorded",
    may: PEOPLE,
    body: Question,
    answer: Explanation,
    status: 200,
  },
} as const satisfies Record<string, Operation>;
