import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { MODULES } from "../test/mutation/modules.mjs";
import { install } from "./install.mjs";
import { root, run } from "./program.mjs";

/**
 * `npm run test:mutation [-- module …]`: changes the code in every small way, and counts how many changes no test notices.
 * `-- rules` breaks the rules of the threat model instead, one by one.
 */
export async function mutation(node, wanted) {
  if (wanted[0] === "rules") return run(node, [join(root, "test", "mutation", "break_rules.ts"), ...wanted.slice(1)]);
  const folder = join(root, "test", "mutation");
  await install(folder);
  mkdirSync(join(root, ".build", "mutation"), { recursive: true });
  const stryker = join(folder, "node_modules", "@stryker-mutator", "core", "bin", "stryker.js");
  let failed = 0;
  for (const name of wanted.length > 0 ? wanted : Object.keys(MODULES)) {
    console.log(`\n${name}`);
    process.env.MUTATION_MODULE = name;
    const code = await run(node, [stryker, "run", join("test", "mutation", "stryker.config.mjs")]);
    failed += code === 0 ? 0 : 1;
  }
  return failed;
}
