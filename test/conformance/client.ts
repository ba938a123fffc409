/** The client scenarios of the official MCP conformance suite, played through `apilocker mcp`. */
import { join } from "node:path";
import { bundle } from "../support/cli.ts";
import { runSuite, type Revision } from "./server.ts";

export type BridgeResult = { passed: number; total: number; output: string };

/**
 * Runs what a revision requires of a client. `auth/…` are not the bridge's: programs on stdio do no OAuth (MCP authorization), it is let
 * in by the device's own sign-in. Everything else is applicable, and nothing is excused.
 */
export async function bridgeConformance(revision: Revision): Promise<BridgeResult> {
  const [listed, program] = [await runSuite(["list", "--client", "--requirements", revision]), await bundle()];
  const [, required = ""] = /Client scenarios([\s\S]*?)Run and reported/.exec(listed.output) ?? [];
  const scenarios = [...required.matchAll(/^ {2}- (\S+)/gm)]
    .map(([, name = ""]) => name)
    .filter((name) => !name.startsWith("auth/"));
  const command = `${process.execPath} ${join(import.meta.dirname, "through_bridge.ts")} ${program}`;
  let [passed, output] = [0, listed.code === 0 ? "" : listed.output];
  for (const scenario of scenarios) {
    const what = ["--scenario", scenario, "--spec-version", revision];
    const ran = await runSuite(["client", "--command", command, ...what]);
    if (ran.code === 0) passed++;
    else output += `\n${scenario}\n${ran.output}`;
  }
  return { passed, total: scenarios.length, output };
}
