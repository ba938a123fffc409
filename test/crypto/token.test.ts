import { createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseKeyRing, type KeyRing } from "../../src/config.ts";
import {
  mintToken,
  newVaultId,
  NO_VAULT,
  TOKEN_LIKE,
  verifyToken,
  withoutTokens,
  type TokenKind,
} from "../../src/crypto/token.ts";
import { Problem } from "../../src/problem.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const KINDS = ["app", "ref", "dev", "ses", "oac", "oat", "ort", "dc"] as const satisfies TokenKind[];

const first = `k1:${randomBytes(32).toString("base64")}`;
const second = `k2:${randomBytes(32).toString("base64")}`;
const ring = parseKeyRing("TOKEN_KEYS", first);
const vault_id = newVaultId();

/** CRC-32 as in ISO 3309, bit by bit: another implementation than the one that is tested. */
function crc32(text: string): number {
  let crc = 0xffff_ffff;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}

function base62(value: bigint, width: number): string {
  return width === 0 ? "" : base62(value / 62n, width - 1) + ALPHABET[Number(value % 62n)];
}

/** What an attacker can always do: make the checksum fit. */
function withChecksum(body: string): string {
  return body + base62(BigInt(crc32(body)), 6);
}

function codeOf(token: string, keys = ring): string {
  try {
    verifyToken(keys, token);
    return "accepted";
  } catch (thrown) {
    return thrown instanceof Problem ? thrown.code : String(thrown);
  }
}

describe("the spelling", () => {
  it.each(KINDS)("of alk_%s_ is what secret scanners look for, and always equally long", (kind) => {
    for (let i = 0; i < 50; i++) {
      const { token } = mintToken(ring, kind, newVaultId());
      expect(token).toMatch(/^alk_[a-z]{2,3}_[0-9A-Za-z]{64,160}$/);
      expect(token.length).toBe(5 + kind.length + 2 + 24 + 43 + 22 + 6);
    }
  });

  it("ends with the base62 CRC-32 of what comes before", () => {
    const { token } = mintToken(ring, "app", vault_id);
    expect(token).toBe(withChecksum(token.slice(0, -6)));
  });

  it("is found in the middle of a text", () => {
    const { token } = mintToken(ring, "dev", vault_id);
    expect(`curl -H "authorization: Bearer ${token}" https://a.example`.match(TOKEN_LIKE)).toEqual([token]);
  });

  it("is not in a text as it may be recorded, nor is what only begins like it, as often as it is there", () => {
    const { token } = mintToken(ring, "app", vault_id);
    expect(withoutTokens(`/v1/${token}/x?a=${token.slice(0, 40)}&b=alk_dc_0123456789ABCDEF`)).toBe(
      "/v1/alk_…/x?a=alk_…&b=alk_…",
    );
    expect(withoutTokens("alk_app_0123456789ABCDE and alk_application")).toBe(
      "alk_app_0123456789ABCDE and alk_application",
    );
  });

  it("of a token of no vault names none, and a vault of no cell stands in the first", () => {
    expect(NO_VAULT).toBe("000000000000000000000000");
    expect(verifyToken(ring, mintToken(ring, "dc", NO_VAULT).token)).toMatchObject({ kind: "dc", vault_id: NO_VAULT });
    expect(newVaultId()).toMatch(/^00[0-9A-Za-z]{22}$/);
  });

  it("writes every secret in exactly one way, whatever its leading zeros", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (secret) => {
        const { token } = mintToken(ring, "app", vault_id, secret);
        const value = BigInt(`0x${Buffer.from(secret).toString("hex")}`);
        expect(token.slice(34, 77)).toBe(base62(value, 43));
      }),
    );
    expect(mintToken(ring, "app", vault_id, new Uint8Array(32)).token.slice(34, 77)).toBe("0".repeat(43));
  });

  it("names the vault: its cell, then 128 random bits", () => {
    const ids = new Set(Array.from({ length: 2_000 }, () => newVaultId("eu")));
    expect(ids.size).toBe(2_000);
    for (const id of ids) expect(id).toMatch(/^eu[0-9A-Za-z]{22}$/);
    expect(verifyToken(ring, mintToken(ring, "app", vault_id).token).vault_id).toBe(vault_id);
  });
});

describe("the signature", () => {
  it("is HMAC-SHA-256 over prefix, key id, vault and secret, by another implementation too", async () => {
    const { token } = mintToken(ring, "app", vault_id);
    const raw = ring.current.bytes as Uint8Array<ArrayBuffer>;
    const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const signed = token.slice(0, -28);
    const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(signed)));
    const wanted = BigInt(`0x${Buffer.from(mac.subarray(0, 16)).toString("hex")}`);
    expect(token.slice(-28, -6)).toBe(base62(wanted, 22));
  });

  it.each([
    ["never seen", false],
    ["accepted before, and remembered", true],
  ])("refuses every change of a single character of a token %s, with and without a checksum that fits", (_, seen) => {
    const { token } = mintToken(ring, "app", vault_id);
    if (seen) expect(codeOf(token)).toBe("accepted");
    for (let at = 0; at < token.length; at++) {
      for (const other of ALPHABET) {
        if (other === token[at]) continue;
        const changed = token.slice(0, at) + other + token.slice(at + 1);
        expect(codeOf(changed), changed).toBe("invalid_token");
        if (at < token.length - 6) expect(codeOf(withChecksum(changed.slice(0, -6)))).toBe("invalid_token");
      }
    }
  });

  it("does not let one kind of token pass for another", () => {
    const { token } = mintToken(ring, "app", vault_id);
    for (const kind of KINDS.filter((other) => other !== "app")) {
      expect(codeOf(withChecksum(token.slice(0, -6).replace("alk_app_", `alk_${kind}_`)))).toBe("invalid_token");
    }
  });

  it("refuses what is shorter, longer, doubled, padded or otherwise spelled", () => {
    const { token } = mintToken(ring, "app", vault_id);
    const body = token.slice(0, -6);
    const wrong = ["", token.slice(1), token.slice(0, -1), `${token}0`, ` ${token}`, `${token}\n`, token + token];
    wrong.push(withChecksum(`${body}0`), withChecksum(body.slice(0, -1)), token.toUpperCase(), token.replace("_", "-"));
    for (const text of wrong) expect(codeOf(text), JSON.stringify(text)).toBe("invalid_token");
  });

  it("refuses anything at all with invalid_token and nothing else", () => {
    const lookalike = fc
      .tuple(
        fc.constantFrom(...KINDS),
        fc.string({ unit: fc.constantFrom(...ALPHABET.split("")), minLength: 91, maxLength: 91 }),
      )
      .map(([kind, body]) => withChecksum(`alk_${kind}_${body}`));
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" }), lookalike), (text) => {
        expect(codeOf(text)).toBe("invalid_token");
      }),
      { numRuns: 2_000 },
    );
  });
});

/** A ring of one key that counts how often a signature is worked out with it: only that reads the key. */
function counting(text = first): { ring: KeyRing; sums: () => number } {
  const { current, known } = parseKeyRing("TOKEN_KEYS", text);
  let sums = 0;
  const watched = Object.defineProperty({ ...current }, "bytes", { get: () => (sums++, current.bytes) });
  return { ring: { current: watched, by_id: new Map([[current.id, watched]]), known }, sums: () => sums };
}

describe("a signature that was found right", () => {
  it("is not worked out again, and tells the same of the token", () => {
    const watched = counting();
    const { token } = mintToken(ring, "app", vault_id);
    const told = verifyToken(watched.ring, token);
    expect(watched.sums()).toBe(1);
    for (let again = 0; again < 5; again++) expect(verifyToken(watched.ring, token)).toEqual(told);
    expect(watched.sums()).toBe(1);
    verifyToken(watched.ring, mintToken(ring, "app", vault_id).token);
    expect(watched.sums()).toBe(2);
  });

  it("speaks for its own token only: the same MAC on another is worked out, refused, and changes nothing", () => {
    const watched = counting();
    const { token } = mintToken(ring, "app", vault_id);
    const { token: other } = mintToken(ring, "app", vault_id);
    verifyToken(watched.ring, token);
    const stolen = withChecksum(other.slice(0, -28) + token.slice(-28, -6));
    for (const sums of [2, 3]) {
      expect(codeOf(stolen, watched.ring)).toBe("invalid_token");
      expect(watched.sums()).toBe(sums);
    }
    expect(codeOf(token, watched.ring)).toBe("accepted");
    expect(watched.sums()).toBe(3);
  });

  it("is all that is kept: what is refused is worked out each time it comes", () => {
    const watched = counting();
    const { token } = mintToken(parseKeyRing("TOKEN_KEYS", second.replace("k2", "k1")), "app", vault_id);
    for (const sums of [1, 2, 3]) {
      expect(codeOf(token, watched.ring)).toBe("invalid_token");
      expect(watched.sums()).toBe(sums);
    }
  });

  it("is remembered for the keys that it was found right with, and for no others", () => {
    const [one, other] = [counting(), counting()];
    const { token } = mintToken(ring, "app", vault_id);
    verifyToken(one.ring, token);
    verifyToken(other.ring, token);
    expect([one.sums(), other.sums()]).toEqual([1, 1]);
  });

  it("is forgotten with all others once there are ten thousand: memory does not grow with tokens", () => {
    const watched = counting();
    const tokens = Array.from({ length: 10_000 }, () => mintToken(ring, "app", vault_id).token);
    for (const token of tokens) verifyToken(watched.ring, token);
    const [oldest = "", newest = ""] = [tokens[0], tokens.at(-1)];
    expect(watched.sums()).toBe(10_000);
    verifyToken(watched.ring, oldest);
    verifyToken(watched.ring, newest);
    expect(watched.sums()).toBe(10_002);
    verifyToken(watched.ring, newest);
    expect(watched.sums()).toBe(10_002);
  });
});

describe("what the vault stores", () => {
  it("is a SHA-256 that the token's kind is part of, and is the same at minting and at verifying", () => {
    const secret = randomBytes(32);
    const hashes = KINDS.map((kind) => {
      const { token, hash } = mintToken(ring, kind, vault_id, secret);
      expect(verifyToken(ring, token).hash).toBe(hash);
      const text = token.slice(-71, -28);
      expect(hash).toBe(createHash("sha256").update(`${kind}.${text}`).digest("base64url"));
      return hash;
    });
    expect(new Set(hashes).size).toBe(KINDS.length);
  });
});

describe("rotating the signing key", () => {
  it("leaves tokens of the old key alive while new ones carry the new key's id", () => {
    const { token: old } = mintToken(ring, "app", vault_id);
    const rotated = parseKeyRing("TOKEN_KEYS", `${second},${first}`);
    expect(verifyToken(rotated, old)).toMatchObject({ vault_id, weak: false });
    const { token } = mintToken(rotated, "app", vault_id);
    expect(token.slice(8, 10)).toBe("k2");
    expect(codeOf(token, rotated)).toBe("accepted");
  });

  it("tells that a token was signed by a leaked key", () => {
    const { token } = mintToken(ring, "app", vault_id);
    expect(verifyToken(parseKeyRing("TOKEN_KEYS", `${second},${first}:weak`), token).weak).toBe(true);
  });

  it("refuses a key id that nobody knows, and asks for patience where only this instance lacks it", () => {
    const { token } = mintToken(ring, "app", vault_id);
    expect(() => verifyToken(parseKeyRing("TOKEN_KEYS", second), token)).toThrow(
      expect.objectContaining({ code: "invalid_token", message: "This is not a token of ours." }),
    );
    const lagging = parseKeyRing("TOKEN_KEYS", second, "k2,k1");
    expect(() => verifyToken(lagging, token)).toThrow(
      expect.objectContaining({
        code: "unavailable",
        message: "The key that signed this token is not loaded here yet.",
        extras: { retry_after_s: 5 },
      }),
    );
  });

  it("does not verify under another key of the same id", () => {
    const { token } = mintToken(ring, "app", vault_id);
    expect(codeOf(token, parseKeyRing("TOKEN_KEYS", second.replace("k2", "k1")))).toBe("invalid_token");
  });
});
