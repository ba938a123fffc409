import { mkdtempSync, readdirSync, readFileSync, statSync } from "node:fs";
import { execFile, spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { usualLocker } from "../support/locker.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const MOST_BYTES = 80 * 1024;
/** What the README says of the program unpacked. */
const PROGRAM_BYTES = 175_000;

const run = promisify(execFile);

let address: string;
let folder: string;

/** As somebody does who has nothing but the address of a locker. */
beforeAll(async () => {
  address = `${(await usualLocker()).publicOrigin}/apilocker.tgz`;
  folder = mkdtempSync(join(tmpdir(), "apilocker-install-"));
  const env = { ...process.env, npm_config_update_notifier: "false", npm_config_cache: join(folder, "cache") };
  await run("npm", ["install", "--prefix", folder, "--no-audit", "--no-fund", address], { env });
}, 120_000);

describe("the package", () => {
  it("is had from a locker as npm asks for it, comes alone, and works on Node 20", () => {
    expect(readdirSync(join(folder, "node_modules")).filter((name) => !name.startsWith("."))).toEqual(["apilocker"]);
    const { version, dependencies, bin } = JSON.parse(
      readFileSync(join(folder, "node_modules/apilocker/package.json"), "utf8"),
    ) as Record<string, unknown>;
    expect(dependencies).toBeUndefined();
    expect(bin).toEqual({ apilocker: "dist/apilocker.mjs" });
    const ran = (args: string[]) =>
      spawnSync(join(folder, "node_modules/.bin/apilocker"), args, {
        encoding: "utf8",
        env: { ...process.env, HOME: folder },
      });
    expect(ran(["--version"]).stdout.trim()).toBe(version);
    expect(ran(["--help"]).stdout).toContain("They never see them");
    expect(ran(["list"]).status).toBe(3);
  }, 120_000);

  it("is packed also where the folder for temporary files is on another disk, or nowhere", async () => {
    const packed = join(folder, "packed.tgz");
    const pack = `import { packCli } from "${ROOT}src/local/cli_package.ts"; await packCli("${packed}");`;
    const env = { ...process.env, TMPDIR: "/dev/null/nowhere" };
    await run(process.execPath, ["--input-type=module", "--eval", pack], { env });
    expect(statSync(packed).size).toBeGreaterThan(0);
  }, 60_000);

  it("is small, and holds nothing but the program and its manual", async () => {
    const packed = await fetch(address);
    expect((await packed.arrayBuffer()).byteLength).toBeLessThan(MOST_BYTES);
    const installed = join(folder, "node_modules", "apilocker");
    expect(filesBelow(installed).map((path) => path.slice(installed.length + 1))).toEqual(
      expect.arrayContaining(["README.md", "dist/apilocker.mjs", "package.json"]),
    );
    expect(filesBelow(installed)).toHaveLength(3);
    expect(statSync(join(installed, "dist", "apilocker.mjs")).size).toBeLessThan(PROGRAM_BYTES);
  });

  it("is asked for again by whoever installs it again, and not sent again where it is the same", async () => {
    const first = await fetch(address);
    await first.body?.cancel();
    expect(first.headers.get("cache-control")).toBe("no-cache");
    const headers = { "if-none-match": first.headers.get("etag") ?? "" };
    expect((await fetch(first.url, { headers })).status).toBe(304);
  });

  it("is what publint has nothing to say about", async () => {
    const { publint } = await import("publint");
    const pkgDir = join(folder, "node_modules", "apilocker");
    expect((await publint({ pkgDir, pack: false, strict: true })).messages).toEqual([]);
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
