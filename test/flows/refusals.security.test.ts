import { afterAll, beforeAll, expect, it } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { activity, mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;

beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream()]);
});
afterAll(() => upstream.stop());

const call = (token: string) =>
  fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, { headers: { authorization: `Bearer ${token}` } });

it("a flood of one revoked token writes at most a row or two, and every answer is 401", async () => {
  const ada = await newPerson(locker);
  await storeKey(ada, "k", upstream.origin);
  const { id, token } = await mintToken(ada);
  await ada.api("DELETE", `/v1/tokens/${id}`);
  for (let round = 0; round < 20; round++) {
    const answers = await Promise.all(Array.from({ length: 25 }, () => call(token)));
    for (const { status } of answers) expect(status).toBe(401);
  }
  expect((await activity(ada)).filter(({ outcome }) => outcome === "refused").length).toBeLessThanOrEqual(10);
});

it("one token's refusals are not another's", async () => {
  const ada = await newPerson(locker);
  await storeKey(ada, "k", upstream.origin);
  const dead = await mintToken(ada);
  const live = await mintToken(ada);
  await ada.api("DELETE", `/v1/tokens/${dead.id}`);
  for (let n = 0; n < 5; n++) expect((await call(dead.token)).status).toBe(401);
  expect((await call(live.token)).status).toBe(200);
});
