import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Problem } from "../../src/problem.ts";
import { covers, coversGlob, readGlob, readPath } from "../../src/vault/policy/path.ts";

/** Why a path is refused; undefined where it is read. */
function refusal(path: string, strict: boolean): string | undefined {
  try {
    readPath(path, strict);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof Problem && thrown.code === "target_refused") return thrown.message;
    throw thrown;
  }
}

describe("a path", () => {
  it.each([
    ["", [""]],
    ["/", [""]],
    ["/v1/chat", ["v1", "chat"]],
    ["/v1/chat/", ["v1", "chat", ""]],
    ["/a%20b/%C3%A9", ["a b", "é"]],
    ["/once%252Fonly", ["once%2Fonly"]],
    ["/!$&'()*+,;=:@-._~", ["!$&'()*+,;=:@-._~"]],
    ["/...", ["..."]],
    ["/a.b/.well-known", ["a.b", ".well-known"]],
    ["/%E0%A4%B9/%7E", ["ह", "~"]],
  ])("%j is read once, and kept as it came", (raw, segments) => {
    expect(readPath(raw, false)).toEqual({ raw: raw === "" ? "/" : raw, segments });
  });

  it.each([
    ["v1", /begin with a slash/],
    ["http://evil.example/", /begin with a slash/],
    ["/a\\b", /no URL path has/],
    ["/a#b", /no URL path has/],
    ["/a b", /no URL path has/],
    ["/\u{e9}", /no URL path has/],
    ["/a\n", /no URL path has/],
    ["/a\u007f", /no URL path has/],
    ["/a%", /no URL path has/],
    ["/a%2", /no URL path has/],
    ["/a%4g", /no URL path has/],
    ["/a%g4", /no URL path has/],
    ["/%ff", /not UTF-8/],
    ["/./a", /dot segment/],
    ["/a/..", /dot segment/],
    ["/a/%2e%2E/b", /dot segment/],
    ["/a/%2e", /dot segment/],
    [`/alk_app_${"0".repeat(24)}${"a".repeat(40)}`, /carries a token/],
    [`/v1/alk_app_${"0".repeat(24)}${"a".repeat(40)}/x`, /carries a token/],
  ])("%j is refused everywhere", (path, why) => {
    expect(refusal(path, false)).toMatch(why);
    expect(refusal(path, true)).toMatch(why);
  });

  it.each([
    ...["//", "//a", "/a//b", "/a%2fb", "/a%5Cb", "/a;b", "/a%3Bb", "/a%00", "/a%1f", "/a%7F"],
    ...[
      "/a%252Fb",
      "/a%252eb",
      "/a%255cb",
      "/a%2500b",
      "/%20",
      "/%20./b",
      "/.%20.",
      "/...",
      "/%EF%BC%8E",
      "/a%EF%BC%8Fb",
    ],
  ])("%j, which servers read in different ways, is refused where rules look at it", (path) => {
    expect(refusal(path, false)).toBeUndefined();
    expect(refusal(path, true)).toMatch(/in different ways/);
  });

  it.each(["/a/", "/a", "/", "/.a", "/a.", "/a%20.b", "/a%252541", "/%25"])("%j is plain enough for rules", (path) => {
    expect(refusal(path, true)).toBeUndefined();
  });

  it("is as long as eight thousand bytes, and half of it where rules look", () => {
    for (const [longest, strict] of [
      [8_192, false],
      [4_096, true],
    ] as const) {
      expect(refusal(`/${"a".repeat(longest - 1)}`, strict)).toBeUndefined();
      expect(refusal(`/${"a".repeat(longest)}`, strict)).toMatch(new RegExp(`longer than ${longest} bytes`));
    }
  });
});

/** Few letters and short words, so that what is drawn often meets. */
const words = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 3 });
const paths = fc.array(words, { minLength: 1, maxLength: 4 }).map((segments) => `/${segments.join("/")}`);
const globs = fc
  .array(fc.oneof(fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 3 }), fc.constant("**")), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => `/${parts.join("/")}`);

/** The same by regular expression: slow in the worst case, and told in another way. */
function reference(glob: string): RegExp {
  const parts = glob.slice(1).split("/");
  const source = parts.map((part) => (part === "**" ? "(?:/[^/]*)*" : `/${part.replace(/\*+/g, "[^/]*")}`));
  return new RegExp(`^${source.join("")}$`);
}

describe("a glob", () => {
  it.each([
    ["/v1/chat", "/v1/chat", true],
    ["v1/chat", "/v1/chat", true],
    ["/v1/chat", "/v1/chat/", false],
    ["/v1/chat", "/V1/chat", false],
    ["/v1", "/v1/chat", false],
    ["/v1/chat", "/v1", false],
    ["/v1/*", "/v1/chat", true],
    ["/v1/*", "/v1/", true],
    ["/v1/*", "/v1", false],
    ["/v1/*", "/v1/chat/completions", false],
    ["/v1/c*t", "/v1/chat", true],
    ["/v1/c*t", "/v1/chats", false],
    ["/v1/*a*", "/v1/chat", true],
    ["/v1/**", "/v1", true],
    ["/v1/**", "/v1/a/b/c", true],
    ["/v1/**", "/v2", false],
    ["/**/c", "/a/b/c", true],
    ["/**/c", "/c", true],
    ["/**/c", "/a/c/d", false],
    ["/a/**/b/**/c", "/a/x/b/c", true],
    ["/a/**/b/**/c", "/a/x/c", false],
    ["/**", "/", true],
    ["/a%20b", "/a%20b", false],
    ["/a b", "/a%20b", true],
    ["/a/b", "/a%2Fb", false],
  ])("%j over %j: %j", (glob, path, wanted) => {
    expect(covers(readGlob(glob), readPath(path, false))).toBe(wanted);
  });

  it("covers what a regular expression of the same meaning does, and nothing else", () => {
    fc.assert(
      fc.property(globs, paths, (glob, path) => {
        expect(covers(readGlob(glob), readPath(path, false))).toBe(reference(glob).test(path));
      }),
      { numRuns: 3_000 },
    );
  });

  it.each([
    ["/**", "/a/*/b", true],
    ["/**", "/**", true],
    ["/a/**", "/a/b/**", true],
    ["/a/b/**", "/a/**", false],
    ["/a/*", "/a/b", true],
    ["/a/*", "/a/b*", true],
    ["/a/b*", "/a/*", false],
    ["/a/*", "/a/*", true],
    ["/a/*", "/a/**", false],
    ["/a/b", "/a/*", false],
    ["/a/b", "/a/b", true],
    ["/a/b", "/a/c", false],
    ["/a*", "/a*b", true],
    ["/a*", "/abc", true],
    ["/a*c", "/abb", false],
    ["/a*b", "/a*", false],
    ["/a*c", "/a*b", false],
    ["/*a", "/*a", true],
  ])("%j over the glob %j: %j", (outer, inner, wanted) => {
    expect(coversGlob(readGlob(outer), readGlob(inner))).toBe(wanted);
  });

  it("that covers another covers every path of it", () => {
    fc.assert(
      fc.property(globs, globs, paths, (outer, inner, path) => {
        const both = coversGlob(readGlob(outer), readGlob(inner)) && covers(readGlob(inner), readPath(path, false));
        if (both) expect(covers(readGlob(outer), readPath(path, false))).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });
});
