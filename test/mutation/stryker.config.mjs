import { MODULES } from "./modules.mjs";

const name = process.env.MUTATION_MODULE ?? "";
const { mutate, tests } = MODULES[name];
process.env.MUTATION_TESTS = tests.join(",");

/** One module at a time, one process: a run takes minutes, and a machine has other things to do. */
export default {
  mutate,
  testRunner: "vitest",
  vitest: { configFile: "test/mutation/vitest.config.ts", related: false },
  coverageAnalysis: "perTest",
  concurrency: 1,
  incremental: true,
  incrementalFile: `.build/mutation/${name}.json`,
  tempDirName: ".build/stryker",
  ignorePatterns: ["docs", "src/dashboard", ".build", ".wrangler", ".apilocker", "dist"],
  // It reads that by an interface which TypeScript 7 has no more, and nothing here needs it.
  tsconfigFile: ".build/no-tsconfig.json",
  reporters: ["clear-text"],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  thresholds: { high: 95, low: 90, break: 90 },
  disableTypeChecks: false,
};
