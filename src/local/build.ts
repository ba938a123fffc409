import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { built, filesIn } from "./bundle.ts";
import { packCli } from "./cli_package.ts";
import { ROOT, run } from "./project.ts";
import { bundleWorker } from "./worker_bundle.ts";

// Programs of their own, which the Worker does not import.
const NOT_THE_WORKER = new Set(["local", "cli", "dashboard"]);

/** Bundles the Worker as it is deployed and answers the bundle's folder; its entry is `index.js`. */
export function buildWorker(): Promise<string> {
  return built({
    folder: join(ROOT, ".build", "worker"),
    sources: async () => {
      const folders = await readdir(join(ROOT, "src"), { withFileTypes: true });
      const files = await Promise.all(
        folders
          .filter(({ name }) => !NOT_THE_WORKER.has(name))
          .map(async (entry) => {
            const path = join("src", entry.name);
            return entry.isDirectory() ? filesIn(path) : [path];
          }),
      );
      return [...files.flat().toSorted(), "wrangler.jsonc", "tsconfig.json", "package-lock.json"];
    },
    build: bundleWorker,
  });
}

/** Builds the dashboard, with the command line beside it, and answers the folder that the Worker serves as its assets. */
export function buildDashboard(): Promise<string> {
  return built({
    folder: join(ROOT, ".build", "dashboard"),
    sources: async () => {
      const ours = await Promise.all(["src/dashboard", "src/api/schema", "src/cli"].map(filesIn));
      const shared = ["src/api/schema.ts", "src/pages/look.css", "src/local/cli_package.ts", "docs/cli.md"];
      return [...ours.flat(), ...shared, "package.json", "package-lock.json"];
    },
    build: async (into) => {
      const config = join(ROOT, "src", "dashboard", "vite.config.ts");
      const args = ["build", "--config", config, "--outDir", into, "--logLevel", "warn"];
      const { code, stdout, stderr } = await run("vite", args, {
        // A test runner says otherwise, and would get React's slow and talkative build.
        env: { NODE_ENV: "production" },
      });
      if (code !== 0) throw new Error(`The dashboard does not build:\n${(stderr || stdout).trim()}`);
      await packCli(join(into, "apilocker.tgz"));
    },
  });
}

if (process.argv[1] === import.meta.filename) {
  try {
    await Promise.all([buildWorker(), buildDashboard()]);
  } catch (fault) {
    console.error(fault instanceof Error ? fault.message : fault);
    process.exitCode = 1;
  }
}
