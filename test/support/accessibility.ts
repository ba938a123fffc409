import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";

type Violation = { id: string; impact: string; help: string; nodes: { html: string; failureSummary: string }[] };

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds serious or critical on a page, a line each; by all its rules, or by those that are named. */
export async function seriousFaults(page: Page, rules?: readonly string[]): Promise<string[]> {
  // Evaluated from outside, as a developer's console is: the page's policy, which would refuse it, stays as it is.
  if (await page.evaluate("globalThis.axe === undefined")) await page.evaluate(AXE);
  const { violations } = await page.evaluate<{ violations: Violation[] }>(
    `axe.run(document, ${JSON.stringify({ resultTypes: ["violations"], ...(rules === undefined ? {} : { runOnly: rules }) })})`,
  );
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html.slice(0, 200)}`));
}
