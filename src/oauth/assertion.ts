import * as jose from "jose";
import type { Config } from "../config.ts";
import { isOneTooMany } from "../directory/attempts.ts";
import { findDocument, keepDocument, useAssertion } from "../directory/client_documents.ts";
import { logFault, Problem } from "../problem.ts";
import type { Client } from "./client.ts";
import { fetchDocument, isFetchable } from "./outside.ts";

export const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
export const ASSERTION_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"];

const LONGEST_S = 10 * 60;
const KEYS_BYTES = 64 * 1_024;
const ASK_AGAIN_MS = 5 * 60_000;
/** A client's document may name another address for its keys each time; so many are asked and kept. */
const NEW_ONES = { most: 5, window_ms: 24 * 60 * 60_000 };

/** Which client an assertion speaks for, before anything about it is believed. */
export function subjectOf(assertion: string): string {
  try {
    const { sub } = jose.decodeJwt(assertion);
    if (typeof sub === "string") return sub;
  } catch {
    // Said below, in the same words.
  }
  throw new Problem("invalid_client", "The assertion names no client.");
}

/** Proof by a key of the client's own (RFC 7523 §3): for us, of this client, short-lived, and shown once. */
export async function assertProven(env: Env, config: Config, client: Client, assertion: string): Promise<void> {
  const claims = await verify(env, config, client, assertion);
  const now = Date.now();
  const expires_at = (claims.exp ?? 0) * 1_000;
  if (expires_at > now + LONGEST_S * 1_000 + 60_000)
    throw new Problem("invalid_client", "The assertion lives longer than ten minutes.");
  const fresh = await useAssertion(
    env.DB,
    { client_id: client.id, jti: claims.jti ?? "", expires_at: expires_at + 60_000 },
    now,
  );
  if (!fresh) throw new Problem("invalid_client", "The assertion was shown before.");
}

async function verify(env: Env, config: Config, client: Client, assertion: string): Promise<jose.JWTPayload> {
  const options = {
    issuer: client.id,
    subject: client.id,
    audience: [config.public_origin, `${config.public_origin}/token`],
    algorithms: ASSERTION_ALGORITHMS,
    requiredClaims: ["exp", "jti"],
    clockTolerance: 30,
  };
  for (const look of ["stored", "again"] as const) {
    const keys = await keysOf(env, config, client, look);
    if (keys === undefined) continue;
    try {
      return (await jose.jwtVerify(assertion, jose.createLocalJWKSet(keys), options)).payload;
    } catch (fault) {
      // Only a key that is not among those we have is worth looking for.
      if (fault instanceof jose.errors.JWKSNoMatchingKey && look === "stored") continue;
      logFault("assertion_refused", fault);
      break;
    }
  }
  throw new Problem("invalid_client", "The assertion does not prove the client.");
}

/** The client's public keys: in its metadata, or where its metadata says. Those are asked for again at most every five minutes. */
async function keysOf(
  env: Env,
  config: Config,
  { id, metadata }: Client,
  look: "stored" | "again",
): Promise<jose.JSONWebKeySet | undefined> {
  const { jwks, jwks_uri } = metadata;
  if (jwks !== undefined) return look === "stored" ? jwks : undefined;
  if (jwks_uri === undefined || !isFetchable(jwks_uri, config)) return undefined;
  const now = Date.now();
  const stored = await findDocument(env.DB, jwks_uri);
  if (stored !== undefined && (look === "stored" || now - stored.fetched_at < ASK_AGAIN_MS))
    return readKeys(stored.document);
  if (look === "stored") return undefined;
  if (stored === undefined && (await isOneTooMany(env.DB, `keys of ${id}`, NEW_ONES, now))) return undefined;
  const fetched = await fetchDocument(jwks_uri, null, KEYS_BYTES);
  const document = fetched.got === "document" ? fetched.text : (stored?.document ?? "{}");
  await keepDocument(env.DB, jwks_uri, { document, etag: null, fetched_at: now, fresh_until: now });
  return readKeys(document);
}

function readKeys(text: string): jose.JSONWebKeySet | undefined {
  try {
    const { keys } = JSON.parse(text) as { keys?: unknown };
    return Array.isArray(keys) ? { keys: keys as jose.JWK[] } : undefined;
  } catch {
    return undefined;
  }
}
