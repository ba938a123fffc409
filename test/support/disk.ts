import { execFile } from "node:child_process";
import { mkdir, mkdtemp, open, readdir, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const SIZE_BYTES = 48 * 1024 * 1024;
const PIECE = Buffer.alloc(64 * 1024, 1);

/** A small disk of its own that can be filled and made read-only while it is in use. Linux, as root. */
export type Disk = {
  folder: string;
  /** Takes all the room that there is. */
  fill(): Promise<void>;
  /** Gives it back. */
  empty(): Promise<void>;
  /** From now on nothing that lies there can be changed, not by those either who have it open. */
  seal(): Promise<void>;
  unseal(): Promise<void>;
  remove(): Promise<void>;
};

/** Undefined where this machine lets nobody make one. */
export async function newDisk(): Promise<Disk | undefined> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined;
  const place = await mkdtemp(join(tmpdir(), "apilocker-disk-"));
  const image = join(place, "image");
  const mounted = join(place, "disk");
  const folder = join(mounted, "state");
  try {
    await mkdir(mounted);
    const file = await open(image, "w");
    await file.truncate(SIZE_BYTES);
    await file.close();
    await run("mkfs.ext4", ["-q", "-m", "0", image]);
    await run("mount", ["-o", "loop", image, mounted]);
  } catch {
    await rm(place, { recursive: true, force: true });
    return undefined;
  }
  const filler = join(mounted, "filler");
  // Not the local runtime's own note of when alarms are due, nor what it has mapped into memory: it would end, and end well.
  const sealed = async () =>
    (await filesUnder(join(folder, "data", "do"))).filter((file) => !/metadata\.sqlite|-shm$/.test(file));
  return {
    folder,
    fill: async () => {
      const file = await open(filler, "a");
      try {
        for (let room = PIECE.length; room >= 512; room /= 2) {
          while ((await statfs(mounted)).bavail > 0) {
            try {
              await file.write(PIECE.subarray(0, room));
            } catch {
              break;
            }
          }
        }
      } finally {
        await file.close();
      }
    },
    empty: () => rm(filler, { force: true }),
    seal: async () => void (await run("chattr", ["+i", ...(await sealed())])),
    unseal: async () => void (await run("chattr", ["-i", ...(await sealed())])),
    remove: async () => {
      await run("umount", [mounted]);
      await rm(place, { recursive: true, force: true });
    },
  };
}

async function filesUnder(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found.map((entry) => join(entry.parentPath, entry.name));
}
