/** What every file that runs inside the runtime begins and ends with: a D1 as a deployment has it, and real clocks after each test. */
import { afterEach, beforeAll, vi } from "vitest";
import { createDirectory } from "./vault.ts";

beforeAll(createDirectory);
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});
