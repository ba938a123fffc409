// `npm run test:upgrade -- --from <commit>`: the code of that commit and of now on one state, one after the other and side by side.
// Upgrade, rollback and rollout, each under mixed load and with the crash harness's questions afterwards.
import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { buildWorker } from "../../src/local/build.ts";
import { ROOT } from "../../src/local/project.ts";
import { serve, type LocalLocker, type ServeOptions } from "../../src/local/serve.ts";
import { Life } from "../crash/life.ts";
import { portsOf, type Ports } from "../support/locker.ts";
import { randomOf } from "../support/random.ts";
import { startUpstream } from "../support/upstream.ts";

const run = promisify(execFile);
const LIVE_MS = 4_000;

/** The sources of a commit with what is installed here. Its dependencies may have been others; its Worker is bundled all the same. */
async function treeOf(commit: string): Promise<string> {
  const tree = await mkdtemp(join(tmpdir(), "apilocker-before-"));
  await run("bash", ["-c", 'git archive "$1" | tar -x -C "$2"', "-", commit, tree], { cwd: ROOT });
  for (const modules of ["node_modules", "test/node_modules"]) await symlink(join(ROOT, modules), join(tree, modules));
  return tree;
}

type Before = { serve: (options: ServeOptions) => Promise<LocalLocker>; bundle: string };

async function before(tree: string): Promise<Before> {
  const { serve } = (await import(join(tree, "src/local/serve.ts"))) as Pick<Before, "serve">;
  const builder = (await import(join(tree, "src/local/build.ts"))) as { buildWorker: () => Promise<string> };
  return { serve, bundle: await builder.buildWorker() };
}

const { values } = parseArgs({
  options: { from: { type: "string" }, seed: { type: "string", default: String(randomInt(1e9)) } },
});
if (values.from === undefined) throw new Error("Usage: npm run test:upgrade -- --from <commit> [--seed N]");
const random = randomOf(Number(values.seed));
const [tree, now, upstream] = await Promise.all([treeOf(values.from), buildWorker(), startUpstream()]);
const old = await before(tree);
const violations: string[] = [];

/** Somebody lives through these turns of one state, and is asked after each whether all is still so. */
async function through(what: string, turns: [name: string, start: (options: ServeOptions) => Promise<LocalLocker>][]) {
  const stateDir = await mkdtemp(join(tmpdir(), "apilocker-upgrade-"));
  let life: Life | undefined;
  let ports: Ports = { port: 0, proxyPort: 0, oidcPort: 0 };
  let told = 0;
  for (const [name, start] of turns) {
    const locker = await start({ stateDir, ...ports, log: () => {} });
    ports = portsOf(locker);
    try {
      if (life === undefined) life = await Life.begin(`${what}@example.com`, locker, upstream);
      else await life.look(locker);
      const over = new AbortController();
      const living = life.live(locker, random, over.signal);
      await new Promise((resolve) => setTimeout(resolve, LIVE_MS));
      over.abort();
      await living;
      await life.look(locker);
    } catch (fault) {
      // What cannot even be asked is one more thing to tell, and the other turns have more to say.
      violations.push(`${what}, ${name}: ${String(fault)}`);
      break;
    } finally {
      await locker.stop();
    }
    for (const violation of life.violations.slice(told)) violations.push(`${what}, ${name}: ${violation}`);
    console.log(`${what}, ${name}: ${JSON.stringify(life.counts)}, ${life.violations.length - told} violations`);
    told = life.violations.length;
  }
  await rm(stateDir, { recursive: true, force: true });
}

try {
  await through("upgrade", [
    ["before", (options) => old.serve(options)],
    ["after", (options) => serve(options)],
    ["rolled back", (options) => serve({ ...options, bundle: old.bundle })],
    ["after again", (options) => serve(options)],
  ]);
  await through("rollout", [
    ["the old router before new vaults", (options) => serve({ ...options, bundle: old.bundle, objects: now })],
  ]);
  await through("late", [
    ["the new router before old vaults", (options) => serve({ ...options, objects: old.bundle })],
  ]);
} finally {
  await Promise.all([upstream.stop(), rm(tree, { recursive: true, force: true })]);
}
for (const violation of violations) console.error(violation);
console.log(`from ${values.from}, seed ${values.seed}: ${violations.length} violations`);
process.exit(violations.length === 0 ? 0 : 1);
