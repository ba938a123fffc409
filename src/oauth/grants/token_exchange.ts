import { createHash } from "node:crypto";
import * as jose from "jose";
import { limitAddress } from "../../auth/limit.ts";
import { logFault, Problem } from "../../problem.ts";
import { ask } from "../../vault/answer.ts";
import { unknownTrust } from "../../vault/tokens/manage_trusts.ts";
import { issuerKeys } from "../issuer_keys.ts";
import type { Asked, TokenResponse } from "./grant_type.ts";

const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const SUBJECT_TYPES = new Set(["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"]);
/** Asymmetric only: nothing that we could sign ourselves proves anything. */
const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
const TOLERANCE_S = 30;
const LONGEST_TOKEN = 16 * 1_024;
const TRUST_PATH = /^\/trusts\/([0-9A-Za-z]{24})\/(tst_[0-9A-Z]{26})$/;

type Trusted = { issuer: string; audience: string; jwks: string | null };

/**
 * A machine's own token, as of a CI job, for an app token of fifteen minutes (RFC 8693). `audience` is the address of a trust, which
 * names the vault. What is said in the token is believed only once its signature is verified by a key of the trust's issuer;
 * what it must say is judged in the vault. A token that is not taken is `invalid_request` here, not `invalid_grant` (RFC 8693 §2.2.2).
 */
export async function tokenExchange({ env, config, form, origin }: Asked): Promise<TokenResponse> {
  const subject_token = form.must("subject_token");
  if (!SUBJECT_TYPES.has(form.must("subject_token_type")))
    throw new Problem("invalid_request", "subject_token_type must be that of a JWT or an ID token.");
  if ((form.get("requested_token_type") ?? ACCESS_TOKEN) !== ACCESS_TOKEN)
    throw new Problem("invalid_request", "Only access tokens are given in exchange.");
  if (form.get("actor_token") !== undefined)
    throw new Problem("invalid_request", "Nobody acts for somebody else here.");
  const [vault_id, trust_id] = trustIn(form.must("audience"), config.public_origin);
  const shown = peek(subject_token);
  const detail = "Tokens are exchanged too often from there.";
  // Nobody has signed the address of a trust: whoever makes them up wakes a vault with each.
  await limitAddress(env.WEAK_LIMIT, origin.ip, { of: "exchange", detail });
  await limitAddress(env.REGISTER_LIMIT, origin.ip, { of: `exchange ${vault_id}`, detail });
  const vault = env.USER_VAULT.getByName(vault_id);
  const trust = await ask(vault.trustFor(trust_id));
  // Before anybody is asked for keys: a token of another issuer is not worth it.
  if (shown.iss !== trust.issuer) throw unknownTrust();
  const claims = await verify(env, config, subject_token, { ...trust, vault_id });
  // Not by its signature: that has other spellings, and of some algorithms other values, which are as good.
  const signed = subject_token.slice(0, subject_token.lastIndexOf("."));
  const hash = createHash("sha256")
    .update(claims.jti === undefined ? signed : `${trust.issuer} ${claims.jti}`)
    .digest("base64url");
  const presented = { claims, hash, expires_at: ((claims.exp ?? 0) + TOLERANCE_S) * 1_000 };
  const { token, expires_at } = await ask(vault.exchange(trust_id, presented, origin));
  return {
    access_token: token,
    issued_token_type: ACCESS_TOKEN,
    token_type: "Bearer",
    expires_in: Math.max(0, Math.round((expires_at - Date.now()) / 1_000)),
  };
}

async function verify(
  env: Env,
  config: Asked["config"],
  token: string,
  { issuer, audience, jwks, vault_id }: Trusted & { vault_id: string },
): Promise<jose.JWTPayload> {
  const options = {
    issuer,
    audience,
    algorithms: ALGORITHMS,
    requiredClaims: ["iss", "aud", "exp"],
    clockTolerance: TOLERANCE_S,
  };
  for (const look of ["stored", "again"] as const) {
    const keys =
      jwks === null
        ? await issuerKeys(env, config, { issuer, vault_id }, look)
        : (JSON.parse(jwks) as jose.JSONWebKeySet);
    if (keys === undefined)
      throw new Problem("unavailable", "The issuer's keys cannot be read at the moment.", { retry_after_s: 30 });
    try {
      return (await jose.jwtVerify(token, jose.createLocalJWKSet(keys), options)).payload;
    } catch (fault) {
      // Only a key that is not among those we have is worth looking for.
      if (fault instanceof jose.errors.JWKSNoMatchingKey && look === "stored" && jwks === null) continue;
      logFault("exchange_refused", fault);
      break;
    }
  }
  throw new Problem(
    "invalid_request",
    "The subject token is not valid for this trust: its signature, time or audience.",
  );
}

/** What a token says of itself, unbelieved. */
function peek(token: string): jose.JWTPayload {
  try {
    if (token.length <= LONGEST_TOKEN) return jose.decodeJwt(token);
  } catch {
    // Said below, in the same words.
  }
  throw new Problem("invalid_request", "The subject token is no JWT.");
}

function trustIn(audience: string, public_origin: string): [vault_id: string, trust_id: string] {
  const path = audience.startsWith(`${public_origin}/`) ? audience.slice(public_origin.length) : "";
  const [, vault_id, trust_id] = TRUST_PATH.exec(path) ?? [];
  if (vault_id === undefined || trust_id === undefined) throw unknownTrust();
  return [vault_id, trust_id];
}
