import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { newDisk, type Disk } from "../support/disk.ts";
import { activity, eventually, mintToken, newPerson, startLocker, storeKey, type Minted } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

const disk = await newDisk();
let locker: LocalLocker;
let upstream: Upstream;

beforeAll(async () => {
  if (disk === undefined) return;
  [locker, upstream] = await Promise.all([startLocker({ stateDir: disk.folder }), startUpstream()]);
});
afterAll(async () => {
  if (disk === undefined) return;
  await Promise.all([locker.stop(), upstream.stop()]);
  await disk.remove();
});

const WAYS: [string, (disk: Disk) => Promise<void>, (disk: Disk) => Promise<void>][] = [
  ["is full", ({ fill }) => fill(), ({ empty }) => empty()],
  ["can only be read", ({ seal }) => seal(), ({ unseal }) => unseal()],
];

// Needs a disk of its own, which only root can make.
describe.skipIf(disk === undefined).each(WAYS)("while the disk %s", (_what, begin, end) => {
  it("nothing is used without a record and nothing is half done: 503 with a time to come again; afterwards all is well", async () => {
    const person = await newPerson(locker);
    await storeKey(person, "k", upstream.origin);
    const [token, doomed] = await Promise.all([mintToken(person), mintToken(person)]);
    expect((await call(token, "before")).status).toBe(200);
    await begin(disk as Disk);

    const passed: string[] = [];
    const refused: string[] = [];
    // What fits into pages that are there already is still written, and then it is a use like any other.
    for (let i = 0; i < 60 && refused.length < 10; i++) {
      const answer = await call(token, `during-${i}`);
      (answer.status === 200 ? passed : refused).push(`/during-${i}`);
      if (answer.status === 200) continue;
      expect(answer.status).toBe(503);
      expect(answer.headers.get("retry-after")).toMatch(/^\d+$/);
      expect(await answer.json()).toMatchObject({ code: "unavailable" });
    }
    expect(refused.length).toBeGreaterThan(0);
    const changes = await Promise.all([
      change(person, "POST", "/v1/keys", { name: "new", provider: "openai", secret: "sk-new-0123456789" }),
      change(person, "POST", "/v1/tokens", { name: "new" }),
      change(person, "DELETE", `/v1/tokens/${doomed.id}`),
    ]);
    for (const { status } of changes) expect([200, 201, 503]).toContain(status);
    await end(disk as Disk);

    await eventually(async () => (await call(token, "after")).status === 200, 20_000);
    const arrived = upstream.seen.map(({ url }) => url);
    for (const path of refused) expect(arrived).not.toContain(path);
    const paths = new Set((await activity(person, 200)).map(({ path }) => path));
    for (const path of [...passed, "/before", "/after"]) expect(paths).toContain(path);
    expect(await person.api("GET", "/v1/activity/verify")).toMatchObject({ ok: true });

    // Each change is done whole where it was acknowledged, and where it was not either whole or not at all.
    const [stored, minted, revoked] = changes;
    const { items: keys } = await person.api<{ items: { name: string }[] }>("GET", "/v1/keys");
    if (stored?.status === 201) expect(keys.map(({ name }) => name)).toContain("new");
    const { items: tokens } = await person.api<{ items: { name: string }[] }>("GET", "/v1/tokens");
    if (minted?.status === 201) expect(tokens.map(({ name }) => name)).toContain("new");
    await person.api("DELETE", `/v1/tokens/${doomed.id}`);
    expect((await call(doomed, "revoked")).status).toBe(401);
    if (revoked?.status === 200) expect(arrived).not.toContain("/revoked");
    await storeKey(person, "later", upstream.origin);
  }, 90_000);
});

function call({ token }: Minted, path: string): Promise<Response> {
  return fetch(`${locker.proxyOrigin}/v1/proxy/k/${path}`, { headers: { authorization: `Bearer ${token}` } });
}

async function change(person: Person, method: string, path: string, body?: object): Promise<Response> {
  const sent =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  return person.fetch(path, { method, ...sent });
}
