/** `npm run conformance`: the official MCP suite against the real Worker, whole. */
import { basename, join } from "node:path";
import { startLocker } from "../support/locker.ts";
import { authorizationConformance } from "./authorization.ts";
import { bridgeConformance } from "./client.ts";
import { REVISIONS, serverConformance } from "./server.ts";

let failed = 0;

/** One line a part; where something fails, what the suite printed. */
function tell(what: string, passed: boolean, output: string): void {
  console.log(`${passed ? "✓" : "✗"} ${what}`);
  if (passed) return;
  failed++;
  console.log(output);
}

const withFixtures = await startLocker({ vars: { MCP_CONFORMANCE_FIXTURES: "true" } });
try {
  for (const revision of REVISIONS) {
    const { passed, total, output } = await serverConformance(withFixtures, revision);
    tell(`${revision} ${passed}/${total}`, passed === total && total > 0, output);
  }
  const { passed, total, skipped, output } = await authorizationConformance(withFixtures);
  tell(`authorization server ${passed}/${total}`, passed === total && total > 0 && skipped === 0, output);
} finally {
  await withFixtures.stop();
}

const asDeployed = await startLocker();
try {
  for (const revision of REVISIONS) {
    const baseline = join(import.meta.dirname, `production-${revision}.yml`);
    const { code, output } = await serverConformance(asDeployed, revision, { baseline });
    tell(`${revision} as deployed: nothing fails but what is explained in ${basename(baseline)}`, code === 0, output);
  }
} finally {
  await asDeployed.stop();
}

for (const revision of REVISIONS) {
  const { passed, total, output } = await bridgeConformance(revision);
  tell(`${revision} apilocker mcp, as a client ${passed}/${total}`, passed === total && total > 0, output);
}
process.exitCode = failed === 0 ? 0 : 1;
