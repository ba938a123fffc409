import { createHash, timingSafeEqual } from "node:crypto";
import type { Config } from "../config.ts";
import { Problem } from "../problem.ts";
import { mustFindClient, type Client } from "./client.ts";
import type { Form } from "./form.ts";

type Proof = { client_id: string; secret: string | undefined };

/**
 * Which client is asking, proven the way it registered: by nothing (a public client; its code or refresh token and PKCE prove
 * enough) or by its secret, in the header or in the body (RFC 6749 §2.3).
 */
export async function authenticate(env: Env, config: Config, request: Request, form: Form): Promise<Client> {
  const proof = proofOf(request, form);
  const client = await mustFindClient(env, config, proof.client_id);
  if (client.auth_methods.includes("none")) return client;
  const hash = client.registration === "registered" ? client.stored.secret_hash : null;
  if (hash === null || proof.secret === undefined || !sameText(hashOfSecret(proof.secret), hash))
    throw new Problem("invalid_client", "The client did not prove itself.");
  return client;
}

/** Only hashes of secrets are stored. */
export function hashOfSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}

/** Compares in a time that tells nothing. */
export function sameText(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function proofOf(request: Request, form: Form): Proof {
  const authorization = request.headers.get("authorization");
  const [client_id, secret] = [form.get("client_id"), form.get("client_secret")];
  if (authorization === null) return { client_id: client_id ?? form.must("client_id"), secret };
  if (secret !== undefined) throw new Problem("invalid_request", "The client proves itself in two ways at once.");
  const basic = basicOf(authorization);
  if (client_id !== undefined && client_id !== basic.client_id)
    throw new Problem("invalid_request", "client_id is not the client of the authorization header.");
  return basic;
}

/** Name and secret are form-encoded before they are joined (RFC 6749 §2.3.1). */
function basicOf(authorization: string): Proof {
  const [, encoded] = /^basic +([A-Za-z0-9+/_=-]+)$/i.exec(authorization) ?? [];
  const text = encoded === undefined ? "" : Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 1)
    throw new Problem("invalid_client", "The authorization header is not Basic with a client and a secret.");
  return { client_id: decode(text.slice(0, colon)), secret: decode(text.slice(colon + 1)) || undefined };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw new Problem("invalid_client", "The authorization header is not form-encoded.");
  }
}
