import { join } from "node:path";
import { commandOf, root, run } from "./program.mjs";

const RUNS = "300";
const MODELS = ["test/vault/rotation_model.test.ts", "test/vault/standing.test.ts"];

/** The long forms of what `npm test` shows briefly: models inside the vault, then histories of the whole product. */
export async function consistency(node, args) {
  process.env.CONSISTENCY_RUNS ??= RUNS;
  const models = await run(node, [
    commandOf("vitest"),
    "run",
    "--project",
    "workerd",
    "--testTimeout=600000",
    ...MODELS,
  ]);
  const histories = await run(node, [join(root, "test", "consistency", "consistency.ts"), ...args]);
  return models === 0 ? histories : models;
}
