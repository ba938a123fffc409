import * as jose from "jose";
import type { Config } from "../config.ts";
import { findDocument, keepDocument } from "../directory/client_documents.ts";
import { objectIn } from "../json.ts";
import { fetchDocument, isFetchable } from "./outside.ts";

const DOCUMENT_BYTES = 64 * 1_024;
/** A key that is not among those we have is looked for again at most so often, however many tokens name it. */
const ASK_AGAIN_MS = 5 * 60_000;
const STANDS_IN_MS = 24 * 60 * 60_000;

/**
 * The public keys of an issuer (OpenID Connect Discovery §4): what its own document at its own address says, kept in D1. `again`:
 * a key was not among those we have. Undefined where there are none to be had, now or at all.
 */
export async function issuerKeys(
  env: Env,
  config: Config,
  issuer: string,
  look: "stored" | "again",
): Promise<jose.JSONWebKeySet | undefined> {
  const discovery = await read(env, config, `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, "stored");
  if (typeof discovery?.jwks_uri !== "string" || discovery.issuer !== issuer) return undefined;
  const keys = (await read(env, config, discovery.jwks_uri, look))?.keys;
  return Array.isArray(keys) ? { keys: keys as jose.JWK[] } : undefined;
}

async function read(
  env: Env,
  config: Config,
  url: string,
  look: "stored" | "again",
): Promise<Record<string, unknown> | undefined> {
  if (!config.allow_private_upstreams && !isFetchable(url, config)) return undefined;
  const now = Date.now();
  const stored = await findDocument(env.DB, url);
  const young = stored !== undefined && now - stored.fetched_at < ASK_AGAIN_MS;
  if (stored !== undefined && (young || (look === "stored" && stored.fresh_until > now)))
    return objectIn(stored.document);
  const fetched = await fetchDocument(url, null, DOCUMENT_BYTES);
  if (fetched.got !== "document")
    return stored !== undefined && now - stored.fetched_at < STANDS_IN_MS ? objectIn(stored.document) : undefined;
  const { text: document, fresh_ms } = fetched;
  await keepDocument(env.DB, url, { document, etag: null, fetched_at: now, fresh_until: now + fresh_ms });
  return objectIn(document);
}
