import { createHash, timingSafeEqual } from "node:crypto";
import { limitAddress } from "../auth/limit.ts";
import { originOf } from "../auth/origin.ts";
import type { Config } from "../config.ts";
import { Problem } from "../problem.ts";
import { ASSERTION_TYPE, assertProven, subjectOf } from "./assertion.ts";
import { mustFindClient, type Client } from "./client.ts";
import type { Form } from "./form.ts";
import { readPresented } from "./presented.ts";

/** What a client shows to prove who it is. */
type Proof = { client_id: string } & (
  | { by: "nothing" }
  | { by: "secret"; secret: string }
  | { by: "assertion"; assertion: string }
);

/**
 * Which client is asking, proven in a way that it has registered: by nothing (a public client; its code or refresh token and
 * PKCE prove enough), by its secret, in the header or in the body alike (RFC 6749 §2.3), or by its key (RFC 7523).
 */
export async function authenticate(env: Env, config: Config, request: Request, form: Form): Promise<Client> {
  const proof = proofOf(request, form);
  if (!showsToken(config, form)) await limitStranger(env, request);
  const client = await mustFindClient(env, config, proof.client_id, "anybody");
  switch (proof.by) {
    case "assertion":
      if (!client.auth_methods.includes("private_key_jwt")) throw unproven();
      await assertProven(env, config, client, proof.assertion);
      return client;
    case "secret": {
      if (client.auth_methods.includes("none")) return client;
      const hash = client.registration === "registered" ? client.stored.secret_hash : null;
      if (hash === null || !sameText(hashOfSecret(proof.secret), hash)) throw unproven();
      return client;
    }
    case "nothing":
      if (!client.auth_methods.includes("none")) throw unproven();
      return client;
  }
}

/**
 * Whoever makes up clients, or asks for a device's answer again and again, costs a read each time, and is limited by address. Not
 * so who shows a token that a vault gave: behind one address of a provider's, many people's programs renew theirs.
 */
export function limitStranger(env: Env, request: Request): Promise<void> {
  const limited = { of: "client", detail: "Too many requests from your address." };
  return limitAddress(env.WEAK_LIMIT, originOf(request).ip, limited);
}

/** One whose signature proves something (SECURITY S12). */
function showsToken(config: Config, form: Form): boolean {
  return ["code", "refresh_token", "token"].some((name) => {
    const text = form.get(name);
    return text !== undefined && readPresented(config, text, "oac", "ort", "oat")?.weak === false;
  });
}

function unproven(): Problem {
  return new Problem("invalid_client", "The client did not prove itself.");
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
  const [client_id, secret, type] = [
    form.get("client_id"),
    form.get("client_secret"),
    form.get("client_assertion_type"),
  ];
  if ([authorization ?? undefined, secret, type].filter((one) => one !== undefined).length > 1)
    throw new Problem("invalid_request", "The client proves itself in two ways at once.");
  const proof = authorization === null ? inForm(form, secret, type) : basicOf(authorization);
  if (client_id !== undefined && client_id !== proof.client_id)
    throw new Problem("invalid_request", "client_id is not the client that the proof is of.");
  return proof;
}

function inForm(form: Form, secret: string | undefined, type: string | undefined): Proof {
  if (type !== undefined) {
    if (type !== ASSERTION_TYPE) throw new Problem("invalid_client", "That kind of assertion is not taken.");
    const assertion = form.must("client_assertion");
    return { by: "assertion", client_id: subjectOf(assertion), assertion };
  }
  const client_id = form.get("client_id");
  // RFC 6749 §5.2: no client authentication included.
  if (client_id === undefined) throw new Problem("invalid_client", "The client does not say who it is.");
  return secret === undefined ? { by: "nothing", client_id } : { by: "secret", client_id, secret };
}

/** Name and secret are form-encoded before they are joined (RFC 6749 §2.3.1). */
function basicOf(authorization: string): Proof {
  const [, encoded] = /^basic +([A-Za-z0-9+/_=-]+)$/i.exec(authorization) ?? [];
  const text = encoded === undefined ? "" : Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 1)
    throw new Problem("invalid_client", "The authorization header is not Basic with a client and a secret.");
  const [client_id, secret] = [decode(text.slice(0, colon)), decode(text.slice(colon + 1))];
  // Some clients without a secret send their name alone.
  return secret === "" ? { by: "nothing", client_id } : { by: "secret", client_id, secret };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw new Problem("invalid_client", "The authorization header is not form-encoded.");
  }
}
