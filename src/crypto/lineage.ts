/**
 * How refresh tokens descend from each other (DESIGN D5, SECURITY S8). The first secret of a family is random; each successor is
 * an HMAC of its predecessor under the family's key, so whoever shows a token can be given its successor again although
 * nobody has stored it. A secret also spells its family and generation: a token of any age is found without an index.
 */
import { createHmac, randomBytes } from "node:crypto";
import { base62, fromBase62 } from "./encoding.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A refresh token's secret in parts. `link` is the part that is derived: 192 bits. */
export type Descendant = { family: number; generation: number; link: Uint8Array };

const LINK_BYTES = 24;
const SECRET_BYTES = LINK_BYTES + 8;
const FAMILY_AT = LINK_BYTES;
const GENERATION_AT = LINK_BYTES + 4;

/** A family key: derives successors and access tokens. */
export function newFamilyKey(): Bytes {
  return new Uint8Array(randomBytes(32));
}

/** The first of a family. */
export function firstOf(family: number): Descendant {
  return { family, generation: 0, link: randomBytes(LINK_BYTES) };
}

export function successorOf(key: Uint8Array, { family, generation, link }: Descendant): Descendant {
  const next = generation + 1;
  const derived = createHmac("sha256", key).update(link).update(number(next)).digest();
  return { family, generation: next, link: derived.subarray(0, LINK_BYTES) };
}

/** The secret of the access token that goes with a refresh token in a slot of time: whoever asks in it for the same gets the same. */
export function accessSecret(key: Uint8Array, { link }: Descendant, slot: number, asked = ""): Uint8Array {
  return createHmac("sha256", key).update(link).update("access").update(number(slot)).update(asked).digest();
}

/** The 32 bytes that a refresh token is minted from. */
export function secretOf({ family, generation, link }: Descendant): Bytes {
  const secret = new Uint8Array(SECRET_BYTES);
  const view = new DataView(secret.buffer);
  secret.set(link);
  view.setUint32(FAMILY_AT, family);
  view.setUint32(GENERATION_AT, generation);
  return secret;
}

/** Reads a secret as a token spells it; undefined for what is none. */
export function readSecret(spelled: string): Descendant | undefined {
  const secret = fromBase62(spelled, SECRET_BYTES);
  if (secret === undefined) return undefined;
  const view = new DataView(secret.buffer);
  const [family, generation] = [view.getUint32(FAMILY_AT), view.getUint32(GENERATION_AT)];
  return { family, generation, link: secret.subarray(0, LINK_BYTES) };
}

/** As its token spells it. */
export function spelledSecret(descendant: Descendant): string {
  return base62(secretOf(descendant));
}

function number(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
