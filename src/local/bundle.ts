import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "./project.ts";

const STALE_MS = 60 * 60_000;

/** Something built from files of the project. */
export type Bundle = {
  /** Where its builds lie, each in a folder of its own. */
  folder: string;
  /** Every file that goes in, from the project's root. */
  sources: () => Promise<string[]>;
  /** Builds into a folder that does not exist yet. */
  build: (into: string) => Promise<void>;
};

/**
 * Answers the folder of a bundle's current build. It is named after everything that went in: what is unchanged is not built
 * again, and builders cannot get in each other's way.
 */
export async function built(bundle: Bundle): Promise<string> {
  const { folder, sources, build } = bundle;
  const wanted = await fingerprint(await sources());
  const finished = join(folder, wanted);
  if (existsSync(finished)) return finished;
  await mkdir(folder, { recursive: true });
  const unfinished = join(folder, `unfinished-${process.pid}-${randomUUID()}`);
  try {
    await build(unfinished);
    // Somebody saved a file meanwhile: which of the two versions was built, nobody knows.
    if ((await fingerprint(await sources())) !== wanted) return await built(bundle);
    await rename(unfinished, finished).catch((fault: unknown) => {
      // Somebody else finished the same build first.
      if (!existsSync(finished)) throw fault;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  await removeStale(folder, finished);
  return finished;
}

/** Every file in a folder of the project, however deep. */
export async function filesIn(folder: string): Promise<string[]> {
  const inside = await readdir(join(ROOT, folder), { recursive: true, withFileTypes: true });
  return inside
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name).slice(ROOT.length + 1))
    .toSorted();
}

async function fingerprint(files: readonly string[]): Promise<string> {
  const digest = createHash("sha256");
  for (const file of files) {
    digest
      .update(file)
      .update("\0")
      .update(await readFile(join(ROOT, file)))
      .update("\0");
  }
  return digest.digest("hex").slice(0, 16);
}

async function removeStale(folder: string, current: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const build = join(folder, name);
    if (build === current || (await builtAt(build)) > Date.now() - STALE_MS) continue;
    await rm(build, { recursive: true, force: true });
  }
}

/** When a build was made; one that another process has just put into its place or thrown away is nobody's to throw away. */
async function builtAt(build: string): Promise<number> {
  try {
    return (await stat(build)).mtimeMs;
  } catch {
    return Infinity;
  }
}
