import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare, NoOpLog } from "miniflare";
import { runtimeMark } from "./orphans.ts";
import type { Settings } from "./project.ts";
import type { State } from "./state.ts";
import { FAST_MEMORY, modulesOf, objectsOf } from "./workers.ts";

const ROUTER_WORKER = "router";

/** Serves the proxy alone. Where its vaults are the runtime's registry of this run says. */
export function routerAt(
  origin: string,
  shared: { bindings: Record<string, string> },
  { bundle, settings, state }: { bundle: string; settings: Settings; state: State },
): Miniflare {
  return new Miniflare(
    convertV4MiniflareOptions({
      workers: [
        {
          ...shared,
          bindings: { ...shared.bindings, PROXY_ORIGIN: origin },
          name: ROUTER_WORKER,
          modules: modulesOf(bundle),
          modulesRoot: bundle,
          durableObjects: objectsOf(settings, settings.name),
          serviceBindings: {},
          unsafeDirectSockets: [{ host: "127.0.0.1", port: Number(new URL(origin).port) }],
        },
      ],
      unsafeDevRegistryPath: registryIn(state),
      unsafeRuntimeEnv: { ...runtimeMark(state.folder), ...FAST_MEMORY },
      cf: false,
      log: new NoOpLog(),
      handleStructuredLogs: () => {},
    }),
  );
}

/** Where processes of this run say which objects they have. */
export function registryIn({ folder }: State): string {
  return join(folder, "registry");
}
