import * as jose from "jose";
import type { Config } from "../config.ts";
import { isOneTooMany, takeBack } from "../directory/attempts.ts";
import { findDocument, issuersDocument, keepDocument } from "../directory/client_documents.ts";
import { objectIn } from "../json.ts";
import { fetchDocument, isFetchable } from "./outside.ts";

const DOCUMENT_BYTES = 64 * 1_024;
/** A key that is not among those we have is looked for again at most so often, however many tokens name it. */
const ASK_AGAIN_MS = 5 * 60_000;
const STANDS_IN_MS = 24 * 60 * 60_000;
/** So many documents that we do not have yet one vault may make us read and keep: what its issuers name is theirs to choose. */
const NEW_ONES = { most: 200, window_ms: 24 * 60 * 60_000 };

/**
 * The public keys of an issuer (OpenID Connect Discovery §4): what its own document at its own address says, kept in D1. `again`:
 * a key was not among those we have. Undefined where there are none to be had, now or at all.
 */
export async function issuerKeys(
  env: Env,
  config: Config,
  { issuer, vault_id }: { issuer: string; vault_id: string },
  look: "stored" | "again",
): Promise<jose.JSONWebKeySet | undefined> {
  const at = { env, config, vault_id };
  const discovery = await read(at, `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, "stored");
  if (typeof discovery?.jwks_uri !== "string" || discovery.issuer !== issuer) return undefined;
  const keys = (await read(at, discovery.jwks_uri, look))?.keys;
  return Array.isArray(keys) ? { keys: keys as jose.JWK[] } : undefined;
}

async function read(
  { env, config, vault_id }: { env: Env; config: Config; vault_id: string },
  url: string,
  look: "stored" | "again",
): Promise<Record<string, unknown> | undefined> {
  if (!config.allow_private_upstreams && !isFetchable(url, config)) return undefined;
  const now = Date.now();
  const stored = await findDocument(env.DB, issuersDocument(url));
  const young = stored !== undefined && now - stored.fetched_at < ASK_AGAIN_MS;
  if (stored !== undefined && (young || (look === "stored" && stored.fresh_until > now)))
    return objectIn(stored.document);
  const new_ones = `issuers of ${vault_id}`;
  if (stored === undefined && (await isOneTooMany(env.DB, new_ones, NEW_ONES, now))) return undefined;
  const fetched = await fetchDocument(url, null, DOCUMENT_BYTES);
  if (stored === undefined && fetched.got !== "document") await takeBack(env.DB, new_ones);
  if (fetched.got !== "document")
    return stored !== undefined && now - stored.fetched_at < STANDS_IN_MS ? objectIn(stored.document) : undefined;
  const { text: document, fresh_ms } = fetched;
  await keepDocument(env.DB, issuersDocument(url), {
    document,
    etag: null,
    fetched_at: now,
    fresh_until: now + fresh_ms,
  });
  return objectIn(document);
}
