import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { Problem } from "../problem.ts";
import { sha256 } from "./digest.ts";
import { base62, base62Width, checksum, utf8 } from "./encoding.ts";
import type { KeyRing } from "../config.ts";

/** What a token is for; the second word of its spelling (CONTRACT §3). */
export type TokenKind = "app" | "ref" | "dev" | "ses" | "oac" | "oat" | "ort" | "dc";

/**
 * A token whose signature was verified. `hash` is all that a vault stores of it; `secret`, as it is spelled, is what the
 * successors of a refresh token are derived from.
 */
export type VerifiedToken = {
  kind: TokenKind;
  vault_id: string;
  hash: string;
  secret: string;
  mac: string;
  weak: boolean;
};

/**
 * `alk_<kind>_` + key id (2) + vault id (24: cell 2, 128 random bits 22) + secret (43) + MAC (22) + checksum (6).
 * The MAC covers everything before it, so a forged token is refused by arithmetic alone (DESIGN D4, SECURITY S12).
 */
const SECRET = base62Width(32);
const MAC = base62Width(16);
const VAULT = 2 + base62Width(16);
const TOKEN = new RegExp(`^alk_(app|ref|dev|ses|oac|oat|ort|dc)_([0-9A-Za-z]{${2 + VAULT + SECRET + MAC + 6}})$`);

/** Finds everything that is spelled like one of our tokens, right or wrong. */
export const TOKEN_LIKE = /alk_[a-z]{2,3}_[0-9A-Za-z]{64,160}/g;

/** A text as it may be recorded: what looks like a token of ours is not. */
export function withoutTokens(text: string): string {
  return text.replace(/alk_[a-z]{2,3}_[0-9A-Za-z]{16,}/g, "alk_…");
}

/** No vault: what a device code names, before anybody has said whose device it is (SECURITY S12). */
export const NO_VAULT = "0".repeat(VAULT);

/** A new vault id: the cell it lives in (DESIGN D16), then 128 random bits. */
export function newVaultId(cell = "00"): string {
  return cell + base62(randomBytes(16));
}

/** A new token of a vault and the hash under which the vault knows it. `secret` is given where it is derived, not random. */
export function mintToken(
  ring: KeyRing,
  kind: TokenKind,
  vault_id: string,
  secret: Uint8Array = randomBytes(32),
): { token: string; hash: string } {
  const secretText = base62(secret);
  const signed = `alk_${kind}_${ring.current.id}${vault_id}${secretText}`;
  const body = signed + mac(ring.current.bytes, signed);
  return { token: body + checksum(body), hash: hashOf(kind, secretText) };
}

/**
 * Verifies a token without I/O. Throws `invalid_token` for anything we did not mint, `unavailable` when it was signed by a
 * key that this deployment has but this instance does not hold: an honest client must not throw its token away for that.
 */
export function verifyToken(ring: KeyRing, token: string): VerifiedToken {
  const match = TOKEN.exec(token);
  if (match === null) throw MALFORMED;
  const [kind, body] = [match[1] as TokenKind, match[2] as string];
  const key_id = body.slice(0, 2);
  const vault_id = body.slice(2, 2 + VAULT);
  const secret = body.slice(2 + VAULT, 2 + VAULT + SECRET);
  const given = token.slice(-6 - MAC, -6);
  const signed = signedBefore(ring);
  const known = signed.get(given);
  if (known === undefined) assertSigned(ring, token, key_id, given);
  const hash = hashOf(kind, secret);
  const shown = `${hash} ${key_id}${vault_id} ${token.slice(-6)}`;
  if (known === undefined) signed.set(given, shown);
  else if (known !== shown) assertSigned(ring, token, key_id, given);
  return { kind, vault_id, hash, secret, mac: given, weak: ring.by_id.get(key_id)?.weak ?? true };
}

const REMEMBERED = 10_000;
/**
 * What was found to be signed, by its MAC: the hash under which the vault knows the token, and what it shows beside its secret. The
 * same sum is not done twice, and no token is kept. Arithmetic only: whether one is alive is the vault's to say, each time.
 */
const rings = new WeakMap<KeyRing, Map<string, string>>();

function signedBefore(ring: KeyRing): Map<string, string> {
  let signed = rings.get(ring);
  if (signed === undefined || signed.size >= REMEMBERED) rings.set(ring, (signed = new Map()));
  return signed;
}

function assertSigned(ring: KeyRing, token: string, key_id: string, given: string): void {
  if (checksum(token.slice(0, -6)) !== token.slice(-6)) throw MALFORMED;
  const key = ring.by_id.get(key_id);
  if (key === undefined) {
    if (!ring.known.has(key_id)) throw MALFORMED;
    throw new Problem("unavailable", "The key that signed this token is not loaded here yet.", { retry_after_s: 5 });
  }
  const wanted = mac(key.bytes, token.slice(0, -6 - MAC));
  if (!timingSafeEqual(utf8(given), utf8(wanted))) throw MALFORMED;
}

function mac(key: Uint8Array, text: string): string {
  return base62(createHmac("sha256", key).update(utf8(text)).digest().subarray(0, 16));
}

/** What a vault knows a token by: its kind and its secret as it is spelled. */
export function hashOf(kind: TokenKind, secret: string): string {
  return sha256(`${kind}.${secret}`);
}

/** Made once: whoever floods us with forged ones is not to pay us in stack traces. */
const MALFORMED = new Problem("invalid_token", "This is not a token of ours.");
