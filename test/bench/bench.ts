import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { buildWorker } from "../../src/local/build.ts";
import { Children } from "./children.ts";
import { machine, versions } from "./machine.ts";
import { measure } from "./measure.ts";
import { planFor, type Plan } from "./plan.ts";
import { report } from "./report.ts";
import { resultsOf, type Results } from "./results.ts";
import { startTargets } from "./targets/start.ts";

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    quick: { type: "boolean", default: false },
    long: { type: "boolean", default: false },
  },
});
const plan = planFor(values);
const children = new Children();
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const) {
  process.once(signal, () => void children.stop().then(() => process.exit(code)));
}

/** `npm run bench`: API Locker beside what it could at best be, and beside its peers, on this machine. */
async function bench(): Promise<void> {
  const before = machine();
  await buildWorker();
  const started = Date.now();
  const results = await withinLimit(run(plan));
  const seconds = Math.round((Date.now() - started) / 1000);
  console.log(`\n${report(results)}\n\n${plan.name} run of ${seconds} s`);
  if (values.json === undefined) return;
  const file = { ...results, machine: before, versions: versions(), run: { plan: plan.name, seconds } };
  await writeFile(values.json, `${JSON.stringify(file, null, 2)}\n`);
}

async function run(wanted: Plan): Promise<Results> {
  say("starting targets");
  const field = await startTargets(children, wanted.vaults);
  for (const { name, why } of field.skipped) say(`without ${name}: ${why}`);
  return resultsOf(await measure(field, wanted, say));
}

function withinLimit<T>(work: Promise<T>): Promise<T> {
  const limit = new Promise<never>((_, reject) => {
    const late = () => reject(new Error(`The bench took longer than ${plan.limit_ms / 60_000} minutes.`));
    setTimeout(late, plan.limit_ms).unref();
  });
  return Promise.race([work, limit]);
}

function say(line: string): void {
  console.error(`… ${line}`);
}

try {
  await bench();
} catch (fault) {
  console.error(children.lastWords);
  console.error(fault instanceof Error ? fault.message : fault);
  process.exitCode = 1;
} finally {
  await children.stop();
}
process.exit();
