import { crc32 } from "node:zlib";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const FIVE_DIGITS = 62 ** 5;

/** Base62 characters that hold `bytes` bytes: the width is fixed, so every value has exactly one spelling. */
export function base62Width(bytes: number): number {
  return Math.ceil((bytes * 8) / Math.log2(62));
}

/** Fixed-width, big-endian base62: long division of sixteen bits at a time by five digits, which a double holds exactly. */
export function base62(bytes: Uint8Array): string {
  const number: number[] = [];
  for (let at = bytes.length % 2 === 0 ? 0 : -1; at < bytes.length; at += 2)
    number.push((bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0));
  const width = base62Width(bytes.length);
  let text = "";
  while (text.length < width) {
    let rest = 0;
    for (let i = 0; i < number.length; i++) {
      const part = rest * 65_536 + (number[i] ?? 0);
      number[i] = Math.floor(part / FIVE_DIGITS);
      rest = part % FIVE_DIGITS;
    }
    for (let i = 0; i < 5 && text.length < width; i++) {
      text = ALPHABET[rest % 62] + text;
      rest = Math.floor(rest / 62);
    }
  }
  return text;
}

/** The bytes that {@link base62} spelled so; undefined where it spells no number of that many bytes. */
export function fromBase62(text: string, bytes: number): Uint8Array<ArrayBuffer> | undefined {
  let value = 0n;
  for (const character of text) {
    const digit = ALPHABET.indexOf(character);
    if (digit < 0) return undefined;
    value = value * 62n + BigInt(digit);
  }
  const hex = value.toString(16).padStart(bytes * 2, "0");
  return text.length === base62Width(bytes) && hex.length === bytes * 2
    ? new Uint8Array(Buffer.from(hex, "hex"))
    : undefined;
}

/** The last six characters of a token: base62 of the CRC-32 of all before, for secret scanners. */
export function checksum(text: string): string {
  let rest = crc32(text);
  let sum = "";
  for (let i = 0; i < 6; i++) {
    sum = ALPHABET[rest % 62] + sum;
    rest = Math.floor(rest / 62);
  }
  return sum;
}

const encoder = new TextEncoder();

/** UTF-8. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text) as Uint8Array<ArrayBuffer>;
}

/**
 * Fields joined so that no two different lists give the same bytes: each is preceded by its length (32 bits).
 * Used wherever several values are bound by one MAC, hash or AAD.
 */
export function lengthPrefixed(fields: readonly string[]): Uint8Array<ArrayBuffer> {
  const parts = fields.map(utf8);
  const out = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length);
    out.set(part, at + 4);
    at += 4 + part.length;
  }
  return out;
}
