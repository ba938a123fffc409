/** How an upstream wants to be shown a credential. `{field}` in a template is replaced by that field of the secret. */
export type Placement =
  | { in: "bearer" }
  | { in: "basic" }
  | { in: "header"; name: string; prefix?: string | undefined }
  | { in: "headers"; headers: Record<string, string> }
  | { in: "query"; name: string }
  | SigV4Placement
  | OAuthPlacement;

/** Requests are signed, as AWS and S3-compatible stores want it. Service and region that are left out are read from the host. */
type SigV4Placement = { in: "sigv4"; service?: string | undefined; region?: string | undefined };

/**
 * A credential that renews itself: the vault holds a client and what it was granted, and shows the upstream an access token.
 * Where it is authorized and redeemed belongs to the destination, so that no client secret is ever sent to another token
 * endpoint (SECURITY S2).
 */
export type OAuthPlacement = {
  in: "oauth";
  /** How access tokens are come by; left out: a person connects the account (RFC 6749 §4.1). */
  grant?: OAuthGrant | undefined;
  authorize_url?: string | undefined;
  token_url: string;
  /** RFC 7009. */
  revoke_url?: string | undefined;
  /** As the provider separates them. */
  scopes?: string | undefined;
  /** Left out: by what the secret holds, Basic before none (RFC 6749 §2.3.1). */
  client_auth?: ClientAuth | undefined;
  /** What the provider wants on its authorization page besides, such as `access_type=offline`. */
  authorize_parameters?: Record<string, string> | undefined;
  /** Some token endpoints read JSON only. */
  token_format?: "form" | "json" | undefined;
  /** How long before its end an access token is renewed; left out: a tenth of its life, at most five minutes. */
  renew_before_s?: number | undefined;
  /** Where the access token is shown; left out: `Authorization: Bearer`. */
  header?: { name: string; prefix?: string | undefined } | undefined;
};

type OAuthGrant = "authorization_code" | "client_credentials" | "jwt_bearer";
type ClientAuth = "basic" | "post" | "private_key_jwt" | "none";

/** Calls of a provider's API. `path` is a glob of `covers` (vault/policy/path.ts) on the whole path at the provider's host. */
export type Operation = { method: "*" | "GET" | "POST" | "PUT" | "PATCH" | "DELETE"; path: string };

/** Where a provider's API is: at one address for everybody, or at an address of the person's own, of which the hint is the form. */
type Address = { base_url: string; base_url_hint?: never } | { base_url?: never; base_url_hint: string };

/** What providers are sorted into. */
export const CATEGORIES = ["llm", "service", "oauth"] as const;
export type Category = (typeof CATEGORIES)[number];

/** A provider we know: where its API is and how it takes its key. */
export type Provider = Address & {
  id: string;
  name: string;
  category: Category;
  placement: Placement;
  /** Headers that every call needs; sent only where the caller sent none. */
  headers?: Record<string, string>;
  /** The path that the SDK's own base URL has, where it has one: goes behind the proxy's address of the key. */
  sdk_base_path?: string;
  /** One harmless call that the provider refuses without a working key. Absent: `note` says why. */
  test?: { method: "GET"; path: string };
  docs_url: string;
  /** Operations that mint, rotate or show credentials: refused unless a policy allows them (SECURITY S20). */
  credential_operations?: readonly Operation[];
  /** Operations that answer with the request's own headers: refused alike. */
  echo_operations?: readonly Operation[];
  /** The provider that lists this API's operations: the same API by another kind of credential. */
  same_api_as?: string;
  /** What a person should know that the fields do not say. */
  note?: string;
};

/** Fields that a placement may have besides: a public client has no secret, and a refresh token may come later. */
export function optionalFieldsOf(placement: Placement): string[] {
  if (placement.in === "sigv4") return ["session_token"];
  if (placement.in !== "oauth") return [];
  switch (placement.grant ?? "authorization_code") {
    case "authorization_code":
      return ["client_secret", "private_key", "private_key_id", "refresh_token"];
    case "client_credentials":
      return ["client_secret", "private_key", "private_key_id"];
    case "jwt_bearer":
      return ["private_key_id", "subject"];
  }
}

/** The fields of a secret that a placement cannot do without. A Basic pair may also be one `secret`, sent as the user name. */
export function secretFieldsOf(placement: Placement): string[] {
  if (placement.in === "basic") return ["username", "password"];
  if (placement.in === "oauth") return placement.grant === "jwt_bearer" ? ["client_id", "private_key"] : ["client_id"];
  if (placement.in === "sigv4") return ["access_key_id", "secret_access_key"];
  if (placement.in !== "headers") return ["secret"];
  const templates = Object.values(placement.headers).join(" ");
  return [...new Set([...templates.matchAll(/\{([a-z_]+)\}/g)].map(([, field]) => field as string))];
}
