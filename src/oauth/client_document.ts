import * as z from "zod";
import type { Config } from "../config.ts";
import { isOneTooMany } from "../directory/attempts.ts";
import { findDocument, keepDocument, type StoredDocument } from "../directory/client_documents.ts";
import { Problem } from "../problem.ts";
import { AUTH_METHODS, readMetadata, type AuthMethod, type ClientMetadata } from "./client_metadata.ts";
import { KNOWN_DOCUMENTS } from "./known_documents.ts";
import { fetchDocument, isFetchable } from "./outside.ts";
import { isLoopback } from "./redirects.ts";

/** A client that is described by the document at its own id (Client ID Metadata Document). */
export type DocumentClient = { metadata: ClientMetadata; auth_methods: readonly AuthMethod[] };

const DOCUMENT_BYTES = 5 * 1_024;
/** How long a copy stands in for an address that cannot be reached. */
const STANDS_IN_MS = 7 * 86_400_000;

/** So many that we do not know yet one person may make us keep: what they are called is theirs to choose. */
const NEW_ONES = { most: 100, window_ms: 24 * 60 * 60_000 };

const Document = z.looseObject({
  client_id: z.string(),
  client_name: z.string().min(1),
  redirect_uris: z.array(z.string()).min(1),
  token_endpoint_auth_method: z.string().optional(),
  token_endpoint_auth_methods_supported: z.array(z.string()).optional(),
});

export function isDocumentUrl(client_id: string): boolean {
  return client_id.includes("://");
}

/**
 * The client as its document says now: fresh from what we have, else fetched, else, where the address cannot be reached, from
 * the last good copy. Only for a person who has signed in: nobody else makes us fetch anything (SECURITY S29).
 */
export async function fetchClient(
  env: Env,
  config: Config,
  client_id: string,
  { vault_id }: { vault_id: string },
): Promise<DocumentClient> {
  if (!isFetchable(client_id, config))
    throw new Problem("invalid_client", "client_id is not an address that a client's document can have.");
  const now = Date.now();
  const stored = await findDocument(env.DB, client_id);
  if (stored !== undefined && stored.fresh_until > now) return read(stored.document, client_id, config);
  const { success } = await env.REGISTER_LIMIT.limit({ key: `document ${new URL(client_id).host}` });
  if (!success) throw new Problem("rate_limited", "That app's host is asked too often.", { retry_after_s: 60 });
  const fetched = await fetchDocument(client_id, stored?.etag ?? null, DOCUMENT_BYTES);
  switch (fetched.got) {
    case "document": {
      const client = read(fetched.text, client_id, config);
      tellDrift(client_id, client.metadata);
      if (stored === undefined && (await isOneTooMany(env.DB, `clients of ${vault_id}`, NEW_ONES, now)))
        throw new Problem("rate_limited", "Too many apps that nobody has met here yet.", { retry_after_s: 3_600 });
      const { text: document, etag, fresh_ms } = fetched;
      await keepDocument(env.DB, client_id, { document, etag, fetched_at: now, fresh_until: now + fresh_ms });
      return client;
    }
    case "unchanged": {
      const { document, etag } = stored as StoredDocument;
      await keepDocument(env.DB, client_id, { document, etag, fetched_at: now, fresh_until: now + fetched.fresh_ms });
      return read(document, client_id, config);
    }
    case "refused":
      return known(client_id, config) ?? refuse(`The app's description cannot be used: ${fetched.why}.`);
    case "nothing": {
      if (stored !== undefined && now - stored.fetched_at < STANDS_IN_MS)
        return read(stored.document, client_id, config);
      return known(client_id, config) ?? refuse(`The app's description cannot be read: ${fetched.why}.`);
    }
  }
}

/** The client as a person last saw it, however old that is: whoever is not signed in makes us fetch nothing (SECURITY S29). */
export async function recallClient(env: Env, config: Config, client_id: string): Promise<DocumentClient | undefined> {
  const stored = await findDocument(env.DB, client_id);
  return stored === undefined ? known(client_id, config) : read(stored.document, client_id, config);
}

function known(client_id: string, config: Config): DocumentClient | undefined {
  const document = KNOWN_DOCUMENTS.get(client_id);
  return document && read(JSON.stringify({ client_id, ...document }), client_id, config);
}

function read(text: string, client_id: string, config: Config): DocumentClient {
  const said = Document.safeParse(parse(text)).data;
  if (said === undefined) refuse("The app's description lacks its client_id, client_name or redirect_uris.");
  if (said.client_id !== client_id) refuse("The app's description is of another client.");
  if ("client_secret" in said || "client_secret_expires_at" in said) refuse("The app's description holds a secret.");
  const { token_endpoint_auth_method = "none", token_endpoint_auth_methods_supported = [] } = said;
  const listed = new Set([token_endpoint_auth_method, ...token_endpoint_auth_methods_supported]);
  // A secret that two parties share cannot be told in public.
  const auth_methods = AUTH_METHODS.filter((method) => !method.startsWith("client_secret") && listed.has(method));
  if (auth_methods.length === 0) refuse("The app's description names no way to prove itself that can be used here.");
  const preferred = auth_methods.includes("private_key_jwt") ? "private_key_jwt" : "none";
  const metadata = readMetadata({ ...said, token_endpoint_auth_method: preferred }, config, "document");
  const also = KNOWN_DOCUMENTS.get(client_id)?.redirect_uris.filter(isLoopback) ?? [];
  return { auth_methods, metadata: { ...metadata, redirect_uris: [...metadata.redirect_uris, ...also] } };
}

/** Somebody should look when a client that we know says something new about where its codes go. */
function tellDrift(client_id: string, { redirect_uris }: ClientMetadata): void {
  const expected = KNOWN_DOCUMENTS.get(client_id)?.redirect_uris;
  const drifted = expected !== undefined && redirect_uris.some((uri) => !isLoopback(uri) && !expected.includes(uri));
  if (drifted) console.warn(JSON.stringify({ event: "client_document_drift", client_id }));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refuse(detail: string): never {
  throw new Problem("invalid_client", detail);
}
