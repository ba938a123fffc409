import { afterAll, beforeAll, expect, it } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { activity, eventually, mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;

beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream()]);
});
afterAll(() => upstream.stop());

/** A key that was just rotated, at an upstream that still knows only the old secret. */
async function rotated(overlap_seconds: number) {
  const ada = await newPerson(locker);
  await storeKey(ada, "k", upstream.origin, { secret: "the-old-secret" });
  const { token } = await mintToken(ada);
  await ada.api("POST", "/v1/keys/k/rotate", { secret: "the-new-secret", overlap_seconds });
  upstream.answerWith((_request, response, { headers, body }) => {
    const known = headers.authorization === "Bearer the-old-secret";
    response.writeHead(known ? 200 : 401).end(known ? `got ${body.length}` : "no");
  });
  upstream.seen.length = 0;
  const call = (init: RequestInit = {}) =>
    fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, { ...init, headers: { authorization: `Bearer ${token}` } });
  return { ada, call };
}

it("while a rotation overlaps, a call that the upstream refuses is made again with the secret before, as a use of its own", async () => {
  const { ada, call } = await rotated(60);
  const response = await call();
  expect([response.status, await response.text()]).toEqual([200, "got 0"]);
  expect(upstream.seen.map(({ headers }) => headers.authorization)).toEqual([
    "Bearer the-new-secret",
    "Bearer the-old-secret",
  ]);
  const calls = await eventually(async () => {
    const rows = (await activity(ada)).filter(({ action }) => action === "proxy.call");
    return rows.length === 2 && rows.every(({ outcome }) => outcome === "ok") && rows;
  });
  expect(calls.map(({ status, rule, key_version }) => [status, rule, key_version])).toEqual([
    [200, "overlap", 1],
    [401, undefined, 2],
  ]);
  expect(calls[0]?.id).toBe(response.headers.get("apilocker-request-id"));
  const { items } = await ada.api<{ items: object[] }>("GET", "/v1/keys/k/versions");
  expect(items).toMatchObject([
    { version: 2, state: "current", uses: 1 },
    { version: 1, state: "in_reserve", uses: 1 },
  ]);
  const old = await ada.api<{ items: object[] }>("GET", "/v1/activity?key=k&key_version=1");
  expect(old.items).toMatchObject([{ rule: "overlap", key_version: 1 }]);
});

it("a small body is sent again whole", async () => {
  const { call } = await rotated(60);
  const response = await call({ method: "POST", body: "x".repeat(100_000) });
  expect([response.status, await response.text()]).toEqual([200, "got 100000"]);
});

it("a body that is streamed cannot be sent again: the upstream's 401 stands", async () => {
  const { call } = await rotated(60);
  const body = new Blob(["x".repeat(1_000)]).stream();
  expect((await call({ method: "POST", body, duplex: "half" } as RequestInit)).status).toBe(401);
  expect(upstream.seen).toHaveLength(1);
});

it("without an overlap, or after it was rolled back, the 401 stands", async () => {
  const { call } = await rotated(0);
  expect((await call()).status).toBe(401);
  expect(upstream.seen).toHaveLength(1);
});

it("when both are refused, the second refusal is the answer", async () => {
  const { call } = await rotated(60);
  upstream.answerWith((_request, response) => void response.writeHead(401).end("no"));
  expect((await call()).status).toBe(401);
  expect(upstream.seen).toHaveLength(2);
});
