// `npm run test:mutation -- rules [S1 …]`: breaks each rule, or those, in a copy of the source, and runs the test that must notice.
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../../src/local/project.ts";
import { BROKEN_RULES, type BrokenRule } from "./rules.ts";

const run = promisify(execFile);

type Report = { testResults: { assertionResults: { status: string; fullName: string }[] }[] };

/** The source as it lies here, committed or not, with what is installed. */
async function copyOfTheSource(): Promise<string> {
  const tree = await mkdtemp(join(tmpdir(), "apilocker-rules-"));
  const { stdout } = await run("git", ["ls-files", "-co", "--exclude-standard", "-z"], { cwd: ROOT });
  for (const name of stdout.split("\0").filter(Boolean)) await cp(join(ROOT, name), join(tree, name));
  for (const modules of ["node_modules", "test/node_modules"]) await symlink(join(ROOT, modules), join(tree, modules));
  return tree;
}

/** The first test that fails while the rule is broken; undefined where none does. */
async function whoNotices(tree: string, { file, from, to, test }: BrokenRule): Promise<string | undefined> {
  const source = await readFile(join(ROOT, file), "utf8");
  const report = join(tree, "report.json");
  await writeFile(
    join(tree, file),
    source.replace(from, () => to),
  );
  const vitest = [join(tree, "node_modules", "vitest", "vitest.mjs"), "run", "--bail=1", test];
  await run(process.execPath, [...vitest, "--reporter=json", `--outputFile=${report}`], { cwd: tree }).catch(() => {});
  const { testResults } = JSON.parse(await readFile(report, "utf8")) as Report;
  await Promise.all([rm(report), writeFile(join(tree, file), source)]);
  const results = testResults.flatMap(({ assertionResults }) => assertionResults);
  return results.find(({ status }) => status === "failed")?.fullName;
}

const wanted = process.argv.slice(2);
const broken_rules = BROKEN_RULES.filter(({ rule }) => wanted.length === 0 || wanted.includes(rule));
const tree = await copyOfTheSource();
let unnoticed = 0;
try {
  for (const each of broken_rules) {
    const { rule, broken, test } = each;
    const by = await whoNotices(tree, each);
    if (by === undefined) unnoticed++;
    console.log(`${rule} ${broken}: ${by === undefined ? "NOBODY NOTICES" : `“${by}”`} (${test})`);
  }
} finally {
  await rm(tree, { recursive: true, force: true });
}
console.log(`${broken_rules.length} times a rule was broken, ${unnoticed} times nobody noticed`);
process.exitCode = unnoticed === 0 ? 0 : 1;
