import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Form } from "../../src/oauth/form.ts";
import { isLoopback, isRegistered, isUsable, kindOf } from "../../src/oauth/redirects.ts";
import { readScopes } from "../../src/oauth/scope.ts";
import { Problem } from "../../src/problem.ts";
import { grantsScope, SCOPES, type Scope } from "../../src/vault/policy/scopes.ts";
import { addresses } from "../support/hostile_paths.ts";

const OURS = { public_origin: "https://locker.example", proxy_origin: "https://proxy.example" };
const codeOf = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof Problem) return thrown.code;
    throw thrown;
  }
};

describe("parameters of the authorization server, whatever comes", () => {
  test("one that is there twice is refused, an empty one is absent, and no other has a say", () => {
    const pairs = fc.array(fc.tuple(fc.constantFrom("scope", "code", "state", "__proto__", "toString"), fc.string()), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(pairs, fc.constantFrom("scope", "code", "constructor", "__proto__"), (given, name) => {
        const form = new Form(new URLSearchParams(given));
        const values = given.filter(([one]) => one === name).map(([, value]) => value);
        const wanted = values.length > 1 ? "invalid_request" : values[0] === "" ? undefined : values[0];
        // As a form carries it: a lone surrogate does not survive that.
        expect(codeOf(() => form.get(name))).toBe(wanted?.toWellFormed());
        if (wanted === undefined) expect(codeOf(() => form.must(name))).toBe("invalid_request");
      }),
    );
  });

  test("scopes are ours or none: no spelling, order or company brings another, and what reveals is only given by its name", () => {
    const word = fc.oneof(
      fc.constantFrom(
        "vault:read",
        "vault:proxy",
        "vault:write",
        "vault:reveal",
        "offline_access",
        "VAULT:READ",
        "vault:*",
      ),
      fc.string({ maxLength: 8 }),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), fc.constantFrom(" ", "  ", ",", "\t", "+"), (words, between) => {
        const text = words.join(between);
        const scopes = codeOf(() => readScopes(text));
        if (!Array.isArray(scopes)) {
          expect(["invalid_scope", undefined]).toContain(scopes);
          return;
        }
        const asked = text.split(" ");
        expect(scopes.filter((scope: string) => !asked.includes(scope))).toEqual([]);
        expect(new Set(scopes).size).toBe(scopes.length);
      }),
    );
  });

  test("scopes are told in our order, once each; others are passed over unless there is nothing else", () => {
    expect(readScopes(undefined)).toBeUndefined();
    expect(readScopes("")).toBeUndefined();
    expect(readScopes("  offline_access ")).toBeUndefined();
    expect(readScopes("vault:write x vault:read vault:write")).toEqual(["vault:read", "vault:write"]);
    expect(readScopes("offline_access vault:reveal")).toEqual(["vault:reveal"]);
    expect(codeOf(() => readScopes("x offline_access"))).toBe("invalid_scope");
    expect(codeOf(() => readScopes("vault:read,vault:write"))).toBe("invalid_scope");
  });

  test("a scope grants itself, and writing grants reading; nothing else grants anything", () => {
    const implied = (has: Scope, wanted: Scope) => has === wanted || (has === "vault:write" && wanted === "vault:read");
    expect(SCOPES).toEqual(["vault:read", "vault:proxy", "vault:write", "vault:reveal"]);
    for (const wanted of SCOPES) {
      expect(grantsScope([], wanted)).toBe(false);
      for (const has of SCOPES)
        expect([has, wanted, grantsScope([has], wanted)]).toEqual([has, wanted, implied(has, wanted)]);
    }
  });

  test.each([
    ["https://app.example/cb", "https"],
    ["https://app.example:8443/cb?x=1", "https"],
    ["http://localhost:5/cb", "loopback"],
    ["http://127.0.0.1/cb", "loopback"],
    ["http://[::1]:65535", "loopback"],
    ["http://localhost?x", "loopback"],
    ["com.example.app:/cb", "private_use"],
    ["com.example.app://cb", "private_use"],
    [`https://app.example/${"x".repeat(2_028)}`, "https"],
    [`https://app.example/${"x".repeat(2_029)}`, undefined],
    ["http://localhost:0/cb", undefined],
    ["http://localhost.evil.example/", undefined],
    ["http://127.0.0.1evil.example/", undefined],
    ["http://app.example/cb", undefined],
    ["https:/app.example/cb", undefined],
    ["https:app.example", undefined],
    ["HTTPS://app.example/cb", undefined],
    ["https://user@app.example/", undefined],
    ["https://:pw@app.example/", undefined],
    ["https://@app.example/", undefined],
    ["https://:@app.example/", undefined],
    ["myapp://@host/cb", undefined],
    ["https://app.example/cb?next=http://x@y", "https"],
    ["https://app.example/cb?next=http://localhost/", "https"],
    ["com.example.data:/cb", "private_use"],
    ["https://app.example/a b", undefined],
    ["https://app.example/é", undefined],
    ["https://app.example/#x", undefined],
    ["https://app.example/<x>", undefined],
    ["https://app.example/a\\b", undefined],
    ["https://locker.example/cb", undefined],
    ["https://locker.example./cb", undefined],
    ["https://LOCKER.example:443/cb", undefined],
    ["https://*.example/cb", undefined],
    ["https://app.example;script-src/cb", undefined],
    ["https://app.example,evil.example/cb", undefined],
    ["https://app_1.example/cb", "https"],
    ["https://[2606:4700::1111]/cb", "https"],
    ["https://proxy.example/cb", undefined],
    ["javascript:alert(1)", undefined],
    ["JavaScript:alert(1)", undefined],
    ["data:text/html,x", undefined],
    ["file:///etc/passwd", undefined],
    ["intent:x", undefined],
    ["nothing", undefined],
    ["", undefined],
  ])("%s is %s", (uri, kind) => {
    expect(kindOf(uri, OURS)).toBe(kind);
    expect(isUsable(uri, OURS)).toBe(kind === "https" || kind === "loopback");
    expect(isLoopback(uri) && kind !== undefined).toBe(kind === "loopback");
  });

  const scheme = fc.constantFrom("https:", "http:", "javascript:", "data:", "com.app:", "HTTPS:", "file:", "");
  const host = fc.constantFrom(
    "app.example",
    "localhost",
    "127.0.0.1",
    "[::1]",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "locker.example",
    "proxy.example",
    "user@app.example",
    "localhost@evil.example",
    "app.example\\@evil.example",
    "",
  );
  const tail = fc.oneof(
    fc.constantFrom("", "/cb", "/cb?x=1", "/cb#frag", ":80/cb", ":0/cb", ":99999/", "/\t", "/../cb"),
    fc.webPath(),
  );
  const uris = fc.oneof(
    fc.tuple(scheme, fc.constantFrom("//", "", "/", "\\\\"), host, tail).map((parts) => parts.join("")),
    addresses,
    fc.string(),
  );

  test("a code goes to https that is not ours or to this very machine, as a browser reads the address too", () => {
    fc.assert(
      fc.property(uris, (uri) => {
        if (!isUsable(uri, OURS)) return;
        const { protocol, hostname, username, password, hash, origin } = new URL(uri);
        expect([username, password, hash]).toEqual(["", "", ""]);
        expect(Object.values(OURS)).not.toContain(origin);
        if (protocol === "https:") expect(kindOf(uri, OURS)).toBe("https");
        else {
          expect(protocol).toBe("http:");
          expect(["localhost", "127.0.0.1", "[::1]"]).toContain(hostname);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("an address is the registered one letter for letter, but for the port of this very machine's", () => {
    fc.assert(
      fc.property(uris, fc.array(uris, { maxLength: 3 }), (uri, registered) => {
        if (!isRegistered(uri, registered)) return;
        if (registered.includes(uri)) return;
        expect(isLoopback(uri)).toBe(true);
        const portless = (one: string) => {
          const url = new URL(one);
          url.port = "";
          return url.href;
        };
        expect(registered.filter((one) => URL.canParse(one)).map(portless)).toContain(portless(uri));
      }),
      { numRuns: 2_000 },
    );
    const https = "https://app.example/cb";
    expect(isRegistered(https, ["com.example.app:/cb", https])).toBe(true);
    expect(isRegistered(`${https}/`, [https])).toBe(false);
    expect(isRegistered("http://127.0.0.1:5/cb", ["http://127.0.0.1:6/cb"])).toBe(true);
    expect(isRegistered("http://127.0.0.1:5/cb", [https, "http://127.0.0.1:6/cb"])).toBe(true);
    expect(isRegistered("http://127.0.0.1:5/cb", ["http://localhost:5/cb"])).toBe(false);
    expect(isRegistered("https://app.example:5/cb", ["https://app.example:6/cb"])).toBe(false);
  });
});
