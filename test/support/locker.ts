import { randomUUID } from "node:crypto";
import { signIn, type Person } from "../../src/local/person.ts";
import { serve, type LocalLocker, type ServeOptions } from "../../src/local/serve.ts";

/** The whole product on free ports with throw-away state: the deployed bundle on the real runtime. */
export function startLocker(options: ServeOptions = {}): Promise<LocalLocker> {
  return serve({ stateDir: "", port: 0, proxyPort: 0, oidcPort: 0, inspect: true, log: () => {}, ...options });
}

let usual: Promise<LocalLocker> | undefined;

/**
 * The usual one, shared by all tests of this process: each of them brings people of its own, and with them vaults. Who stops
 * the locker, looks at everybody's state, floods what is limited or sets anything starts one of their own. It ends with the process.
 */
export function usualLocker(): Promise<LocalLocker> {
  // Vitest ends its workers by a signal, which by itself would leave the runtime behind. Their folders go with the run's.
  if (usual === undefined) process.once("SIGTERM", () => process.exit(0));
  return (usual ??= startLocker());
}

export type Ports = Required<Pick<ServeOptions, "port" | "proxyPort" | "oidcPort">>;

/** Where it is served. One that is started again has to stand there: by that its people, clients and providers know it. */
export function portsOf({ publicOrigin, proxyOrigin, oidcOrigin }: LocalLocker): Ports {
  const portOf = (origin: string) => Number(new URL(origin).port);
  return { port: portOf(publicOrigin), proxyPort: portOf(proxyOrigin), oidcPort: portOf(oidcOrigin) };
}

/** Somebody who has never been here: a fresh account, a fresh vault. */
export function newPerson(locker: LocalLocker, name = "ada"): Promise<Person> {
  return signIn(locker.publicOrigin, `${name}-${randomUUID()}@example.com`);
}

export type Stored = { id: string; name: string };
export type Minted = { id: string; token: string };

/** Stores a key for an upstream; more fields override. */
export function storeKey(person: Person, name: string, base_url: string, more: object = {}): Promise<Stored> {
  const secret = `sk-test-${name}-0123456789abcdef`;
  return person.api<Stored>("POST", "/v1/keys", { name, provider: "custom", secret, base_url, ...more });
}

/** Mints an app token under a policy. */
export function mintToken(person: Person, policy: object = {}, name = "app"): Promise<Minted> {
  return person.api<Minted>("POST", "/v1/tokens", { name, policy });
}

export type ActivityRow = {
  id: string;
  seq: number;
  action: string;
  outcome: string;
  rule?: string;
  status?: number;
  path?: string;
  prev: string;
  hash: string;
} & Record<string, unknown>;

/** The newest rows of a person's activity. */
export async function activity(person: Person, limit = 50): Promise<ActivityRow[]> {
  const { items } = await person.api<{ items: ActivityRow[] }>("GET", `/v1/activity?limit=${limit}`);
  return items;
}

/** Asks again and again until it is so; for what happens off the hot path. Fails after twenty seconds: a machine may be busy. */
export async function eventually<T>(look: () => Promise<T | undefined | false>, within_ms = 20_000): Promise<T> {
  const deadline = Date.now() + within_ms;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`not so within ${within_ms} ms: ${look.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
