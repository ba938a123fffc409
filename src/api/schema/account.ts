import * as z from "zod";
import {
  Category,
  listOf,
  nameOf,
  PageOfWhole,
  pagesOf,
  pagesOfWhole,
  PEOPLE,
  Receipt,
  text,
  time,
  type Operation,
} from "./common.ts";
import { Alert, AlertSettings } from "./alerts.ts";
import { Placement } from "./destination.ts";
import { Device } from "./devices.ts";
import { Grant } from "./grants.ts";
import { DeletedKey, KeyDetails } from "./key.ts";
import { Price, SpendRow } from "./spend.ts";
import { TokenDetails } from "./tokens.ts";
import { Webhook } from "./webhooks.ts";
import { Trust } from "./trusts.ts";

export const Session = z.object({
  id: z.string(),
  name: z.string(),
  current: z.boolean(),
  signed_in_at: time,
  seen_at: time.optional(),
  expires_at: time.optional(),
});

const OperationGlob = z.object({ method: z.string(), path: z.string() });

export const Provider = z.object({
  id: z.string(),
  name: z.string(),
  category: Category,
  base_url: z.string().optional(),
  base_url_hint: z.string().optional(),
  placement: Placement,
  headers: z.record(z.string(), z.string()).optional(),
  sdk_base_path: z.string().optional(),
  test: OperationGlob.optional(),
  docs_url: z.string(),
  credential_operations: z.array(OperationGlob).readonly().optional(),
  echo_operations: z.array(OperationGlob).readonly().optional(),
  same_api_as: z.string().optional().meta({ description: "The provider that lists this API's operations" }),
  note: z.string().optional(),
});

export const Identity = z.object({
  issuer: z.string(),
  subject: z.string(),
  email: z.string().optional(),
  name: z.string().optional(),
  linked_at: time,
});

export const MePatch = z.strictObject({ name: nameOf(100) });

export const Me = z.object({
  account_id: z.string(),
  name: z.string().optional(),
  identities: z.array(Identity),
  session: Session.optional(),
  device: Device.optional(),
  /** Where apps call, whatever address the caller of this knows. */
  proxy_origin: z.string(),
  /** Whom people can sign in with here, and link. */
  sign_in: z.array(z.object({ id: z.string(), name: z.string() })),
  frozen_at: time.optional().meta({ description: "Since when the vault is frozen" }),
  frozen_by: z.string().optional().meta({ description: "Id of the session, device or grant that froze it" }),
});

export const Export = z.object({
  account_id: z.string(),
  identities: z.array(Identity),
  name: z.string().optional(),
  keys: z.array(KeyDetails),
  tokens: z.array(TokenDetails),
  sessions: z.array(Session),
  devices: z.array(Device),
  grants: z.array(Grant),
  alerts: z.array(Alert),
  alert_settings: AlertSettings,
  webhooks: z.array(Webhook),
  trusts: z.array(Trust),
  deleted_keys: z.array(DeletedKey),
  prices: z.array(Price).meta({ description: "Those that were set by hand, over the catalog's" }),
  spend: z.array(SpendRow),
});

export const Finding = z.object({
  severity: z.enum(["warning", "notice"]),
  code: z.string(),
  subject: z.string(),
  detail: z.string(),
  fix: z.string(),
});

/** The person, their sessions, and what we know for them. */
export const ACCOUNT_OPERATIONS = {
  listProviders: {
    method: "get",
    path: "/providers",
    summary: "The providers we know",
    may: PEOPLE,
    query: z.strictObject({ ...pagesOfWhole, category: Category.optional(), q: text(100).optional() }),
    answer: listOf(Provider),
    status: 200,
  },
  listSessions: {
    method: "get",
    path: "/sessions",
    summary: "Signed-in browsers",
    may: ["session"],
    query: z.strictObject(pagesOf("ses")),
    answer: listOf(Session),
    status: 200,
  },
  renameSession: {
    method: "patch",
    path: "/sessions/{id}",
    summary: "Give a signed-in browser a name to know it by",
    may: ["session"],
    body: MePatch,
    answer: Session,
    status: 200,
  },
  revokeSession: {
    method: "delete",
    path: "/sessions/{id}",
    summary: "Sign a browser out",
    may: ["session"],
    answer: Receipt,
    status: 200,
  },
  revokeSessions: {
    method: "delete",
    path: "/sessions",
    summary: "Sign out everywhere: every browser, this one too",
    may: ["session"],
    answer: Receipt,
    status: 200,
  },
  freeze: {
    method: "post",
    path: "/vault/freeze",
    summary: "Stop everything at once: no use, no new token, no secret shown, for anyone; cut all that is open",
    may: PEOPLE,
    answer: Receipt,
    status: 200,
  },
  unfreeze: {
    method: "post",
    path: "/vault/unfreeze",
    summary: "Unfreeze, from a sign-in after the freeze; every older session ends",
    may: ["session"],
    answer: Me,
    status: 200,
  },
  changeMe: {
    method: "patch",
    path: "/me",
    summary: "Name this account",
    may: ["session"],
    body: MePatch,
    answer: Me,
    status: 200,
  },
  deleteMe: {
    method: "delete",
    path: "/me",
    summary: "Delete this account with all that it holds, for ever",
    may: ["session_recent"],
    answer: Receipt,
    status: 200,
  },
  doctor: {
    method: "get",
    path: "/doctor",
    summary: "What the owner should look at",
    may: PEOPLE,
    query: PageOfWhole,
    answer: listOf(Finding),
    status: 200,
  },
  exportMe: {
    method: "get",
    path: "/me/export",
    summary: "Everything but secrets",
    may: ["session_recent"],
    answer: Export,
    status: 200,
  },
  listIdentities: {
    method: "get",
    path: "/me/identities",
    summary: "Whom this person signs in with",
    may: PEOPLE,
    query: PageOfWhole,
    answer: listOf(Identity),
    status: 200,
  },
  unlinkIdentity: {
    method: "post",
    path: "/me/identities/unlink",
    summary: "Let one of them sign in no more; every other browser is signed out",
    may: ["session_recent"],
    body: Identity.pick({ issuer: true, subject: true }).strict(),
    answer: Receipt,
    status: 200,
  },
  me: { method: "get", path: "/me", summary: "Who is signed in", may: PEOPLE, answer: Me, status: 200 },
} as const satisfies Record<string, Operation>;
