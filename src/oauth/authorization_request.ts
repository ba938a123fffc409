import type { Config } from "../config.ts";
import { Problem } from "../problem.ts";
import type { AuthorizationRequest } from "../vault/tokens/authorizations.ts";
import type { Scope } from "../vault/policy/scopes.ts";
import { snapshotOf, type Client } from "./client.ts";
import type { Form } from "./form.ts";
import { isLoopback, isRegistered, isUsable } from "./redirects.ts";
import { readResource, resourceOf } from "./resource.ts";
import { readScopes } from "./scope.ts";

/** A SHA-256 as base64url: 43 characters, the last of which holds four bits. */
const S256 = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
const STATE_LENGTH = 2_048;
/** What a client gets that does not say what it wants. */
const DEFAULT_SCOPES: readonly Scope[] = ["vault:read", "vault:proxy"];

/**
 * Where answers may be sent: the redirect URI, once it is known to be the client's. Until then nothing is sent anywhere and
 * refusals are shown on a page (RFC 6749 §4.1.2.1).
 */
export function redirectOf(config: Config, client: Client, form: Form): string {
  const { redirect_uris } = client.metadata;
  const [only, another] = redirect_uris;
  const given = form.get("redirect_uri") ?? (another === undefined && !isLoopback(only ?? "") ? only : undefined);
  if (given === undefined) throw new Problem("invalid_redirect_uri", "redirect_uri is missing.");
  if (!isRegistered(given, redirect_uris))
    throw new Problem("invalid_redirect_uri", "The app asks for an answer at an address that it has not registered.");
  if (!isUsable(given, config))
    throw new Problem("invalid_redirect_uri", "Answers go to https addresses and to this computer only.");
  return given;
}

/** Checks the rest of a request; what is refused here is told to the client. */
export function readAuthorizationRequest(
  config: Config,
  client: Client,
  redirect_uri: string,
  form: Form,
): AuthorizationRequest {
  for (const name of ["request", "request_uri", "registration"])
    if (form.get(name) !== undefined) throw new Problem("invalid_request", `${name} is not supported.`);
  if (form.must("response_type") !== "code")
    throw new Problem("unsupported_response_type", "response_type must be code.");
  if ((form.get("response_mode") ?? "query") !== "query")
    throw new Problem("invalid_request", "response_mode must be query.");
  // PKCE by S256 or not at all: with anything less, whoever sees a code can use it (RFC 9700 §2.1.1).
  if (form.must("code_challenge_method") !== "S256")
    throw new Problem("invalid_request", "code_challenge_method must be S256.");
  const code_challenge = form.must("code_challenge");
  if (!S256.test(code_challenge)) throw new Problem("invalid_request", "code_challenge is not a SHA-256 in base64url.");
  const state = form.get("state") ?? null;
  if ((state ?? "").length > STATE_LENGTH)
    throw new Problem("invalid_request", "state is longer than 2,048 characters.");
  return {
    client_id: client.id,
    client: snapshotOf(client, redirect_uri),
    redirect_uri,
    state,
    code_challenge,
    resource: readResource(config, form.all("resource")) ?? resourceOf(config),
    scopes: readScopes(form.get("scope")) ?? [...DEFAULT_SCOPES],
    refreshable: client.metadata.grant_types.includes("refresh_token"),
  };
}
