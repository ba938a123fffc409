import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";

const ROOT = new URL("../..", import.meta.url).pathname;
const MOST_BYTES = 80 * 1024;
/** What the README says of the program unpacked. */
const PROGRAM_BYTES = 200_000;

let repository: string;
let tarball: string;

function npm(args: string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync("npm", args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, npm_config_update_notifier: "false" },
  });
  if (status !== 0) throw new Error(`npm ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** A copy of what packing needs: the repository itself is left alone while other tests read it. */
beforeAll(() => {
  repository = mkdtempSync(join(tmpdir(), "apilocker-pack-"));
  for (const name of ["package.json", "README.md", "scripts"])
    cpSync(join(ROOT, name), join(repository, name), { recursive: true });
  for (const name of ["src", "node_modules"]) symlinkSync(join(ROOT, name), join(repository, name));
  const before = readFileSync(join(repository, "package.json"), "utf8");
  npm(["pack"], repository);
  expect(readFileSync(join(repository, "package.json"), "utf8")).toBe(before);
  tarball = join(repository, readdirSync(repository).find((name) => name.endsWith(".tgz")) ?? "");
}, 120_000);

describe("the package", () => {
  it("installs into an empty folder, alone, and works on Node 20", () => {
    const folder = mkdtempSync(join(tmpdir(), "apilocker-install-"));
    mkdirSync(join(folder, "home"));
    npm(["init", "--yes"], folder);
    npm(["install", "--no-audit", "--no-fund", tarball], folder);
    expect(readdirSync(join(folder, "node_modules")).filter((name) => !name.startsWith("."))).toEqual(["apilocker"]);
    const { version, dependencies, bin } = JSON.parse(
      readFileSync(join(folder, "node_modules/apilocker/package.json"), "utf8"),
    ) as Record<string, unknown>;
    expect(dependencies).toBeUndefined();
    expect(bin).toEqual({ apilocker: "dist/apilocker.mjs" });
    const run = (args: string[]) =>
      spawnSync(join(folder, "node_modules/.bin/apilocker"), args, {
        encoding: "utf8",
        env: { ...process.env, HOME: join(folder, "home") },
      });
    expect(run(["--version"]).stdout.trim()).toBe(version);
    expect(run(["--help"]).stdout).toContain("They never see them");
    expect(run(["list"]).status).toBe(3);
  }, 120_000);

  it("is small, and holds nothing but the program", () => {
    expect(statSync(tarball).size).toBeLessThan(MOST_BYTES);
    expect(statSync(join(repository, "dist", "apilocker.mjs")).size).toBeLessThan(PROGRAM_BYTES);
    const { stdout } = spawnSync("tar", ["tzf", tarball], { encoding: "utf8" });
    expect(stdout.trim().split("\n").sort()).toEqual([
      "package/README.md",
      "package/dist/apilocker.mjs",
      "package/package.json",
    ]);
  });

  it("is what publint has nothing to say about", async () => {
    const { publint } = await import("publint");
    const unpacked = mkdtempSync(join(tmpdir(), "apilocker-unpacked-"));
    spawnSync("tar", ["xzf", tarball, "-C", unpacked]);
    expect((await publint({ pkgDir: join(unpacked, "package"), pack: false, strict: true })).messages).toEqual([]);
  });

  it("is nowhere said to be had by its name: on npm's registry that is somebody else's program", () => {
    const texts = ["src", "docs", "README.md"].flatMap((name) => {
      const path = join(ROOT, name);
      const files = statSync(path).isFile() ? [path] : filesBelow(path);
      return files.filter((file) => /\.(tsx?|md)$/.test(file)).map((file) => readFileSync(file, "utf8"));
    });
    expect(texts.length).toBeGreaterThan(100);
    expect(texts.flatMap((text) => text.match(/\b(npx|npm (i|install|exec)\b.*) apilocker\b.*/g) ?? [])).toEqual([]);
  });
});

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}
