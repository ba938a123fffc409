import { randomUUID } from "node:crypto";
import { signIn, type Person } from "../../src/local/person.ts";
import { serve, type LocalLocker, type ServeOptions } from "../../src/local/serve.ts";

/** The whole product on free ports with throw-away state: the deployed bundle on the real runtime. */
export function startLocker(options: ServeOptions = {}): Promise<LocalLocker> {
  return serve({ stateDir: "", port: 0, proxyPort: 0, oidcPort: 0, log: () => {}, ...options });
}

/** Somebody who has never been here: a fresh account, a fresh vault. */
export function newPerson(locker: LocalLocker, name = "ada"): Promise<Person> {
  return signIn(locker.publicOrigin, `${name}-${randomUUID()}@example.com`);
}

export type Stored = { id: string; name: string };
export type Minted = { id: string; token: string };

/** Stores a key for an upstream; more fields override. */
export function storeKey(person: Person, name: string, base_url: string, more: object = {}): Promise<Stored> {
  return person.api("POST", "/v1/keys", { name, provider: "custom", secret: `sk-test-${name}-0123456789abcdef`, base_url, ...more }) as Promise<Stored>;
}

/** Mints an app token under a policy. */
export function mintToken(person: Person, policy: object = {}, name = "app"): Promise<Minted> {
  return person.api("POST", "/v1/tokens", { name, policy }) as Promise<Minted>;
}

export type ActivityRow = { id: string; seq: number; action: string; outcome: string; rule?: string; status?: number; path?: string; prev: string; hash: string } & Record<string, unknown>;

/** The newest rows of a person's activity. */
export async function activity(person: Person, limit = 50): Promise<ActivityRow[]> {
  const { items } = (await person.api("GET", `/v1/activity?limit=${limit}`)) as { items: ActivityRow[] };
  return items;
}

/** Asks again and again until it is so; for what happens off the hot path. Fails after five seconds. */
export async function eventually<T>(look: () => Promise<T | undefined | false>, within_ms = 5_000): Promise<T> {
  const deadline = Date.now() + within_ms;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`not so within ${within_ms} ms: ${look}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
