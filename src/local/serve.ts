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
import { readSettings, ROOT } from "./project.ts";
import { registryIn, routerAt } from "./second_door.ts";
import { State } from "./state.ts";
import {
  ASSETS_WORKER,
  assetsWorker,
  FAST_MEMORY,
  frontOf,
  modulesOf,
  namespacesOf,
  NEIGHBOUR,
  neighbourWorker,
  objectsOf,
} from "./workers.ts";

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
const ATTEMPTS = 5;
const OBJECTS_WORKER = "objects";

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
