import { afterAll, beforeAll, expect, it } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { serverConformance, type Revision } from "../conformance/server.ts";
import { startLocker } from "../support/locker.ts";

let locker: LocalLocker;

beforeAll(async () => {
  locker = await startLocker({ vars: { MCP_CONFORMANCE_FIXTURES: "true" } });
});
afterAll(() => locker.stop());

// The whole of both sets is `npm run conformance`; these are the scenarios in which most can go wrong.
it.each<[Revision, string]>([
  ["2025-11-25", "server-initialize"],
  ["2025-11-25", "tools-call-elicitation"],
  ["2025-11-25", "dns-rebinding-protection"],
  ["2026-07-28", "server-stateless"],
  ["2026-07-28", "caching"],
  ["2026-07-28", "input-required-result-tampered-state"],
])("the official suite finds nothing wrong: %s %s", async (revision, scenario) => {
  const { code, output } = await serverConformance(locker, revision, { scenario });
  expect(output).toContain("0 failed");
  expect(code, output).toBe(0);
});
