import { readFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { buildDashboard } from "../../src/local/build.ts";

const FIRST_ROUTE_BYTES = 220 * 1024;
const FURTHER_ROUTE_BYTES = 40 * 1024;
/** What is compressed while it is served is compressed no harder. */
const SERVED = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } };

type Chunk = { file: string; css?: string[]; imports?: string[]; isEntry?: boolean; isDynamicEntry?: boolean };
type Manifest = Record<string, Chunk>;

describe("what the dashboard makes a browser load", () => {
  let folder: string;
  let manifest: Manifest;
  beforeAll(async () => {
    folder = await buildDashboard();
    manifest = JSON.parse(readFileSync(join(folder, ".vite", "manifest.json"), "utf8")) as Manifest;
  }, 120_000);

  /** A chunk and all that it cannot do without. */
  function needed(name: string, found = new Set<string>()): Set<string> {
    if (found.has(name)) return found;
    found.add(name);
    for (const other of manifest[name]?.imports ?? []) needed(other, found);
    return found;
  }
  const files = (chunks: Iterable<string>) =>
    new Set([...chunks].flatMap((name) => [manifest[name]?.file ?? "", ...(manifest[name]?.css ?? [])]));
  const bytes = (paths: Iterable<string>) =>
    [...paths].reduce((sum, path) => sum + brotliCompressSync(readFileSync(join(folder, path)), SERVED).length, 0);
  const first = () =>
    files(needed(Object.entries(manifest).find(([, chunk]) => chunk.isEntry === true)?.[0] ?? "no entry"));

  it("is at most 220 KB for the first page, compressed", () => {
    expect(bytes(first())).toBeLessThanOrEqual(FIRST_ROUTE_BYTES);
  });

  it("is at most 40 KB more for any further page, and the chart is one that comes later", () => {
    const later = Object.entries(manifest).filter(([, chunk]) => chunk.isDynamicEntry === true);
    expect(later.map(([name]) => name)).toContain("pages/overview/calls.tsx");
    for (const [name] of later) {
      const more = [...files(needed(name))].filter((file) => !first().has(file));
      expect(bytes(more), name).toBeLessThanOrEqual(FURTHER_ROUTE_BYTES);
    }
  });

  it("comes from here alone: no file names another origin to load from, and the page has no inline script or style", () => {
    const page = readFileSync(join(folder, "index.html"), "utf8");
    expect(page).not.toMatch(/(src|href)="(https?:)?\/\//);
    expect(page).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=/);
    for (const path of new Set(Object.values(manifest).flatMap(({ file, css = [] }) => [file, ...css]))) {
      const text = readFileSync(join(folder, path), "utf8");
      expect(text, path).not.toMatch(/@import\s*(url\()?["']?https?:|url\(["']?(https?:)?\/\/|import\(["']https?:/);
    }
  });
});
