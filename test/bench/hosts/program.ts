import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { Connection } from "../client/connection.ts";

const START_MS = 20_000;

/** Runs somebody else's server until `stop`; answers once it listens on the port. */
export async function runServer(
  command: string,
  args: readonly string[],
  port: number,
  env: Record<string, string> = {},
): Promise<{ stop: () => Promise<void> }> {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, ...env } });
  const closed = once(child, "close");
  const stop = async () => {
    child.kill();
    await closed;
  };
  const deadline = Date.now() + START_MS;
  while (!(await listens(port))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`${command} did not come up on port ${port}.`);
    }
    await wait(50);
  }
  return { stop };
}

async function listens(port: number): Promise<boolean> {
  try {
    (await Connection.open(port)).close();
    return true;
  } catch {
    return false;
  }
}
