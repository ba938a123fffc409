import * as oauth from "oauth4webapi";
import type { Config, SignInProvider } from "../config.ts";
import { logFault, Problem } from "../problem.ts";
import type { Identity } from "../vault/account/identities.ts";
import { fetchGitHubIdentity, GITHUB } from "./github.ts";
import { outbound, ProviderAway } from "./outbound.ts";
import { PENDING_MS, type Pending } from "./pending.ts";

/** We as an OAuth client: PKCE, state and (with OpenID providers) nonce, for whoever people may sign in with. */

const METADATA_MS = 60 * 60_000;

/** Provider metadata is public and may be remembered; nothing about a person is. */
const metadata = new Map<string, { server: oauth.AuthorizationServer; until: number }>();

/** Begins a sign-in: where to send the browser, and what must be kept for its return. */
export async function beginSignIn(
  config: Config,
  provider: SignInProvider,
  wish: { return_to: string; login_hint: string | undefined; link?: string | undefined },
): Promise<{ location: URL; pending: Pending }> {
  const server = await serverOf(config, provider);
  const [state, nonce, verifier] = [
    oauth.generateRandomState(),
    oauth.generateRandomNonce(),
    oauth.generateRandomCodeVerifier(),
  ];
  const location = new URL(server.authorization_endpoint ?? "");
  const query = {
    client_id: provider.client_id,
    redirect_uri: redirectUri(config, provider),
    response_type: "code",
    scope: provider.id === "github" ? "read:user user:email" : "openid email profile",
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...(provider.id === "github" ? {} : { nonce }),
    // Only the provider that runs beside us on one machine may be told whom to sign in (CONTRACT §2).
    ...(config.local && provider.id === "oidc" && wish.login_hint !== undefined ? { login_hint: wish.login_hint } : {}),
  };
  for (const [name, value] of Object.entries(query)) location.searchParams.set(name, value);
  const { return_to, link } = wish;
  const expires_at = Date.now() + PENDING_MS;
  return { location, pending: { provider: provider.id, state, nonce, verifier, return_to, link, expires_at } };
}

/** Completes a sign-in: checks what came back against what was kept, and answers who it is. Anything amiss is one refusal. */
export async function completeSignIn(
  config: Config,
  provider: SignInProvider,
  callback: URL,
  pending: Pending,
): Promise<Identity> {
  const server = await serverOf(config, provider);
  try {
    const result = await redeem(config, provider, server, callback, pending);
    if (provider.id === "github") return await fetchGitHubIdentity(result.access_token);
    // Fetched over TLS from the token endpoint, the ID token needs no signature check (OpenID Connect Core §3.1.3.7, rule 6).
    const claims = oauth.getValidatedIdTokenClaims(result);
    if (claims === undefined) throw new Error("no ID token");
    const { iss, sub, email, email_verified, name } = claims;
    return {
      issuer: iss,
      subject: sub,
      email: typeof email === "string" ? email.slice(0, 320) : null,
      email_verified: email_verified === true,
      name: typeof name === "string" ? name.slice(0, 200) : null,
    };
  } catch (fault) {
    if (isAway(fault)) throw away(provider, fault);
    logFault("sign_in_failed", fault, { provider: provider.id });
    throw new Problem("sign_in_failed", `${provider.name} did not confirm the sign-in. Start again.`, { cause: fault });
  }
}

async function redeem(
  config: Config,
  provider: SignInProvider,
  server: oauth.AuthorizationServer,
  callback: URL,
  pending: Pending,
): Promise<oauth.TokenEndpointResponse> {
  const client: oauth.Client = { client_id: provider.client_id };
  const parameters = oauth.validateAuthResponse(server, client, callback, pending.state);
  // GitHub reads the client's secret from the body only.
  const authentication = provider.id === "github" ? oauth.ClientSecretPost : oauth.ClientSecretBasic;
  const response = await oauth.authorizationCodeGrantRequest(
    server,
    client,
    authentication(provider.client_secret),
    parameters,
    redirectUri(config, provider),
    pending.verifier,
    outbound(config),
  );
  const expected = provider.id === "github" ? {} : { expectedNonce: pending.nonce, requireIdToken: true };
  return oauth.processAuthorizationCodeResponse(server, client, response, expected);
}

async function serverOf(config: Config, provider: SignInProvider): Promise<oauth.AuthorizationServer> {
  if (provider.id === "github") return GITHUB;
  const known = metadata.get(provider.issuer.href);
  if (known !== undefined && known.until > Date.now()) return known.server;
  try {
    const response = await oauth.discoveryRequest(provider.issuer, { algorithm: "oidc", ...outbound(config) });
    const server = await oauth.processDiscoveryResponse(provider.issuer, response);
    metadata.set(provider.issuer.href, { server, until: Date.now() + METADATA_MS });
    return server;
  } catch (fault) {
    throw away(provider, fault);
  }
}

function isAway(fault: unknown): boolean {
  return fault instanceof ProviderAway || (fault instanceof Error && fault.cause instanceof ProviderAway);
}

function away(provider: SignInProvider, cause: unknown): Problem {
  logFault("identity_provider_unreachable", cause, { provider: provider.id });
  return new Problem("unavailable", `${provider.name} cannot be reached right now.`, { retry_after_s: 10, cause });
}

function redirectUri(config: Config, { id }: SignInProvider): string {
  return `${config.public_origin}/auth/${id}/callback`;
}
