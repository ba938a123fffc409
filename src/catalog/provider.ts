/** How an upstream wants to be shown a credential. `{field}` in a template is replaced by that field of the secret. */
export type Placement =
  | { in: "bearer" }
  | { in: "basic" }
  | { in: "header"; name: string; prefix?: string | undefined }
  | { in: "headers"; headers: Record<string, string> }
  | { in: "query"; name: string }
  | OAuthPlacement;

/**
 * A credential that mints its own access tokens. Where it is authorized and redeemed belongs to the destination, so that no
 * client secret is ever sent to another token endpoint (SECURITY S2).
 */
export type OAuthPlacement = {
  in: "oauth";
  authorize_url?: string | undefined;
  token_url: string;
  scopes?: string | undefined;
};

/** Calls of a provider's API. `path` is a glob of `covers` (vault/path.ts) on the whole path at the provider's host. */
export type Operation = { method: "*" | "GET" | "POST" | "PUT" | "PATCH" | "DELETE"; path: string };

/** Where a provider's API is: at one address for everybody, or at an address of the person's own, of which the hint is the form. */
type Address = { base_url: string; base_url_hint?: never } | { base_url?: never; base_url_hint: string };

/** A provider we know: where its API is and how it takes its key. */
export type Provider = Address & {
  id: string;
  name: string;
  category: "llm" | "service";
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
  /** What a person should know that the fields do not say. */
  note?: string;
};

/** Fields that a placement may have besides: a public client has no secret, and a refresh token may come later. */
export function optionalFieldsOf(placement: Placement): string[] {
  return placement.in === "oauth" ? ["client_secret", "refresh_token"] : [];
}

/** The fields of a secret that a placement cannot do without. A Basic pair may also be one `secret`, sent as the user name. */
export function secretFieldsOf(placement: Placement): string[] {
  if (placement.in === "basic") return ["username", "password"];
  if (placement.in === "oauth") return ["client_id"];
  if (placement.in !== "headers") return ["secret"];
  const templates = Object.values(placement.headers).join(" ");
  return [...new Set([...templates.matchAll(/\{([a-z_]+)\}/g)].map(([, field]) => field as string))];
}
