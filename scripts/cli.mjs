import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { root } from "./program.mjs";

/** Bundles the command line into one file that Node 20 runs, with all that it needs: the package that holds it has no dependencies. */
export async function bundleCli(outfile = join(root, "dist", "apilocker.mjs")) {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  await build({
    entryPoints: [join(root, "src", "cli", "main.ts")],
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
  chmodSync(outfile, 0o755);
  return outfile;
}
