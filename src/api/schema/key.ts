import * as z from "zod";
import { text, time, unique } from "./common.ts";
import { oneSecret, Placement, scopes, secretAndDestination, secretFields, secretText } from "./destination.ts";

export const KeyName = z
  .string()
  .regex(
    /^(?!(key|tok|grt|dev|ses|aud|acc)_)(?!\.{1,2}(@|$))[A-Za-z0-9._-]{1,64}(@[A-Za-z0-9._-]{1,32})?$/,
    "must be 1 to 64 of A-Z a-z 0-9 . _ - with an optional @environment, and not look like an id",
  );

const note = z.string().max(2_000);
/** With a comma it could not be told from two, where several are asked for. */
const tag = text(40).regex(/^[^,]*$/, "must be without a comma");
const tags = z.array(tag).max(20).transform(unique);

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
    scopes: scopes.optional().meta({ description: "What an OAuth credential asks for; connect it again to get it" }),
    ...secretAndDestination,
  })
  .refine(({ secret, fields }) => secret === undefined || fields === undefined, oneSecret.complaint)
  .superRefine((patch, context) => {
    if (patch.scopes !== undefined && (patch.secret ?? patch.fields ?? patch.placement) !== undefined)
      context.addIssue({ code: "custom", path: ["scopes"], message: "must be given without secret and placement" });
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
  updated_at: time.meta({
    description: "When somebody last changed it: a new secret, another setting, a pause or its end; not by using it",
  }),
  expires_at: time.optional(),
  last_used_at: time.optional(),
  uses: z.int(),
  overlap_until: time.optional(),
  connection: z
    .enum(["not_connected", "ready", "connected", "reconnect_required"])
    .optional()
    .meta({ description: "How a key that renews itself stands" }),
});

/** A key that renews itself: what it was granted, and what has happened to that, newest first. */
const Connection = z.object({
  scopes: z.string().optional(),
  connected_at: time,
  obtained_at: time,
  expires_at: time.optional(),
  renewals: z.int(),
  failures: z.int(),
  trouble: z.string().optional(),
  history: z.array(z.object({ at: time, what: z.string(), detail: z.string().optional() })),
});

export const KeyDetails = Key.extend({
  former_names: z.array(z.string()),
  versions: z.array(z.object({ version: z.int(), base_url: z.string(), created_at: time, current: z.boolean() })),
  oauth: Connection.optional(),
});

export const KeyVersion = z.object({
  version: z.int(),
  state: z
    .enum(["current", "in_reserve", "kept", "gone"])
    .meta({ description: "In reserve: tried while a rotation overlaps. Kept: may be rolled back to" }),
  uses: z.int(),
  last_used_at: time.optional(),
  base_url: z.string().optional(),
  created_at: time.optional(),
});

export const DeletedKey = z.object({
  id: z.string(),
  name: z.string(),
  provider: z.string(),
  deleted_at: time,
  until: time.meta({ description: "When it can be brought back no more" }),
});

export const AllowedKey = z.object({
  id: z.string(),
  name: z.string(),
  provider: z.string(),
  url: z.url().meta({ description: "Stands for the provider's own address" }),
  sdk_base_url: z.url().meta({ description: "What an SDK of the provider's takes for its base URL" }),
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
