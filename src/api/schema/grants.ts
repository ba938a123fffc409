import * as z from "zod";
import { Ask, StoredAsk } from "./policy.ts";
import { listOf, pagesOf, PEOPLE, Receipt, Scope, text, time, type Operation } from "./common.ts";

export const Grant = z.object({
  id: z.string(),
  client_id: z.string(),
  client_name: z.string(),
  /** How we came to know the client: by the document at its `client_id`, by its own registration, or as one of ours. */
  registration: z.enum(["document", "registered", "first_party"]),
  homepage: z.string().optional(),
  logo: z.string().optional(),
  redirect_hosts: z.array(z.string()),
  scopes: z.array(Scope),
  keys: z.array(z.string()).optional().meta({ description: "Ids of the keys it reaches; absent: every key" }),
  ask: StoredAsk.optional().meta({ description: "Calls that need a person's yes first; absent: none" }),
  paused: z.boolean(),
  authorized_at: time,
  expires_at: time.optional(),
  revoked_at: time.optional(),
  last_used_at: time.optional(),
  uses: z.int(),
  refused: z.int(),
  rotations: z.int().meta({ description: "How often its tokens were renewed" }),
  live_sessions: z.int().meta({ description: "Open MCP sessions" }),
});

/** A grant can only be narrowed; more needs a new consent. */
export const GrantPatch = z.strictObject({
  scopes: z.array(Scope).min(1).optional(),
  keys: z.array(text(100)).max(2_000).optional(),
  ask: Ask.optional().meta({ description: "Calls that need a person's yes first; never fewer than before" }),
  expires_at: time.optional(),
});

/** Connected OAuth and MCP clients. */
export const GRANT_OPERATIONS = {
  listGrants: {
    method: "get",
    path: "/grants",
    summary: "List connected clients",
    may: PEOPLE,
    query: z.strictObject(pagesOf("grt")),
    answer: listOf(Grant),
    status: 200,
  },
  getGrant: {
    method: "get",
    path: "/grants/{id}",
    summary: "Get a connected client",
    may: PEOPLE,
    answer: Grant,
    status: 200,
  },
  narrowGrant: {
    method: "patch",
    path: "/grants/{id}",
    summary: "Take scopes, keys or time away from a client, or be asked before its calls",
    may: PEOPLE,
    body: GrantPatch,
    answer: Grant,
    status: 200,
  },
  restoreGrant: {
    method: "post",
    path: "/grants/{id}/restore",
    summary: "Take back, within seven days, that an MCP client has revoked another client",
    may: ["session"],
    answer: Grant,
    status: 200,
  },
  pauseGrant: {
    method: "post",
    path: "/grants/{id}/pause",
    summary: "Stop a client for a while: cut what it has open, and what was made under it",
    may: PEOPLE,
    answer: Grant,
    status: 200,
  },
  resumeGrant: {
    method: "post",
    path: "/grants/{id}/resume",
    summary: "Let a client that was paused go on",
    may: ["session"],
    answer: Grant,
    status: 200,
  },
  revokeGrant: {
    method: "delete",
    path: "/grants/{id}",
    summary: "Disconnect a client: end its tokens and cut what it has open",
    may: PEOPLE,
    answer: Receipt,
    status: 200,
  },
} as const satisfies Record<string, Operation>;
