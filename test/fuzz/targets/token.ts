import assert from "node:assert/strict";
import { parseKeyRing } from "../../../src/config.ts";
import { base62, base62Width, checksum, fromBase62 } from "../../../src/crypto/encoding.ts";
import {
  mintToken,
  newVaultId,
  NO_VAULT,
  verifyToken,
  withoutTokens,
  type TokenKind,
} from "../../../src/crypto/token.ts";
import { Problem } from "../../../src/problem.ts";
import type { Target } from "../fuzz.ts";

const KINDS = ["app", "ref", "dev", "ses", "oac", "oat", "ort", "dc"] as const satisfies TokenKind[];
const key = (id: string, byte: number) => `${id}:${Buffer.alloc(32, byte).toString("base64")}`;
const ring = parseKeyRing("TOKEN_KEYS", `${key("k1", 1)},${key("k2", 2)}:weak`, "k9");
const lost = parseKeyRing("TOKEN_KEYS", key("k9", 9));

const secret = (byte: number) => Buffer.alloc(32, byte);
const ours = new Set([
  ...KINDS.map((kind, at) => mintToken(ring, kind, newVaultId(), secret(at)).token),
  mintToken(parseKeyRing("TOKEN_KEYS", key("k2", 2)), "app", NO_VAULT, secret(0)).token,
]);
const elsewhere = mintToken(lost, "app", NO_VAULT, secret(1)).token;

function told(token: string): string {
  try {
    const { kind, vault_id, secret, mac, weak } = verifyToken(ring, token);
    assert.equal(token, `alk_${kind}_${weak ? "k2" : "k1"}${vault_id}${secret}${mac}${token.slice(-6)}`);
    return "accepted";
  } catch (thrown) {
    if (thrown instanceof Problem) return thrown.code;
    throw thrown;
  }
}

/** A token is one of those that were minted, to the letter, or it is refused: also with a checksum that fits, which anybody can work out. */
export const target: Target = {
  seeds: [...ours, elsewhere].map((token) => [token]),
  words: ["alk_", "alk_app_", "k1", "k2", "k9"],
  run([text = ""]) {
    for (const token of [text, text.slice(0, -6) + checksum(text.slice(0, -6))]) {
      const code = told(token);
      assert.equal(code === "accepted", ours.has(token), code);
      if (code !== "accepted")
        assert.ok(code === "invalid_token" || (code === "unavailable" && token.includes("k9")), code);
      assert.equal(told(token), code);
    }
    const recorded = withoutTokens(text);
    assert.doesNotMatch(recorded, /alk_[a-z]{2,3}_[0-9A-Za-z]{16,}/);
    assert.equal(withoutTokens(recorded), recorded);
    for (const bytes of [0, 1, 16, 32]) {
      const spelled = text.slice(0, base62Width(bytes));
      const read = fromBase62(spelled, bytes);
      if (read !== undefined) assert.equal(base62(read), spelled);
    }
  },
};
