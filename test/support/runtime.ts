import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { isAlive, runtimeMark } from "../../src/local/orphans.ts";
import type { LocalLocker } from "../../src/local/serve.ts";

/** The runtime is a process of its own; it carries the mark of the data that it works on. */
export async function runtimesOf({ state }: LocalLocker): Promise<number[]> {
  const [mark] = Object.entries(runtimeMark(state.folder)).map(([name, value]) => `${name}=${value}`);
  const { stdout } = await promisify(execFile)("ps", ["axeww", "-o", "pid=,command="], { maxBuffer: 1 << 26 });
  const lines = stdout.split("\n").filter((line) => line.includes(mark as string));
  return lines.map((line) => Number.parseInt(line, 10));
}

/** Ends the runtime as a power cut would: nothing is flushed, nobody is told. Resolves when it is gone. */
export async function killRuntime(locker: LocalLocker): Promise<void> {
  const pids = await runtimesOf(locker);
  if (pids.length !== 1) throw new Error(`there are ${pids.length} runtimes on ${locker.state.folder}`);
  const [pid = 0] = pids;
  process.kill(pid, "SIGKILL");
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 5));
  // What its owner has left to tidy up has nobody to talk to any more.
  await locker.stop().catch(() => {});
}
