import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";
import { ROOT } from "../../src/local/project.ts";
import { Coverage } from "./coverage.ts";
import type { Target } from "./fuzz.ts";
import { TARGETS } from "./targets.ts";

/** A target as it is run: its source watched, and the texts that stand in it. */
export type Loaded = { target: Target; coverage: Coverage; words: readonly string[] };

/**
 * Loads a target with the source that it names instrumented as it is read; all else is loaded as it is. Once in a process, before
 * anything else has loaded that source.
 */
export async function load(name: string): Promise<Loaded> {
  const make = TARGETS[name];
  if (make === undefined) throw new Error(`There is no target ${name}: ${Object.keys(TARGETS).join(", ")}.`);
  const coverage = new Coverage();
  const words = new Set<string>();
  const watched = new Set(make.files.map((file) => join(ROOT, file)));
  registerHooks({
    load(url, context, next) {
      if (url.endsWith(".sql")) return { format: "module", source: "export default '';", shortCircuit: true };
      const path = url.startsWith("file:") ? fileURLToPath(url) : url;
      if (!watched.has(path)) return next(url, context);
      const { code: script } = transformSync(readFileSync(path, "utf8"), { loader: "ts", target: "esnext" });
      const { code, words: found } = coverage.instrument(relative(ROOT, path), script);
      for (const word of found) words.add(word);
      return { format: "module", source: code, shortCircuit: true };
    },
  });
  const { target } = await make.load();
  return { target, coverage, words: [...words] };
}
