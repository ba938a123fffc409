import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ROOT, wrangler } from "./project.ts";

const BUNDLES = join(ROOT, ".build", "worker");
const STALE_MS = 60 * 60_000;

// Programs of their own, which the Worker does not import.
const NOT_THE_WORKER = new Set(["local", "cli", "dashboard"]);

/**
 * Bundles the Worker exactly as a deployment would and answers the bundle's folder; its entry is `index.js`. The folder is
 * named after everything that went in: an unchanged Worker is not built again, and builders cannot get in each other's way.
 */
export async function buildWorker(): Promise<string> {
  const wanted = await fingerprint();
  const bundle = join(BUNDLES, wanted);
  if (existsSync(bundle)) return bundle;
  await mkdir(BUNDLES, { recursive: true });
  const unfinished = join(BUNDLES, `unfinished-${process.pid}-${randomUUID()}`);
  try {
    const { code, stdout, stderr } = await wrangler(["deploy", "--dry-run", "--minify", "--outdir", unfinished]);
    if (code !== 0) throw new Error(`The Worker does not build:\n${(stderr || stdout).trim()}`);
    // Somebody saved a file meanwhile: which of the two versions was bundled, nobody knows.
    if ((await fingerprint()) !== wanted) return await buildWorker();
    await rename(unfinished, bundle).catch((fault: unknown) => {
      // Somebody else finished the same bundle first.
      if (!existsSync(bundle)) throw fault;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  await removeStale(bundle);
  return bundle;
}

async function fingerprint(): Promise<string> {
  const digest = createHash("sha256");
  for (const file of [...(await sources()), "wrangler.jsonc", "tsconfig.json", "package-lock.json"]) {
    digest
      .update(file)
      .update("\0")
      .update(await readFile(join(ROOT, file)))
      .update("\0");
  }
  return digest.digest("hex").slice(0, 16);
}

async function sources(): Promise<string[]> {
  const folders = await readdir(join(ROOT, "src"), { withFileTypes: true });
  const files = await Promise.all(
    folders
      .filter(({ name }) => !NOT_THE_WORKER.has(name))
      .map(async (entry) => {
        if (!entry.isDirectory()) return [join("src", entry.name)];
        const inside = await readdir(join(ROOT, "src", entry.name), { recursive: true, withFileTypes: true });
        return inside
          .filter((file) => file.isFile())
          .map((file) => join(file.parentPath, file.name).slice(ROOT.length + 1));
      }),
  );
  return files.flat().toSorted();
}

async function removeStale(current: string): Promise<void> {
  for (const name of await readdir(BUNDLES)) {
    const folder = join(BUNDLES, name);
    if (folder === current || (await stat(folder)).mtimeMs > Date.now() - STALE_MS) continue;
    await rm(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  try {
    await buildWorker();
  } catch (fault) {
    console.error(fault instanceof Error ? fault.message : fault);
    process.exitCode = 1;
  }
}
