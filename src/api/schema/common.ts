import * as z from "zod";
import { CATEGORIES } from "../../catalog/provider.ts";

/** What an OAuth client may be granted. */
export const Scope = z.enum(["vault:read", "vault:proxy", "vault:write", "vault:reveal"]);

/**
 * Who may call an operation; what is absent is refused. `session_recent`: signed in at most ten minutes ago (SECURITY S3);
 * `refresh`: whoever holds an app token's refresh token.
 */
export type Authority = "session" | "session_recent" | "device" | "app" | "refresh" | `oauth:${z.output<typeof Scope>}`;

export const time = z.iso.datetime({ offset: true }).meta({ description: "RFC 3339" });
/** A time in a query, in the one spelling that audit rows use, so that texts compare as times do. */
export const moment = time.transform((given) => new Date(given).toISOString());
/** What is said twice is meant once. */
export const unique = <T>(items: T[]): T[] => [...new Set(items)];
export const text = (max: number) => z.string().min(1).max(max);

/** What a person calls something: one line that is not empty, and nothing in it that turns text around where it is shown. */
export const nameOf = (max: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]*$/u, "must be one line of plain text");

/** One operation of the API. */
export type Operation = {
  method: "get" | "post" | "patch" | "delete";
  path: string;
  summary: string;
  may: readonly Authority[];
  query?: z.ZodType;
  body?: z.ZodType;
  answer: z.ZodType;
  /** Media types other than JSON. */
  produces?: readonly string[];
  /** 101: a WebSocket, whose messages are the answer; 202: no body. */
  status: 101 | 200 | 201 | 202;
};

/** People at the dashboard, and their devices. */
export const PEOPLE = ["session", "device"] as const;

const limit = z.coerce.number().int().min(1).max(200);

/** How a list of things of a kind is paged: a cursor is the id of the last one shown, and no other text is one. */
export const pagesOf = (kind: string) => ({
  limit: limit.default(50),
  cursor: z
    .string()
    .regex(new RegExp(`^${kind}_[0-9A-Z]{26}$`), "must be the next_cursor of the page before")
    .optional(),
});

/** The same of a list that is read as a whole: a cursor is how many came before. All that there are, as a rule, is one page. */
export const pagesOfWhole = { limit: limit.default(200), cursor: z.coerce.number().int().min(1).optional() };

/** Of what an operation asks for nothing else of its list. */
export const PageOfWhole = z.strictObject(pagesOfWhole);
export const listOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next_cursor: z.string().optional() });

export const Category = z.enum(CATEGORIES).meta({ description: "What kind of provider" });

/** A refusal as it is told (RFC 9457). */
export const ProblemDetails = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string().meta({ description: "What to tell refusals apart by" }),
  rule: z.string().optional().meta({ description: "The rule that refused" }),
  errors: z.array(z.object({ field: z.string(), rule: z.string() })).optional(),
  request_id: z.string().optional().meta({ description: "The audit row's id" }),
  approval_url: z.url().optional().meta({ description: "Where a person answers first" }),
});

export const Receipt = z.object({
  id: z.string(),
  revoked_at: time,
  last_used_at: time.optional(),
  streams_cut: z.int(),
  sessions_closed: z.int(),
  in_flight: z.int(),
});
