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

export const scopes = z
  .string()
  .max(2_048)
  .regex(/^[\x20-\x7e]*$/, "must be printable ASCII");

/** What a provider's authorization page is asked besides; never what we say there ourselves. */
const authorizeParameters = z
  .record(z.string().regex(/^[a-z_.]{1,40}$/, "must be a parameter name"), headerValue)
  .refine((given) => Object.keys(given).length <= 10, "must be at most 10 parameters")
  .refine(
    (given) =>
      !Object.keys(given).some((name) =>
        /^(client_id|redirect_uri|response_type|response_mode|state|scope|nonce|code_challenge(_method)?|request(_uri)?)$/.test(
          name,
        ),
      ),
    "must not name a parameter that we set ourselves",
  );

const awsName = z.string().regex(/^[a-z0-9-]{1,40}$/, "must be the name of a service or a region");

export const Placement = z
  .discriminatedUnion("in", [
    z.strictObject({ in: z.literal("bearer") }),
    z.strictObject({ in: z.literal("basic") }),
    z.strictObject({ in: z.literal("header"), name: headerName, prefix: headerValue.optional() }),
    z.strictObject({ in: z.literal("headers"), headers: headers }),
    z.strictObject({
      in: z.literal("oauth"),
      grant: z.enum(["authorization_code", "client_credentials", "jwt_bearer"]).optional(),
      authorize_url: z.string().max(2_048).optional(),
      token_url: z.string().max(2_048),
      revoke_url: z.string().max(2_048).optional(),
      scopes: scopes.optional(),
      client_auth: z.enum(["basic", "post", "private_key_jwt", "none"]).optional(),
      authorize_parameters: authorizeParameters.optional(),
      token_format: z.enum(["form", "json"]).optional(),
      renew_before_s: z.int().min(0).max(3_600).optional(),
      header: z.strictObject({ name: headerName, prefix: headerValue.optional() }).optional(),
    }),
    z.strictObject({ in: z.literal("sigv4"), service: awsName.optional(), region: awsName.optional() }),
    z.strictObject({ in: z.literal("query"), name: text(64).regex(/^[\w.~-]+$/, "must be a plain parameter name") }),
  ])
  .meta({ description: "How the upstream wants to be shown the credential" });

/** Anything that goes into a header later: visible ASCII, so that no value can break out of its line. */
const PRINTABLE = /^[\x20-\x7e]+$/;
const NOT_PRINTABLE = "must be printable ASCII without line breaks";
/** Without what was pasted around it: a header would lose it on the way. */
export const secretText = z.string().trim().min(1).regex(PRINTABLE, NOT_PRINTABLE);

/** A private key comes in lines (PEM) and goes into no header: it signs. */
const PEM = /^-----BEGIN PRIVATE KEY-----\r?\n[A-Za-z0-9+/=\r\n]+-----END PRIVATE KEY-----\s*$/;

export const secretFields = z
  .record(z.string().regex(/^[a-z_]{1,40}$/, "must be a field name"), z.string().min(1))
  .superRefine((fields, context) => {
    for (const [field, value] of Object.entries(fields)) {
      if (field === "private_key" ? PEM.test(value) : PRINTABLE.test(value)) continue;
      const message = field === "private_key" ? "must be a PKCS #8 private key in PEM" : NOT_PRINTABLE;
      context.addIssue({ code: "custom", path: [field], message });
    }
  });
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
