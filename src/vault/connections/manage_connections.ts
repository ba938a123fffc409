import { createHash, randomBytes } from "node:crypto";
import type { OAuthPlacement } from "../../catalog/provider.ts";
import { Problem } from "../../problem.ts";
import { actorOf } from "../tokens/actor.ts";
import { assertAskerStands } from "../keys/asker.ts";
import { recognise, type Caller } from "../tokens/caller.ts";
import { judgeAgain } from "../tokens/ending.ts";
import type { ApiKey } from "../keys/key.ts";
import { secretOf } from "../keys/secret_of.ts";
import { usedKey } from "../keys/key_uses.ts";
import { tagOf } from "../calls/leashes.ts";
import { record, type Parts } from "../parts.ts";
import { sayFarewellTo } from "./farewell.ts";

/** What the page shows before a person sets out: where they are sent, where the tokens go, and who asked (SECURITY S2). */
export type ConnectPage = { key: ApiKey; placement: OAuthPlacement; asked_by: string };

/** What sets out: the page is used up, and this is what its person asks the provider for. */
export type Departure = { key_id: string; version: number; client_id: string; placement: OAuthPlacement };

/** What a person brought back from the provider. */
export type Return = { key_id: string; version: number; code: string; verifier: string; redirect_uri: string };

const LIFE_MS = 10 * 60_000;

/** Makes a one-time page from which this vault's person connects the key to its provider. */
export function createConnectLink(parts: Parts, caller: Caller, ref: string): { handle: string; expires_at: number } {
  const now = Date.now();
  const by = recognise(parts.tokens, caller, now);
  const key = parts.keys.must(ref);
  connectable(key);
  const handle = randomBytes(16).toString("base64url");
  const expires_at = now + LIFE_MS;
  parts.sql.exec("DELETE FROM connect_link WHERE expires_at <= ?", now);
  parts.sql.exec(
    "INSERT INTO connect_link (hash, key_id, version, asked_by, asked_by_id, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
    hashOf(handle),
    key.id,
    key.version,
    by.name,
    actorOf(by).id,
    expires_at,
  );
  record(parts, by, caller, "key.connect_link", { key: key.id, key_name: key.name });
  return { handle, expires_at };
}

/** What to show. Looking changes nothing: the page is used up by what is posted. */
export function readConnectLink(parts: Parts, caller: Caller, handle: string): ConnectPage {
  recognise(parts.tokens, caller, Date.now());
  return find(parts, handle);
}

/** Uses the page up, and tells what to ask the provider for. The client's id is no secret; nothing else is opened for it. */
export async function depart(parts: Parts, caller: Caller, handle: string): Promise<Departure> {
  recognise(parts.tokens, caller, Date.now());
  const { key, placement } = find(parts, handle);
  parts.sql.exec("DELETE FROM connect_link WHERE hash = ?", hashOf(handle));
  const { client_id = "" } = await secretOf(parts, key);
  recognise(parts.tokens, caller, Date.now());
  return { key_id: key.id, version: key.version, client_id, placement };
}

/**
 * Redeems what a person brought back. The version is the one that they set out with: a code that another endpoint has issued
 * is sent to none (mix-up).
 */
export async function completeConnect(parts: Parts, caller: Caller, back: Return): Promise<ApiKey> {
  const { keys, tokens, audit, connected_keys } = parts;
  const { key_id, version, code, verifier, redirect_uri } = back;
  const now = Date.now();
  const by = recognise(tokens, caller, now);
  const key = keys.must(key_id);
  if (key.version !== version)
    throw new Problem("conflict", "The key was changed since you set out. Connect it again.");
  const about = { key: key.id, key_name: key.name, provider: key.destination.provider };
  const { seq } = audit.append({ actor: actorOf(by), action: "key.connect", ...about, ...caller.origin }, now);
  try {
    const secret = await secretOf(parts, key);
    recognise(tokens, caller, Date.now());
    const answered = await connected_keys.connect(key, { by: "code", code, verifier, redirect_uri }, secret);
    if (answered.outcome === "granted") {
      audit.settle(seq, { outcome: "ok" }, Date.now());
      return keys.must(key_id);
    }
    audit.settle(seq, { outcome: "failed", rule: answered.error }, Date.now());
    throw answered.outcome === "refused"
      ? new Problem(
          "conflict",
          `The provider did not accept the sign-in (${answered.error}). Check the client and try again.`,
        )
      : new Problem("unavailable", "The provider gave no tokens right now. Connect again in a moment.", {
          retry_after_s: answered.retry_after_s ?? 10,
        });
  } catch (fault) {
    // Settling what is settled changes nothing.
    audit.settle(seq, { outcome: "failed", rule: "unavailable" }, Date.now());
    throw fault;
  }
}

/** Forgets what was granted, and tells the provider. The client stays: the key can be connected again. */
export async function disconnect(parts: Parts, caller: Caller, ref: string): Promise<ApiKey> {
  const { keys, connected_keys, gate, tokens } = parts;
  const now = Date.now();
  const by = recognise(tokens, caller, now, "stop");
  const key = keys.must(ref);
  connectable(key);
  const was_connected = connected_keys.row(key.id) !== undefined;
  void sayFarewell(parts, key.id);
  connected_keys.forget(key.id, `by ${by.name}`, now);
  gate.bump();
  if (was_connected) record(parts, by, caller, "key.disconnect", { key: key.id, key_name: key.name });
  await judgeAgain(parts, [tagOf.key(key.id)]);
  return usedKey(parts, key.id);
}

/**
 * Revokes at the provider what is about to be forgotten here (RFC 7009). Begins before that and is waited for by nobody: what
 * stops a key must work while the provider does not.
 */
export async function sayFarewell(parts: Parts, key_id: string): Promise<void> {
  const key = parts.keys.find(key_id);
  const granted = parts.connected_keys.row(key_id);
  if (key === undefined || granted === undefined) return;
  await sayFarewellTo(parts, { key, blob: parts.versions.sealedBlob(key.id, key.version), granted });
}

/** Voids every page that is still open. */
export function dropConnectLinks({ sql }: Parts): void {
  sql.exec("DELETE FROM connect_link");
}

function find(parts: Parts, handle: string): ConnectPage {
  const { sql, keys } = parts;
  const [link] = sql
    .exec<{ key_id: string; version: number; asked_by: string; asked_by_id: string | null }>(
      "SELECT key_id, version, asked_by, asked_by_id FROM connect_link WHERE hash = ? AND expires_at > ?",
      hashOf(handle),
      Date.now(),
    )
    .toArray();
  if (link === undefined)
    throw new Problem("not_found", "This page was used already, or is too old. Ask for a new one.");
  if (link.asked_by_id !== null) assertAskerStands(parts, link.asked_by_id, "vault:write", link.key_id);
  const key = keys.must(link.key_id);
  if (key.version !== link.version)
    throw new Problem("conflict", "The key was changed since this page was made. Ask for a new one.");
  return { key, placement: connectable(key), asked_by: link.asked_by };
}

/** The placement of a key that a person connects in the browser; any other is a refusal. */
function connectable({ name, destination: { placement } }: ApiKey): OAuthPlacement {
  if (placement.in !== "oauth") throw new Problem("conflict", `${name} is no OAuth credential: nothing to connect.`);
  if ((placement.grant ?? "authorization_code") !== "authorization_code")
    throw new Problem("conflict", `${name} needs nobody to connect it: it asks for its tokens by itself.`);
  if (placement.authorize_url === undefined) {
    const errors = [{ field: "placement.authorize_url", rule: "is needed to connect in a browser" }];
    throw new Problem("invalid_request", `${name} has no authorize_url: give one, or a refresh token.`, { errors });
  }
  return placement;
}

function hashOf(handle: string): string {
  return createHash("sha256").update(handle).digest("base64url");
}
