import { afterAll, beforeAll, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;

beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream()]);
});
afterAll(() => upstream.stop());

async function entryPath(person: Person, key: string): Promise<string> {
  const { url } = await person.api<{ url: string }>("POST", `/v1/keys/${key}/entry-link`);
  expect(url.startsWith(`${locker.publicOrigin}/entry/`)).toBe(true);
  return new URL(url).pathname;
}

const post = (person: Person, path: string, secret: string, headers: Record<string, string> = {}) =>
  person.fetch(path, { method: "POST", body: new URLSearchParams({ secret }), headers });

it("the page shows in plain words where the secret will go and who asked, and stores what is typed, once", async () => {
  const ada = await newPerson(locker);
  await storeKey(ada, "k", upstream.origin, { secret: "the-old-secret" });
  const path = await entryPath(ada, "k");
  const page = await (await ada.fetch(path)).text();
  expect(page).toContain(new URL(upstream.origin).host);
  expect(page).toContain("ada-");
  expect(page).not.toContain("<script");
  expect(page).not.toContain("the-old-secret");
  expect((await post(ada, path, "the-new-secret")).status).toBe(200);
  const { token } = await mintToken(ada);
  await fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, { headers: { authorization: `Bearer ${token}` } });
  expect(upstream.seen.at(-1)?.headers.authorization).toBe("Bearer the-new-secret");
  expect((await post(ada, path, "a-third-secret")).status).toBe(404);
});

it("opening the link uses nothing up", async () => {
  const ada = await newPerson(locker);
  await storeKey(ada, "k", upstream.origin);
  const path = await entryPath(ada, "k");
  for (let n = 0; n < 3; n++) expect((await ada.fetch(path)).status).toBe(200);
  expect((await post(ada, path, "typed-at-last")).status).toBe(200);
});

it("two posts at once count once", async () => {
  const ada = await newPerson(locker);
  await storeKey(ada, "k", upstream.origin);
  const path = await entryPath(ada, "k");
  const answers = await Promise.all([post(ada, path, "one-of-the-two"), post(ada, path, "one-of-the-two")]);
  expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 404]);
});

it("it is worth nothing to anybody else, nor to another site", async () => {
  const [ada, eve] = await Promise.all([newPerson(locker, "ada"), newPerson(locker, "eve")]);
  await storeKey(ada, "k", upstream.origin);
  const path = await entryPath(ada, "k");
  expect((await eve.fetch(path)).status).toBe(404);
  expect((await post(eve, path, "eves-own-secret")).status).toBe(404);
  expect((await post(ada, path, "forged-by-a-site", { "sec-fetch-site": "cross-site" })).status).toBe(403);
  const stranger = await fetch(locker.publicOrigin + path);
  expect(await stranger.text()).toContain("Sign in");
  expect(
    (
      await fetch(locker.publicOrigin + path, {
        method: "POST",
        body: "secret=x",
        headers: { origin: locker.publicOrigin },
      })
    ).status,
  ).toBe(401);
  expect(await ada.api("GET", "/v1/keys/k")).toMatchObject({ version: 1 });
});

it("a secret that could break out of a header is refused, and the link is still good", async () => {
  const ada = await newPerson(locker);
  await storeKey(ada, "k", upstream.origin);
  const path = await entryPath(ada, "k");
  expect((await post(ada, path, "a\r\nx-injected: 1")).status).toBe(422);
  expect((await post(ada, path, "a-good-secret")).status).toBe(200);
});

it("a form larger than a secret may be is refused however it is sent, and the link is still good", async () => {
  const ada = await newPerson(locker);
  await storeKey(ada, "k", upstream.origin);
  const path = await entryPath(ada, "k");
  const large = `secret=${"x".repeat(300_000)}`;
  for (const body of [large, new Blob([large]).stream()]) {
    const init = { method: "POST", body, duplex: "half" } as RequestInit;
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    expect((await ada.fetch(path, { ...init, headers })).status).toBe(413);
  }
  expect((await post(ada, path, "a-good-secret")).status).toBe(200);
});

it("a page that has shown one host never sends the secret to another: a change of the key makes it void", async () => {
  const ada = await newPerson(locker);
  const evil = await startUpstream();
  try {
    await storeKey(ada, "k", upstream.origin);
    const path = await entryPath(ada, "k");
    await ada.fetch(path);
    await ada.api("PATCH", "/v1/keys/k", { secret: "bait-and-switch", base_url: evil.origin });
    expect((await post(ada, path, "the-real-secret")).status).toBe(409);
    const { token } = await mintToken(ada);
    await fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, { headers: { authorization: `Bearer ${token}` } });
    expect(evil.seen.map(({ headers }) => headers.authorization)).toEqual(["Bearer bait-and-switch"]);
  } finally {
    await evil.stop();
  }
});
