import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import * as z from "zod";
import { parseJsonc } from "./jsonc.ts";

/** Where package.json lies. */
export const ROOT = resolve(import.meta.dirname, "..", "..");

const Settings = z.looseObject({
  name: z.string(),
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()).default([]),
  exports: z.record(z.string(), z.looseObject({ type: z.string(), storage: z.string().optional() })).default({}),
  durable_objects: z.object({ bindings: z.array(z.object({ name: z.string(), class_name: z.string() })) }),
  kv_namespaces: z.array(z.looseObject({ binding: z.string(), id: z.string().optional() })).default([]),
  d1_databases: z
    .array(
      z.looseObject({
        binding: z.string(),
        database_name: z.string(),
        database_id: z.string().optional(),
        migrations_dir: z.string(),
      }),
    )
    .default([]),
  ratelimits: z
    .array(
      z.object({
        name: z.string(),
        namespace_id: z.string(),
        simple: z.object({ limit: z.number(), period: z.union([z.literal(10), z.literal(60)]) }),
      }),
    )
    .default([]),
  assets: z.looseObject({ directory: z.string(), binding: z.string(), html_handling: z.literal("none") }),
  routes: z.array(z.unknown()).optional(),
  vars: z.record(z.string(), z.string()).default({}),
  secrets: z.object({ required: z.array(z.string()) }),
});

/** What wrangler.jsonc says: a local run and a deployment read the same page. */
export type Settings = z.infer<typeof Settings>;

export function readSettings(): Settings {
  return Settings.parse(parseJsonc(readFileSync(join(ROOT, "wrangler.jsonc"), "utf8")));
}

/** Runs wrangler to its end; what it prints comes back, unless it is to be seen (`show`). */
export function wrangler(args: readonly string[], show = false): Promise<Ended> {
  return run("wrangler", args, { show });
}

/** How a program ended, and what it printed. */
export type Ended = { code: number; stdout: string; stderr: string };

/** Runs an installed package's command to its end. */
export function run(
  name: string,
  args: readonly string[],
  { show = false, env = {} }: { show?: boolean; env?: Record<string, string> } = {},
): Promise<Ended> {
  const home = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
  const entry = join(home, "bin", `${name}.js`);
  const out = show ? "inherit" : "pipe";
  const child = spawn(process.execPath, [entry, ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ["ignore", out, out],
  });
  return ended(child);
}

/** Waits for a program's end. */
export function ended(child: ChildProcess): Promise<Ended> {
  let [stdout, stderr] = ["", ""];
  child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (code) => done({ code: code ?? 1, stdout, stderr }));
  });
}
