import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { signIn } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { send, SECRET } from "../support/holder.ts";
import { activity, mintToken, startLocker, storeKey } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;
beforeAll(async () => {
  [locker, upstream] = await Promise.all([startLocker({ inspect: true }), startUpstream()]);
});
afterAll(() => Promise.all([locker.stop(), upstream.stop()]));

it("a deleted account is no more at once, its blobs are gone, and the same person can begin afresh in another vault", async () => {
  const email = `ada-${randomUUID()}@example.com`;
  const ada = await signIn(locker.publicOrigin, email);
  await storeKey(ada, "api", upstream.origin, { secret: SECRET });
  const { token } = await mintToken(ada);
  const vault_id = token.slice(10, 34);
  const call = () => send(`${locker.proxyOrigin}/v1/proxy/api/x`, { headers: { authorization: `Bearer ${token}` } });
  expect((await call()).status).toBe(200);
  const me = await ada.api<{ account_id: string }>("GET", "/v1/me");

  const answer = await ada.fetch("/v1/me", { method: "DELETE" });
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({ id: me.account_id, streams_cut: 0 });
  expect(answer.headers.get("set-cookie")).toMatch(/^apilocker=;.*Max-Age=0/);

  expect((await call()).status).toBe(401);
  expect((await ada.fetch("/v1/me")).status).toBe(401);
  const blobs = await locker.miniflare.getKVNamespace("BLOBS");
  expect((await blobs.list({ prefix: vault_id })).keys).toEqual([]);
  const db = await locker.miniflare.getD1Database("DB");
  for (const table of ["account", "identity", "audit"]) {
    const { results } = await db.prepare(`SELECT 1 FROM ${table} WHERE vault_id = ?`).bind(vault_id).all();
    expect(results).toEqual([]);
  }

  const again = await signIn(locker.publicOrigin, email);
  const afresh = await again.api<{ account_id: string }>("GET", "/v1/me");
  expect(afresh.account_id).not.toBe(me.account_id);
  expect((await again.api<{ items: unknown[] }>("GET", "/v1/keys")).items).toEqual([]);
  expect((await activity(again)).map(({ action }) => action)).toEqual(["session.create"]);
  expect((await mintToken(again)).token.slice(10, 34)).not.toBe(vault_id);
  expect((await call()).status).toBe(401);
});
