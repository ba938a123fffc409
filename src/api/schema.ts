/**
 * The whole contract of `/v1` in zod: what each operation takes, answers, and who may call it (SECURITY S3). `/openapi.json`,
 * the routes and the tests that walk the authority table all come from here. Dashboard and CLI import nothing else of ours.
 */
import * as z from "zod";

/** Who may call an operation; what is absent is refused. */
export type Authority = "session" | "session_recent" | "device" | "app";

const time = z.iso.datetime({ offset: true }).meta({ description: "RFC 3339" });
/** A time in a query, in the one spelling that audit rows use, so that texts compare as times do. */
const moment = time.transform((given) => new Date(given).toISOString());
const text = (max: number) => z.string().min(1).max(max);

/** Header names that a placement may use: a token of RFC 9110, and none that would steer the connection. */
const headerName = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, "must be a header name")
  .refine(
    (name) =>
      !/^(host|connection|content-length|transfer-encoding|upgrade|te|trailer|expect|cookie|cf-.*)$/i.test(name),
    "must not be a header that steers the connection",
  )
  .transform((name) => name.toLowerCase());
const headerValue = z
  .string()
  .max(1_024)
  .regex(/^[\x20-\x7e]*$/, "must be printable ASCII");

const headers = z
  .record(headerName, headerValue)
  .refine((given) => Object.keys(given).length <= 20, "must be at most 20 headers")
  .refine((given) => JSON.stringify(given).length <= 8_192, "must be at most 8 KiB");

export const KeyName = z
  .string()
  .regex(
    /^(?!(key|tok|grt|dev|ses|aud|acc)_)(?!\.{1,2}(@|$))[A-Za-z0-9._-]{1,64}(@[A-Za-z0-9._-]{1,32})?$/,
    "must be 1 to 64 of A-Z a-z 0-9 . _ - with an optional @environment, and not look like an id",
  );

const Placement = z
  .discriminatedUnion("in", [
    z.strictObject({ in: z.literal("bearer") }),
    z.strictObject({ in: z.literal("basic") }),
    z.strictObject({ in: z.literal("header"), name: headerName, prefix: headerValue.optional() }),
    z.strictObject({ in: z.literal("headers"), headers: headers }),
    z.strictObject({
      in: z.literal("oauth"),
      authorize_url: z.string().max(2_048).optional(),
      token_url: z.string().max(2_048),
      scopes: z
        .string()
        .max(1_024)
        .regex(/^[\x20-\x7e]*$/, "must be printable ASCII")
        .optional(),
    }),
    z.strictObject({ in: z.literal("query"), name: text(64).regex(/^[\w.~-]+$/, "must be a plain parameter name") }),
  ])
  .meta({ description: "How the upstream wants to be shown the credential" });

/** Anything that goes into a header later: visible ASCII, so that no value can break out of its line. */
const secretText = z
  .string()
  .min(1)
  .regex(/^[\x20-\x7e]+$/, "must be printable ASCII without line breaks");

const secretFields = z.record(z.string().regex(/^[a-z_]{1,40}$/, "must be a field name"), secretText);
const note = z.string().max(2_000);
const tags = z.array(text(40)).max(20);

/** A secret, one way or the other; with where it may go and how it is shown there. */
const secretAndDestination = {
  secret: secretText.optional(),
  fields: secretFields.optional(),
  base_url: z.string().max(2_048).optional(),
  placement: Placement.optional(),
  headers: headers.optional(),
};
const oneSecret = {
  check: (body: { secret?: unknown; fields?: unknown }) => (body.secret === undefined) !== (body.fields === undefined),
  complaint: { path: ["secret"], message: "give either secret or fields" },
};

export const NewKey = z
  .strictObject({
    name: KeyName,
    provider: text(40),
    ...secretAndDestination,
    tags: tags.default([]),
    scrub: z.boolean().default(false),
    revealable: z.boolean().default(false),
    expires_at: time.optional(),
    note: note.optional(),
  })
  .refine(oneSecret.check, oneSecret.complaint);

/** The destination belongs to the secret: it changes only together with it (SECURITY S2). */
export const KeyPatch = z
  .strictObject({
    name: KeyName.optional(),
    tags: tags.optional(),
    scrub: z.boolean().optional(),
    revealable: z.boolean().optional(),
    expires_at: time.nullable().optional(),
    note: note.nullable().optional(),
    provider: text(40).optional(),
    ...secretAndDestination,
  })
  .refine(({ secret, fields }) => secret === undefined || fields === undefined, oneSecret.complaint)
  .superRefine((patch, context) => {
    if (patch.secret !== undefined || patch.fields !== undefined) return;
    for (const field of ["provider", "base_url", "placement", "headers"] as const) {
      if (patch[field] !== undefined)
        context.addIssue({ code: "custom", path: [field], message: "may be changed only together with the secret" });
    }
  });

export const Rotation = z
  .strictObject({
    secret: secretText.optional(),
    fields: secretFields.optional(),
    overlap_seconds: z
      .int()
      .min(0)
      .max(7 * 86_400)
      .default(0),
  })
  .refine(oneSecret.check, oneSecret.complaint);

export const Rollback = z.strictObject({ version: z.int().min(1).optional() });
export const RevealMany = z.strictObject({ keys: z.array(text(100)).min(1).max(50) });
export const TestCall = z.strictObject({
  method: z.enum(["GET", "HEAD", "POST"]).optional(),
  path: z.string().max(512).regex(/^\//, "must begin with a slash").optional(),
});

export const Key = z.object({
  id: z.string(),
  name: z.string(),
  provider: z.string(),
  version: z.int(),
  base_url: z.string(),
  placement: Placement,
  headers: z.record(z.string(), z.string()),
  tags: z.array(z.string()),
  note: z.string().optional(),
  scrub: z.boolean(),
  revealable: z.boolean(),
  paused: z.boolean(),
  created_at: time,
  updated_at: time,
  expires_at: time.optional(),
  last_used_at: time.optional(),
  uses: z.int(),
  overlap_until: time.optional(),
});

export const KeyDetails = Key.extend({
  former_names: z.array(z.string()),
  versions: z.array(z.object({ version: z.int(), base_url: z.string(), created_at: time, current: z.boolean() })),
});

export const Revealed = z.object({
  id: z.string(),
  name: z.string(),
  version: z.int(),
  fields: z.record(z.string(), z.string()),
});
export const EntryLink = z.object({ url: z.url(), expires_at: time });
export const TestResult = z.object({
  ok: z.boolean(),
  status: z.int().optional(),
  latency_ms: z.int(),
  request_id: z.string(),
  detail: z.string(),
});

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

export const Session = z.object({
  id: z.string(),
  name: z.string(),
  current: z.boolean(),
  signed_in_at: time,
  seen_at: time.optional(),
  expires_at: time.optional(),
});

export const Receipt = z.object({
  id: z.string(),
  revoked_at: time,
  last_used_at: time.optional(),
  streams_cut: z.int(),
  sessions_closed: z.int(),
  in_flight: z.int(),
});

export const AuditRow = z.object({
  id: z.string(),
  at: time,
  actor: z.object({ kind: z.string(), id: z.string(), name: z.string() }),
  action: z.string(),
  outcome: z.string(),
  rule: z.string().optional(),
  key: z.string().optional(),
  key_name: z.string().optional(),
  provider: z.string().optional(),
  method: z.string().optional(),
  host: z.string().optional(),
  path: z.string().optional(),
  subject: z.string().optional(),
  status: z.int().optional(),
  latency_ms: z.int().optional(),
  bytes_in: z.int().optional(),
  bytes_out: z.int().optional(),
  count: z.int().optional(),
  ip: z.string(),
  country: z.string(),
  user_agent: z.string().optional(),
  seq: z.int(),
  prev: z.string(),
  hash: z.string(),
});

export const Verification = z.object({
  ok: z.boolean(),
  rows: z.int(),
  head: z.object({ seq: z.int(), hash: z.string() }),
  /** The first thing amiss, in our words. */
  fault: z.string().optional(),
});

export const Stats = z.object({
  items: z.array(
    z.object({
      at: time,
      calls: z.int(),
      outcomes: z.record(z.string(), z.int()),
      mean_latency_ms: z.int().optional(),
    }),
  ),
});

const OperationGlob = z.object({ method: z.string(), path: z.string() });

export const Provider = z.object({
  id: z.string(),
  name: z.string(),
  category: z.string(),
  base_url: z.string().optional(),
  base_url_hint: z.string().optional(),
  placement: Placement,
  headers: z.record(z.string(), z.string()).optional(),
  sdk_base_path: z.string().optional(),
  test: OperationGlob.optional(),
  docs_url: z.string(),
  credential_operations: z.array(OperationGlob).optional(),
  echo_operations: z.array(OperationGlob).optional(),
  note: z.string().optional(),
});

export const Identity = z.object({
  issuer: z.string(),
  subject: z.string(),
  email: z.string().optional(),
  name: z.string().optional(),
  linked_at: time,
});

export const MePatch = z.strictObject({ name: text(100) });

export const Me = z.object({
  account_id: z.string(),
  name: z.string().optional(),
  identities: z.array(Identity),
  session: Session.optional(),
});

export const Export = z.object({
  account_id: z.string(),
  identities: z.array(Identity),
  keys: z.array(Key),
  tokens: z.array(Token),
  sessions: z.array(Session),
});

export const Finding = z.object({
  severity: z.enum(["warning", "notice"]),
  code: z.string(),
  subject: z.string(),
  detail: z.string(),
  fix: z.string(),
});

const page = { limit: z.coerce.number().int().min(1).max(200).default(50), cursor: text(100).optional() };
const listOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next_cursor: z.string().optional() });

const Page = z.object(page);
const KeyQuery = z.object({
  ...page,
  provider: text(40).optional(),
  tag: text(40).optional(),
  q: text(100).optional(),
});
const filter = {
  key: text(100).optional(),
  token: text(100).optional(),
  grant: text(100).optional(),
  device: text(100).optional(),
  action: text(64).optional(),
  outcome: text(32).optional(),
  provider: text(40).optional(),
  country: text(2).optional(),
  ip: text(64).optional(),
  since: moment.optional(),
  until: moment.optional(),
  q: text(100).optional(),
};
const ActivityQuery = z.object({ ...page, ...filter, cursor: z.coerce.number().int().min(1).optional() });
const ExportQuery = z.object({ ...filter, format: z.enum(["csv", "jsonl"]) });
const StatsQuery = z.object({ bucket: z.enum(["hour", "day"]).default("hour"), since: moment.optional() });

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
  status: 200 | 201;
};

const PEOPLE = ["session", "device"] as const;

/** Every operation of `/v1`, with its authority. */
export const OPERATIONS = {
  createKey: {
    method: "post",
    path: "/keys",
    summary: "Store a key",
    may: PEOPLE,
    body: NewKey,
    answer: Key,
    status: 201,
  },
  listKeys: {
    method: "get",
    path: "/keys",
    summary: "List keys",
    may: PEOPLE,
    query: KeyQuery,
    answer: listOf(Key),
    status: 200,
  },
  getKey: {
    method: "get",
    path: "/keys/{key}",
    summary: "Get a key, without its secret",
    may: PEOPLE,
    answer: KeyDetails,
    status: 200,
  },
  changeKey: {
    method: "patch",
    path: "/keys/{key}",
    summary: "Change a key; its destination only with its secret",
    may: PEOPLE,
    body: KeyPatch,
    answer: Key,
    status: 200,
  },
  rotateKey: {
    method: "post",
    path: "/keys/{key}/rotate",
    summary: "Give a key a new secret",
    may: PEOPLE,
    body: Rotation,
    answer: Key,
    status: 200,
  },
  rollBackKey: {
    method: "post",
    path: "/keys/{key}/rollback",
    summary: "Make an earlier version current",
    may: PEOPLE,
    body: Rollback,
    answer: Key,
    status: 200,
  },
  revealKey: {
    method: "post",
    path: "/keys/{key}/reveal",
    summary: "Show a key's secret to its owner",
    may: ["session"],
    answer: Revealed,
    status: 200,
  },
  revealKeys: {
    method: "post",
    path: "/keys/reveal",
    summary: "Show several secrets to their owner",
    may: ["session"],
    body: RevealMany,
    answer: listOf(Revealed),
    status: 200,
  },
  testKey: {
    method: "post",
    path: "/keys/{key}/test",
    summary: "Make one harmless call upstream",
    may: PEOPLE,
    body: TestCall,
    answer: TestResult,
    status: 200,
  },
  createEntryLink: {
    method: "post",
    path: "/keys/{key}/entry-link",
    summary: "A one-time page on which its owner types the key's next secret",
    may: PEOPLE,
    answer: EntryLink,
    status: 201,
  },
  pauseKey: {
    method: "post",
    path: "/keys/{key}/pause",
    summary: "Pause a key and cut what uses it",
    may: PEOPLE,
    answer: Key,
    status: 200,
  },
  resumeKey: {
    method: "post",
    path: "/keys/{key}/resume",
    summary: "Resume a key",
    may: PEOPLE,
    answer: Key,
    status: 200,
  },
  deleteKey: {
    method: "delete",
    path: "/keys/{key}",
    summary: "Delete a key and cut what uses it",
    may: PEOPLE,
    answer: Receipt,
    status: 200,
  },
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
    summary: "The activity as a file",
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
    summary: "Check the hash chain from end to end",
    may: PEOPLE,
    answer: Verification,
    status: 200,
  },
  listProviders: {
    method: "get",
    path: "/providers",
    summary: "The providers we know",
    may: PEOPLE,
    query: Page,
    answer: listOf(Provider),
    status: 200,
  },
  listSessions: {
    method: "get",
    path: "/sessions",
    summary: "Signed-in browsers",
    may: ["session"],
    query: Page,
    answer: listOf(Session),
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
  changeMe: {
    method: "patch",
    path: "/me",
    summary: "Name this account",
    may: ["session"],
    body: MePatch,
    answer: Me,
    status: 200,
  },
  doctor: {
    method: "get",
    path: "/doctor",
    summary: "What the owner should look at",
    may: PEOPLE,
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
  me: { method: "get", path: "/me", summary: "Who is signed in", may: PEOPLE, answer: Me, status: 200 },
} as const satisfies Record<string, Operation>;

export type OperationId = keyof typeof OPERATIONS;
