import assert from "node:assert/strict";
import { Problem } from "../../../src/problem.ts";
import { covers, coversGlob, readGlob, readPath, type UpstreamPath } from "../../../src/vault/policy/path.ts";
import type { Target } from "../fuzz.ts";

function read(path: string, strict: boolean): UpstreamPath | undefined {
  try {
    return readPath(path, strict);
  } catch (refused) {
    if (refused instanceof Problem && refused.code === "target_refused") return undefined;
    throw refused;
  }
}

/** The same by trying every way: slow, and told in another way. Remembers what it has asked, or it would never end. */
function reference(
  pattern: readonly string[],
  items: readonly string[],
  star: string,
  same: (a: string, b: string) => boolean,
): boolean {
  const known = new Map<number, boolean>();
  const from = (p: number, i: number): boolean => {
    const at = p * (items.length + 1) + i;
    const before = known.get(at);
    if (before !== undefined) return before;
    const answer =
      p === pattern.length
        ? i === items.length
        : pattern[p] === star
          ? from(p + 1, i) || (i < items.length && from(p, i + 1))
          : i < items.length && same(pattern[p] as string, items[i] as string) && from(p + 1, i + 1);
    known.set(at, answer);
    return answer;
  };
  return from(0, 0);
}

const referenceCovers = (glob: string, { segments }: UpstreamPath) =>
  reference(glob.replace(/^\//, "").split("/"), segments, "**", (part, segment) =>
    part.includes("*") ? reference(part.split(""), segment.split(""), "*", (a, b) => a === b) : part === segment,
  );

/** A path reads in one way; a glob covers what it says, and one that covers another covers every path of it. */
export const target: Target = {
  seeds: [
    ["/v1/*", "/v1/c*t", "/v1/chat"],
    ["/**/c", "/a/**/c", "/a/b/c"],
    ["/v1/*a*b*", "/v1/**", "/v1/xaxb"],
    ["v1/%2e", "/v1//", "/v1/%252e%2fx;y/"],
    ["/**", "/***", "/a%20b"],
  ],
  words: ["**", "*", "/", "/**", "%2f", "%2e", "%00", ";", "\uff0e", "%ef%bc%8e", "alk_app_"],
  run([glob = "", inner = "", path = ""]) {
    // So much at most is tried in every way.
    const [outer, other] = [glob.slice(0, 40), inner.slice(0, 40)];
    const one = read(path.slice(0, 60), false);
    const long = read(path, true);
    if (long !== undefined) {
      assert.deepEqual(long, read(path, false));
      for (const segment of long.segments) assert.doesNotMatch(segment, /^\.{1,2}$|[/\\;\0]/);
      for (const each of [glob, inner]) covers(readGlob(each), long);
    }
    coversGlob(readGlob(glob), readGlob(inner));
    if (one === undefined) return;
    assert.deepEqual(one.segments, one.raw.slice(1).split("/").map(decodeURIComponent));
    const covered = [outer, other].map((each) => covers(readGlob(each), one));
    assert.deepEqual(
      covered,
      [outer, other].map((each) => referenceCovers(each, one)),
    );
    if (coversGlob(readGlob(outer), readGlob(other)) && covered[1]) assert.ok(covered[0]);
  },
};
