import { mkdir, rm, stat, utimes } from "node:fs/promises";
import { Failure } from "./failure.ts";

const STALE_MS = 15_000;
const PATIENCE_MS = 30_000;
const LOOK_AGAIN_MS = 25;

/**
 * Runs the work while no other process does the same. The lock is a folder, since making one either works or does not; whoever
 * holds it touches it, and one that nobody has touched for a while was left by a process that died.
 */
export async function locked<T>(path: string, work: () => Promise<T>): Promise<T> {
  await take(path);
  const alive = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), STALE_MS / 5);
  try {
    return await work();
  } finally {
    clearInterval(alive);
    await rm(path, { recursive: true, force: true });
  }
}

async function take(path: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      await mkdir(path, { mode: 0o700 });
      return;
    } catch (fault) {
      if ((fault as NodeJS.ErrnoException).code !== "EEXIST") throw fault;
    }
    if (await isStale(path)) await rm(path, { recursive: true, force: true });
    else if (Date.now() > deadline)
      throw new Failure("Another apilocker holds the configuration.", { hint: `If none is running, remove ${path}.` });
    else await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

async function isStale(path: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(path)).mtimeMs > STALE_MS;
  } catch {
    return false;
  }
}
