import { vi } from "vitest";

/** However many cases a test asks for. A mutant that so many do not kill is told as one that lives. */
const MOST = 300;

/** The same cases for every mutant, and few of them: thousands of runs are made of each test. */
vi.mock("fast-check", async (original) => {
  const fc = await original<typeof import("fast-check")>();
  fc.configureGlobal({ numRuns: 60, seed: 42 });
  const assert: typeof fc.assert = ((property, { numRuns = 60, ...more } = {}) =>
    fc.assert(property, { ...more, numRuns: Math.min(numRuns, MOST) })) as typeof fc.assert;
  return { ...fc, assert, default: { ...fc.default, assert } };
});
