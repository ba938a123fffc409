import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");
let project: string;

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "layers-"));
  copyFileSync(join(ROOT, "oxlint.config.ts"), join(project, "oxlint.config.ts"));
  copyFileSync(join(ROOT, "package.json"), join(project, "package.json"));
  symlinkSync(join(ROOT, "node_modules"), join(project, "node_modules"));
});
afterAll(() => rmSync(project, { recursive: true }));

/** What the linter says of a tree in which `from` imports `to`. */
function lint(from: string, to: string): string {
  for (const [path, text] of [
    [from, `export { x } from "${"../".repeat(from.split("/").length - 2) || "./"}${to.slice("src/".length)}";\n`],
    [to, "export const x = 1;\n"],
  ] as const) {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), text);
  }
  try {
    return execFileSync(process.execPath, [join(ROOT, "node_modules/oxlint/bin/oxlint"), "src"], {
      cwd: project,
      encoding: "utf8",
    });
  } catch (failed) {
    return (failed as { stdout: string }).stdout;
  } finally {
    rmSync(join(project, "src"), { recursive: true });
  }
}

it.each([
  ["src/crypto/a.ts", "src/vault/b.ts"],
  ["src/vault/a.ts", "src/proxy/b.ts"],
  ["src/vault/a.ts", "src/directory/b.ts"],
  ["src/problem.ts", "src/config.ts"],
  ["src/proxy/a.ts", "src/api/b.ts"],
  ["src/api/a.ts", "src/pages/b.ts"],
  ["src/pages/a.ts", "src/api/b.ts"],
  ["src/api/a.ts", "src/router.ts"],
  ["src/router.ts", "src/local/b.ts"],
])("%s may not import %s", (from, to) => {
  expect(lint(from, to)).toMatch(/no-restricted-imports/);
});

it.each([
  ["src/vault/a.ts", "src/crypto/b.ts"],
  ["src/proxy/a.ts", "src/vault/b.ts"],
  ["src/router.ts", "src/api/b.ts"],
])("%s may import %s", (from, to) => {
  expect(lint(from, to)).not.toMatch(/no-restricted-imports/);
});
