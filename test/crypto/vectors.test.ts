import { gcm } from "@noble/ciphers/aes.js";
import { createHmac, hkdfSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lengthPrefixed } from "../../src/crypto/encoding.ts";
import { deriveKey, open, seal, type DataKey, type SealContext } from "../../src/crypto/seal.ts";

/** The envelope against vectors and against an implementation of somebody else's. */
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));
const hexRange = (from: number, to: number) =>
  Buffer.from(Array.from({ length: to - from }, (_, at) => from + at)).toString("hex");
const text = (value: string) => new Uint8Array(new TextEncoder().encode(value));

async function dataKey(raw: Uint8Array<ArrayBuffer>, id = 1): Promise<DataKey> {
  return { id, key: await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]) };
}

/** What a blob is bound to, spelled as the design says (SECURITY S19). */
function aad({ vault_id, key_id, version, field, destination }: SealContext, data_key_id: number): Uint8Array {
  return lengthPrefixed(["1", vault_id, key_id, String(version), String(data_key_id), field, destination]);
}

const context: fc.Arbitrary<SealContext> = fc.record({
  vault_id: fc.string(),
  key_id: fc.string(),
  version: fc.nat(),
  field: fc.string(),
  destination: fc.string(),
});
const raw = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((each) => new Uint8Array(each));
const plain = fc.uint8Array({ maxLength: 300 }).map((each) => new Uint8Array(each));

describe("AES-256-GCM of this runtime", () => {
  // NIST CAVP gcmEncryptExtIV256.rsp: Keylen 256, IVlen 96, PTlen 128, AADlen 0 and 128; Taglen 128. Then test cases 13 to 16 of
  // the specification that NIST took over (McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B).
  const KEY = "feffe9928665731c6d6a8f9467308308".repeat(2);
  const PLAIN =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
  const SEALED =
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
  it.each([
    {
      key: "00".repeat(32),
      iv: "00".repeat(12),
      pt: "",
      aad: "",
      ct: "",
      tag: "530f8afbc74536b9a963b4f1c4cb738b",
    },
    {
      key: "00".repeat(32),
      iv: "00".repeat(12),
      pt: "00".repeat(16),
      aad: "",
      ct: "cea7403d4d606b6e074ec5d3baf39d18",
      tag: "d0d1c8a799996bf0265b98b5d48ab919",
    },
    {
      key: KEY,
      iv: "cafebabefacedbaddecaf888",
      pt: PLAIN,
      aad: "",
      ct: SEALED,
      tag: "b094dac5d93471bdec1a502270e3cc6c",
    },
    {
      key: KEY,
      iv: "cafebabefacedbaddecaf888",
      pt: PLAIN.slice(0, 120),
      aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
      ct: SEALED.slice(0, 120),
      tag: "76fc6ece0f4e1768cddf8853bb2d551b",
    },
    {
      key: "31bdadd96698c204aa9ce1448ea94ae1fb4a9a0b3c9d773b51bb1822666b8f22",
      iv: "0d18e06c7c725ac9e362e1ce",
      pt: "2db5168e932556f8089a0622981d017d",
      aad: "",
      ct: "fa4362189661d163fcd6a56d8bf0405a",
      tag: "d636ac1bbedd5cc3ee727dc2ab4a9489",
    },
    {
      key: "92e11dcdaa866f5ce790fd24501f92509aacf4cb8b1339d50c9c1240935dd08b",
      iv: "ac93a1a6145299bde902f21a",
      pt: "2d71bcfa914e4ac045b2aa60955fad24",
      aad: "1e0889016f67601c8ebea4943bc23ad6",
      ct: "8995ae2e6df3dbf96fac7b7137bae67f",
      tag: "eca5aa77d51d4a0a14d9c51e1da474ab",
    },
  ])("gives NIST's answer: $tag", async ({ key, iv, pt, aad, ct, tag }) => {
    const imported = await crypto.subtle.importKey("raw", bytes(key), "AES-GCM", false, ["encrypt", "decrypt"]);
    const algorithm = { name: "AES-GCM", iv: bytes(iv), additionalData: bytes(aad) };
    const sealed = await crypto.subtle.encrypt(algorithm, imported, bytes(pt));
    expect(Buffer.from(sealed).toString("hex")).toBe(ct + tag);
    const opened = await crypto.subtle.decrypt(algorithm, imported, bytes(ct + tag));
    expect(Buffer.from(opened).toString("hex")).toBe(pt);
    const other = (Number.parseInt(tag.slice(-1), 16) ^ 1).toString(16);
    await expect(crypto.subtle.decrypt(algorithm, imported, bytes(ct + tag.slice(0, -1) + other))).rejects.toThrow();
  });
});

describe("HKDF-SHA-256 of this runtime", () => {
  // RFC 5869, appendix A.1 to A.3.
  it.each([
    [
      "0b".repeat(22),
      "000102030405060708090a0b0c",
      "f0f1f2f3f4f5f6f7f8f9",
      42,
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ],
    [
      "0b".repeat(22),
      "",
      "",
      42,
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ],
    [
      hexRange(0x00, 0x50),
      hexRange(0x60, 0xb0),
      hexRange(0xb0, 0x100),
      82,
      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ],
  ])("gives the RFC's answer", (ikm, salt, info, length, okm) => {
    expect(Buffer.from(hkdfSync("sha256", bytes(ikm), bytes(salt), bytes(info), length)).toString("hex")).toBe(okm);
  });

  it("derives each use's key as two HMACs would", () => {
    fc.assert(
      fc.property(raw, raw, fc.stringMatching(/^[a-z-]{1,20}$/), (root, salt, use) => {
        const extracted = createHmac("sha256", salt).update(root).digest();
        const info = Buffer.from(`apilocker/v1/${use}`);
        const expanded = createHmac("sha256", extracted)
          .update(info)
          .update(Buffer.from([1]))
          .digest();
        expect(Buffer.from(deriveKey({ id: "r1", bytes: root, weak: false }, use, salt)).equals(expanded)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});

describe("a sealed blob", () => {
  it("is what @noble/ciphers opens with the same key, IV and binding, and the other way round", async () => {
    await fc.assert(
      fc.asyncProperty(raw, plain, context, fc.integer({ min: 1, max: 2 ** 32 - 1 }), async (key, value, bound, id) => {
        const ours = await seal(await dataKey(key, id), value, bound);
        const iv = ours.subarray(5, 17);
        expect(gcm(key, iv, aad(bound, id)).decrypt(ours.subarray(17))).toEqual(value);
        const theirs = new Uint8Array(ours.length);
        theirs.set(ours.subarray(0, 17));
        theirs.set(gcm(key, iv, aad(bound, id)).encrypt(value), 17);
        expect(theirs).toEqual(ours);
        expect(await open(await dataKey(key, id), theirs, bound)).toEqual(value);
      }),
      { numRuns: 60 },
    );
  });

  it("opens as nothing else: another vault, key, version, field, destination or data key, or any bit changed", async () => {
    await fc.assert(
      fc.asyncProperty(raw, plain, context, context, fc.nat(), async (key, value, bound, other, at) => {
        const blob = await seal(await dataKey(key), value, bound);
        for (const name of Object.keys(bound) as (keyof SealContext)[]) {
          if (bound[name] === other[name]) continue;
          await expect(open(await dataKey(key), blob, { ...bound, [name]: other[name] })).rejects.toThrow();
        }
        const changed = new Uint8Array(blob);
        changed[at % blob.length] = (changed[at % blob.length] ?? 0) ^ (1 << (at % 8));
        await expect(open(await dataKey(key), changed, bound)).rejects.toThrow();
        await expect(open(await dataKey(key, 2), blob, bound)).rejects.toThrow();
      }),
      { numRuns: 40 },
    );
  });

  it("never uses an IV twice", async () => {
    const key = await dataKey(text("k".repeat(32)));
    const bound = { vault_id: "v", key_id: "k", version: 1, field: "f", destination: "d" };
    const blobs = await Promise.all(Array.from({ length: 2_000 }, () => seal(key, text("x"), bound)));
    expect(new Set(blobs.map((blob) => Buffer.from(blob.subarray(5, 17)).toString("hex"))).size).toBe(2_000);
  });
});
