// `npm run fuzz -- [target …] --minutes 5`: changes inputs over and over, keeps those that take new ways through the code, and says
// where something does not hold. Not part of `npm test`. A corpus is kept in `.build/fuzz` and gone on with.
import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { ROOT } from "../../src/local/project.ts";
import { fuzz } from "./fuzz.ts";
import { load } from "./load.ts";
import type { Fields } from "./mutate.ts";
import { TARGETS } from "./targets.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string", default: String(randomInt(1e9)) },
    /** An input that was told of, as JSON: run once. */
    input: { type: "string" },
  },
});
const names = positionals.length > 0 ? positionals : Object.keys(TARGETS);

if (names.length === 1) process.exitCode = await one(names[0] as string);
else {
  // A process each: what is watched is loaded once in a process.
  const run = promisify(execFile);
  const rest = ["--minutes", values.minutes, "--seed", values.seed];
  for (const name of names) {
    const asked = run(process.execPath, [join(import.meta.dirname, "main.ts"), name, ...rest]);
    const { stdout } = await asked.catch((failed: { stdout: string }) => {
      process.exitCode = 1;
      return failed;
    });
    process.stdout.write(stdout);
  }
}

async function one(name: string): Promise<number> {
  const { target, coverage, words } = await load(name);
  if (values.input !== undefined) {
    await target.run(JSON.parse(values.input) as Fields);
    console.log(`${name}: holds for that input`);
    return 0;
  }
  const folder = join(ROOT, ".build", "fuzz");
  await mkdir(folder, { recursive: true });
  const kept = join(folder, `${name}.json`);
  const known = await readFile(kept, "utf8").then(
    (text) => JSON.parse(text) as Fields[],
    () => [],
  );
  const until = performance.now() + Number(values.minutes) * 60_000;
  const { executions, corpus, failure } = await fuzz(target, {
    coverage,
    words,
    seed: Number(values.seed),
    corpus: known.filter((fields) => fields.length === target.seeds[0]?.length),
    goOn: () => performance.now() < until,
  });
  await writeFile(kept, JSON.stringify(corpus));
  const ways = coverage.reached().map(({ file, reached, count }) => `${file} ${reached} of ${count}`);
  console.log(
    `${name}: ${executions.toLocaleString("en")} runs, ${corpus.length} inputs kept; ${ways.join(", ")} (seed ${values.seed})`,
  );
  if (failure === undefined) return 0;
  console.log(
    `${name}: does not hold: ${String(failure.fault)}\n  --input '${JSON.stringify(failure.fields).replaceAll("'", "\\u0027")}'`,
  );
  return 1;
}
