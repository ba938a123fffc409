/** Dynamic registration (RFC 7591, RFC 7592): what is taken, what is refused, and who may change it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { newPerson, startLocker } from "../support/locker.ts";
import { authorizePath, connect, exchangeOf, pkce, register, registerClient, tokenRequest } from "../support/oauth.ts";

let locker: LocalLocker;

beforeAll(async () => {
  locker = await startLocker();
});
afterAll(() => locker.stop());

const URI = "https://agent.example.com/cb";
type Registered = Record<string, unknown> & {
  client_id: string;
  registration_access_token: string;
  registration_client_uri: string;
};

describe("a registration", () => {
  it("answers what was registered, and shows secrets this once", async () => {
    const answer = await register(locker, {
      client_name: "Agent",
      redirect_uris: [URI],
      scope: "vault:read",
      application_type: "web",
      something_new: { not: "known" },
    });
    expect(answer.status).toBe(201);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const registered = await answer.json<Registered>();
    expect(registered).toMatchObject({
      client_name: "Agent",
      redirect_uris: [URI],
      scope: "vault:read",
      application_type: "web",
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      client_secret_expires_at: 0,
    });
    expect(registered.client_secret).toMatch(/^[\w-]{43}$/);
    expect(registered).not.toHaveProperty("something_new");
  });

  it("of a public client has no secret", async () => {
    const answer = await register(locker, { redirect_uris: [URI], token_endpoint_auth_method: "none" });
    expect(await answer.json()).not.toHaveProperty("client_secret");
  });

  it.each([
    ["no redirect URI", { redirect_uris: [] }, "invalid_redirect_uri"],
    ["none at all", {}, "invalid_redirect_uri"],
    ["plain http", { redirect_uris: ["http://agent.example.com/cb"] }, "invalid_redirect_uri"],
    ["a script", { redirect_uris: ["javascript:alert(1)"] }, "invalid_redirect_uri"],
    ["data", { redirect_uris: [URI, "data:text/html,x"] }, "invalid_redirect_uri"],
    ["a fragment", { redirect_uris: [`${URI}#x`] }, "invalid_redirect_uri"],
    ["a user", { redirect_uris: ["https://user@agent.example.com/"] }, "invalid_redirect_uri"],
    ["a header break", { redirect_uris: [`${URI}\r\nset-cookie: x=1`] }, "invalid_redirect_uri"],
    ["a slash that turns", { redirect_uris: ["https:\\\\evil.example.com"] }, "invalid_redirect_uri"],
    ["no slashes", { redirect_uris: ["https:evil.example.com"] }, "invalid_redirect_uri"],
    ["only an app's own scheme", { redirect_uris: ["cursor://x/callback"] }, "invalid_redirect_uri"],
    ["something else", { redirect_uris: "https://agent.example.com/cb" }, "invalid_redirect_uri"],
    ["too many", { redirect_uris: Array.from({ length: 51 }, (_, n) => `${URI}${n}`) }, "invalid_redirect_uri"],
    [
      "a grant that shows tokens to browsers",
      { redirect_uris: [URI], grant_types: ["implicit"] },
      "invalid_client_metadata",
    ],
    ["passwords", { redirect_uris: [URI], grant_types: ["password"] }, "invalid_client_metadata"],
    [
      "devices only, which our own command line alone signs in",
      { redirect_uris: [URI], grant_types: ["urn:ietf:params:oauth:grant-type:device_code"] },
      "invalid_client_metadata",
    ],
    ["tokens in the front channel", { redirect_uris: [URI], response_types: ["token"] }, "invalid_client_metadata"],
    [
      "an unknown way to prove itself",
      { redirect_uris: [URI], token_endpoint_auth_method: "x" },
      "invalid_client_metadata",
    ],
    [
      "a private key",
      {
        redirect_uris: [URI],
        token_endpoint_auth_method: "private_key_jwt",
        jwks: { keys: [{ kty: "EC", crv: "P-256", x: "x", y: "y", d: "private" }] },
      },
      "invalid_client_metadata",
    ],
    [
      "a shared key",
      { redirect_uris: [URI], token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [{ kty: "oct", k: "x" }] } },
      "invalid_client_metadata",
    ],
  ])("with %s is refused", async (_what, metadata, error) => {
    const answer = await register(locker, metadata);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error });
  });

  it("reads null as nothing said", async () => {
    const nothing = { client_name: null, grant_types: null, response_types: null, scope: null, jwks: null };
    const said = { redirect_uris: [URI], token_endpoint_auth_method: "none", ...nothing };
    expect(await (await register(locker, said)).json()).toMatchObject({
      grant_types: ["authorization_code", "refresh_token"],
    });
  });

  it("that is no JSON, or too long, is refused", async () => {
    const post = (body: string, type = "application/json") =>
      fetch(`${locker.publicOrigin}/register`, { method: "POST", body, headers: { "content-type": type } });
    expect(await (await post("{")).json()).toMatchObject({ error: "invalid_client_metadata" });
    expect(await (await post("redirect_uris=x", "application/x-www-form-urlencoded")).json()).toMatchObject({
      error: "invalid_client_metadata",
    });
    const long = JSON.stringify({ redirect_uris: [URI], x: "x".repeat(20_000) });
    expect(await (await post(long)).json()).toMatchObject({ error: "invalid_client_metadata" });
    expect((await post(`{"x":"${"x".repeat(100_000)}"}`)).status).toBe(413);
  });

  it("keeps an app's own scheme among others, and never sends anything there", async () => {
    const uris = ["cursor://anysphere.cursor-mcp/oauth/callback", "http://localhost:8787/callback"];
    const client = await registerClient(locker, { redirect_uris: uris });
    const ada = await newPerson(locker);
    const refused = await ada.fetch(authorizePath(client, pkce().challenge));
    expect(refused.status).toBe(400);
    expect(refused.headers.get("location")).toBeNull();
    const usable = { ...client, redirect_uri: uris[1] ?? "" };
    expect((await ada.fetch(authorizePath(usable, pkce().challenge))).status).toBe(200);
  });

  it("may claim any name, and is shown as unverified under it", async () => {
    const ada = await newPerson(locker);
    const client = await registerClient(locker, { client_name: "Claude\u0000\u202e (by Anthropic)" });
    const page = await (await ada.fetch(authorizePath(client, pkce().challenge))).text();
    expect(page).toContain("Claude (by Anthropic)");
    expect(page).toContain("Unverified");
  });
});

describe("a client's own record (RFC 7592)", () => {
  const registered = async (): Promise<Registered> =>
    (await register(locker, { client_name: "Agent", redirect_uris: [URI] })).json<Registered>();
  const manage = ({ registration_client_uri }: Registered, token: string, init: RequestInit = {}) =>
    fetch(registration_client_uri, {
      ...init,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    });

  it("is read, changed and deleted by its registration token", async () => {
    const client = await registered();
    const token = client.registration_access_token;
    expect(await (await manage(client, token)).json()).toMatchObject({
      client_name: "Agent",
      client_id: client.client_id,
    });
    const said = { client_id: client.client_id, client_name: "Renamed", redirect_uris: [`${URI}2`] };
    expect(await (await manage(client, token, { method: "PUT", body: JSON.stringify(said) })).json()).toMatchObject({
      client_name: "Renamed",
      redirect_uris: [`${URI}2`],
    });
    expect((await manage(client, token, { method: "DELETE" })).status).toBe(204);
    expect((await manage(client, token)).status).toBe(401);
  });

  it("takes no secret of the client's own making (RFC 7592 §2.2)", async () => {
    const said = { redirect_uris: [URI], token_endpoint_auth_method: "client_secret_post" };
    const client = await (await register(locker, said)).json<Registered>();
    const put = async (client_secret: unknown) => {
      const body = JSON.stringify({ ...said, client_id: client.client_id, client_secret });
      const answer = await manage(client, client.registration_access_token, { method: "PUT", body });
      return [answer.status, (await answer.json<{ error?: string }>()).error];
    };
    expect(await put("chosen")).toEqual([400, "invalid_client_metadata"]);
    expect(await put(5)).toEqual([400, "invalid_client_metadata"]);
    expect(await put(client.client_secret)).toEqual([200, undefined]);
  });

  it("is nobody else's, and absent ones look the same", async () => {
    const [one, other] = [await registered(), await registered()];
    const foreign = await manage(one, other.registration_access_token);
    expect(foreign.status).toBe(401);
    const absent = await fetch(`${locker.publicOrigin}/register/cli_absent`, {
      headers: { authorization: `Bearer ${other.registration_access_token}` },
    });
    expect(absent.status).toBe(401);
    expect(await absent.text()).toBe(await foreign.text());
    expect((await fetch(one.registration_client_uri, { method: "DELETE" })).status).toBe(401);
  });

  it("does not change what people have agreed to, nor how the client proves itself", async () => {
    const client = await registered();
    const token = client.registration_access_token;
    const put = (said: object) => manage(client, token, { method: "PUT", body: JSON.stringify(said) });
    const said = { client_id: client.client_id, redirect_uris: [URI], token_endpoint_auth_method: "none" };
    expect((await put(said)).status).toBe(400);
    expect((await put({ ...said, client_id: "cli_other" })).status).toBe(400);

    const ada = await newPerson(locker);
    const answered = await register(locker, {
      client_name: "Honest",
      redirect_uris: [URI],
      token_endpoint_auth_method: "none",
    });
    const honest = await answered.json<Registered>();
    await connect(locker, ada, { client: { client_id: honest.client_id, redirect_uri: URI } });
    const renamed = { ...said, client_id: honest.client_id, client_name: "Another" };
    expect(
      (await manage(honest, honest.registration_access_token, { method: "PUT", body: JSON.stringify(renamed) })).status,
    ).toBe(200);
    expect((await ada.api<{ items: object[] }>("GET", "/v1/grants")).items).toMatchObject([{ client_name: "Honest" }]);
  });
});

it("a client that was deleted is told to register again: 401 invalid_client", async () => {
  const said = { client_name: "Agent", redirect_uris: [URI], token_endpoint_auth_method: "none" };
  const client = await (await register(locker, said)).json<Registered>();
  await fetch(client.registration_client_uri, {
    method: "DELETE",
    headers: { authorization: `Bearer ${client.registration_access_token}` },
  });
  const exchange = exchangeOf({ client_id: client.client_id, redirect_uri: URI }, { code: "x", ...pkce() });
  const answer = await tokenRequest(locker, exchange);
  expect(answer.status).toBe(401);
  expect(await answer.json()).toMatchObject({ error: "invalid_client" });
});

it("registrations from one address are limited, and exchanges, whatever vault they name", async () => {
  const tight = await startLocker({ limits: { REGISTER_LIMIT: 3, WEAK_LIMIT: 2 } });
  try {
    const answers = [];
    for (let n = 0; n < 5; n++) answers.push(await register(tight, { redirect_uris: [URI] }));
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 429, 429]);
    expect(Number(answers[4]?.headers.get("retry-after"))).toBeGreaterThan(0);
    // One who has an IPv6 address has more of them than anybody could count: they are one.
    const from = async (ip: string) => {
      const headers = { "content-type": "application/json", "cf-connecting-ip": ip };
      const body = JSON.stringify({ redirect_uris: [URI] });
      return (await fetch(`${tight.publicOrigin}/register`, { method: "POST", headers, body })).status;
    };
    for (const [ip, status] of [
      ["2001:db8:7:100::1", 201],
      ["2001:db8:7:100::2", 201],
      ["2001:db8:7:1ff:9::", 201],
      ["2001:db8:7:17a::3", 429],
      ["2001:db8:7:200::1", 201],
      ["192.0.2.7", 201],
    ] as const)
      expect([ip, await from(ip)]).toEqual([ip, status]);
    const made_up = (vault: string) => ({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token: `${btoa("{}")}.${btoa("{}")}.x`.replaceAll("=", ""),
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      audience: `${tight.publicOrigin}/trusts/${vault.repeat(24)}/tst_${"0".repeat(26)}`,
    });
    const exchanges = [];
    for (const vault of ["1", "2", "3"]) exchanges.push(await tokenRequest(tight, made_up(vault)));
    expect(exchanges.map(({ status }) => status)).toEqual([400, 400, 429]);
  } finally {
    await tight.stop();
  }
});
