import * as z from "zod";
import type { Config } from "../config.ts";
import { isObject } from "../json.ts";
import { Problem, type ProblemCode } from "../problem.ts";
import { isUsable, kindOf } from "./redirects.ts";

/** How a client proves itself at the token endpoint (RFC 7591 §2, RFC 7523 §2.2). */
export const AUTH_METHODS = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"] as const;
export type AuthMethod = (typeof AUTH_METHODS)[number];

/** What a client says of itself, as far as we make use of it. Nothing in it was verified, least of all its name. */
export type ClientMetadata = {
  client_name: string;
  client_uri?: string | undefined;
  logo_uri?: string | undefined;
  redirect_uris: readonly string[];
  grant_types: readonly string[];
  response_types: readonly string[];
  token_endpoint_auth_method: AuthMethod;
  application_type?: "native" | "web" | undefined;
  scope?: string | undefined;
  jwks?: { keys: Record<string, unknown>[] } | undefined;
  jwks_uri?: string | undefined;
  software_id?: string | undefined;
  software_version?: string | undefined;
};

const REDIRECTS_LIMIT = 50;
const NAME_LENGTH = 100;

/** Control characters and those that turn or hide text: a name must read as what it is. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

const link = z
  .string()
  .max(2_048)
  .refine((text) => URL.parse(text)?.protocol === "https:")
  .optional()
  // A link that cannot be shown is left out; it is no reason to refuse the client.
  .catch(undefined);
const label = z.string().max(200).optional().catch(undefined);

const Metadata = z.object({
  client_name: z
    .string()
    .transform((name) => name.normalize("NFC").replace(INVISIBLE, "").trim().slice(0, NAME_LENGTH))
    .optional(),
  client_uri: link,
  logo_uri: link,
  redirect_uris: z.array(z.string()).max(REDIRECTS_LIMIT).default([]),
  // Kinds that we do not serve are left out rather than refused: clients list what they can do anywhere.
  grant_types: z.array(z.string().max(100)).max(20).optional(),
  response_types: z.array(z.string().max(100)).max(20).optional(),
  token_endpoint_auth_method: z.string().optional(),
  application_type: z.enum(["native", "web"]).optional().catch(undefined),
  scope: z.string().max(1_000).optional(),
  jwks: z.object({ keys: z.array(z.record(z.string(), z.unknown())).min(1).max(20) }).optional(),
  jwks_uri: z.string().max(2_048).optional(),
  software_id: label,
  software_version: label,
});

const CODE = "authorization_code";
/** Devices sign in with our own command line only, so that no other client has that grant. */
const SERVED = new Set([CODE, "refresh_token"]);

/** Reads what a client says of itself (RFC 7591 §2); what it must not say is refused with that page's error codes. */
export function readMetadata(
  said: unknown,
  config: Config,
  from: "registration" | "document" = "registration",
): ClientMetadata {
  const parsed = Metadata.safeParse(withoutNulls(said));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue?.path.join(".") || "the metadata";
    throw refused(
      field.startsWith("redirect_uris") ? "invalid_redirect_uri" : "invalid_client_metadata",
      field,
      issue?.message ?? "is not valid",
    );
  }
  const { redirect_uris, token_endpoint_auth_method = "client_secret_basic", ...rest } = parsed.data;
  const auth_method = AUTH_METHODS.find((one) => one === token_endpoint_auth_method);
  if (auth_method === undefined)
    throw refused("invalid_client_metadata", "token_endpoint_auth_method", `must be one of ${AUTH_METHODS.join(", ")}`);
  if (auth_method === "private_key_jwt" && (rest.jwks === undefined) === (rest.jwks_uri === undefined))
    throw refused("invalid_client_metadata", "jwks", "private_key_jwt needs either jwks or jwks_uri");
  // Anybody can register: a client that only did that makes us fetch nothing.
  if (from === "registration" && rest.jwks_uri !== undefined)
    throw refused("invalid_client_metadata", "jwks_uri", "is taken from a client's document only; register jwks");
  for (const key of rest.jwks?.keys ?? [])
    if (key.kty === "oct" || "d" in key) throw refused("invalid_client_metadata", "jwks", "must hold public keys only");
  // Refresh tokens are what every client wants and some forget to say; only who lists others does without.
  const grant_types = (rest.grant_types ?? [CODE, "refresh_token"]).filter((one) => SERVED.has(one));
  if (!grant_types.includes(CODE)) throw refused("invalid_client_metadata", "grant_types", `must include ${CODE}`);
  if (!(rest.response_types ?? ["code"]).includes("code"))
    throw refused("invalid_client_metadata", "response_types", "must include code");
  assertRedirects(redirect_uris, config);
  const client_name = rest.client_name || nameFrom(redirect_uris);
  return {
    ...rest,
    client_name,
    redirect_uris,
    grant_types,
    response_types: ["code"],
    token_endpoint_auth_method: auth_method,
  };
}

/** Some clients write `null` for what they do not say. */
function withoutNulls(said: unknown): unknown {
  return isObject(said) ? Object.fromEntries(Object.entries(said).filter(([, value]) => value !== null)) : said;
}

/** One redirect URI that cannot be used is no reason to refuse the others, unless it can never be one. */
function assertRedirects(uris: readonly string[], config: Config): void {
  for (const [index, uri] of uris.entries()) {
    if (kindOf(uri, config) === undefined)
      throw refused(
        "invalid_redirect_uri",
        `redirect_uris.${index}`,
        "must be https, or http on a loopback address, without user or fragment",
      );
  }
  if (!uris.some((uri) => isUsable(uri, config)))
    throw refused(
      "invalid_redirect_uri",
      "redirect_uris",
      "must hold one that is https, or http on a loopback address",
    );
}

function nameFrom(uris: readonly string[]): string {
  return URL.parse(uris[0] ?? "")?.host || "A client without a name";
}

function refused(code: ProblemCode, field: string, rule: string): Problem {
  return new Problem(code, `${field}: ${rule}.`, { errors: [{ field, rule }] });
}
