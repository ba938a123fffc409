import assert from "node:assert/strict";
import { Scrubber, SHORTEST } from "../../../src/proxy/scrub.ts";
import type { Target } from "../fuzz.ts";

const json = (text: string) => JSON.stringify(text).slice(1, -1);
const percent = (text: string) =>
  [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
/** Every encoding that is listed, by the letter of its mark. Told without the code under test. */
const ENCODINGS: Readonly<Record<string, (secret: string) => string>> = {
  s: (secret) => secret,
  u: encodeURIComponent,
  f: (secret) => new URLSearchParams([["", secret]]).toString().slice(1),
  p: percent,
  P: (secret) => percent(secret).toUpperCase(),
  q: (secret) => encodeURIComponent(encodeURIComponent(secret)),
  j: json,
  J: (secret) => json(json(secret)),
  k: (secret) => json(secret).replaceAll("/", "\\/"),
  e: (secret) => [...secret].map((one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
  x: (secret) => [...Buffer.from(secret)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join(""),
  a: (secret) => secret.replace(/[&<>"'+/=]/g, (one) => `&#${one.charCodeAt(0)};`),
  A: (secret) =>
    json(secret.replace(/\W/g, (one) => `&#x${one.charCodeAt(0).toString(16)};`)).replaceAll("&", "\\u0026"),
  h: (secret) => Buffer.from(secret).toString("hex"),
  H: (secret) => Buffer.from(secret).toString("hex").toUpperCase(),
  b: (secret) => Buffer.from(secret).toString("base64"),
  c: (secret) => Buffer.from(`a${secret}bc`).toString("base64"),
  d: (secret) => Buffer.from(`ab${secret}c`).toString("base64url"),
};

/** What stands beside a credential may not be a part of its spelling: `%7` before one that begins with `e` makes it another. */
const MARK = /(?<=^|[\n ":,;&=(])\{([a-zA-Z])\}(?=$|[\n ":,;&)])/g;

/** Cuts bytes into pieces as long as the letters say, over and over; what is left after very many is one. */
function* pieces(bytes: Buffer, sizes: string): Generator<Buffer> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const said = 1 + ((sizes.charCodeAt(turn % Math.max(1, sizes.length)) || 0) % 61);
    const size = turn < 64 ? said : bytes.length;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** Any secret, any chunking, every listed encoding: none comes out, cuts make no difference, and where none is in, nothing changes. */
export const target: Target = {
  seeds: [
    ["sk-live-12345", "before {s} after", "\x05"],
    ['AKIA/wJal+rXUt&nF<EM"I', '{u} {f}\n{p},{q} {j} {J} "{k}"', "\x01\x40"],
    ["a b%41\\u0041cd", "{e} {x}:{h}={H}", "\x02"],
    ["aaaaaaaaaa", "aaaaaaa {b} {c} {d} aaaa", "\x01"],
    ["Bearer xyz==", "data: {s}\n\ndata: {b}", "\x10\x03"],
  ],
  words: [
    ...Object.keys(ENCODINGS).map((letter) => `{${letter}}`),
    "%",
    "\\u00",
    "\\x4",
    "%25",
    "\\\\",
    "\n",
    "[redacted]",
  ],
  run([given = "", template = "", sizes = ""]) {
    // Credentials as they are stored: printable ASCII. Without brackets and what our replacement is made of, or it could spell one itself.
    const secret = given.replace(/[^!-Z^-~ ]/g, "").slice(0, 40);
    if (secret.trim().length < SHORTEST || "[redacted]".includes(secret)) return;
    const said: string[] = [];
    const text = template.slice(0, 60).replace(MARK, (mark, letter: string) => {
      const encoded = ENCODINGS[letter]?.(secret);
      if (encoded === undefined) return mark;
      said.push(encoded);
      return encoded;
    });
    const bytes = Buffer.from(text);
    const scrubber = new Scrubber([secret]);
    const whole = scrubber.bytes(bytes);
    let held: Buffer = Buffer.alloc(0);
    const out: Buffer[] = [];
    for (const piece of pieces(bytes, sizes)) {
      const { out: sure, keep } = scrubber.step(Buffer.concat([held, piece]));
      out.push(sure);
      held = keep;
    }
    const streamed = Buffer.concat([...out, scrubber.bytes(held)]);
    assert.deepEqual(streamed.toString("latin1"), whole.toString("latin1"));
    const heard = whole.toString("latin1");
    assert.ok(!heard.includes(Buffer.from(secret).toString("latin1")));
    if (said.length > 0) assert.ok(heard.includes("[redacted]"), text);
    // Undone one by one: what is left tells nothing, whichever way it is read.
    const parts = heard.split("[redacted]");
    for (const part of parts) {
      assert.ok(!part.toLowerCase().includes(Buffer.from(secret).toString("hex")), part);
      const once = part.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
      assert.ok(!once.includes(secret), part);
      for (const word of part.match(/[A-Za-z0-9+/_-]{8,}/g) ?? [])
        for (const cut of [0, 1, 2, 3])
          assert.ok(!Buffer.from(word.slice(cut), "base64").toString("latin1").includes(secret), word);
    }
    // Nothing is lost but what was taken out: the rest stands in the same order.
    let at = 0;
    for (const part of parts) {
      const found = bytes.indexOf(Buffer.from(part, "latin1"), at);
      assert.ok(found >= 0, part);
      at = found + part.length;
    }
    if (
      said.length === 0 &&
      !text.includes("%") &&
      !text.includes("\\") &&
      !text.includes("&") &&
      !/[A-Za-z0-9+/_-]{8}/.test(text) &&
      !text.includes(secret) &&
      !text.includes(secret.replaceAll(" ", "+"))
    )
      assert.equal(heard, bytes.toString("latin1"));
  },
};
