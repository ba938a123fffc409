import * as oauth from "oauth4webapi";
import type { Config, OpenIdProvider } from "../config.ts";
import { Problem } from "../problem.ts";
import type { Identity } from "../vault/identities.ts";

/** What must come back from the provider in the same browser. Travels sealed, in a cookie. */
export type PendingSignIn = {
  provider: string;
  state: string;
  nonce: string;
  verifier: string;
  return_to: string;
  expires_at: number;
};

const PENDING_MS = 10 * 60_000;
const METADATA_MS = 60 * 60_000;

/** Provider metadata is public and may be remembered; nothing about a person is. */
const metadata = new Map<string, { server: oauth.AuthorizationServer; until: number }>();

/** Begins a sign-in: where to send the browser, and what must be kept for its return. */
export async function beginSignIn(
  config: Config,
  provider: OpenIdProvider,
  return_to: string,
  login_hint: string | null,
): Promise<{ location: URL; pending: PendingSignIn }> {
  const server = await discover(config, provider);
  const [state, nonce, verifier] = [
    oauth.generateRandomState(),
    oauth.generateRandomNonce(),
    oauth.generateRandomCodeVerifier(),
  ];
  const location = new URL(server.authorization_endpoint ?? "");
  const query = {
    client_id: provider.client_id,
    redirect_uri: redirectUri(config),
    response_type: "code",
    scope: "openid email profile",
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(query)) location.searchParams.set(name, value);
  // Only the provider that runs beside us on one machine may be told whom to sign in (CONTRACT §2).
  if (config.local && login_hint !== null) location.searchParams.set("login_hint", login_hint);
  return {
    location,
    pending: { provider: "oidc", state, nonce, verifier, return_to, expires_at: Date.now() + PENDING_MS },
  };
}

/** Completes a sign-in: checks what came back against what was kept, and answers who it is. Anything amiss is one refusal. */
export async function completeSignIn(
  config: Config,
  provider: OpenIdProvider,
  callback: URL,
  pending: PendingSignIn,
): Promise<Identity> {
  if (pending.expires_at < Date.now())
    throw new Problem("sign_in_failed", "Signing in took longer than ten minutes. Start again.");
  const server = await discover(config, provider);
  const client: oauth.Client = { client_id: provider.client_id };
  try {
    const parameters = oauth.validateAuthResponse(server, client, callback, pending.state);
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      oauth.ClientSecretBasic(provider.client_secret),
      parameters,
      redirectUri(config),
      pending.verifier,
      options(config),
    );
    const result = await oauth.processAuthorizationCodeResponse(server, client, response, {
      expectedNonce: pending.nonce,
      requireIdToken: true,
    });
    // Fetched over TLS from the token endpoint, the ID token needs no signature check (OpenID Connect Core §3.1.3.7, rule 6).
    const claims = oauth.getValidatedIdTokenClaims(result);
    if (claims === undefined) throw new Error("no ID token");
    const { email, name } = claims;
    return {
      issuer: claims.iss,
      subject: claims.sub,
      email: typeof email === "string" ? email.slice(0, 320) : null,
      name: typeof name === "string" ? name.slice(0, 200) : null,
    };
  } catch (fault) {
    console.warn(JSON.stringify({ event: "sign_in_failed", error: String(fault) }));
    throw new Problem("sign_in_failed", `${provider.name} did not confirm the sign-in. Start again.`, { cause: fault });
  }
}

async function discover(config: Config, provider: OpenIdProvider): Promise<oauth.AuthorizationServer> {
  const known = metadata.get(provider.issuer.href);
  if (known !== undefined && known.until > Date.now()) return known.server;
  try {
    const response = await oauth.discoveryRequest(provider.issuer, { algorithm: "oidc", ...options(config) });
    const server = await oauth.processDiscoveryResponse(provider.issuer, response);
    metadata.set(provider.issuer.href, { server, until: Date.now() + METADATA_MS });
    return server;
  } catch (fault) {
    console.error(JSON.stringify({ event: "identity_provider_unreachable", error: String(fault) }));
    throw new Problem("unavailable", `${provider.name} cannot be reached right now.`, {
      retry_after_s: 10,
      cause: fault,
    });
  }
}

function options(config: Config) {
  return { [oauth.allowInsecureRequests]: config.local, [oauth.customFetch]: uncached };
}

/** No shared cache between us and the provider (SECURITY S10). */
function uncached(url: string, init: oauth.CustomFetchOptions<string, unknown>): Promise<Response> {
  const { method, headers, body, redirect } = init;
  return fetch(url, { method, headers, body: (body ?? null) as BodyInit | null, redirect, cache: "no-store" });
}

function redirectUri(config: Config): string {
  return `${config.public_origin}/auth/oidc/callback`;
}
