import { mkdtemp, readFile, rm } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare, NoOpLog } from "miniflare";
import { choosePort } from "../../../src/local/loopback.ts";
import { readSettings } from "../../../src/local/project.ts";
import type { Host } from "./host.ts";

type Objects = Record<string, { className: string; useSQLite: boolean }>;

/** The runtime with nothing in it: what a Worker that only passes on must cost. */
export function servePass(upstream: number): Promise<Host> {
  return serveWorker("pass", upstream, {});
}

/** The shape of API Locker without the product: one call to an object, one durable row, a pipe. */
export function serveSkeleton(upstream: number): Promise<Host> {
  return serveWorker("skeleton", upstream, { ROWS: { className: "Rows", useSQLite: true } });
}

/** Same build, date and flags as the product, and no development proxy in front either. */
async function serveWorker(name: string, upstream: number, durableObjects: Objects): Promise<Host> {
  const port = await choosePort(0);
  const folder = await mkdtemp(join(tmpdir(), `bench-${name}-`));
  const source = await readFile(join(import.meta.dirname, "workers", `${name}.ts`), "utf8");
  const { compatibility_date, compatibility_flags } = readSettings();
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      name,
      modules: [{ type: "ESModule", path: `${name}.js`, contents: stripTypeScriptTypes(source) }],
      compatibilityDate: compatibility_date,
      compatibilityFlags: compatibility_flags,
      bindings: { UPSTREAM: `http://127.0.0.1:${upstream}` },
      durableObjects,
      unsafeDirectSockets: [{ host: "127.0.0.1", port }],
      resourcePersistencePath: folder,
      cf: false,
      log: new NoOpLog(),
    }),
  );
  await miniflare.ready;
  return {
    says: { port },
    stop: async () => {
      await miniflare.dispose();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
