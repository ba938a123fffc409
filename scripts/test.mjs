import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { check } from "./check.mjs";
import { commandOf, root, run } from "./program.mjs";

/** Static checks, then every test on the bundle that would be deployed. The last line is the count, for people and machines alike. */
export async function test(node, args) {
  const failedChecks = await check(node);
  const count = (await build(node)) ? await vitest(node, args) : { passed: 0, failed: 1, skipped: 0 };
  if (count.passed + count.failed === 0) console.error("No test ran.");
  const failed = count.failed + failedChecks;
  console.log(`\n${count.passed} passed, ${failed} failed, ${count.skipped} skipped`);
  return failed === 0 && count.passed > 0 ? 0 : 1;
}

async function build(node) {
  // Once and before the tests, so that they need not all do it at the same time.
  return (await run(node, [join(root, "src", "local", "build.ts")])) === 0;
}

async function vitest(node, args) {
  const report = join(root, ".build", "vitest.json");
  mkdirSync(join(root, ".build"), { recursive: true });
  rmSync(report, { force: true });
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const code = await run(node, [commandOf("vitest"), "run", ...reporters, ...args]);
  // Without a report the runner itself fell over; a file that does not load holds no test to count. Both are failures.
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: 0 };
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
    readFileSync(report, "utf8"),
  );
  const broken = testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some(hasFailed),
  ).length;
  const failed = numFailedTests + broken;
  const ran = numPassedTests + failed > 0;
  return {
    passed: numPassedTests,
    failed: code !== 0 && ran ? Math.max(failed, 1) : failed,
    skipped: numPendingTests + numTodoTests,
  };
}

function hasFailed(assertion) {
  return assertion.status === "failed";
}
