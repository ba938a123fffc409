// `npm run test:crash -- --cycles 200 --seed 7`: kills the whole product at any moment, by the hundred. Ends with what was lost.
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { buildWorker } from "../../src/local/build.ts";
import { crash } from "./crash.ts";

const { values } = parseArgs({
  options: { cycles: { type: "string", default: "100" }, seed: { type: "string", default: String(randomInt(1e9)) } },
});
// A runtime that is killed leaves questions of its own keeper unanswered. Whatever is ours is waited for, and fails there.
process.on("unhandledRejection", () => {});
const seed = Number(values.seed);
console.log(`seed ${seed}`);
await buildWorker();
try {
  const seen = await crash({ cycles: Number(values.cycles), seed, say: (line) => console.error(`… ${line}`) });
  const { cycles, calls, changes, refreshes, arrived, rows, unanswered, violations } = seen;
  for (const violation of violations.slice(0, 20)) console.error(violation);
  console.log(
    `seed ${seed}: ${cycles} kills, ${calls} calls, ${changes} changes, ${refreshes} refreshes, ${unanswered} left unanswered, ${arrived} uses upstream, ${rows} rows: ${violations.length} violations`,
  );
  process.exit(violations.length === 0 ? 0 : 1);
} catch (fault) {
  console.error(fault instanceof Error ? (fault.stack ?? fault.message) : fault);
  process.exit(1);
}
