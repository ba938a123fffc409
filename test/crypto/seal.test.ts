import { createDecipheriv, createHmac, randomBytes } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, it, test } from "vitest";
import { parseKeyRing } from "../../src/config.ts";
import { lengthPrefixed } from "../../src/crypto/encoding.ts";
import {
  dataKeyIdOf,
  deriveKey,
  newDataKey,
  open,
  rewrapDataKey,
  seal,
  unwrapDataKey,
  type DataKey,
} from "../../src/crypto/seal.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const ring = parseKeyRing("ROOT_KEYS", `r1:${randomBytes(32).toString("base64")}`);
const root = ring.current;
const share = bytesOf(randomBytes(32));
const vault_id = "00vault";
const context = {
  vault_id,
  key_id: "key_1",
  version: 1,
  field: "secret",
  destination: '{"origin":"https://a.example"}',
};
const plain = bytesOf(Buffer.from('{"secret":"sk-live-0123456789"}'));

let data_key: DataKey;
let wrapped: Bytes;
beforeAll(async () => {
  ({ data_key, wrapped } = await newDataKey(root, share, vault_id, 1));
});

function bytesOf(buffer: Uint8Array): Bytes {
  return new Uint8Array(buffer);
}

/** HKDF by the letter of RFC 5869 §2, for outputs of at most 32 bytes. */
function hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Buffer {
  const zeros = new Uint8Array(32);
  const prk = createHmac("sha256", salt.length === 0 ? zeros : salt)
    .update(secret)
    .digest();
  const one = createHmac("sha256", prk).update(info).update(Uint8Array.of(1)).digest();
  const two = createHmac("sha256", prk).update(one).update(info).update(Uint8Array.of(2)).digest();
  return Buffer.concat([one, two]).subarray(0, length);
}

/** Opens an IV, ciphertext, tag box with node's own AES-GCM. */
function decipher(key: Uint8Array, box: Uint8Array, aad: Uint8Array): Buffer {
  const gcm = createDecipheriv("aes-256-gcm", key, box.subarray(0, 12));
  gcm.setAAD(aad).setAuthTag(box.subarray(-16));
  return Buffer.concat([gcm.update(box.subarray(12, -16)), gcm.final()]);
}

function prefixed(...fields: string[]): Buffer {
  return Buffer.concat(
    fields.map((field) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(Buffer.byteLength(field));
      return Buffer.concat([length, Buffer.from(field)]);
    }),
  );
}

/** The wrapped data key as the vault stores it. */
function row() {
  return { id: 1, root_id: "r1", wrapped };
}

async function opens(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}

describe("deriving keys", () => {
  it("is HKDF-SHA-256 with our info, as RFC 5869 spells it", () => {
    // RFC 5869 A.1 holds the yardstick itself to the standard.
    const okm = hkdf(
      Buffer.alloc(22, 0x0b),
      Buffer.from("000102030405060708090a0b0c", "hex"),
      Buffer.from("f0f1f2f3f4f5f6f7f8f9", "hex"),
      42,
    );
    expect(okm.toString("hex")).toBe(
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    );
    fc.assert(
      fc.property(fc.string(), fc.uint8Array({ maxLength: 64 }), (use, salt) => {
        const wanted = hkdf(root.bytes, salt, Buffer.from(`apilocker/v1/${use}`), 32);
        expect(Buffer.from(deriveKey(root, use, salt))).toEqual(wanted);
      }),
    );
  });

  it("gives every use and every share a key of its own", () => {
    const keys = [deriveKey(root, "wrap"), deriveKey(root, "sign-in"), deriveKey(root, "wrap", share)];
    expect(new Set(keys.map((key) => Buffer.from(key).toString("hex"))).size).toBe(3);
  });
});

describe("a sealed secret", () => {
  it("opens to what was sealed, whatever that was", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2_000 }), fc.string(), async (bytes, destination) => {
        const blob = await seal(data_key, bytesOf(bytes), { ...context, destination });
        expect(await open(data_key, blob, { ...context, destination })).toEqual(bytesOf(bytes));
      }),
    );
  });

  it("is format, data-key id, IV and AES-256-GCM, as another implementation reads it", async () => {
    const raw = decipher(
      hkdf(root.bytes, share, Buffer.from("apilocker/v1/wrap"), 32),
      wrapped,
      prefixed("wrap", vault_id, "r1"),
    );
    expect(raw.length).toBe(32);
    const blob = await seal(data_key, plain, context);
    expect([...blob.subarray(0, 5)]).toEqual([1, 0, 0, 0, 1]);
    const { key_id, version, field, destination } = context;
    const aad = prefixed("1", vault_id, key_id, String(version), "1", field, destination);
    expect(decipher(raw, blob.subarray(5), aad)).toEqual(Buffer.from(plain));
  });

  it("does not open after a change of any byte", async () => {
    const blob = await seal(data_key, plain, context);
    for (let at = 0; at < blob.length; at++) {
      const changed = new Uint8Array(blob);
      changed[at] = (changed[at] as number) ^ 1;
      expect(await opens(open(data_key, changed, context)), `byte ${at}`).toBe(false);
    }
  });

  it("does not open when it was cut short or has something added", async () => {
    const blob = await seal(data_key, plain, context);
    for (let length = 0; length < blob.length; length++)
      expect(await opens(open(data_key, blob.subarray(0, length), context)), `${length} bytes`).toBe(false);
    expect(await opens(open(data_key, new Uint8Array([...blob, 0]), context))).toBe(false);
  });

  it.each([
    ["vault", { vault_id: "00other" }],
    ["key", { key_id: "key_2" }],
    ["version", { version: 2 }],
    ["field", { field: "note" }],
    ["destination", { destination: '{"origin":"https://evil.example"}' }],
  ])("does not open as another %s's", async (_what, other) => {
    const blob = await seal(data_key, plain, context);
    expect(await opens(open(data_key, blob, context))).toBe(true);
    expect(await opens(open(data_key, blob, { ...context, ...other }))).toBe(false);
  });

  it("does not open under another data key, of another number or of the same", async () => {
    const blob = await seal(data_key, plain, context);
    const { data_key: second } = await newDataKey(root, share, vault_id, 2);
    const { data_key: twin } = await newDataKey(root, share, vault_id, 1);
    const renumbered = { id: 2, key: data_key.key };
    for (const other of [second, twin, renumbered]) expect(await opens(open(other, blob, context))).toBe(false);
    const relabelled = new Uint8Array(blob);
    relabelled[4] = 2;
    expect(dataKeyIdOf(relabelled)).toBe(2);
    for (const other of [second, renumbered]) expect(await opens(open(other, relabelled, context))).toBe(false);
  });

  it("uses an IV of its own every time", async () => {
    const ivs = new Set<string>();
    for (let i = 0; i < 10_000; i++) {
      const blob = await seal(data_key, plain.subarray(0, 1), context);
      ivs.add(Buffer.from(blob.subarray(5, 17)).toString("hex"));
    }
    expect(ivs.size).toBe(10_000);
  });
});

describe("a wrapped data key", () => {
  it("opens with its root, its share and its vault, and then opens what it sealed", async () => {
    const blob = await seal(data_key, plain, context);
    const again = await unwrapDataKey(ring, share, vault_id, row());
    expect(await open(again, blob, context)).toEqual(plain);
  });

  it("does not open with another root, share, vault or root id, nor after a change of any byte", async () => {
    const bytes = Buffer.from(root.bytes).toString("base64");
    const others = parseKeyRing("ROOT_KEYS", `r1:${randomBytes(32).toString("base64")}`);
    const renamed = parseKeyRing("ROOT_KEYS", `r2:${bytes}`);
    expect(await opens(unwrapDataKey(others, share, vault_id, row()))).toBe(false);
    expect(await opens(unwrapDataKey(ring, bytesOf(randomBytes(32)), vault_id, row()))).toBe(false);
    expect(await opens(unwrapDataKey(ring, share, "00other", row()))).toBe(false);
    expect(await opens(unwrapDataKey(renamed, share, vault_id, { ...row(), root_id: "r2" }))).toBe(false);
    for (let at = 0; at < wrapped.length; at++) {
      const changed = new Uint8Array(wrapped);
      changed[at] = (changed[at] as number) ^ 0x80;
      expect(await opens(unwrapDataKey(ring, share, vault_id, { ...row(), wrapped: changed }))).toBe(false);
    }
  });

  it("names the root key that this instance lacks", async () => {
    const unknown = unwrapDataKey(ring, share, vault_id, { ...row(), root_id: "r9" });
    await expect(() => unknown).rejects.toThrow("r9");
  });

  it("stays as it is when the root is rotated, and new ones are wrapped under the new root", async () => {
    const bytes = Buffer.from(root.bytes).toString("base64");
    const rotated = parseKeyRing("ROOT_KEYS", `r2:${randomBytes(32).toString("base64")},r1:${bytes}`);
    expect(await opens(unwrapDataKey(rotated, share, vault_id, row()))).toBe(true);
    const fresh = await newDataKey(rotated.current, share, vault_id, 2);
    const fresh_row = { id: 2, root_id: "r2", wrapped: fresh.wrapped };
    expect(await opens(unwrapDataKey(rotated, share, vault_id, fresh_row))).toBe(true);
    expect(await opens(unwrapDataKey(ring, share, vault_id, fresh_row))).toBe(false);
  });
});

describe("a data key that is wrapped anew", () => {
  const old = `r1:${Buffer.from(root.bytes).toString("base64")}`;
  const rotated = parseKeyRing("ROOT_KEYS", `r2:${randomBytes(32).toString("base64")},${old}`);

  it("is the same key, opens with the new root alone, and goes on opening what it sealed", async () => {
    const blob = await seal(data_key, plain, context);
    const again = await rewrapDataKey(rotated, share, vault_id, row());
    expect(again.root_id).toBe("r2");
    const alone = { current: rotated.current, by_id: new Map([["r2", rotated.current]]), known: rotated.known };
    const opened = await unwrapDataKey(alone, share, vault_id, { id: 1, ...again });
    expect(Buffer.from(await open(opened, blob, context))).toEqual(Buffer.from(plain));
    expect(await opens(unwrapDataKey(ring, share, vault_id, { id: 1, ...again }))).toBe(false);
  });

  it("needs the root that it is under, its share and its vault", async () => {
    await expect(rewrapDataKey(rotated, share, vault_id, { ...row(), root_id: "r9" })).rejects.toThrow(
      "ROOT_KEYS lacks the key r9",
    );
    expect(await opens(rewrapDataKey(rotated, bytesOf(randomBytes(32)), vault_id, row()))).toBe(false);
    expect(await opens(rewrapDataKey(rotated, share, "00other", row()))).toBe(false);
  });
});

test("a data key cannot be read out of the runtime", async () => {
  await expect(crypto.subtle.exportKey("raw", data_key.key)).rejects.toThrow(/extractable/);
});

test("what is too short to be sealed is told from what another key has sealed", async () => {
  const blob = await seal(data_key, plain, context);
  for (const length of [0, 4, 16, 32]) expect(() => dataKeyIdOf(blob.subarray(0, length))).toThrow("not a sealed blob");
  expect(dataKeyIdOf(blob.subarray(0, 33))).toBe(1);
  await expect(open({ ...data_key, id: 2 }, blob, context)).rejects.toThrow("sealed under another data key");
});

describe("values that are bound together", () => {
  it("never give the same bytes as other values, however they are cut", () => {
    const list = fc.array(fc.string({ unit: "binary", maxLength: 6 }), { maxLength: 5 });
    fc.assert(
      fc.property(list, list, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b);
        expect(Buffer.from(lengthPrefixed(a)).equals(lengthPrefixed(b))).toBe(same);
      }),
      { numRuns: 2_000 },
    );
    expect(lengthPrefixed(["ab", "c"])).not.toEqual(lengthPrefixed(["a", "bc"]));
    expect(lengthPrefixed(["a", ""])).not.toEqual(lengthPrefixed(["", "a"]));
  });
});
