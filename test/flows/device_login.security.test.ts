import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import {
  choose,
  deviceOf,
  formsIn,
  poll,
  signInDevice,
  startLogin,
  submit,
  typeCode,
  type Form,
} from "../support/device.ts";
import { activity, newPerson, usualLocker } from "../support/locker.ts";
import { spoiled } from "../support/spoiled.ts";

const locker = await usualLocker();

async function approvalForm(person: Person, user_code: string): Promise<Form> {
  const [approve] = formsIn(await (await typeCode(person, user_code)).text());
  if (approve === undefined) throw new Error("the code was not taken");
  return approve;
}

describe("letting a device in", () => {
  it("takes a person who types the code: a link brings nothing along", async () => {
    const ada = await newPerson(locker);
    const { user_code } = await startLogin(locker);
    const page = await ada.fetch(`/device?user_code=${user_code}`);
    expect(await page.text()).not.toContain(user_code);
    expect((await ada.fetch(`/device/approve?user_code=${user_code}`)).status).toBe(405);
  });

  it("is for no other site to post, and no other session's form counts", async () => {
    const [ada, eve] = await Promise.all([newPerson(locker, "ada"), newPerson(locker, "eve")]);
    const { user_code, device_code } = await startLogin(locker);
    const approve = await approvalForm(ada, user_code);
    for (const headers of [
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "none" },
    ])
      expect((await submit(ada, approve, headers as Record<string, string>)).status).toBe(403);
    expect((await submit(eve, approve)).status).toBe(403);
    const bare = {
      ...approve,
      fields: new URLSearchParams([...approve.fields].filter(([name]) => name !== "form_token")),
    };
    expect((await submit(ada, bare)).status).toBe(403);
    const [typed] = formsIn(await (await ada.fetch("/device")).text());
    const crossed = { action: approve.action, fields: new URLSearchParams([...approve.fields, ["form_token", ""]]) };
    crossed.fields.set("form_token", typed?.fields.get("form_token") ?? "");
    expect((await submit(ada, crossed)).status).toBe(403);
    expect(await poll(locker, device_code)).toMatchObject({ error: "authorization_pending" });
  });

  it("is for nobody but a browser session: a device lets no device in", async () => {
    const ada = await newPerson(locker);
    const device = await signInDevice(locker, ada);
    const { user_code } = await startLogin(locker);
    const approve = await approvalForm(ada, user_code);
    const answer = await device.fetch(approve.action, { method: "POST", body: approve.fields });
    expect(answer.status).toBe(403);
    expect((await device.fetch(`/device/unlock/${device.id}`, { method: "POST", body: approve.fields })).status).toBe(
      403,
    );
  });

  it("shows what a device says of itself as text, and on a page that no other can frame", async () => {
    const ada = await newPerson(locker);
    const hostile = `<img src=x onerror=alert(1)>"' \u202egnp.exe`;
    const { user_code } = await startLogin(locker, { device_name: hostile, device_platform: hostile });
    const page = await typeCode(ada, user_code);
    const html = await page.text();
    expect(html).not.toContain("<img");
    expect(html).not.toContain("\u202e");
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(page.headers.get("cache-control")).toBe("no-store");
  });

  it("is asked for with codes that no store holds in the clear", async () => {
    const { user_code, device_code } = await startLogin(locker);
    const db = await locker.miniflare.getD1Database("DB");
    const { results } = await db.prepare("SELECT * FROM device_login").all();
    const stored = JSON.stringify(results);
    expect(results.length).toBeGreaterThan(0);
    for (const part of [user_code, user_code.replace("-", ""), device_code, device_code.slice(34, 77)])
      expect(stored).not.toContain(part);
  });

  it("gives guesses few tries a session, right ones too", async () => {
    const ada = await newPerson(locker);
    const { user_code } = await startLogin(locker);
    const statuses: number[] = [];
    for (let tries = 0; tries < 11; tries++) statuses.push((await typeCode(ada, "BCDF-GHJK")).status);
    expect(statuses.slice(0, 10).every((status) => status === 422)).toBe(true);
    expect(statuses[10]).toBe(429);
    expect((await typeCode(ada, user_code)).status).toBe(429);
  });

  it("ends in one account, of two that say yes at once", async () => {
    const [ada, eve] = await Promise.all([newPerson(locker, "ada"), newPerson(locker, "eve")]);
    const { user_code, device_code } = await startLogin(locker);
    const forms = [await approvalForm(ada, user_code), await approvalForm(eve, user_code)] as const;
    const answers = await Promise.all([submit(ada, forms[0]), submit(eve, forms[1])]);
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 409]);
    const winner = answers[0].status === 200 ? "ada-" : "eve-";
    const { access_token, device_id } = await poll(locker, device_code);
    const me = await deviceOf(locker, String(access_token), String(device_id)).api<{ identities: { email: string }[] }>(
      "GET",
      "/v1/me",
    );
    expect(me.identities[0]?.email).toContain(winner);
    const devices = await Promise.all([ada, eve].map((one) => one.api<{ items: unknown[] }>("GET", "/v1/devices")));
    expect(devices.map(({ items }) => items.length).sort()).toEqual([0, 1]);
  });

  it("answers one of fifty that ask at once", async () => {
    const ada = await newPerson(locker);
    const { user_code, device_code } = await startLogin(locker);
    await submit(ada, await approvalForm(ada, user_code));
    const answers = await Promise.all(Array.from({ length: 50 }, () => poll(locker, device_code)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await ada.api<{ items: unknown[] }>("GET", "/v1/devices")).items).toHaveLength(1);
  });

  it("is for our own command line: another client gets no device code, and nothing for one of ours", async () => {
    const registered = await fetch(`${locker.publicOrigin}/register`, {
      method: "POST",
      body: JSON.stringify({
        redirect_uris: ["https://app.example/cb"],
        token_endpoint_auth_method: "none",
        client_name: "x",
      }),
      headers: { "content-type": "application/json" },
    });
    const { client_id } = await registered.json<{ client_id: string }>();
    await expect(startLogin(locker, { client_id })).rejects.toThrow("unauthorized_client");
    const ada = await newPerson(locker);
    const { user_code, device_code } = await startLogin(locker);
    await submit(ada, await approvalForm(ada, user_code));
    const stolen = await fetch(`${locker.publicOrigin}/token`, {
      method: "POST",
      body: new URLSearchParams({ client_id, grant_type: "urn:ietf:params:oauth:grant-type:device_code", device_code }),
    });
    expect(stolen.status).toBe(400);
    expect(await poll(locker, device_code)).toMatchObject({ status: 200 });
  });

  it("refuses every device code that is not ours", async () => {
    const { device_code } = await startLogin(locker);
    const changed = spoiled(device_code);
    for (const code of ["", "alk_dc_x", changed, "x".repeat(10_000)])
      expect((await poll(locker, code)).status).toBe(400);
  });
});

describe("asking to see secrets", () => {
  it("is answered on a page of one's own account only, while it is asked", async () => {
    const [ada, eve] = await Promise.all([newPerson(locker, "ada"), newPerson(locker, "eve")]);
    const device = await signInDevice(locker, ada);
    expect((await ada.fetch(`/device/unlock/${device.id}`)).status).toBe(404);
    const { url } = await device.api<{ url: string }>("POST", "/v1/devices/unlock");
    const path = new URL(url).pathname;
    expect((await eve.fetch(path)).status).toBe(404);
    const [approve, deny] = formsIn(await (await ada.fetch(path)).text());
    expect((await submit(eve, approve!)).status).toBe(403);
    expect((await submit(ada, approve!, { "sec-fetch-site": "cross-site" })).status).toBe(403);
    expect((await submit(ada, choose(approve!, { reveal: "for ever" }))).status).toBe(422);
    expect((await submit(ada, deny!)).status).toBe(200);
    expect((await submit(ada, approve!)).status).toBe(404);
    const { items } = await ada.api<{ items: { reveal_until?: string }[] }>("GET", "/v1/devices");
    expect(items[0]?.reveal_until).toBeUndefined();
  });
});

describe("a code that came back through a redirect", () => {
  it("is worth nothing without its verifier, and is used up by a wrong one", async () => {
    const ada = await newPerson(locker);
    const { code, verifier, redirect_uri } = await allowed(ada);
    expect((await exchange({ code, code_verifier: randomBytes(32).toString("base64url"), redirect_uri })).status).toBe(
      400,
    );
    expect((await exchange({ code, code_verifier: verifier, redirect_uri })).status).toBe(400);
    expect((await ada.api<{ items: unknown[] }>("GET", "/v1/devices")).items).toEqual([]);
  });

  it("belongs to the address that it was sent to", async () => {
    const { code, verifier } = await allowed(await newPerson(locker));
    const answer = await exchange({ code, code_verifier: verifier, redirect_uri: "http://127.0.0.1:1/callback" });
    expect(answer.status).toBe(400);
  });

  it("shown twice ends the device that came of it, and says so in the activity", async () => {
    const ada = await newPerson(locker);
    const { code, verifier, redirect_uri } = await allowed(ada);
    const first = await exchange({ code, code_verifier: verifier, redirect_uri });
    const { access_token, device_id } = await first.json<{ access_token: string; device_id: string }>();
    expect((await exchange({ code, code_verifier: verifier, redirect_uri })).status).toBe(400);
    expect((await deviceOf(locker, access_token, device_id).fetch("/v1/me")).status).toBe(401);
    expect((await activity(ada)).find(({ rule }) => rule === "code_replayed")?.action).toBe("device.revoke");
  });

  it("of a hundred that show it at once, at most one gets a token", async () => {
    const { code, verifier, redirect_uri } = await allowed(await newPerson(locker));
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => exchange({ code, code_verifier: verifier, redirect_uri })),
    );
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
  });

  it("is sent nowhere but to this computer", async () => {
    const ada = await newPerson(locker);
    for (const redirect_uri of [
      "https://evil.example/callback",
      "http://127.0.0.1.evil.example/callback",
      "http://127.0.0.1:1/other",
    ]) {
      const page = await ada.fetch(authorization({ redirect_uri }).url);
      expect(page.status).toBe(400);
      expect(page.headers.get("location")).toBeNull();
    }
  });

  it("is answered in the session that was asked, on the device's own page, once", async () => {
    const [ada, eve] = await Promise.all([newPerson(locker, "ada"), newPerson(locker, "eve")]);
    const [approve] = formsIn(await (await ada.fetch(authorization().url)).text());
    expect((await submit(eve, approve!)).status).toBe(404);
    expect((await submit(ada, approve!, { "sec-fetch-site": "cross-site" })).status).toBe(403);
    const asGrant = {
      action: "/authorize",
      fields: new URLSearchParams([
        ...approve!.fields,
        ["decision", "allow"],
        ["scope", "vault:write"],
        ["lasts", "day"],
      ]),
    };
    expect((await submit(ada, asGrant)).status).toBe(422);
    expect((await submit(ada, approve!)).status).toBe(404);
  });
});

function authorization({ redirect_uri = "http://127.0.0.1:51234/callback" } = {}) {
  const verifier = randomBytes(32).toString("base64url");
  const query = new URLSearchParams({
    response_type: "code",
    client_id: "apilocker-cli",
    redirect_uri,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    device_name: "laptop",
  });
  return { verifier, redirect_uri, url: `/authorize?${query.toString()}` };
}

async function allowed(person: Person): Promise<{ code: string; verifier: string; redirect_uri: string }> {
  const { verifier, redirect_uri, url } = authorization();
  const [approve] = formsIn(await (await person.fetch(url)).text());
  const back = new URL((await submit(person, approve!)).headers.get("location") ?? "");
  return { code: back.searchParams.get("code") ?? "", verifier, redirect_uri };
}

function exchange(fields: Record<string, string>): Promise<Response> {
  return fetch(`${locker.publicOrigin}/token`, {
    method: "POST",
    body: new URLSearchParams({ client_id: "apilocker-cli", grant_type: "authorization_code", ...fields }),
  });
}
