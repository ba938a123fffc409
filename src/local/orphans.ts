import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";

const MARK = "APILOCKER_RUN";

/** Goes into the runtime's environment: who started it, and on which data. */
export function runtimeMark(folder: string): Record<string, string> {
  return { [MARK]: `${process.pid}-${fingerprint(folder)}` };
}

/**
 * Ends runtimes that outlived whoever started them. The runtime is a process of its own and notices nothing when its
 * parent is killed; a second one on the same database would corrupt it.
 */
export async function endOrphans(folder: string): Promise<void> {
  const mark = new RegExp(`${MARK}=(\\d+)-${fingerprint(folder)}`);
  for (const { pid, environment } of await processes()) {
    const parent = mark.exec(environment)?.[1];
    if (parent !== undefined && !isAlive(Number(parent))) process.kill(pid, "SIGKILL");
  }
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The processes of this user with their environments, where the system shows them. */
async function processes(): Promise<{ pid: number; environment: string }[]> {
  if (process.platform === "win32") return [];
  if (process.platform !== "linux") {
    const { stdout } = await promisify(execFile)("ps", ["axeww", "-o", "pid=,command="], { maxBuffer: 1 << 26 });
    return stdout.split("\n").map((line) => ({ pid: Number.parseInt(line, 10), environment: line }));
  }
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  return Promise.all(
    pids.map(async (pid) => {
      // Where there is nothing to read, the process is gone or somebody else's.
      const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
      return { pid: Number(pid), environment };
    }),
  );
}

function fingerprint(folder: string): string {
  return createHash("sha256").update(folder).digest("hex").slice(0, 16);
}
