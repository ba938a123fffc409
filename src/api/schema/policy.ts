import * as z from "zod";
import { text, time } from "./common.ts";

export const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"] as const;

const count = (max: number) => z.int().min(1).max(max);

const usd = z.number().positive().max(1_000_000);
const methods = z
  .array(
    z
      .string()
      .transform((method) => method.toUpperCase())
      .pipe(z.enum(METHODS)),
  )
  .min(1);
const paths = z
  .array(
    z
      .string()
      .max(256)
      .regex(/^\/[^\p{Cc}\s%]*$/u, "must begin with a slash and be written decoded, without escapes"),
  )
  .min(1)
  .max(50)
  // What a caller may make us match is bounded: all globs together times the longest path.
  .refine((globs) => globs.join("").length <= 4_000, "must be at most 4,000 characters together")
  .meta({ description: "Globs on the upstream path: * within a segment, ** across segments" });
export const Ask = z.strictObject({ methods: methods.optional(), paths: paths.optional() });

const terms = {
  keys: z.array(text(100)).min(1).max(200).meta({ description: "Names, ids, or tag:x" }),
  methods,
  paths,
  ip_allow: z.array(text(64)).min(1).max(100).meta({ description: "Addresses or CIDR ranges, v4 and v6" }),
  countries: z
    .array(
      z
        .string()
        .transform((code) => code.toUpperCase())
        .pipe(z.string().regex(/^[A-Z][A-Z0-9]$/, "must be an ISO 3166 code of two letters")),
    )
    .min(1)
    .max(250),
  not_before: time,
  expires_at: time,
  max_uses: count(1_000_000_000),
  rate: z
    .strictObject({ per_second: count(1_000).optional(), per_minute: count(60_000).optional() })
    .refine(
      ({ per_second, per_minute }) => (per_second ?? per_minute) !== undefined,
      "must say per_second or per_minute",
    )
    .meta({ description: "Calls in any one second or minute, never one more" }),
  daily_quota: count(1_000_000_000).meta({ description: "Calls a day, in UTC" }),
  spend: z
    .strictObject({ usd_per_day: usd.optional(), usd_per_month: usd.optional() })
    .refine(
      ({ usd_per_day, usd_per_month }) => (usd_per_day ?? usd_per_month) !== undefined,
      "must say usd_per_day or usd_per_month",
    )
    .meta({ description: "What calls to models may cost, by UTC day and month, where answers say what they took" }),
  max_concurrent: count(1_000).meta({ description: "Calls under way at once, never one more" }),
  ask: Ask.meta({ description: "Calls that need a person's yes first; all where nothing is said" }),
  allow_credential_endpoints: z.boolean().meta({ description: "Allow calls that mint or show credentials" }),
};

const Terms = z.strictObject(terms).partial();
const { spend: _paid_in_earnest, ...tried } = terms;
/** Rules on trial count calls, but nobody pays twice. */
const Trial = z.strictObject(tried).partial();

/** What a token may do (CONTRACT §3); absent means any. */
export const Policy = Terms.extend({
  warn: Trial.optional().meta({ description: "Rules on trial: what they would refuse is recorded, and let through" }),
}).superRefine(({ not_before, expires_at }, context) => {
  const end = Date.parse(expires_at ?? "");
  if (end <= Date.now()) context.addIssue({ code: "custom", path: ["expires_at"], message: "must lie in the future" });
  else if (end <= Date.parse(not_before ?? ""))
    context.addIssue({ code: "custom", path: ["expires_at"], message: "must be after not_before" });
});

const nullable = <T extends z.ZodType>(rule: T) => rule.nullable().optional();

/** Changes to a policy: what is absent stays, null takes a rule away. */
export const PolicyPatch = z.strictObject({
  keys: nullable(terms.keys),
  methods: nullable(terms.methods),
  paths: nullable(terms.paths),
  ip_allow: nullable(terms.ip_allow),
  countries: nullable(terms.countries),
  not_before: nullable(terms.not_before),
  expires_at: nullable(terms.expires_at),
  max_uses: nullable(terms.max_uses),
  rate: nullable(terms.rate),
  daily_quota: nullable(terms.daily_quota),
  max_concurrent: nullable(terms.max_concurrent),
  allow_credential_endpoints: nullable(terms.allow_credential_endpoints),
  spend: nullable(terms.spend),
  ask: nullable(terms.ask),
  warn: nullable(Trial),
});

/** The same as it is told. */
export const StoredAsk = z.object({
  methods: z.array(z.string()).optional(),
  paths: z.array(z.string()).optional(),
  allowed: z
    .array(z.object({ key: z.string(), host: z.string(), method: z.string(), path: z.string() }))
    .optional()
    .meta({ description: "Addresses to which somebody said: always" }),
});

const told = {
  keys: z.array(z.string()).optional(),
  methods: z.array(z.string()).optional(),
  paths: z.array(z.string()).optional(),
  ip_allow: z.array(z.string()).optional(),
  countries: z.array(z.string()).optional(),
  not_before: time.optional(),
  expires_at: time.optional(),
  max_uses: z.int().optional(),
  rate: z.object({ per_second: z.int().optional(), per_minute: z.int().optional() }).optional(),
  daily_quota: z.int().optional(),
  max_concurrent: z.int().optional(),
  spend: z.object({ usd_per_day: z.number().optional(), usd_per_month: z.number().optional() }).optional(),
  ask: StoredAsk.optional(),
  allow_credential_endpoints: z.boolean().optional(),
};

/** A policy as it is told: keys by id, ranges in their one spelling. */
export const StoredPolicy = z.object({ ...told, warn: z.object(told).optional() });
