import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseJsonc } from "../../src/local/jsonc.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const SOURCES = sourcesOf("proxy");

function sourcesOf(folder: string): { name: string; code: string }[] {
  const path = join(ROOT, "src", folder);
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => ({ name, code: withoutComments(readFileSync(join(path, name), "utf8")) }));
}

function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
}

/** Names of the files in which a pattern occurs. */
const holding = (pattern: RegExp) => SOURCES.filter(({ code }) => pattern.test(code)).map(({ name }) => name);

test("an upstream's own body or socket is never handed back: the invocation would end, and nobody would hear a cut", () => {
  // Every Response that the proxy makes, by what it is given for a body.
  const bodies = SOURCES.flatMap(({ code }) =>
    [...code.matchAll(/new Response\(\s*([^,)]*)/g)].map(([, body]) => body),
  );
  expect(bodies.length).toBeGreaterThan(0);
  // `whole`: bytes that are all there is.
  expect(bodies.filter((body) => !["null", "readable", "whole"].includes(body ?? ""))).toEqual([]);
  expect(holding(/Response\([^)]*\.body\b/)).toEqual([]);
  expect(holding(/webSocket: (upstream|answer)\.webSocket|webSocket: far/)).toEqual([]);
  expect(holding(/return (await )?fetch\(|\.clone\(\)|\.tee\(\)/)).toEqual([]);
});

test("no JavaScript runs per chunk of a body that nobody has to read", () => {
  expect(holding(/(?<!Identity)TransformStream|pipeThrough/)).toEqual([]);
});

test("no body is read whole, but a tool's, which is at hand, a small one that may have to be sent twice, and an answer that comes with its head", () => {
  const reads = SOURCES.flatMap(({ code }) => [
    ...code.matchAll(/.{0,80}\.(text|json|arrayBuffer|blob|bytes|formData)\(\s*\)/gs),
  ]);
  expect(reads.map(([read]) => read)).toEqual([
    expect.stringContaining("return await upstream.arrayBuffer()"),
    expect.stringContaining("const body = request.body && (await request.arrayBuffer()"),
    expect.stringContaining("(errand.request, REPLAYED_BYTES))"),
  ]);
});

/** Where something is fetched, as against where an object says how it is asked. */
const FETCHES = /(?<![.\w]|async )fetch\(/;

/** Folders of the Worker whose code talks to the world. */
const OUTWARD = ["proxy", "signin", "oauth", "vault"] as const;

test.each(OUTWARD)(
  "every request that leaves from %s bypasses shared caches, follows no redirect and ends",
  (folder) => {
    const sources = sourcesOf(folder);
    const fetching = sources.filter(({ code }) => FETCHES.test(code));
    const calls = fetching.flatMap(({ code }) => [...code.matchAll(/(?<![.\w]|async )fetch\(([\s\S]*?\}\s*\));/g)]);
    expect(calls.length).toBeGreaterThanOrEqual(Math.max(1, fetching.length));
    for (const [call] of calls) {
      expect(call).toContain('cache: "no-store"');
      expect(call).toContain('redirect: "manual"');
      expect(call).toMatch(/\bsignal\b/);
    }
    expect(sources.filter(({ code }) => /\bcaches\b|cacheTtl|cacheEverything|cf: \{/.test(code))).toEqual([]);
  },
);

test("nothing else of the Worker fetches, and the proxy otherwise only from its vault", () => {
  const folders = readdirSync(join(ROOT, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const others = folders
    .map(({ name }) => name)
    .filter((name) => !([...OUTWARD, "local", "cli", "dashboard"] as string[]).includes(name));
  const fetching = others.flatMap((folder) => sourcesOf(folder).filter(({ code }) => FETCHES.test(code)));
  expect(fetching.map(({ name }) => name)).toEqual([]);
  expect(holding(FETCHES)).toEqual(["probe.ts", "send.ts"]);
  // A leash, and a call that waits for a person's yes.
  expect(holding(/\.fetch\(/)).toEqual(["hold.ts", "leash.ts"]);
});

test("what a vault remembers is its own: no file of the vault has anything that changes beside its classes (SECURITY S27)", () => {
  const STATE = /^(?:export )?(?:let |const [^=]+= (?:\[\]|\{\}|new \w+(?:<.*>)?\(\)|new \w*Array\(|\w+Factory\())/m;
  expect("const known = new Map<string, Set<string>>();").toMatch(STATE);
  expect(sourcesOf("vault").filter(({ code }) => STATE.test(code))).toEqual([]);
});

test("no list of a vault is prepared anew each time: SQLite does so where what limits it is a bare parameter", () => {
  const limits = sourcesOf("vault").flatMap(({ code }) => [...code.matchAll(/\bLIMIT (\S+)/g)].map(([, by]) => by));
  expect(limits.length).toBeGreaterThan(10);
  expect(limits.filter((by) => by?.startsWith("?"))).toEqual([]);
});

test("the deployment has no cache in front of it and serves no other name", () => {
  const settings = parseJsonc(readFileSync(join(ROOT, "wrangler.jsonc"), "utf8")) as Record<string, unknown>;
  expect(settings).not.toHaveProperty("cache");
  expect(JSON.stringify(settings)).not.toContain('"cache"');
  expect(settings).toMatchObject({ workers_dev: false, preview_urls: false });
  expect(settings.compatibility_flags).toEqual(
    expect.arrayContaining(["enable_request_signal", "global_fetch_strictly_public"]),
  );
});
