import assert from "node:assert/strict";
import { parseKeyRing } from "../../../src/config.ts";
import { mintToken, NO_VAULT } from "../../../src/crypto/token.ts";
import { Problem } from "../../../src/problem.ts";
import { assertGone, takeToken } from "../../../src/proxy/find_token.ts";
import { tells } from "../../support/tells.ts";
import type { Target } from "../fuzz.ts";
import { headerLines } from "./lines.ts";

const RING = parseKeyRing("TOKEN_KEYS", `00:${Buffer.alloc(32, 7).toString("base64")}`);
const TOKEN = mintToken(RING, "app", NO_VAULT, Buffer.alloc(32, 3)).token;

/** The token cannot be drawn, so it stands for a mark, in the spelling that the mark's letter says. */
const SPELLINGS: Readonly<Record<string, string>> = {
  t: TOKEN,
  p: [...Buffer.from(TOKEN)].map((byte) => `%${byte.toString(16)}`).join(""),
  q: [...Buffer.from(TOKEN)].map((byte) => `%25${byte.toString(16)}`).join(""),
  a: TOKEN.replace("a", "%61"),
  b: Buffer.from(TOKEN).toString("base64"),
  c: Buffer.from(`a${TOKEN}`).toString("base64url"),
  d: Buffer.from(`ab${TOKEN}z`).toString("base64"),
  h: Buffer.from(TOKEN).toString("hex"),
  H: Buffer.from(TOKEN).toString("hex").toUpperCase(),
  x: Buffer.from(`x:${TOKEN}`).toString("base64"),
};
const written = (text: string) => text.replace(/\{([a-zA-Z])\}/g, (mark, letter: string) => SPELLINGS[letter] ?? mark);

/** Wherever the token stands, it is taken out or the request is refused: nobody can read it out of what is left. */
export const target: Target = {
  seeds: [
    ["authorization: Bearer {t}", "a=1"],
    ["authorization: Basic {x}\nx-api-key: {b}", ""],
    ["sec-websocket-protocol: chat, key.{t}", "x={p}&y=2"],
    ["accept: */*", "key={t}&b=%zz"],
    ["x-api-key: {a}", "{h}={q}"],
    ["cookie: a={t}\nx-auth: {d}{c}", "{H}"],
  ],
  words: [
    "authorization: ",
    "x-api-key: ",
    "sec-websocket-protocol: ",
    "cookie: ",
    "Bearer ",
    "Basic ",
    ...Object.keys(SPELLINGS).map((letter) => `{${letter}}`),
  ],
  run([lines = "", query = ""]) {
    const given = headerLines(written(lines));
    const asked = written(query);
    let found: ReturnType<typeof takeToken>;
    try {
      found = takeToken(given, asked);
      assertGone(found);
    } catch (refused) {
      assert.ok(refused instanceof Problem && refused.code === "invalid_token");
      return;
    }
    // With a letter more it is another token, which no signature will fit.
    if (found.token !== TOKEN) return;
    for (const [name, value] of found.headers) {
      assert.notEqual(name, "cookie");
      assert.ok(!tells(`${name}: ${value}`, TOKEN), `${name}: ${value}`);
    }
    assert.ok(!tells(found.query, TOKEN), found.query);
    const kept = new Set(asked.split("&"));
    for (const pair of found.query.split("&")) assert.ok(pair === "" || kept.has(pair), pair);
  },
};
