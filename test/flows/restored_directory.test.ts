import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { signIn, type Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { DIRECTORY_TABLES } from "../../src/vault/account/deletion.ts";
import { eventually, mintToken, startLocker, storeKey, type Minted } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;
beforeAll(async () => {
  [locker, upstream] = await Promise.all([startLocker(), startUpstream()]);
});
afterAll(() => Promise.all([locker.stop(), upstream.stop()]));

const TABLES = [...DIRECTORY_TABLES, "tombstone"];

/** Keeps D1 as it is; answers what puts it back. */
async function keepDirectory(): Promise<() => Promise<void>> {
  const db = await locker.miniflare.getD1Database("DB");
  await db.batch(TABLES.map((table) => db.prepare(`CREATE TABLE kept_${table} AS SELECT * FROM ${table}`)));
  return async () => {
    await db.batch(
      TABLES.flatMap((table) => [
        db.prepare(`DELETE FROM ${table}`),
        db.prepare(`INSERT INTO ${table} SELECT * FROM kept_${table}`),
      ]),
    );
  };
}

/** Keeps what the directory knows of people, as the page has it; answers what puts that back over an older state. */
async function keepPeople(): Promise<() => Promise<void>> {
  const db = await locker.miniflare.getD1Database("DB");
  const tables = ["account", "identity", "tombstone"];
  await db.batch(tables.map((table) => db.prepare(`CREATE TABLE newest_${table} AS SELECT * FROM ${table}`)));
  return async () => {
    await db.batch([
      ...tables.map((table) => db.prepare(`INSERT OR REPLACE INTO ${table} SELECT * FROM newest_${table}`)),
      ...["identity", "account"].map((table) =>
        db.prepare(`DELETE FROM ${table} WHERE vault_id IN (SELECT vault_id FROM tombstone)`),
      ),
    ]);
  };
}

type Somebody = { email: string; person: Person; live: Minted; doomed: Minted };

async function newSomebody(): Promise<Somebody> {
  const email = `${randomUUID()}@example.com`;
  const person = await signIn(locker.publicOrigin, email);
  await storeKey(person, "k", upstream.origin);
  return { email, person, live: await mintToken(person), doomed: await mintToken(person) };
}

function call({ token }: Minted): Promise<Response> {
  return fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, { headers: { authorization: `Bearer ${token}` } });
}

// As docs/operations.md says it.
it("after D1 was put back to an earlier time nothing that was stopped works, nobody is locked out, and the log tells what it lost", async () => {
  const [stays, leaves] = [await newSomebody(), await newSomebody()];
  const back = await keepDirectory();

  await stays.person.api("DELETE", `/v1/tokens/${stays.doomed.id}`);
  await leaves.person.api("DELETE", "/v1/me");
  const later = await newSomebody();
  // A hundred rows go to D1 at once.
  await Promise.all(Array.from({ length: 110 }, () => call(stays.live).then((answer) => answer.arrayBuffer())));
  const db = await locker.miniflare.getD1Database("DB");
  await eventually(
    async () => ((await db.prepare("SELECT count(*) AS n FROM audit").first<{ n: number }>())?.n ?? 0) > 90,
    20_000,
  );
  const withPeople = await keepPeople();
  await back();

  expect((await call(stays.doomed)).status).toBe(401);
  expect((await call(stays.live)).status).toBe(200);
  const verified = await stays.person.api<{ ok: boolean; fault?: string }>("GET", "/v1/activity/verify");
  expect(verified.ok).toBe(false);
  expect(verified.fault).toMatch(/\w/);
  expect(await signIn(locker.publicOrigin, stays.email)).toBeDefined();

  // A deleted account's hint is there again, and leads to nothing.
  expect((await call(leaves.live)).status).toBe(401);
  await expect(signIn(locker.publicOrigin, leaves.email)).rejects.toThrow(/404/);

  // Who came later has no hint: their tokens work, and signing in opens an account anew.
  expect((await call(later.live)).status).toBe(200);
  const again = await signIn(locker.publicOrigin, later.email);
  expect(await again.api("GET", "/v1/keys")).toEqual({ items: [] });

  // With the rows that were kept everybody finds their own vault, and who had left may begin afresh.
  await withPeople();
  const keysOf = async ({ email }: Somebody) => (await signIn(locker.publicOrigin, email)).api("GET", "/v1/keys");
  for (const one of [stays, later]) expect(await keysOf(one)).toMatchObject({ items: [{ name: "k" }] });
  expect(await keysOf(leaves)).toEqual({ items: [] });
}, 60_000);
