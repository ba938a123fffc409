// `npm run test:consistency`: the long form of what `npm test` shows briefly. Is anything ever accepted after it was stopped, or
// lost after it was acknowledged?
import { parseArgs } from "node:util";
import { buildWorker } from "../../src/local/build.ts";
import { storm } from "../support/storm.ts";

const { values } = parseArgs({
  options: {
    calls: { type: "string", default: "10000" },
    kills: { type: "string", default: "6" },
    lulls: { type: "string", default: "3" },
  },
});
// A runtime that is killed leaves questions of its own keeper unanswered. Whatever is ours is waited for below, and fails there.
process.on("unhandledRejection", () => {});
await buildWorker();
const seen = await storm({
  calls: Number(values.calls),
  kills: Number(values.kills),
  lulls: Number(values.lulls),
  say: (line) => console.error(`… ${line}`),
});
for (const violation of seen.violations.slice(0, 20)) console.error(JSON.stringify(violation));
const lost = seen.lost.length + (seen.chain_ok ? 0 : 1);
const violated = seen.violations.length + seen.arrived_wrongly.length;
console.log(
  `${seen.calls} calls (${seen.passed} let through, ${seen.refused} refused), ${seen.stops} stops, ${seen.kills} kills, ${seen.lulls} lulls: ${lost} lost, ${violated} violations`,
);
process.exit(lost + violated === 0 ? 0 : 1);
