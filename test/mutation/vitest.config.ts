import { defineConfig } from "vitest/config";

/** The tests of one module in plain Node, as `modules.mjs` names them: thousands of runs of them, so each is short. */
export default defineConfig({
  // Migrations are imported on the way to what is tested, and not read.
  assetsInclude: ["**/*.sql"],
  test: {
    include: (process.env.MUTATION_TESTS ?? "").split(","),
    setupFiles: ["test/mutation/short_properties.ts"],
    testTimeout: 30_000,
  },
});
