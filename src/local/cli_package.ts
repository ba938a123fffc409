import { spawn } from "node:child_process";
import { chmod, copyFile, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import * as z from "zod";
import { ended, ROOT, type Ended } from "./project.ts";

const PROGRAM = join("dist", "apilocker.mjs");
/** What the package shares with the repository's own manifest. */
const Shared = z.object({
  name: z.string(),
  version: z.string(),
  license: z.string(),
  type: z.string(),
  engines: z.unknown(),
});

/** Bundles the command line into one file that Node 20 runs, with all that it needs: the package that holds it has no dependencies. */
export async function bundleCli(outfile = join(ROOT, PROGRAM)): Promise<string> {
  const { version } = await shared();
  await build({
    entryPoints: [join(ROOT, "src", "cli", "main.ts")],
    outfile,
    bundle: true,
    minify: true,
    platform: "node",
    target: "node20",
    format: "esm",
    legalComments: "eof",
    define: { APILOCKER_VERSION: JSON.stringify(version) },
    // Of packages in the bundle that are not modules.
    banner: {
      js: '#!/usr/bin/env node\nimport { createRequire as apilockerRequire } from "node:module";const require = apilockerRequire(import.meta.url);',
    },
    logLevel: "warning",
  });
  await chmod(outfile, 0o755);
  return outfile;
}

/** Packs the command line into `into`, as npm installs it from an address: the bundle, its manual, and a manifest without dependencies. */
export async function packCli(into: string): Promise<void> {
  // Beside it: the folder for temporary files may be on another disk, from where nothing is renamed.
  const folder = await mkdtemp(`${into}-`);
  try {
    const manifest = {
      ...(await shared()),
      description: "The command line of an API Locker",
      bin: { apilocker: PROGRAM },
      files: [PROGRAM],
    };
    await Promise.all([
      bundleCli(join(folder, PROGRAM)),
      writeFile(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`),
      copyFile(join(ROOT, "docs", "cli.md"), join(folder, "README.md")),
    ]);
    const { code, stdout, stderr } = await npm(["pack", "--json", "--ignore-scripts"], folder);
    if (code !== 0) throw new Error(`npm pack failed:\n${stderr.trim()}`);
    const [packed] = z.tuple([z.object({ filename: z.string() })]).parse(JSON.parse(stdout));
    await rename(join(folder, packed.filename), into);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function shared(): Promise<z.infer<typeof Shared>> {
  return Shared.parse(JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")));
}

function npm(args: readonly string[], cwd: string): Promise<Ended> {
  // On Windows it is a script for the shell.
  return ended(spawn("npm", args, { cwd, shell: process.platform === "win32", stdio: ["ignore", "pipe", "pipe"] }));
}

if (process.argv[1] === import.meta.filename) console.log(await bundleCli());
