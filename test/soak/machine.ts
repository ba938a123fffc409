import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { LocalLocker, ServeOptions } from "../../src/local/serve.ts";
import { startProvider } from "../support/faults.ts";
import { startLocker } from "../support/locker.ts";
import { runtimesOf } from "../support/runtime.ts";
import { heapOf, type Heap } from "./heap.ts";

/** The product as a process: what it holds in memory, what it has worked, what it has written. Linux. */
export type Machine = {
  locker: LocalLocker;
  /** Resident memory, MB. */
  memory: () => Promise<number>;
  /** What is in use of it by isolates, once garbage is collected. */
  heap: () => Promise<Heap>;
  /** CPU time since the start, ms. */
  cpu: () => Promise<number>;
  /** Bytes of a part of the storage. */
  stored: (part: "do" | "d1" | "kv") => Promise<number>;
  stop: () => Promise<void>;
};

const TICK_MS = 10;

/** Starts it with a provider that signs in at once, so that thousands can come. */
export async function startMachine(options: ServeOptions = {}): Promise<Machine> {
  const provider = await startProvider("apilocker");
  const locker = await startLocker({
    inspectorPort: 0,
    ...options,
    limits: { SIGN_IN_LIMIT: 1e6, REGISTER_LIMIT: 1e6, ...options.limits },
    vars: { OIDC_ISSUER: provider.origin, KEYS_LIMIT: "100000", CUSTOM_KEYS_LIMIT: "100000", ...options.vars },
  });
  const [pid] = await runtimesOf(locker);
  const read = (file: string) => readFile(`/proc/${pid}/${file}`, "utf8");
  return {
    locker,
    memory: async () => Number(/VmRSS:\s+(\d+)/.exec(await read("status"))?.[1]) / 1_024,
    heap: async () => heapOf(await locker.miniflare.getInspectorURL()),
    cpu: async () => {
      const fields = (await read("stat")).replace(/^.*\) /, "").split(" ");
      return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
    },
    stored: async (part) => {
      const folder = join(locker.state.folder, "data", part);
      const entries = await readdir(folder, { recursive: true, withFileTypes: true });
      // Write-ahead logs come and go; what they hold is in the database sooner or later.
      const files = entries.filter((entry) => entry.isFile() && !/-(wal|shm)$/.test(entry.name));
      const sizes = await Promise.all(
        files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size),
      );
      return sizes.reduce((sum, size) => sum + size, 0);
    },
    stop: async () => {
      await Promise.all([locker.stop(), provider.stop()]);
    },
  };
}

/** The value below which that share of them lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** How much a value grows for each step, by least squares. */
export function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const [above, below] = values.reduce(
    ([above, below], value, at) => [above + (at - middle) * (value - mean), below + (at - middle) ** 2],
    [0, 0],
  );
  return above / below;
}

/** Works through a list with so many at a time. */
export async function inParallel<T>(
  items: readonly T[],
  at_once: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) await work(items[next++] as T);
  };
  await Promise.all(Array.from({ length: at_once }, worker));
}
