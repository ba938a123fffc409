import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Problem } from "../../src/problem.ts";
import { readProxyPath, targetOf } from "../../src/proxy/target.ts";
import { readPath } from "../../src/vault/policy/path.ts";
import { assertInside } from "../support/fence.ts";
import { basePaths, fence, hostilePaths, hostileQueries, ORIGIN } from "../support/hostile_paths.ts";

/** The URL that a call would go to, as the live path finds it: read strictly, then built. Undefined where it is refused. */
function built(base_path: string, path: string, query: string, strict = base_path !== ""): URL | undefined {
  try {
    return targetOf(fence(base_path), path === "" ? "" : readPath(path, strict).raw, query);
  } catch (refused) {
    if (refused instanceof Problem && refused.code === "target_refused") return undefined;
    throw refused;
  }
}

test("whatever path is asked for, a call goes to the key's own origin and under its base path, or nowhere", () => {
  let asked = 0;
  let sent = 0;
  fc.assert(
    fc.property(basePaths, hostilePaths, hostileQueries, (base_path, path, query) => {
      asked++;
      const target = built(base_path, path, query);
      if (target === undefined) return;
      sent++;
      assertInside(base_path, target);
    }),
    { numRuns: 100_000 },
  );
  // The model would be content with a proxy that refuses everything.
  expect(sent).toBeGreaterThan(asked / 10);
});

test("an ordinary path is sent to the letter, with its query", () => {
  const segment = fc.string({ unit: fc.constantFrom(..."abcXYZ019-_~!$&'()*+,=:@"), minLength: 1, maxLength: 8 });
  const plain = fc.array(fc.oneof(segment, fc.constantFrom("a%20b", "caf%C3%A9", "%40me")), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(basePaths, plain, (base_path, segments) => {
      const path = `/${segments.join("/")}`;
      expect(built(base_path, path, "x=1&y=%2F")?.href).toBe(`${ORIGIN}${base_path}${path}?x=1&y=%2F`);
    }),
    { numRuns: 20_000 },
  );
});

test("even without the vault's reading before it, what is built stays inside or is refused", () => {
  fc.assert(
    fc.property(basePaths, hostilePaths, hostileQueries, (base_path, path, query) => {
      let target: URL;
      try {
        target = targetOf(fence(base_path), path, query);
      } catch (refused) {
        expect(refused).toBeInstanceOf(Problem);
        return;
      }
      expect(new URL(target.href).origin).toBe(ORIGIN);
      // The very path that was asked for, which is the one that was judged: nothing was folded.
      expect(decodeURI(target.pathname)).toBe(decodeURI(base_path + path || "/"));
      expect(target.pathname === base_path || target.pathname.startsWith(`${base_path}/`)).toBe(true);
    }),
    { numRuns: 20_000 },
  );
});

test("without a path of the caller's it is the key's own address, with a slash where there is nothing else", () => {
  expect(targetOf(fence(""), "", "").href).toBe(`${ORIGIN}/`);
  expect(targetOf(fence("/v1"), "", "a=b").href).toBe(`${ORIGIN}/v1?a=b`);
  expect(targetOf(fence("/v1"), "/", "").href).toBe(`${ORIGIN}/v1/`);
});

test("a key whose address is more than scheme, host and port leads nowhere", () => {
  const refusal = expect.objectContaining({
    code: "target_refused",
    message: "The path does not lead below the key's own address.",
  });
  for (const more of [
    "https://a:b@api.stripe.com",
    "https://a@api.stripe.com",
    `${ORIGIN}#x`,
    `${ORIGIN}/x`,
    `${ORIGIN}?x`,
  ])
    expect(() => targetOf({ ...fence(""), origin: more }, "/a", "")).toThrow(refusal);
  expect(() => targetOf(fence("/v1"), "0/x", "")).toThrow(refusal);
  expect(() => targetOf(fence("/v1"), "/..", "")).toThrow(refusal);
  expect(() => targetOf(fence(""), "/%ff", "")).toThrow(refusal);
});

describe("ways out that are known from elsewhere", () => {
  const NEVER = [
    "@evil.example/x", // joined to an origin: another host
    ".evil.example/x",
    ":443@evil.example/",
    "#@evil.example/",
    "evil.example",
    "https://evil.example/",
    "\\\\evil.example/x",
    "/\\evil.example/x",
    "/\t/evil.example",
    "\t//evil.example",
    "/\n/evil.example/",
    "/x\r\nhost: evil.example",
    "/v1/../admin",
    "/..",
    "/%2e%2e/admin",
    "/.%2E/admin",
    "/x/%2e",
    "/%",
    "/%2",
    "/%zz",
    "/%ff",
    "/%c0%ae%c0%ae/",
    "/%u002e%u002e/",
    "/a#b",
    "/é",
    "/ ",
  ];
  test.each(NEVER)("%j is refused for every key", (path) => {
    expect(built("", path, "")).toBeUndefined();
    expect(built("/v1", path, "")).toBeUndefined();
  });

  const FOLDABLE = [
    "//evil.example/x",
    "//",
    "/a//b",
    "/..%2fadmin",
    "/%2e%2e%2fadmin",
    "/a%2fb",
    "/a%5cb",
    "/..;/admin",
    "/a;b/c",
    "/;",
    "/a%00",
    "/%252e%252e/x",
    "/..%252fadmin",
  ];
  test.each(FOLDABLE)("%j, which servers read in different ways, is refused where there is a fence", (path) => {
    expect(built("/v1", path, "")).toBeUndefined();
    expect(built("", path, "", true)).toBeUndefined();
  });

  test.each(["//evil.example/x", "/a//b", "/a;b", "/a%2fb"])("%j stays a path where there is none", (path) => {
    expect(built("", path, "")?.href).toBe(`${ORIGIN}${path}`);
  });

  test("a query cannot become anything else", () => {
    for (const query of ["@evil.example", "#@evil.example/", "//evil.example", "\\\\evil", "?", "x#y", "/../.."]) {
      const target = built("/v1", "/a", query);
      expect([target?.origin, target?.pathname, target?.hash]).toEqual([ORIGIN, "/v1/a", ""]);
    }
  });
});

describe("the proxy's own URL", () => {
  test("is read as it came: the key is one segment, and what follows is the upstream's", () => {
    const read = (rest: string) => readProxyPath(`http://localhost:8421${rest}`);
    expect(read("/v1/proxy/openai/v1/models?a=/v1/proxy/x")).toEqual({
      key: "openai",
      path: "/v1/models",
      query: "a=/v1/proxy/x",
    });
    expect(read("/v1/proxy/openai@prod")).toEqual({ key: "openai@prod", path: "", query: "" });
    expect(read("/v1/proxy/openai%40prod/?")).toEqual({ key: "openai@prod", path: "/", query: "" });
    expect(read("/v1/proxy/a/../b")).toEqual({ key: "a", path: "/../b", query: "" });
    expect(read("//evil.example/x")).toEqual({ key: null, path: "//evil.example/x", query: "" });
    expect(read("")).toEqual({ key: null, path: "/", query: "" });
    expect(read("?x/v1/proxy/a")).toEqual({ key: null, path: "/", query: "x/v1/proxy/a" });
  });

  test.each(["javascript:x", "evil.example:443", "http:x", "http://", "/v1/proxy/a", ""])("%j is none", (url) => {
    expect(() => readProxyPath(url)).toThrow(Problem);
  });

  test.each(["", "..", "a%2fb", "a b", "%00", "a@b@c", "x".repeat(65), "é", "a:b", "@"])(
    "names no key by %j",
    (name) => {
      if (name === "..") expect(readProxyPath(`http://localhost/v1/proxy/${name}/x`).key).toBe("..");
      else expect(() => readProxyPath(`http://localhost/v1/proxy/${name}/x`)).toThrow(Problem);
    },
  );
});
