import { readdirSync } from "node:fs";
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare, NoOpLog } from "miniflare";
import { readConfig } from "../config.ts";
import { buildDashboard, buildWorker } from "./build.ts";
import { DOORS, portOf } from "./doors.ts";
import { startIdentityProvider } from "./identity_provider.ts";
import { outboundOf, type Internet } from "./internet.ts";
import { choosePort, loopbackHosts } from "./loopback.ts";
import { applyMigrations } from "./migrations.ts";
import { runtimeMark } from "./orphans.ts";
import { readSettings, ROOT, type Settings } from "./project.ts";
import { State } from "./state.ts";

export type ServeOptions = {
  /** Left out: as in the last run, or the usual 8420, 8421 and 8422. 0, or a throw-away state: any free port. */
  port?: number | undefined;
  proxyPort?: number | undefined;
  oidcPort?: number | undefined;
  /** The folder that keeps the data. Empty or left out: one that `stop()` throws away. */
  stateDir?: string | undefined;
  /** Settings of the Worker that differ from those of a usual local run. */
  vars?: Record<string, string>;
  /** The internet as far as a test needs one: who answers for a host. Everything else is really called. */
  internet?: Internet;
  /** A Worker's script that stands between the Worker and the network, in the same process: what it answers itself takes no socket. */
  neighbour?: string;
  /** How often a minute something may be asked for, by the limit's binding; otherwise generously. */
  limits?: Record<string, number>;
  /** A module of a test's that stands in front of the Worker's own (`./index.js`) and exports what that does. */
  front?: string;
  /** Another build of the Worker than this source's, such as the release before. */
  bundle?: string;
  /** The build whose objects the Worker calls, where it is not its own: so it is while a release rolls out. */
  objects?: string;
  /** The proxy has a second door, in a process of its own whose vaults are in the first one: as routers are elsewhere in a deployment. */
  elsewhere?: boolean;
  /** Lets a test look into the objects' storage. */
  inspect?: boolean;
  /** Where a debugger can look into the runtime; 0: any free port. Left out: nowhere. */
  inspectorPort?: number;
  /** Hears what there is to say and what the Worker logs. */
  log?: (line: string) => void;
};

export type LocalLocker = {
  publicOrigin: string;
  proxyOrigin: string;
  oidcOrigin: string;
  /** The proxy's second door, where there is one. */
  elsewhere?: string;
  miniflare: Miniflare;
  state: State;
  stop: () => Promise<void>;
};

const CLIENT_ID = "apilocker";
// Tests, and a person at work, sign in more often than a stranger may.
const GENEROUS_LIMIT = 1_000;
const ATTEMPTS = 5;
const ASSETS_WORKER = "assets";
const OBJECTS_WORKER = "objects";
const NEIGHBOUR = "neighbour";
const ROUTER_WORKER = "router";
const MODULE_TYPES = { ".js": "ESModule", ".sql": "Text", ".css": "Text", ".wasm": "CompiledWasm" } as const;

/**
 * For the runtime's environment: its allocator keeps freed memory at hand for each processor, but only where glibc has not taken the
 * kernel's restartable sequences for itself. Elsewhere this is nothing.
 */
export const FAST_MEMORY = { GLIBC_TUNABLES: "glibc.pthread.rseq=0" };

/**
 * Serves the app, the proxy and an OpenID provider on this machine: the deployed bundle on the real runtime, with no
 * development proxy in front. `npm start`, the demo, the tests and the bench all drive this one thing.
 */
export async function serve(options: ServeOptions = {}): Promise<LocalLocker> {
  const built = await Promise.all([options.bundle ?? buildWorker(), buildDashboard()]);
  const state = await State.open(options.stateDir ?? "");
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        return await boot(built, state, options);
      } catch (fault) {
        // Between our looking and our listening somebody else may have taken a port.
        if (attempt === ATTEMPTS || !isAboutPort(fault)) throw fault;
      }
    }
  } catch (fault) {
    state.end();
    throw fault;
  }
}

function isAboutPort(fault: unknown): boolean {
  const code = fault instanceof Error && "code" in fault ? fault.code : undefined;
  return code === "EADDRINUSE" || code === "ERR_ADDRESS_IN_USE";
}

async function boot([bundle, dashboard]: [string, string], state: State, options: ServeOptions): Promise<LocalLocker> {
  const log = options.log ?? console.error;
  const settings = readSettings();
  const secrets = await state.secrets();
  const port = await portOf(state, DOORS.public, options.port, log);
  const proxyPort = await portOf(state, DOORS.proxy, options.proxyPort, log);
  const oidcPort = await portOf(state, DOORS.oidc, options.oidcPort, log);
  const oidcOrigin = `http://localhost:${oidcPort}`;
  const bindings = {
    ...settings.vars,
    PUBLIC_ORIGIN: `http://localhost:${port}`,
    PROXY_ORIGIN: `http://localhost:${proxyPort}`,
    ROOT_KEYS: secrets.ROOT_KEYS,
    TOKEN_KEYS: secrets.TOKEN_KEYS,
    OIDC_NAME: "Local sign-in",
    OIDC_ISSUER: oidcOrigin,
    OIDC_CLIENT_ID: CLIENT_ID,
    OIDC_CLIENT_SECRET: secrets.OIDC_CLIENT_SECRET,
    ALLOW_PRIVATE_UPSTREAMS: "true",
    ...options.vars,
  };
  const { public_origin: publicOrigin, proxy_origin: proxyOrigin } = readConfig(bindings);
  const identityProvider = await startIdentityProvider({
    port: oidcPort,
    client_id: CLIENT_ID,
    client_secret: secrets.OIDC_CLIENT_SECRET,
    redirect_uri: `${publicOrigin}/auth/oidc/callback`,
    ...secrets.identity_provider,
  });
  const hosts = await loopbackHosts();
  const shared = {
    compatibilityDate: settings.compatibility_date,
    compatibilityFlags: settings.compatibility_flags,
    bindings,
    ...namespacesOf(settings, options.limits),
    serviceBindings: { [settings.assets.binding]: ASSETS_WORKER },
  };
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers: [
        {
          ...shared,
          name: settings.name,
          modules: [...frontOf(bundle, options.front), ...modulesOf(bundle)],
          modulesRoot: bundle,
          ...(options.objects === undefined ? {} : { durableObjects: objectsOf(settings, OBJECTS_WORKER) }),
          unsafeDirectSockets: [port, proxyPort].flatMap((each) => hosts.map((host) => ({ host, port: each }))),
          ...(options.internet === undefined ? {} : { outboundService: outboundOf(options.internet) }),
          ...(options.neighbour === undefined ? {} : { outboundService: NEIGHBOUR }),
        },
        ...(options.objects === undefined
          ? []
          : [{ ...shared, name: OBJECTS_WORKER, modules: modulesOf(options.objects), modulesRoot: options.objects }]),
        ...(options.neighbour === undefined ? [] : [neighbourWorker(options.neighbour, settings)]),
        assetsWorker(dashboard, settings),
      ],
      resourcePersistencePath: join(state.folder, "data"),
      unsafeRuntimeEnv: { ...runtimeMark(state.folder), ...FAST_MEMORY },
      cf: false,
      unsafeInspectDurableObjects: options.inspect ?? false,
      ...(options.inspectorPort === undefined ? {} : { inspectorPort: options.inspectorPort }),
      log: new NoOpLog(),
      handleStructuredLogs: ({ message }) => log(message),
      ...(options.elsewhere === true ? { unsafeDevRegistryPath: registryIn(state) } : {}),
    }),
  );
  const running = [miniflare];
  try {
    await miniflare.ready;
    for (const { binding, migrations_dir } of settings.d1_databases) {
      await applyMigrations(await miniflare.getD1Database(binding), join(ROOT, migrations_dir));
    }
    await state.begin(publicOrigin);
    const stop = async () => {
      await Promise.all([...running.map((each) => each.dispose()), identityProvider.stop()]);
      state.end();
    };
    const locker = { publicOrigin, proxyOrigin, oidcOrigin, miniflare, state, stop };
    if (options.elsewhere !== true) return locker;
    const elsewhere = `http://localhost:${await choosePort(0)}`;
    const router = routerAt(elsewhere, shared, { bundle, settings, state });
    running.push(router);
    await router.ready;
    return { ...locker, elsewhere };
  } catch (fault) {
    // What never got ready refuses to be disposed of as well; the first fault is the one to tell.
    await Promise.allSettled([...running.map((each) => each.dispose()), identityProvider.stop()]);
    throw fault;
  }
}

/** Serves the proxy alone. Where its vaults are the runtime's registry of this run says. */
function routerAt(
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

function registryIn({ folder }: State): string {
  return join(folder, "registry");
}

/**
 * The platform's asset layer as a worker of its own. Beside the Worker itself it would stand in front of it, and every proxied
 * call would go through it.
 */
function assetsWorker(directory: string, { assets, compatibility_date: compatibilityDate }: Settings) {
  return {
    name: ASSETS_WORKER,
    modules: true,
    script: "export default {}",
    compatibilityDate,
    assets: { directory, assetConfig: { html_handling: assets.html_handling } },
  } as const;
}

function neighbourWorker(script: string, { compatibility_date: compatibilityDate }: Settings) {
  return { name: NEIGHBOUR, modules: true, script, compatibilityDate } as const;
}

/** What wrangler.jsonc binds, on this machine. */
function namespacesOf(settings: Settings, wished: Record<string, number> = {}) {
  const limits = settings.ratelimits.map(({ name, namespace_id, simple }) => {
    const limit = wished[name] ?? Math.max(simple.limit, GENEROUS_LIMIT);
    return [name, { namespace_id, simple: { ...simple, limit } }] as const;
  });
  return {
    durableObjects: objectsOf(settings),
    ratelimits: Object.fromEntries(limits),
    kvNamespaces: settings.kv_namespaces.map(({ binding }) => binding),
    d1Databases: settings.d1_databases.map(({ binding }) => binding),
  };
}

function objectsOf(settings: Settings, scriptName?: string) {
  const objects = settings.durable_objects.bindings.map(({ name, class_name: className }) => {
    const useSQLite = settings.exports[className]?.storage === "sqlite";
    return [name, { className, useSQLite, ...(scriptName === undefined ? {} : { scriptName }) }] as const;
  });
  return Object.fromEntries(objects);
}

function frontOf(bundle: string, contents: string | undefined) {
  return contents === undefined ? [] : [{ type: "ESModule", path: join(bundle, "front.js"), contents } as const];
}

/** The bundle's files that the runtime loads; the first is the entry. */
function modulesOf(bundle: string) {
  const names = ["index.js", ...readdirSync(bundle).filter((name) => name !== "index.js")];
  return names.flatMap((name) => {
    const found = Object.entries(MODULE_TYPES).find(([suffix]) => name.endsWith(suffix));
    return found === undefined ? [] : [{ type: found[1], path: join(bundle, name) }];
  });
}
