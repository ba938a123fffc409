import { mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** Settings for code that runs inside the runtime in tests; keys are of the right shape and secret to nobody. */
const bindings = {
  PUBLIC_ORIGIN: "http://localhost:8420",
  PROXY_ORIGIN: "http://localhost:8421",
  ROOT_KEYS: `r1:${"A".repeat(43)}=`,
  TOKEN_KEYS: `t1:${"B".repeat(42)}A=`,
  ALLOW_PRIVATE_UPSTREAMS: "true",
};

// wrangler asks for required secrets by their names in the environment, whatever is bound here.
process.env.ROOT_KEYS ??= bindings.ROOT_KEYS;
process.env.TOKEN_KEYS ??= bindings.TOKEN_KEYS;

// wrangler.jsonc names the folder of the dashboard's builds, and whoever reads that file wants it to be there.
mkdirSync(join(import.meta.dirname, ".build", "dashboard"), { recursive: true });

/** How many runs a model-based test makes; `npm run test:consistency` asks for more. */
const consistency_runs = Number(process.env.CONSISTENCY_RUNS ?? 20);

declare module "vitest" {
  interface ProvidedContext {
    consistency_runs: number;
  }
}

export default defineConfig({
  test: {
    // A file mostly waits for a runtime of its own: with a worker less than cores, which is usual, half of two cores idles.
    maxWorkers: availableParallelism() + 1,
    globalSetup: "test/support/temporary.ts",
    projects: [
      {
        // Code in the real runtime: objects are evicted, alarms run, storage is looked into.
        plugins: [cloudflareTest({ wrangler: { configPath: "./wrangler.jsonc" }, miniflare: { bindings } })],
        test: {
          name: "workerd",
          include: ["test/{crypto,vault}/**/*.test.ts"],
          setupFiles: ["test/support/fresh_vaults.ts"],
          testTimeout: 60_000,
          provide: { consistency_runs },
        },
      },
      {
        // Everything a client can see, over real sockets against the deployed bundle; and pure code.
        test: {
          name: "node",
          include: [
            "test/{api,auth,browser,catalog,cli,config,dashboard,docs,flows,fuzz,attacks,mcp,policy,proxy,local,oauth,signin}/**/*.test.ts",
            "test/*.test.ts",
          ],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          // Files of one worker share what they import, and one locker (`usualLocker`): starting both anew was a third of a run.
          isolate: false,
        },
      },
    ],
  },
});
