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
  expect(bodies.filter((body) => body !== "null" && body !== "readable")).toEqual([]);
  expect(holding(/Response\([^)]*\.body\b/)).toEqual([]);
  expect(holding(/webSocket: (upstream|answer)\.webSocket|webSocket: far/)).toEqual([]);
  expect(holding(/return (await )?fetch\(|\.clone\(\)|\.tee\(\)/)).toEqual([]);
});

test("no JavaScript runs per chunk of a body that nobody has to read", () => {
  expect(holding(/(?<!Identity)TransformStream|pipeThrough/)).toEqual([]);
});

test("no body is read whole, but a small one that may have to be sent twice", () => {
  const reads = SOURCES.flatMap(({ code }) => [
    ...code.matchAll(/.{0,80}\.(text|json|arrayBuffer|blob|bytes|formData)\(\s*\)/gs),
  ]);
  expect(reads.map(([read]) => read)).toEqual([expect.stringContaining("length <= REPLAYED_BYTES")]);
});

test("every request that leaves bypasses shared caches and follows no redirect", () => {
  const calls = SOURCES.flatMap(({ code }) => [...code.matchAll(/(?<![.\w])fetch\(([\s\S]*?\}\s*\));/g)]);
  // A call of the proxy, and a test call that a person asks for.
  expect(holding(/(?<![.\w])fetch\(/)).toEqual(["probe.ts", "send.ts"]);
  expect(calls).toHaveLength(2);
  for (const [call] of calls) {
    expect(call).toContain('cache: "no-store"');
    expect(call).toContain('redirect: "manual"');
    expect(call).toMatch(/\bsignal\b/);
  }
  // The only other thing that fetches is a leash, and it fetches from an object.
  expect(holding(/\.fetch\(/)).toEqual(["leash.ts"]);
  expect(holding(/\bcaches\b|cacheTtl|cacheEverything|cf: \{/)).toEqual([]);
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
