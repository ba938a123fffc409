import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import { convertV4MiniflareOptions, Miniflare, NoOpLog } from "miniflare";
import { choosePort } from "../../../src/local/loopback.ts";
import { readSettings, ROOT } from "../../../src/local/project.ts";
import { FAST_MEMORY } from "../../../src/local/workers.ts";
import { FOR_WORKERS, nodeModules, oneLanguage } from "../../../src/local/worker_bundle.ts";
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

/** Cloudflare's authorization server, beside ours. */
export function serveOAuthProvider(): Promise<Host> {
  return serveWorker("oauth_provider", 0, {});
}

/** The MCP SDK's own handler, beside our clients of today. */
export function serveMcpSdk(): Promise<Host> {
  return serveWorker("mcp_sdk", 0, {});
}

/** `McpAgent` by itself, beside our sessions. */
export function serveMcpAgent(): Promise<Host> {
  return serveWorker("mcp_agent", 0, { SESSIONS: { className: "Sessions", useSQLite: true } });
}

/** Streams that are cut by an object, and nothing else. `neighbour` names a Worker that stands before the network. */
export function serveCutter(upstream: number, neighbour?: string): Promise<Host> {
  return serveWorker("cutter", upstream, { HUB: { className: "Hub", useSQLite: true } }, neighbour);
}

/** Same build, date, flags and environment as the product, and no development proxy in front either. */
async function serveWorker(name: string, upstream: number, durableObjects: Objects, neighbour?: string): Promise<Host> {
  const port = await choosePort(0);
  const folder = await mkdtemp(join(tmpdir(), `bench-${name}-`));
  const { compatibility_date: compatibilityDate, compatibility_flags: compatibilityFlags } = readSettings();
  const worker = async (name: string) => ({
    name,
    modules: [{ type: "ESModule" as const, path: `${name}.js`, contents: await bundle(name) }],
    compatibilityDate,
    compatibilityFlags,
  });
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers: [
        {
          ...(await worker(name)),
          bindings: { UPSTREAM: `http://127.0.0.1:${upstream}`, ORIGIN: `http://localhost:${port}` },
          kvNamespaces: ["OAUTH_KV"],
          durableObjects,
          unsafeDirectSockets: [{ host: "127.0.0.1", port }],
          ...(neighbour === undefined ? {} : { outboundService: neighbour }),
        },
        ...(neighbour === undefined ? [] : [await worker(neighbour)]),
      ],
      resourcePersistencePath: folder,
      unsafeRuntimeEnv: FAST_MEMORY,
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

/** What the product speaks MCP with, in its version: packages that only tests need bring others. */
const asTheProduct: Plugin = {
  name: "as-the-product",
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^(@modelcontextprotocol\/|agents\/)/ }, ({ path, kind, pluginData }) =>
      pluginData === ROOT ? undefined : resolve(path, { kind, resolveDir: ROOT, pluginData: ROOT }),
    );
  },
};

/** One of our Workers, as a script. */
export async function bundle(name: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "workers", `${name}.ts`)],
    ...FOR_WORKERS,
    write: false,
    plugins: [asTheProduct, nodeModules, oneLanguage],
  });
  return outputFiles[0]?.text ?? "";
}
