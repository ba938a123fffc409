// `npm run soak -- --minutes 30`: what no test has the time for. Each part says its figures in one line; fails where something grew,
// failed or was let through. Not part of `npm test`. Streams that are open by the thousand, and their cut, are in the bench.
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { floods } from "./floods.ts";
import { bodies, hoarder, vaults } from "./large.ts";
import { mixed } from "./mixed.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    people: { type: "string", default: "50" },
    vaults: { type: "string", default: "10000" },
    keys: { type: "string", default: "10000" },
    rows: { type: "string", default: "1000000" },
    megabytes: { type: "string", default: "1024" },
    slow: { type: "string", default: "200" },
    requests: { type: "string", default: "2000" },
    seed: { type: "string", default: String(randomInt(1e9)) },
    parts: { type: "string", default: "mixed,floods,bodies,hoarder,vaults" },
  },
});
const PARTS: Record<string, () => Promise<boolean>> = {
  mixed: () => mixed({ minutes: Number(values.minutes), vaults: Number(values.people), seed: Number(values.seed) }),
  floods: () => floods({ requests: Number(values.requests) }),
  bodies: () => bodies({ megabytes: Number(values.megabytes), slow: Number(values.slow) }),
  hoarder: () => hoarder({ keys: Number(values.keys), rows: Number(values.rows) }),
  vaults: () => vaults({ count: Number(values.vaults) }),
};
let failed = 0;
for (const name of values.parts.split(",")) {
  const part = PARTS[name];
  if (part === undefined) throw new Error(`There is no part ${name}: ${Object.keys(PARTS).join(", ")}.`);
  const fine = await part();
  if (!fine) failed++;
  console.log(`${fine ? "✓" : "✗"} ${name}`);
}
process.exit(failed === 0 ? 0 : 1);
