import * as z from "zod";
import { listOf, nameOf, pagesOf, PEOPLE, Receipt, text, time, type Operation } from "./common.ts";
import { Policy, PolicyPatch, StoredPolicy } from "./policy.ts";

export const ROTATIONS = ["static", "hourly", "daily", "weekly", "monthly"] as const;

export const NewToken = z.strictObject({
  name: nameOf(100),
  rotation: z
    .enum(ROTATIONS)
    .default("static")
    .meta({ description: "How long an access token lives; all but static come with a refresh token" }),
  policy: Policy.optional(),
});

export const TokenPatch = z.strictObject({ name: nameOf(100).optional(), policy: PolicyPatch.optional() });

export const DerivedToken = z.strictObject({ name: nameOf(100), policy: Policy.optional() });

export const Token = z.object({
  id: z.string(),
  name: z.string(),
  parent_id: z
    .string()
    .optional()
    .meta({ description: "The token that it was derived from, or the device that made it" }),
  policy: StoredPolicy,
  paused: z.boolean(),
  created_at: time,
  expires_at: time.optional(),
  revoked_at: time.optional(),
  last_used_at: time.optional(),
  uses: z.int(),
  refused: z.int(),
  rotation: z.enum(ROTATIONS),
  /** Of one that rotates. */
  rotations: z.int().optional(),
  refreshed_at: time.optional(),
  refresh_by: time.optional().meta({ description: "Without a refresh it ends then" }),
});

export const TokenQuery = z.strictObject({
  ...pagesOf("tok"),
  q: text(100).optional().meta({ description: "Only those with this in the name" }),
  state: z.enum(["live", "ended"]).optional().meta({ description: "Ended: revoked or expired" }),
});

export const Generation = z.object({
  generation: z.int(),
  issued_at: time,
  replaced_at: time.optional(),
  ip: z.string(),
  country: z.string(),
  user_agent: z.string(),
  repeats: z.int().meta({ description: "How often it was given again: lost answers, retries, parallel processes" }),
  shared: z.int().meta({ description: "How often of these because several hold the same token" }),
});

export const TokenDetails = Token.extend({ generations: z.array(Generation).optional() });

export const CreatedToken = z.object({
  id: z.string(),
  token: z.string().meta({ description: "Shown once" }),
  expires_at: time.optional(),
  refresh_token: z.string().optional().meta({ description: "Shown once" }),
});

export const RefreshedToken = z.object({
  id: z.string(),
  token: z.string(),
  expires_at: time,
  refresh_token: z.string(),
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
  deriveToken: {
    method: "post",
    path: "/tokens/derive",
    summary: "Make a narrower token, for a sub-agent or a job; it ends with the token that makes it",
    may: ["app"],
    body: DerivedToken,
    answer: CreatedToken,
    status: 201,
  },
  refreshToken: {
    method: "post",
    path: "/tokens/refresh",
    summary: "Exchange a refresh token for the next access token",
    may: ["refresh"],
    answer: RefreshedToken,
    status: 200,
  },
  listTokens: {
    method: "get",
    path: "/tokens",
    summary: "List app tokens",
    may: PEOPLE,
    query: TokenQuery,
    answer: listOf(Token),
    status: 200,
  },
  getToken: {
    method: "get",
    path: "/tokens/{id}",
    summary: "Get an app token",
    may: PEOPLE,
    answer: TokenDetails,
    status: 200,
  },
  changeToken: {
    method: "patch",
    path: "/tokens/{id}",
    summary: "Rename a token or change its policy; allowing it more needs a person in the browser",
    may: PEOPLE,
    body: TokenPatch,
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
  restoreToken: {
    method: "post",
    path: "/tokens/{id}/restore",
    summary: "Take back, within seven days, that an MCP client has revoked a token",
    may: ["session"],
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
