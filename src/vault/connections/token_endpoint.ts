import { importPKCS8, SignJWT } from "jose";
import * as oauth from "oauth4webapi";
import type { OAuthPlacement } from "../../catalog/provider.ts";
import { logFault } from "../../problem.ts";
import type { Secret } from "../keys/sealer.ts";
import { readAnswer, type Answered } from "./token_answer.ts";

/** By what tokens are asked for: a code that a person brought back, what was granted before, or the client itself. */
export type Grounds =
  | { by: "code"; code: string; verifier: string; redirect_uri: string }
  | { by: "refresh_token"; refresh_token: string }
  | { by: "client" };

/** A provider that has taken a refresh token and is slow to say so must be heard out: nothing else brings its successor. */
const PATIENCE_MS = 60_000;
const FAREWELL_MS = 10_000;
const ASSERTION_S = 300;
/** By so much a clock must differ from ours to be the reason why an assertion was refused. */
const SKEW_S = 5;

/**
 * Asks a provider's token endpoint for tokens. Never throws; what went wrong is a value. A client that signs for itself and is
 * refused by a provider whose clock is another is heard once more, by that clock: nothing was spent by the first time.
 */
export async function askForTokens(
  placement: OAuthPlacement,
  secret: Secret,
  grounds: Grounds,
  now: number,
): Promise<Answered> {
  const { clock, ...answered } = await askBy(0, placement, secret, grounds, now);
  if (answered.outcome !== "refused" || secret.private_key === undefined || clock === undefined) return answered;
  const skew_s = Math.round((clock - Date.now()) / 1_000);
  const unspent = grounds.by === "client" || answered.error === "invalid_client";
  if (!unspent || Math.abs(skew_s) <= SKEW_S) return answered;
  const { clock: _clock, ...again } = await askBy(skew_s, placement, secret, grounds, now);
  return again;
}

/** What came of it, and what the provider's clock showed (epoch ms). */
type Heard = Answered & { clock?: number | undefined };

async function askBy(
  skew_s: number,
  placement: OAuthPlacement,
  secret: Secret,
  grounds: Grounds,
  now: number,
): Promise<Heard> {
  const { token_url, scopes } = placement;
  const { client_id = "" } = secret;
  // A client that signs for itself names the token endpoint as its audience (RFC 7523 §3): the library takes it from here.
  const server = { issuer: token_url, token_endpoint: token_url };
  const client: oauth.Client = { client_id, [oauth.clockSkew]: skew_s };
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  const options = optionsOf(placement, patience.signal);
  const scope = scopes === undefined || scopes === "" ? {} : { scope: scopes };
  try {
    const authenticate = await authentication(placement, secret);
    const ask = (grant_type: string, parameters: Record<string, string>) =>
      oauth.genericTokenEndpointRequest(server, client, authenticate, grant_type, parameters, options);
    const response = await (() => {
      switch (grounds.by) {
        case "code": {
          const { code, verifier: code_verifier, redirect_uri } = grounds;
          return ask("authorization_code", { code, code_verifier, redirect_uri });
        }
        case "refresh_token":
          return ask("refresh_token", { refresh_token: grounds.refresh_token });
        case "client":
          return placement.grant === "jwt_bearer"
            ? assertion(placement, secret, now + skew_s * 1_000).then((assertion) =>
                ask("urn:ietf:params:oauth:grant-type:jwt-bearer", { assertion }),
              )
            : ask("client_credentials", scope);
      }
    })();
    return { ...(await readAnswer(response)), clock: Date.parse(response.headers.get("date") ?? "") || undefined };
  } catch (fault) {
    logFault("token_endpoint", fault);
    if (fault instanceof UnusableKey) return { outcome: "refused", error: "private_key_unusable" };
    return { outcome: "trouble", error: "unreachable", lost: true };
  } finally {
    clearTimeout(timer);
  }
}

/** Tells a provider that a token is done with (RFC 7009). Best effort: what it answers changes nothing here. */
export async function revokeToken(placement: OAuthPlacement, secret: Secret, token: string): Promise<boolean> {
  const { revoke_url } = placement;
  if (revoke_url === undefined) return false;
  try {
    const server = { issuer: placement.token_url, revocation_endpoint: revoke_url };
    const options = optionsOf(placement, AbortSignal.timeout(FAREWELL_MS));
    const authenticate = await authentication(placement, secret);
    const client = { client_id: secret.client_id ?? "" };
    return (await oauth.revocationRequest(server, client, authenticate, token, options)).ok;
  } catch (fault) {
    logFault("token_not_revoked_upstream", fault);
    return false;
  }
}

/**
 * How the client says who it is. Basic is spelled here and not by the library: that one escapes `-`, `_` and `.` too, as
 * RFC 6749 §2.3.1 allows, and several providers forget to undo it.
 */
async function authentication({ client_auth }: OAuthPlacement, secret: Secret): Promise<oauth.ClientAuth> {
  const { client_id = "", client_secret, private_key } = secret;
  const usual = private_key !== undefined ? "private_key_jwt" : client_secret !== undefined ? "basic" : "none";
  switch (client_secret === undefined && private_key === undefined ? "none" : (client_auth ?? usual)) {
    case "private_key_jwt":
      return oauth.PrivateKeyJwt(await signingKey(secret));
    case "basic":
      return (_server, _client, _body, headers) => {
        const pair = [client_id, client_secret ?? ""].map(encodeURIComponent).join(":");
        headers.set("authorization", `Basic ${Buffer.from(pair).toString("base64")}`);
      };
    case "post":
      return oauth.ClientSecretPost(client_secret ?? "");
    case "none":
      return oauth.None();
  }
}

/** A JWT of the client's own as a grant (RFC 7523 §3), such as Google's service accounts use. */
async function assertion({ token_url, scopes }: OAuthPlacement, secret: Secret, now: number): Promise<string> {
  const { client_id = "", subject = client_id } = secret;
  const { key, kid, alg } = await signingKey(secret);
  const issued_at = Math.floor(now / 1_000);
  return new SignJWT(scopes === undefined ? {} : { scope: scopes })
    .setProtectedHeader({ alg, typ: "JWT", ...(kid === undefined ? {} : { kid }) })
    .setIssuer(client_id)
    .setSubject(subject)
    .setAudience(token_url)
    .setIssuedAt(issued_at)
    .setExpirationTime(issued_at + ASSERTION_S)
    .setJti(crypto.randomUUID())
    .sign(key);
}

class UnusableKey extends Error {}

/** The secret's private key: RSA or P-256, PKCS #8 in PEM. */
async function signingKey({ private_key = "", private_key_id: kid }: Secret) {
  for (const alg of ["RS256", "ES256"]) {
    try {
      const key = await importPKCS8(private_key, alg);
      return kid === undefined ? { key, alg } : { key, alg, kid };
    } catch {
      // Not of this kind.
    }
  }
  throw new UnusableKey("the private key is neither RSA nor P-256");
}

/** Plain http is judged where an address is stored: only a local run takes one (CONTRACT §2). */
function optionsOf(placement: OAuthPlacement, signal: AbortSignal) {
  return { [oauth.allowInsecureRequests]: true, [oauth.customFetch]: fetchOf(placement, signal) };
}

/** No shared cache (SECURITY S10), no redirect with a client's secret, JSON where only that is read. */
function fetchOf({ token_format }: OAuthPlacement, signal: AbortSignal) {
  return (url: string, { method, headers, body }: oauth.CustomFetchOptions<string, unknown>): Promise<Response> => {
    const json = token_format === "json" && body instanceof URLSearchParams;
    return fetch(url, {
      method,
      headers: { ...headers, ...(json ? { "content-type": "application/json" } : {}) },
      body: (json ? JSON.stringify(Object.fromEntries(body)) : body) as BodyInit,
      redirect: "manual",
      cache: "no-store",
      signal,
    });
  };
}
