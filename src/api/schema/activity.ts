import * as z from "zod";
import { listOf, moment, pagesOf, PEOPLE, text, time, type Operation } from "./common.ts";

const gaps = z.array(z.object({ first: z.int(), last: z.int(), prev: z.string() }));

export const AuditRow = z.object({
  id: z.string(),
  at: time,
  actor: z.object({ kind: z.string(), id: z.string(), name: z.string() }),
  token: z.string().optional(),
  generation: z.int().optional(),
  action: z.string(),
  tool: z.string().optional(),
  outcome: z.string(),
  rule: z.string().optional(),
  would_refuse: z.string().optional().meta({ description: "The rule on trial that would have refused this call" }),
  key: z.string().optional(),
  key_version: z.int().optional().meta({ description: "Whose secret was handed out" }),
  key_name: z.string().optional(),
  provider: z.string().optional(),
  method: z.string().optional(),
  overridden: z.boolean().optional().meta({ description: "It named another method beside, in a header or parameter" }),
  host: z.string().optional(),
  path: z.string().optional(),
  subject: z.string().optional(),
  status: z.int().optional(),
  latency_ms: z.int().optional(),
  bytes_in: z.int().optional(),
  bytes_out: z.int().optional(),
  usd: z.number().optional().meta({ description: "What it cost, where a budget pays" }),
  usd_estimated: z.boolean().optional(),
  count: z.int().optional(),
  lost: z
    .object({ rows: gaps, outcomes: gaps })
    .optional()
    .meta({ description: "After a restore: entries of either chain that no log has any more" }),
  spent: z.object({ hash: z.string(), until: time }).optional().meta({
    description: "A machine's token that was used up by it, told by its digest, and until when it could be shown again",
  }),
  ip: z.string(),
  country: z.string(),
  user_agent: z.string().optional(),
  seq: z.int(),
  prev: z.string(),
  hash: z.string(),
});

export const Verification = z.object({
  ok: z.boolean().optional().meta({ description: "The verdict; absent while there is more to walk" }),
  rows: z.int().meta({ description: "Walked so far" }),
  left: z.int().optional().meta({ description: "Still to walk" }),
  head: z.object({ seq: z.int(), hash: z.string() }),
  fault: z.string().optional().meta({ description: "The first thing amiss, in our words" }),
  next_cursor: z.string().optional().meta({ description: "What to go on with, by POST" }),
});
const VerifyFurther = z.strictObject({ cursor: z.string().min(1) });

export const Stats = z.object({
  items: z.array(
    z.object({
      at: time,
      calls: z.int(),
      outcomes: z.record(z.string(), z.int()),
      mean_latency_ms: z.int().optional(),
    }),
  ),
  counting: z.boolean().meta({
    description: "Calls of before an upgrade or a restore are being counted, the newest first: some are missing",
  }),
});

const OUTCOMES = ["pending", "ok", "refused", "failed", "canceled", "cut", "interrupted"];
const outcomes = z
  .string()
  .refine((given) => given.split(",").every((one) => OUTCOMES.includes(one)), {
    error: `must be one of ${OUTCOMES.join(", ")}, or several with commas between`,
  })
  .meta({ pattern: `^(${OUTCOMES.join("|")})(,(${OUTCOMES.join("|")}))*$` });

const filter = {
  key: text(100).optional(),
  key_version: z
    .string()
    .regex(/^\d{1,9}$/, "must be a version's number")
    .optional(),
  token: text(100).optional(),
  grant: text(100).optional(),
  device: text(100).optional(),
  action: text(64).optional(),
  outcome: outcomes.optional(),
  provider: text(40).optional(),
  country: text(2).toUpperCase().optional(),
  would_refuse: text(40)
    .optional()
    .meta({ description: "The rule on trial that would have refused; any for whichever" }),
  ip: text(64).optional(),
  since: moment.optional(),
  until: moment.optional(),
  q: text(100).optional(),
};
export const ActivityQuery = z.strictObject({
  ...pagesOf("aud"),
  ...filter,
  cursor: z.coerce.number().int().min(1).optional(),
});
const ExportQuery = z.strictObject({
  ...filter,
  format: z.enum(["csv", "jsonl"]),
  cursor: z.coerce.number().int().min(1).optional().meta({ description: "As a Link of the part before names it" }),
});
const StatsQuery = z.strictObject({
  bucket: z.enum(["hour", "day"]).default("hour"),
  since: moment.optional().meta({ description: "Counted from the beginning of the hour or day in which it lies" }),
});

/** What happened. */
export const ACTIVITY_OPERATIONS = {
  listActivity: {
    method: "get",
    path: "/activity",
    summary: "What happened, newest first",
    may: PEOPLE,
    query: ActivityQuery,
    answer: listOf(AuditRow),
    status: 200,
  },
  exportActivity: {
    method: "get",
    path: "/activity/export",
    summary:
      "The activity as a file; where more than 100,000 rows are wanted, a Link with rel=next leads to the part that follows",
    may: PEOPLE,
    query: ExportQuery,
    answer: z.string(),
    produces: ["text/csv", "application/jsonl"],
    status: 200,
  },
  activityStats: {
    method: "get",
    path: "/activity/stats",
    summary: "Calls by time and outcome",
    may: PEOPLE,
    query: StatsQuery,
    answer: Stats,
    status: 200,
  },
  verifyActivity: {
    method: "get",
    path: "/activity/verify",
    summary: "Check the hash chain from its head back, as far as one request goes",
    may: PEOPLE,
    answer: Verification,
    status: 200,
  },
  verifyFurther: {
    method: "post",
    path: "/activity/verify",
    summary: "Go on with a check, from the cursor that the last answer ended with",
    may: PEOPLE,
    body: VerifyFurther,
    answer: Verification,
    status: 200,
  },
} as const satisfies Record<string, Operation>;
