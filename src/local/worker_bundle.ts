import { join } from "node:path";
import { build, type BuildOptions, type Plugin } from "esbuild";
import { ROOT } from "./project.ts";

/**
 * Packages ask for Node's modules in CommonJS; the runtime has them as modules only. `agents` asks for two of them, for mail
 * that nobody sends here.
 */
export const nodeModules: Plugin = {
  name: "node-modules",
  setup(build) {
    build.onResolve({ filter: /^(node:)?(path|os)$/ }, ({ path, kind }) => {
      const name = path.replace(/^node:/, "");
      return kind === "require-call"
        ? { path: name, namespace: "node-module" }
        : { path: `node:${name}`, external: true };
    });
    build.onLoad({ filter: /.*/, namespace: "node-module" }, ({ path }) => ({
      contents: `export { default } from "node:${path}"; export * from "node:${path}";`,
    }));
  },
};

/** Refusals are worded by us: zod's messages in forty languages are never shown, and would be half of what starts. */
export const oneLanguage: Plugin = {
  name: "one-language",
  setup(build) {
    build.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, ({ path }) => ({
      contents: `export { default as en } from "./en.js";`,
      resolveDir: join(path, ".."),
    }));
  },
};

/** How whatever runs on workerd is bundled. */
export const FOR_WORKERS = {
  bundle: true,
  format: "esm",
  target: "es2024",
  platform: "neutral",
  mainFields: ["module", "main"],
  conditions: ["workerd", "worker", "browser"],
  external: ["cloudflare:*", "node:*"],
  loader: { ".sql": "text", ".css": "text" },
  minify: true,
  logLevel: "silent",
} satisfies BuildOptions;

/**
 * Bundles the Worker into `folder`; its entry is `index.js`. What is imported at run time only (`import()`) becomes a module of
 * its own that the runtime evaluates when it is first asked for: most of what speaks MCP is never paid for by a proxied call
 * (docs/decisions/0011).
 */
export async function bundleWorker(folder: string): Promise<void> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: ["src/index.ts"],
    outdir: folder,
    splitting: true,
    chunkNames: "[name]-[hash]",
    ...FOR_WORKERS,
    keepNames: true,
    sourcemap: true,
    plugins: [nodeModules, oneLanguage],
  });
}
