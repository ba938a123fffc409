/**
 * Envelope encryption (DESIGN D3, SECURITY S18, S19).
 *
 * A secret is sealed under a *data key* that only its vault holds; the data key is wrapped under a key derived from the
 * deployment's root key and the vault's *share*, 32 random bytes that live in KV only. So a leak of any one store (sealed
 * blobs in KV, wrapped keys in the vault, root key in the secrets) opens nothing, and deleting the share closes for ever.
 */
import { hkdfSync, randomBytes } from "node:crypto";
import { lengthPrefixed, utf8 } from "./encoding.ts";
import type { KeyRing, RingKey } from "../config.ts";

/** A vault's data key, ready to use. The number is written into every blob that it seals. */
export type DataKey = { id: number; key: CryptoKey };

/** What a sealed value is bound to: opening it as anything else fails. */
export type SealContext = { vault_id: string; key_id: string; version: number; field: string; destination: string };

type Bytes = Uint8Array<ArrayBuffer>;

/** Format byte, then the data key's id (32 bits), then the IV. */
const FORMAT = 1;
const IV_AT = 5;
const TEXT_AT = IV_AT + 12;

/** A key for one use of a deployment secret: HKDF-SHA-256 with info `apilocker/v1/<use>`. */
export function deriveKey(root: RingKey, use: string, salt: Uint8Array = new Uint8Array(0)): Bytes {
  return new Uint8Array(hkdfSync("sha256", root.bytes, salt, `apilocker/v1/${use}`, 32));
}

/** Makes and wraps a new data key. */
export async function newDataKey(
  root: RingKey,
  share: Uint8Array,
  vault_id: string,
  id: number,
): Promise<{ data_key: DataKey; wrapped: Bytes }> {
  const raw = new Uint8Array(randomBytes(32));
  const wrapped = await encrypt(await aesKey(deriveKey(root, "wrap", share)), raw, wrapAad(vault_id, root.id));
  const data_key = { id, key: await aesKey(raw) };
  raw.fill(0);
  return { data_key, wrapped };
}

/** Opens a wrapped data key. Throws when the root key is unknown, or when share, vault or wrapping do not belong together. */
export async function unwrapDataKey(
  ring: KeyRing,
  share: Uint8Array,
  vault_id: string,
  row: { id: number; root_id: string; wrapped: Uint8Array },
): Promise<DataKey> {
  const root = ring.by_id.get(row.root_id);
  if (root === undefined) throw new Error(`ROOT_KEYS lacks the key ${row.root_id}`);
  const raw = await decrypt(await aesKey(deriveKey(root, "wrap", share)), row.wrapped, wrapAad(vault_id, root.id));
  const key = await aesKey(raw);
  raw.fill(0);
  return { id: row.id, key };
}

/** Wraps a data key under the current root key; it stays the same key, and goes on opening what it has sealed. */
export async function rewrapDataKey(
  ring: KeyRing,
  share: Uint8Array,
  vault_id: string,
  row: { root_id: string; wrapped: Uint8Array },
): Promise<{ root_id: string; wrapped: Bytes }> {
  const before = ring.by_id.get(row.root_id);
  if (before === undefined) throw new Error(`ROOT_KEYS lacks the key ${row.root_id}`);
  const raw = await decrypt(await aesKey(deriveKey(before, "wrap", share)), row.wrapped, wrapAad(vault_id, before.id));
  const root = ring.current;
  const wrapped = await encrypt(await aesKey(deriveKey(root, "wrap", share)), raw, wrapAad(vault_id, root.id));
  raw.fill(0);
  return { root_id: root.id, wrapped };
}

/** Seals bytes under the data key, bound to their context. */
export async function seal(data_key: DataKey, plain: Bytes, context: SealContext): Promise<Bytes> {
  const boxed = await encrypt(data_key.key, plain, aadOf(context, data_key.id));
  const blob = new Uint8Array(IV_AT + boxed.length);
  blob[0] = FORMAT;
  new DataView(blob.buffer).setUint32(1, data_key.id);
  blob.set(boxed, IV_AT);
  return blob;
}

/** Which data key sealed this blob. */
export function dataKeyIdOf(blob: Uint8Array): number {
  if (blob[0] !== FORMAT || blob.length < TEXT_AT + 16) throw new Error("not a sealed blob");
  return new DataView(blob.buffer, blob.byteOffset).getUint32(1);
}

/** Opens a sealed blob. Throws for another context, another data key, or a changed byte. */
export async function open(data_key: DataKey, blob: Uint8Array, context: SealContext): Promise<Bytes> {
  if (dataKeyIdOf(blob) !== data_key.id) throw new Error("sealed under another data key");
  return decrypt(data_key.key, blob.subarray(IV_AT), aadOf(context, data_key.id));
}

/** Seals a short-lived value of ours that travels through a browser (cookies, forms), bound to its use. */
export async function sealTransient(ring: KeyRing, use: string, value: unknown): Promise<string> {
  const box = await encrypt(await aesKey(deriveKey(ring.current, use)), utf8(JSON.stringify(value)), utf8(use));
  return `${ring.current.id}.${Buffer.from(box).toString("base64url")}`;
}

/** Opens what {@link sealTransient} sealed; undefined for anything else. */
export async function openTransient(ring: KeyRing, use: string, text: string): Promise<unknown> {
  const [id = "", spelled = "", ...more] = text.split(".");
  const root = ring.by_id.get(id);
  const box = Buffer.from(spelled, "base64url");
  // Buffer overlooks what is no base64url; a sealed value has one spelling.
  if (root === undefined || more.length > 0 || box.toString("base64url") !== spelled) return undefined;
  try {
    const plain = await decrypt(await aesKey(deriveKey(root, use)), box, utf8(use));
    return JSON.parse(new TextDecoder().decode(plain));
  } catch {
    return undefined;
  }
}

function aadOf(context: SealContext, data_key_id: number): Bytes {
  const { vault_id, key_id, version, field, destination } = context;
  return lengthPrefixed([String(FORMAT), vault_id, key_id, String(version), String(data_key_id), field, destination]);
}

function wrapAad(vault_id: string, root_id: string): Bytes {
  return lengthPrefixed(["wrap", vault_id, root_id]);
}

function aesKey(raw: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
}

/** Random 96-bit IV, then ciphertext and tag. */
async function encrypt(key: CryptoKey, plain: Bytes, additionalData: Bytes): Promise<Bytes> {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const text = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, key, plain);
  const out = new Uint8Array(12 + text.byteLength);
  out.set(iv);
  out.set(new Uint8Array(text), 12);
  return out;
}

async function decrypt(key: CryptoKey, box: Uint8Array, additionalData: Bytes): Promise<Bytes> {
  const iv = new Uint8Array(box.subarray(0, 12));
  const text = new Uint8Array(box.subarray(12));
  return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData }, key, text));
}
