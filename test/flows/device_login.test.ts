import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hashOf } from "../../src/crypto/token.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { choose, deviceOf, formsIn, poll, signInDevice, startLogin, submit, typeCode } from "../support/device.ts";
import { activity, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;
beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream()]);
});
afterAll(() => upstream.stop());

describe("a device without a browser (RFC 8628)", () => {
  it("waits, is let in by a person who types its code, and gets its token once", async () => {
    const ada = await newPerson(locker);
    const login = await startLogin(locker, { device_name: "build server" });
    expect(login).toMatchObject({ verification_uri: `${locker.publicOrigin}/device`, expires_in: 600 });
    expect(login.user_code).toMatch(/^[B-DF-HJ-NP-TV-Z]{4}-[B-DF-HJ-NP-TV-Z]{4}$/);
    expect(login.device_code).toMatch(/^alk_dc_[0-9A-Za-z]{2}0{24}/);
    expect(await poll(locker, login.device_code)).toMatchObject({ status: 400, error: "authorization_pending" });

    const page = await typeCode(ada, login.user_code.toLowerCase().replace("-", " "));
    const html = await page.text();
    expect(html).toContain("build server");
    expect(html).toContain("Linux 6");
    expect(html).toContain("127.0.0.1");
    expect(html).not.toContain("<script");
    expect(html).toContain("ada-");
    const [approve] = formsIn(html);
    expect(approve?.fields.get("reveal")).toBe("none");
    expect((await submit(ada, approve!)).status).toBe(200);

    await new Promise((resolve) => setTimeout(resolve, login.interval * 1_000));
    const issued = await poll(locker, login.device_code);
    expect(issued).toMatchObject({ status: 200, token_type: "Bearer" });
    expect(issued.access_token).toMatch(/^alk_dev_/);
    expect(await poll(locker, login.device_code)).toMatchObject({ status: 400, error: "invalid_grant" });

    const device = deviceOf(locker, String(issued.access_token), String(issued.device_id));
    const me = await device.api<{ device: object; proxy_origin: string }>("GET", "/v1/me");
    expect(me.device).toMatchObject({ id: device.id, name: "build server", current: true });
    expect(me.proxy_origin).toBe(locker.proxyOrigin);
    const actions = (await activity(ada)).map(({ action }) => action);
    expect(actions).toEqual(expect.arrayContaining(["device.approve", "device.create"]));
  });

  it("that asks too often is told to slow down, and must", async () => {
    const { device_code } = await startLogin(locker);
    expect(await poll(locker, device_code)).toMatchObject({ error: "authorization_pending" });
    // However slow the machine, the next question is too early.
    const db = await locker.miniflare.getD1Database("DB");
    await db
      .prepare("UPDATE device_login SET interval_ms = 3600000 WHERE code_hash = ?")
      .bind(hashOf("dc", device_code.slice(34, 77)))
      .run();
    expect(await poll(locker, device_code)).toMatchObject({ error: "slow_down" });
    expect(await poll(locker, device_code)).toMatchObject({ error: "slow_down" });
  });

  it("is told when the person says no", async () => {
    const ada = await newPerson(locker);
    const { device_code, user_code } = await startLogin(locker);
    const [, deny] = formsIn(await (await typeCode(ada, user_code)).text());
    expect(deny?.action).toBe("/device/deny");
    expect((await submit(ada, deny!)).status).toBe(200);
    expect(await poll(locker, device_code)).toMatchObject({ status: 400, error: "access_denied" });
  });
});

describe("a device with a browser (RFC 8252)", () => {
  it("gets a code at a port of its own, and a token for it with the verifier", async () => {
    const ada = await newPerson(locker);
    const { verifier, url, redirect_uri } = authorization();
    const page = await ada.fetch(url);
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).toContain("form-action 'self' http://127.0.0.1:51234;");
    const html = await page.text();
    expect(html).toContain("ada&#39;s laptop");
    const [approve] = formsIn(html);
    const back = new URL((await submit(ada, choose(approve!, { name: "desk" }))).headers.get("location") ?? "");
    expect(back.href.startsWith(redirect_uri)).toBe(true);
    expect(back.searchParams.get("iss")).toBe(locker.publicOrigin);
    expect(back.searchParams.get("state")).toBe("s1");
    const issued = await exchange(back.searchParams.get("code")!, verifier, redirect_uri);
    expect(issued.access_token).toMatch(/^alk_dev_/);
    const device = deviceOf(locker, String(issued.access_token), String(issued.device_id));
    expect((await device.api<{ device: { name: string } }>("GET", "/v1/me")).device.name).toBe("desk");
  });

  it("is told when the person says no", async () => {
    const ada = await newPerson(locker);
    const [, deny] = formsIn(await (await ada.fetch(authorization().url)).text());
    const back = new URL((await submit(ada, deny!)).headers.get("location") ?? "");
    expect(back.searchParams.get("error")).toBe("access_denied");
    expect(back.searchParams.get("code")).toBeNull();
  });
});

describe("a signed-in device", () => {
  it("calls with the keys that were chosen, and no others", async () => {
    const ada = await newPerson(locker);
    const chosen = await storeKey(ada, "chosen", upstream.origin);
    await storeKey(ada, "other", upstream.origin);
    const device = await signInDevice(locker, ada, { keys: [chosen.id] });
    const call = (key: string) =>
      fetch(`${locker.proxyOrigin}/v1/proxy/${key}/x`, { headers: { authorization: `Bearer ${device.token}` } });
    expect((await call("chosen")).status).toBe(200);
    expect(upstream.seen.at(-1)?.headers.authorization).toBe("Bearer sk-test-chosen-0123456789abcdef");
    expect((await call("other")).status).toBe(404);
  });

  it("calls as often as was chosen, together with what it mints; sixty times a minute where nothing was", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    type Told = { device: { calls_a_minute?: number } };
    const told = async (choices: object) => {
      const device = await signInDevice(locker, ada, choices);
      return { device, limit: (await device.api<Told>("GET", "/v1/me")).device.calls_a_minute };
    };
    expect((await told({})).limit).toBe(60);
    expect((await told({ per_minute: "" })).limit).toBeUndefined();
    const { device, limit } = await told({ per_minute: "2" });
    expect(limit).toBe(2);
    const child = await device.api<{ token: string }>("POST", "/v1/tokens", { name: "child" });
    const statuses: number[] = [];
    for (const token of [child.token, device.token, child.token, device.token]) {
      const answer = await fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, {
        headers: { authorization: `Bearer ${token}` },
      });
      statuses.push(answer.status);
      await answer.arrayBuffer();
    }
    expect(statuses).toEqual([200, 200, 429, 429]);
  });

  it("asks to see secrets, and sees them once its person has said for how long", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "open", upstream.origin, { revealable: true });
    const device = await signInDevice(locker, ada);
    const reveal = () => device.fetch("/v1/keys/open/reveal", { method: "POST" });
    expect((await reveal()).status).toBe(403);
    const { url } = await device.api<{ url: string }>("POST", "/v1/devices/unlock");
    const [approve] = formsIn(await (await ada.fetch(new URL(url).pathname)).text());
    expect((await submit(ada, choose(approve!, { reveal: "8h" }))).status).toBe(200);
    expect(await (await reveal()).json()).toMatchObject({ fields: { secret: "sk-test-open-0123456789abcdef" } });
    await device.api("PATCH", `/v1/devices/${device.id}`, { reveal: "none" });
    expect((await reveal()).status).toBe(403);
  });

  it("is changed in all that is said at once or in nothing, once for each Idempotency-Key", async () => {
    const ada = await newPerson(locker);
    const device = await signInDevice(locker, ada, { reveal: "8h" });
    const change = (body: object) =>
      ada.fetch(`/v1/devices/${device.id}`, {
        method: "PATCH",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json", "idempotency-key": JSON.stringify(body) },
      });
    const all = { name: "locked", reveal: "none", ask: {} };
    const told = await (await change(all)).text();
    expect(JSON.parse(told)).toMatchObject({ name: "locked", ask: {} });
    expect(told).not.toContain("reveal_until");
    expect(await (await change(all)).text()).toBe(told);
    expect((await change({ name: "open", ask: { methods: ["POST"] } })).status).toBe(422);
    expect(await device.api("GET", `/v1/devices/${device.id}`)).toMatchObject({ name: "locked" });
  });

  it("is renamed, listed and revoked with a receipt, and what it minted with it", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    const device = await signInDevice(locker, ada);
    const child = await device.api<{ token: string }>("POST", "/v1/tokens", { name: "child" });
    await ada.api("PATCH", `/v1/devices/${device.id}`, { name: "old laptop" });
    const { items } = await ada.api<{ items: object[] }>("GET", "/v1/devices");
    expect(items).toEqual([expect.objectContaining({ id: device.id, name: "old laptop", current: false })]);
    expect(await ada.api("DELETE", `/v1/devices/${device.id}`)).toMatchObject({ id: device.id, streams_cut: 0 });
    expect((await device.fetch("/v1/me")).status).toBe(401);
    const call = await fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, {
      headers: { authorization: `Bearer ${child.token}` },
    });
    expect(call.status).toBe(401);
  });

  it("keeps a token alive that it minted, and no other", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    const device = await signInDevice(locker, ada);
    const soon = new Date(Date.now() + 60_000).toISOString();
    const own = await device.api<{ id: string }>("POST", "/v1/tokens", { name: "run", policy: { expires_at: soon } });
    const kept = await device.api<{ expires_at: string }>("POST", `/v1/tokens/${own.id}/keep`, { seconds: 3_600 });
    expect(Date.parse(kept.expires_at)).toBeGreaterThan(Date.now() + 3_000_000);
    const hers = await ada.api<{ id: string }>("POST", "/v1/tokens", { name: "hers", policy: { expires_at: soon } });
    const refused = await device.fetch(`/v1/tokens/${hers.id}/keep`, {
      method: "POST",
      body: '{"seconds":3600}',
      headers: { "content-type": "application/json" },
    });
    expect(refused.status).toBe(404);
    await device.api("DELETE", `/v1/tokens/${own.id}`);
    await expect(device.api("POST", `/v1/tokens/${own.id}/keep`, { seconds: 60 })).rejects.toThrow("409");
  });
});

/** An authorization request as `apilocker login` makes it. */
function authorization() {
  const verifier = randomBytes(32).toString("base64url");
  const redirect_uri = "http://127.0.0.1:51234/callback";
  const query = new URLSearchParams({
    response_type: "code",
    client_id: "apilocker-cli",
    redirect_uri,
    state: "s1",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    device_name: "ada's laptop\u202e",
    device_platform: "macOS",
  });
  return { verifier, redirect_uri, url: `/authorize?${query.toString()}` };
}

async function exchange(code: string, code_verifier: string, redirect_uri: string): Promise<Record<string, unknown>> {
  const answer = await fetch(`${locker.publicOrigin}/token`, {
    method: "POST",
    body: new URLSearchParams({
      client_id: "apilocker-cli",
      grant_type: "authorization_code",
      code,
      code_verifier,
      redirect_uri,
    }),
  });
  return answer.json<Record<string, unknown>>();
}
