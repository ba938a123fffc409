// What `npm pack` publishes is the command line alone: one bundled file and a manifest without dependencies. The repository's own
// manifest, which says what the Worker is built from, is put aside meanwhile (`prepack`) and back afterwards (`postpack`).
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { install } from "./install.mjs";
import { root } from "./program.mjs";

const manifest = join(root, "package.json");
const aside = join(root, ".build", "package.json");

/** What whoever installs the command line should get of the manifest. */
const KEPT = ["name", "version", "description", "license", "type", "engines", "bin", "files"];

async function prepare() {
  // A pack that was interrupted has left the small one.
  restore();
  await install(root);
  const { bundleCli } = await import("./cli.mjs");
  await bundleCli();
  mkdirSync(join(root, ".build"), { recursive: true });
  copyFileSync(manifest, aside);
  const whole = JSON.parse(readFileSync(manifest, "utf8"));
  const small = Object.fromEntries(KEPT.map((name) => [name, whole[name]]));
  writeFileSync(manifest, `${JSON.stringify(small, null, 2)}\n`);
}

function restore() {
  if (existsSync(aside)) renameSync(aside, manifest);
}

if (process.argv[2] === "restore") restore();
else await prepare();
