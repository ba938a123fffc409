// Every npm script starts here: sets up what is missing, then runs the command. Plain JavaScript without dependencies,
// because it runs before anything is installed, on whatever Node the machine has (20 or newer).
import { join } from "node:path";
import { check, fix } from "./check.mjs";
import { consistency } from "./consistency.mjs";
import { whyNotHere } from "./host.mjs";
import { generateTypes, install } from "./install.mjs";
import { mutation } from "./mutation.mjs";
import { pickNode, root, run } from "./program.mjs";
import { test } from "./test.mjs";

const COMMANDS = {
  start: program("src/local/start.ts"),
  demo: program("src/local/demo.ts"),
  deploy: program("src/local/deploy.ts"),
  "rotate-root": program("src/local/rotate_root.ts"),
  smoke: program("test/smoke/smoke.ts"),
  "test:consistency": needing({ testPackages: true, types: true }, consistency),
  "test:mutation": needing({ testPackages: true, types: true }, mutation),
  "test:crash": program("test/crash/main.ts"),
  "test:upgrade": program("test/upgrade/upgrade.ts"),
  soak: program("test/soak/soak.ts"),
  fuzz: program("test/fuzz/main.ts"),
  bench: needing({ testPackages: true }, program("test/bench/bench.ts")),
  conformance: needing({ testPackages: true }, program("test/conformance/run.ts")),
  check: needing({ testPackages: true, types: true }, async (node) => Math.min(await check(node), 1)),
  fix: needing({ testPackages: true, types: true }, fix),
  cli: program("src/local/cli_package.ts"),
  test: needing({ testPackages: true, types: true }, test),
};

function program(file) {
  return (node, args) => run(node, [join(root, file), ...args]);
}

function needing({ testPackages = false, types = false }, command) {
  return async (node, args) => {
    if (testPackages) await install(join(root, "test"));
    if (types) await generateTypes(node);
    return command(node, args);
  };
}

async function main(name, args) {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw new Error(`Usage: node scripts/run.mjs ${Object.keys(COMMANDS).join("|")}`);
  const why = whyNotHere();
  if (why !== undefined) throw new Error(why);
  await install(root);
  return command(pickNode(), args);
}

const [name = "", ...args] = process.argv.slice(2);
try {
  process.exitCode = await main(name, args);
} catch (fault) {
  console.error(fault.message);
  process.exitCode = 1;
}
