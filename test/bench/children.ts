import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as z from "zod";

const HOST = join(import.meta.dirname, "hosts", "host.ts");
const STOP_MS = 10_000;
const KEPT = 4_000;

const Said = z.union([
  z.object({ port: z.number(), vaultPort: z.number().optional(), publicOrigin: z.string().optional() }),
  z.object({ skipped: z.string() }),
]);

/** What a host says of itself, and its process. */
export type Started = z.infer<typeof Said> & { pid: number };

/** The processes that this run has started, and will stop. */
export class Children {
  readonly #running = new Set<ChildProcess>();
  #said = "";

  async start(name: string, upstream: number): Promise<Started> {
    // Away from the terminal: Ctrl-C reaches the bench alone, which then ends everybody in order.
    const detached = process.platform !== "win32";
    const child = spawn(process.execPath, [HOST, name, String(upstream)], {
      stdio: ["pipe", "pipe", "pipe"],
      detached,
    });
    this.#running.add(child);
    child.once("close", () => this.#running.delete(child));
    child.stderr.on("data", (text: Buffer) => (this.#said = (this.#said + text.toString()).slice(-KEPT)));
    const line = await Promise.race([
      once(createInterface(child.stdout), "line").then(([said]) => String(said)),
      once(child, "close").then(() => Promise.reject(new Error(`The target ${name} did not start.`))),
    ]);
    return { ...Said.parse(JSON.parse(line)), pid: child.pid ?? 0 };
  }

  /** The end of what they complained about: of interest when the bench fails, noise otherwise. */
  get lastWords(): string {
    return this.#said;
  }

  /** Lets go of all; whoever does not end in time is killed. */
  async stop(): Promise<void> {
    await Promise.all(
      [...this.#running].map(async (child) => {
        const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
        child.stdin?.end();
        await once(child, "close");
        clearTimeout(late);
      }),
    );
  }
}
