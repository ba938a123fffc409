import { expect, it } from "vitest";
import { authorizationConformance } from "../conformance/authorization.ts";
import { usualLocker } from "../support/locker.ts";

const locker = await usualLocker();

it("every check of the official conformance suite on authorization servers passes, and none is skipped", async () => {
  const { passed, total, skipped, output } = await authorizationConformance(locker);
  expect({ passed, total, skipped }, output).toEqual({ passed: 3, total: 3, skipped: 0 });
}, 60_000);
