import * as z from "zod";
import { text } from "./common.ts";

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

export const Placement = z
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
export const secretText = z
  .string()
  .min(1)
  .regex(/^[\x20-\x7e]+$/, "must be printable ASCII without line breaks");

export const secretFields = z.record(z.string().regex(/^[a-z_]{1,40}$/, "must be a field name"), secretText);
/** A secret, one way or the other; with where it may go and how it is shown there. */
export const secretAndDestination = {
  secret: secretText.optional(),
  fields: secretFields.optional(),
  base_url: z.string().max(2_048).optional(),
  placement: Placement.optional(),
  headers: headers.optional(),
};
export const oneSecret = {
  check: (body: { secret?: unknown; fields?: unknown }) => (body.secret === undefined) !== (body.fields === undefined),
  complaint: { path: ["secret"], message: "give either secret or fields" },
};
