import { createHmac, randomInt } from "node:crypto";
import type { KeyRing } from "../config.ts";

/** Consonants that are hard to mistake; no vowels, so no words (RFC 8628 §6.1). */
const LETTERS = "BCDFGHJKLMNPQRSTVWXZ";
const LENGTH = 8;

/** A code that a person types: 20⁸ of them, for ten minutes, with few tries. */
export function newUserCode(): string {
  const letters = Array.from({ length: LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join("");
  return `${letters.slice(0, 4)}-${letters.slice(4)}`;
}

/** What is stored of a user code, however it was typed: keyed, since so short a text could be found from a plain hash. */
export function userCodeHash(ring: KeyRing, typed: string): string {
  const letters = typed.toUpperCase().replace(/[^A-Z]/g, "");
  return createHmac("sha256", ring.current.bytes).update(`user_code.${letters}`).digest("base64url");
}
