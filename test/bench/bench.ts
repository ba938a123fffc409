// `npm run bench`: API Locker beside what it could be at best, and beside its peers, on this machine.
import { writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { parseArgs } from "node:util";
import { buildWorker } from "../../src/local/build.ts";
import { Children } from "./children.ts";
import { machine, versions } from "./machine.ts";
import { measure } from "./measure.ts";
import { measureCold, tellCold } from "./parts/cold.ts";
import { measureCuts, tellCuts } from "./parts/cuts.ts";
import { measureStored, tellStored } from "./parts/stored.ts";
import { measurePeers, tellPeers } from "./peers.ts";
import { planFor, type Plan } from "./plan.ts";
import { report } from "./report.ts";
import { resultsOf } from "./results.ts";
import { startTargets } from "./targets/start.ts";

const children = new Children();

/** One whole run: start everything, measure, print, write. */
async function run(plan: Plan, json: string | undefined): Promise<void> {
  const idle = machine();
  say("building the Worker and starting the targets");
  await buildWorker();
  const started = Date.now();
  const field = await startTargets(children, plan.vaults);
  for (const { name, why } of field.skipped) say(`without ${name}: ${why}`);
  const results = resultsOf(await measure(field, plan, say));
  const seconds = Math.round((Date.now() - started) / 1000);
  console.log(`\n${report(results)}\n\nA ${plan.name} run of ${seconds} s.`);
  if (json === undefined) return;
  const file = { ...results, machine: idle, versions: versions(), run: { plan: plan.name, seconds } };
  await writeFile(json, `${JSON.stringify(file, null, 2)}\n`);
}

/** Only how fast that many open streams are cut (`--cuts 1000,4900`): it wants the machine for itself. */
async function cutMany(sizes: string, json: string | undefined): Promise<void> {
  await buildWorker();
  const cuts = await measureCuts(children, sizes.split(",").map(Number), (one) => console.log(tellCuts(one)));
  if (json !== undefined)
    await writeFile(json, `${JSON.stringify({ cuts, machine: machine(), versions: versions() }, null, 2)}\n`);
}

/** Only tokens and tools beside others' (`--peers`). */
async function besidePeers(json: string | undefined): Promise<void> {
  await buildWorker();
  const peers = await measurePeers(children, say);
  console.log(tellPeers(peers));
  if (json !== undefined)
    await writeFile(json, `${JSON.stringify({ peers, machine: machine(), versions: versions() }, null, 2)}\n`);
}

/** Only what a call costs where much is stored (`--stored 100000,1000000`: keys and audit rows). */
async function whereMuchIsStored(sizes: string, json: string | undefined): Promise<void> {
  const [keys = 0, rows = 0] = sizes.split(",").map(Number);
  const stored = await measureStored(children, { keys, rows }, say);
  console.log(tellStored(stored));
  if (json !== undefined)
    await writeFile(json, `${JSON.stringify({ stored, machine: machine(), versions: versions() }, null, 2)}\n`);
}

/** Only the first call of vaults that slept (`--cold 64`). */
async function asleep(vaults: string, json: string | undefined): Promise<void> {
  await buildWorker();
  const cold = await measureCold(children, Number(vaults), say);
  console.log(tellCold(cold));
  if (json !== undefined)
    await writeFile(json, `${JSON.stringify({ cold, machine: machine(), versions: versions() }, null, 2)}\n`);
}

type Asked = { json?: string; cold?: string; cuts?: string; stored?: string; peers: boolean };

/** The whole run, or the one part that was asked for. */
function workFor({ json, cold, cuts, stored, peers }: Asked, plan: Plan): Promise<void> {
  if (cold !== undefined) return asleep(cold, json);
  if (cuts !== undefined) return cutMany(cuts, json);
  if (stored !== undefined) return whereMuchIsStored(stored, json);
  return peers ? besidePeers(json) : run(plan, json);
}

/** Never resolves: rejects when the time is up, or when somebody stops us. */
function stopped(limit_ms: number): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`Stopped after ${limit_ms / 60_000} minutes.`)), limit_ms).unref();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => {
        process.exitCode = 128 + constants.signals[signal];
        reject(new Error("Stopped."));
      });
    }
  });
}

function say(line: string): void {
  console.error(`… ${line}`);
}

try {
  const { values } = parseArgs({
    options: {
      json: { type: "string" },
      quick: { type: "boolean", default: false },
      long: { type: "boolean", default: false },
      cold: { type: "string" },
      cuts: { type: "string" },
      peers: { type: "boolean", default: false },
      stored: { type: "string" },
    },
  });
  const plan = planFor(values);
  const work = workFor(values, plan);
  await Promise.race([work, stopped(plan.limit_ms)]);
} catch (fault) {
  process.exitCode ??= 1;
  if (process.exitCode === 1) console.error(children.lastWords);
  console.error(fault instanceof Error ? fault.message : fault);
} finally {
  await children.stop();
}
process.exit();
