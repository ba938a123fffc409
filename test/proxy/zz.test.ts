import { afterAll, beforeAll, expect, test } from "vitest";
import { startLocker, newPerson, storeKey, mintToken } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
let locker: LocalLocker; let upstream: Upstream;
beforeAll(async () => { locker = await startLocker({log: console.log}); upstream = await startUpstream(); });
afterAll(async () => { await locker?.stop(); await upstream?.stop(); });
test("x", async () => {
  const p = await newPerson(locker);
  await storeKey(p, "k", upstream.origin);
  const { token } = await mintToken(p);
  const r = await fetch(`${locker.proxyOrigin}/v1/proxy/k/a`, { headers: { authorization: `Bearer ${token}` } });
  console.log(r.status, Object.fromEntries(r.headers), await r.text());
  console.log(upstream.seen[0]);
  expect(r.status).toBe(200);
});
