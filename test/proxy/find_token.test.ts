import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseKeyRing } from "../../src/config.ts";
import { mintToken, newVaultId } from "../../src/crypto/token.ts";
import { assertGone, takeToken } from "../../src/proxy/find_token.ts";
import { bodyOverridesMethod, overridesMethod } from "../../src/proxy/headers.ts";
import { withoutParameters } from "../../src/proxy/query.ts";
import { tells } from "../support/tells.ts";

const RING = parseKeyRing("TOKEN_KEYS", `00:${Buffer.alloc(32, 7).toString("base64")}`);
const TOKEN = mintToken(RING, "app", newVaultId()).token;

const percent = (text: string) => [...Buffer.from(text)].map((byte) => `%${byte.toString(16)}`).join("");
const SPELLERS: ((text: string) => string)[] = [
  (text) => text,
  percent,
  (text) => percent(percent(text)),
  (text) => text.replace("a", "%61"),
  (text) => Buffer.from(text).toString("base64"),
  (text) => Buffer.from(`a${text}`).toString("base64url"),
  (text) => Buffer.from(`ab${text}z`).toString("base64"),
  (text) => Buffer.from(text).toString("hex"),
  (text) => Buffer.from(text).toString("hex").toUpperCase(),
  (text) => `Basic ${Buffer.from(`x:${text}`).toString("base64")}`,
  (text) => `Bearer ${text}`,
];

const word = fc.string({ unit: fc.constantFrom(..."abkl_%=&;+ .9Z-"), maxLength: 12 });
const spelled = fc
  .tuple(fc.constantFrom(...SPELLERS), word, word)
  .map(([spell, before, after]) => ({ value: spell(TOKEN), before, after }));
const NAMES = ["authorization", "x-api-key", "x-auth", "accept", "user-agent", "sec-websocket-protocol", "cookie"];

test("wherever a token stands and however it is spelled, it is taken out or the request is refused", () => {
  const header = fc.tuple(
    fc.constantFrom(...NAMES),
    fc.oneof(
      spelled,
      word.map((value) => ({ value, before: "", after: "" })),
    ),
  );
  const parameter = fc.oneof(
    spelled,
    word.map((value) => ({ value, before: "", after: "" })),
  );
  let taken = 0;
  fc.assert(
    fc.property(fc.array(header, { maxLength: 4 }), fc.array(parameter, { maxLength: 3 }), (lines, parameters) => {
      const headers = new Headers();
      for (const [name, { value }] of lines) headers.append(name, value.trim());
      const query = parameters.map(({ before, value, after }) => `${before}=${value}${after}`).join("&");
      let found: ReturnType<typeof takeToken>;
      try {
        found = takeToken([...headers], query);
        if (found.token === TOKEN) assertGone(found);
      } catch (refused) {
        expect(refused).toMatchObject({ code: "invalid_token" });
        return;
      }
      // With a letter more it is another token, which no signature will fit.
      if (found.token !== TOKEN) return;
      taken++;
      for (const [name, value] of found.headers)
        expect(tells(`${name}: ${value}`, TOKEN), `${name}: ${value}`).toBe(false);
      expect(tells(found.query, TOKEN), found.query).toBe(false);
      expect(found.headers.map(([name]) => name)).not.toContain("cookie");
    }),
    { numRuns: 20_000 },
  );
  expect(taken).toBeGreaterThan(1_000);
});

test("in a query only an app token is taken: what lives longer has no place in a URL", () => {
  for (const kind of ["ses", "dev", "oat", "ort", "ref"] as const) {
    const { token } = mintToken(RING, kind, newVaultId());
    expect(() => takeToken([], `key=${token}`)).toThrow(/Only an app token/);
    expect(takeToken([["x-api-key", token]], "").token).toBe(token);
  }
});

describe("parameters of a query", () => {
  test("that are not named stay to the letter", () => {
    const pair = fc.string({ unit: fc.constantFrom(..."ab%=+;é[]"), minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 6 }), (pairs) => {
        expect(withoutParameters(pairs.join("&"), () => false)).toBe(pairs.join("&"));
      }),
    );
  });

  test("are named by what they decode to, even beside an escape that is none", () => {
    const named = (query: string) => withoutParameters(query, (name) => name === "key");
    expect(named("a=1&%6bey=2&b=3")).toBe("a=1&b=3");
    expect(named("k%65y=%zz&key&key=&xkey=1")).toBe("xkey=1");
  });
});

test("a method override is found in a body that is at hand, whatever form it has", () => {
  const overrides = (type: string, text: string) =>
    bodyOverridesMethod([["content-type", type]], new TextEncoder().encode(text).buffer as ArrayBuffer);
  const [form, part] = ["application/x-www-form-urlencoded; charset=utf-8", "multipart/form-data; boundary=x"];
  const partNamed = (name: string) => `--x\r\nContent-Disposition: form-data; ${name}\r\n\r\nDELETE\r\n--x--`;
  for (const [type, text] of [
    [form, "a=1&_method=DELETE"],
    [form, "%5fMethod[]=PUT"],
    [part, partNamed('name="_method"')],
    [part, partNamed("NAME=_method")],
    [part, partNamed("name*=UTF-8''_method")],
    [part, partNamed('name=" .method[]"')],
    ["application/json", '{"a":1,"\\u005fmethod":"DELETE"}'],
    ["application/vnd.api+json", '{"_method":"PUT"}'],
  ] as const)
    expect([type, text, overrides(type, text)]).toEqual([type, text, true]);
  for (const [type, text] of [
    [form, "method=DELETE&a=_method"],
    [part, partNamed('name="file"; filename="a"') + "_method"],
    [part, partNamed('name="payment_method"')],
    ["application/json", '{"a":{"_method":"PUT"}}'],
    ["application/json", "[]"],
    ["text/plain", "_method=DELETE"],
  ] as const)
    expect([type, text, overrides(type, text)]).toEqual([type, text, false]);
});

test("a method override is known by any spelling of its name, and nothing else is taken for one", () => {
  const overrides = (query: string, headers = {}) => overridesMethod([...new Headers(headers)], query);
  for (const query of [
    "_method=PUT",
    "a=1&_Method",
    "%5fmethod=PUT",
    "_method[x]=PUT",
    "x;_method=PUT",
    "+_method=1",
    " .method=1",
  ]) {
    expect([query, overrides(query)]).toEqual([query, true]);
  }
  for (const query of ["", "method=PUT", "a_method=PUT", "_methods=1", "x=_method", "__method=1"]) {
    expect([query, overrides(query)]).toEqual([query, false]);
  }
  expect(overrides("", { "X-HTTP-Method-Override": "PUT" })).toBe(true);
  expect(overrides("", { "x-request-method": "PUT" })).toBe(false);
});
