import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Settings } from "./project.ts";

export const ASSETS_WORKER = "assets";
export const NEIGHBOUR = "neighbour";
// Tests, and a person at work, sign in more often than a stranger may.
const GENEROUS_LIMIT = 1_000;
const MODULE_TYPES = { ".js": "ESModule", ".sql": "Text", ".css": "Text", ".wasm": "CompiledWasm" } as const;

/**
 * For the runtime's environment: its allocator keeps freed memory at hand for each processor, but only where glibc has not taken the
 * kernel's restartable sequences for itself. Elsewhere this is nothing.
 */
export const FAST_MEMORY = { GLIBC_TUNABLES: "glibc.pthread.rseq=0" };

/**
 * The platform's asset layer as a worker of its own. Beside the Worker itself it would stand in front of it, and every proxied
 * call would go through it.
 */
export function assetsWorker(directory: string, { assets, compatibility_date: compatibilityDate }: Settings) {
  return {
    name: ASSETS_WORKER,
    modules: true,
    script: "export default {}",
    compatibilityDate,
    assets: { directory, assetConfig: { html_handling: assets.html_handling } },
  } as const;
}

/** A Worker that stands between another and the network. */
export function neighbourWorker(script: string, { compatibility_date: compatibilityDate }: Settings) {
  return { name: NEIGHBOUR, modules: true, script, compatibilityDate } as const;
}

/** What wrangler.jsonc binds, on this machine. */
export function namespacesOf(settings: Settings, wished: Record<string, number> = {}) {
  const limits = settings.ratelimits.map(({ name, namespace_id, simple }) => {
    const limit = wished[name] ?? Math.max(simple.limit, GENEROUS_LIMIT);
    return [name, { namespace_id, simple: { ...simple, limit } }] as const;
  });
  return {
    durableObjects: objectsOf(settings),
    ratelimits: Object.fromEntries(limits),
    kvNamespaces: settings.kv_namespaces.map(({ binding }) => binding),
    d1Databases: settings.d1_databases.map(({ binding }) => binding),
  };
}

/** The classes of objects, and whose they are where they are not the Worker's own. */
export function objectsOf(settings: Settings, scriptName?: string) {
  const objects = settings.durable_objects.bindings.map(({ name, class_name: className }) => {
    const useSQLite = settings.exports[className]?.storage === "sqlite";
    return [name, { className, useSQLite, ...(scriptName === undefined ? {} : { scriptName }) }] as const;
  });
  return Object.fromEntries(objects);
}

/** A module of a test's before the bundle's own. */
export function frontOf(bundle: string, contents: string | undefined) {
  return contents === undefined ? [] : [{ type: "ESModule", path: join(bundle, "front.js"), contents } as const];
}

/** The bundle's files that the runtime loads; the first is the entry. */
export function modulesOf(bundle: string) {
  const names = ["index.js", ...readdirSync(bundle).filter((name) => name !== "index.js")];
  return names.flatMap((name) => {
    const found = Object.entries(MODULE_TYPES).find(([suffix]) => name.endsWith(suffix));
    return found === undefined ? [] : [{ type: found[1], path: join(bundle, name) }];
  });
}
