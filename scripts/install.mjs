import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, sep } from "node:path";
import { platform } from "./host.mjs";
import { capture, commandOf, root, waitingFor } from "./program.mjs";

/** Installs what the lock file says, unless that is what is installed. `folder` is where the lock file lies. */
export async function install(folder) {
  const lock = join(folder, "package-lock.json");
  if (!existsSync(lock)) return;
  const stamp = join(folder, "node_modules", ".stamp");
  const wanted = hash(readFileSync(lock), platform);
  if (textOf(stamp) === wanted) return;
  const node = nodeOutside();
  const ci = [
    "ci",
    "--include=dev",
    "--include=optional",
    "--no-engine-strict",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ];
  const what = folder === root ? "Installing packages" : "Installing packages for the tests";
  const { code, output } = await waitingFor(what, capture(...npm(node, ci), { cwd: folder }));
  if (code !== 0) throw new Error(`npm ci failed:\n${beginning(output)}`);
  writeFileSync(stamp, wanted);
}

/** Writes worker-configuration.d.ts anew when the settings of the Worker, or the tool that reads them, changed. */
export async function generateTypes(node) {
  const version = readFileSync(join(root, "node_modules", "wrangler", "package.json"));
  const stamp = join(root, ".build", "types.stamp");
  const wanted = hash(readFileSync(join(root, "wrangler.jsonc")), version);
  if (textOf(stamp) === wanted && existsSync(join(root, "worker-configuration.d.ts"))) return;
  const { code, output } = await waitingFor("Generating types", capture(node, [commandOf("wrangler"), "types"]));
  if (code !== 0) throw new Error(`wrangler types failed:\n${output.trim()}`);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}

/** npm removes node_modules before it installs: it had better not run on the Node that lies in there. */
function nodeOutside() {
  if (!inNodeModules(process.execPath)) return process.execPath;
  return onPath(process.platform === "win32" ? "node.exe" : "node") ?? process.execPath;
}

function npm(node, args) {
  const home = dirname(node);
  const candidates = [
    // Other package managers set this too.
    process.env.npm_execpath?.endsWith("npm-cli.js") ? process.env.npm_execpath : undefined,
    join(home, "node_modules", "npm", "bin", "npm-cli.js"),
    join(home, "..", "lib", "node_modules", "npm", "bin", "npm-cli.js"),
    onPath("npm"),
  ];
  const found = candidates.find((file) => file !== undefined && existsSync(file));
  if (found === undefined) throw new Error("npm was not found: install Node with npm, or run npm ci yourself.");
  return /\.c?js$/.test(found) ? [node, [found, ...args]] : [found, args];
}

function onPath(name) {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "" && !inNodeModules(folder));
  const found = folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
  return found === undefined ? undefined : realpathSync(found);
}

function inNodeModules(path) {
  return path.startsWith(join(root, "node_modules") + sep);
}

/** The part that tells what is wrong; npm goes on with everything it could have done instead. */
function beginning(output) {
  return output.trim().split("\n").slice(0, 10).join("\n");
}

function hash(...parts) {
  const digest = createHash("sha256");
  for (const part of parts) digest.update(part).update("\0");
  return digest.digest("hex");
}

function textOf(file) {
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}
