import * as z from "zod";
import { listOf, Page, PEOPLE, Receipt, text, time, type Operation } from "./common.ts";

export const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"] as const;

export const Policy = z.strictObject({
  keys: z.array(text(100)).min(1).max(200).optional(),
  methods: z
    .array(
      z
        .string()
        .transform((method) => method.toUpperCase())
        .pipe(z.enum(METHODS)),
    )
    .min(1)
    .optional(),
  paths: z
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
    .optional(),
  expires_at: time.optional(),
  allow_credential_endpoints: z.boolean().optional().meta({ description: "Allow calls that mint or show credentials" }),
});

export const NewToken = z.strictObject({
  name: text(100),
  rotation: z.literal("static").optional(),
  policy: Policy.optional(),
});

export const Token = z.object({
  id: z.string(),
  name: z.string(),
  policy: z.object({
    keys: z.array(z.string()).optional(),
    methods: z.array(z.string()).optional(),
    paths: z.array(z.string()).optional(),
    allow_credential_endpoints: z.boolean().optional(),
    expires_at: time.optional(),
  }),
  paused: z.boolean(),
  created_at: time,
  expires_at: time.optional(),
  revoked_at: time.optional(),
  last_used_at: time.optional(),
  uses: z.int(),
  refused: z.int(),
});

export const CreatedToken = z.object({
  id: z.string(),
  token: z.string().meta({ description: "Shown once" }),
  expires_at: time.optional(),
});

/** App tokens: what apps call the proxy with. */
export const TOKEN_OPERATIONS = {
  createToken: {
    method: "post",
    path: "/tokens",
    summary: "Create an app token",
    may: PEOPLE,
    body: NewToken,
    answer: CreatedToken,
    status: 201,
  },
  listTokens: {
    method: "get",
    path: "/tokens",
    summary: "List app tokens",
    may: PEOPLE,
    query: Page,
    answer: listOf(Token),
    status: 200,
  },
  getToken: {
    method: "get",
    path: "/tokens/{id}",
    summary: "Get an app token",
    may: PEOPLE,
    answer: Token,
    status: 200,
  },
  pauseToken: {
    method: "post",
    path: "/tokens/{id}/pause",
    summary: "Pause a token and cut what it has open",
    may: PEOPLE,
    answer: Token,
    status: 200,
  },
  resumeToken: {
    method: "post",
    path: "/tokens/{id}/resume",
    summary: "Resume a token",
    may: PEOPLE,
    answer: Token,
    status: 200,
  },
  revokeToken: {
    method: "delete",
    path: "/tokens/{id}",
    summary: "Revoke a token and cut what it has open",
    may: PEOPLE,
    answer: Receipt,
    status: 200,
  },
} as const satisfies Record<string, Operation>;
