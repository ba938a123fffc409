import { afterAll, beforeAll, expect, it } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { authorizationConformance } from "../conformance/authorization.ts";
import { startLocker } from "../support/locker.ts";

let locker: LocalLocker;

beforeAll(async () => {
  locker = await startLocker();
});
afterAll(() => locker.stop());

it("every check of the official conformance suite on authorization servers passes, and none is skipped", async () => {
  const { passed, total, skipped, output } = await authorizationConformance(locker);
  expect({ passed, total, skipped }, output).toEqual({ passed: 3, total: 3, skipped: 0 });
}, 60_000);
