import { randomInt } from "node:crypto";
import { expect, it } from "vitest";
import { crash } from "../crash/crash.ts";

// `npm run test:crash` kills it by the hundred; this one shows that it can be shown. The seed stands in the failure's first line.
it.skipIf(process.platform === "win32")(
  "killed in the middle of everything, it has lost nothing that it had acknowledged, and nothing stopped works again",
  async () => {
    const { cycles, calls, rows, arrived } = await crash({ cycles: 2, seed: randomInt(1e9), at_least: 10 });
    expect(cycles).toBe(2);
    // Those that asked were let through, and what was let through is written down.
    expect(calls).toBeGreaterThanOrEqual(20);
    expect(rows).toBeGreaterThanOrEqual(arrived);
  },
  300_000,
);
