/** Refreshing, revoking and asking about tokens (RFC 6749 §6, RFC 7009, RFC 7662; SECURITY S7, S28). */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { signIn, type Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { newPerson, storeKey, usualLocker } from "../support/locker.ts";
import {
  codeFor,
  connect,
  exchangeOf,
  registerClient,
  resourceOf,
  tokenRequest,
  type OAuthClient,
  type Tokens,
} from "../support/oauth.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";
import { spoiled } from "../support/spoiled.ts";

let locker: LocalLocker;
let upstream: Upstream;

beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream()]);
});
afterAll(() => upstream.stop());

type Connected = Tokens & { client: OAuthClient; ada: Person };

async function connected(more: Parameters<typeof connect>[2] = {}): Promise<Connected> {
  const ada = await newPerson(locker);
  await storeKey(ada, "k", upstream.origin);
  return { ada, ...(await connect(locker, ada, more)) };
}

const status = async (token: string) =>
  (await fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, { headers: { authorization: `Bearer ${token}` } })).status;
const refresh = (
  { client, refresh_token = "" }: Pick<Connected, "client" | "refresh_token">,
  more: Record<string, string> = {},
) => tokenRequest(locker, { grant_type: "refresh_token", client_id: client.client_id, refresh_token, ...more });
const post = (path: string, parameters: Record<string, string>, headers: Record<string, string> = {}) =>
  fetch(locker.publicOrigin + path, { method: "POST", body: new URLSearchParams(parameters), headers });
const revoke = (client: OAuthClient, token: string) => post("/revoke", { client_id: client.client_id, token });

describe("a refresh token", () => {
  it("is exchanged for the next, and every answer to the same one is equal", async () => {
    const one = await connected();
    expect(one.refresh_token).toMatch(/^alk_ort_/);
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(one)));
    const bodies = await Promise.all(answers.map((answer) => answer.json<Tokens>()));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
    expect(new Set(bodies.map(({ access_token, refresh_token }) => `${access_token} ${refresh_token}`)).size).toBe(1);
    const next = bodies[0] as Tokens;
    expect(next.refresh_token).not.toBe(one.refresh_token);
    expect(next.scope).toBe("vault:read vault:proxy");
    expect(await status(next.access_token)).toBe(200);
    expect((await refresh({ ...one, ...next })).status).toBe(200);
  });

  it("in another client's hands ends everything that came of it, and that client gets nothing", async () => {
    const one = await connected();
    const thief = await registerClient(locker, { client_name: "Thief" });
    const stolen = await refresh({ ...one, client: thief });
    expect(stolen.status).toBe(400);
    expect(await stolen.json()).toMatchObject({ error: "invalid_grant" });
    expect(await status(one.access_token)).toBe(401);
    expect(await (await refresh(one)).json()).toMatchObject({ error: "invalid_grant" });
  });

  it("of a grant that its person ended is invalid_grant, and of another grant of that client goes on", async () => {
    const one = await connected();
    const other = await connect(locker, one.ada, { client: one.client });
    const { items } = await one.ada.api<{ items: { id: string }[] }>("GET", "/v1/grants");
    await one.ada.api("DELETE", `/v1/grants/${items.at(-1)?.id}`);
    const dead = await refresh(one);
    expect(dead.status).toBe(400);
    expect(await dead.json()).toMatchObject({ error: "invalid_grant" });
    expect((await refresh({ ...one, ...other })).status).toBe(200);
  });

  it("gives fewer scopes to whoever asks for fewer, and never more", async () => {
    const one = await connected();
    const fewer = await (await refresh(one, { scope: "vault:read" })).json<Tokens>();
    expect(fewer.scope).toBe("vault:read");
    expect(await status(fewer.access_token)).toBe(403);
    const same = await (
      await refresh({ ...one, ...fewer }, { scope: "vault:proxy vault:write offline_access" })
    ).json<Tokens>();
    expect(same.scope).toBe("vault:proxy");
    const none = await refresh({ ...one, ...same }, { scope: "vault:reveal" });
    expect(none.status).toBe(400);
    expect(await none.json()).toMatchObject({ error: "invalid_scope" });
  });

  it("is for the resource of its grant", async () => {
    const one = await connected();
    expect(await (await refresh(one, { resource: "https://evil.example/mcp" })).json()).toMatchObject({
      error: "invalid_target",
    });
    expect((await refresh(one, { resource: resourceOf(locker) })).status).toBe(200);
  });

  it("that was never given is invalid_grant, and opens nothing as anything else", async () => {
    const one = await connected();
    for (const refresh_token of ["nonsense", one.access_token, spoiled(one.refresh_token ?? "")])
      expect(await (await refresh({ ...one, refresh_token })).json()).toMatchObject({ error: "invalid_grant" });
    expect(await status(one.refresh_token ?? "")).toBe(401);
  });

  it("is not given to a client that says it has no use for one", async () => {
    const client = await registerClient(locker, { grant_types: ["authorization_code"] });
    expect((await connected({ client })).refresh_token).toBeUndefined();
  });
});

describe("revoking (RFC 7009)", () => {
  it("a refresh token ends the grant, at once", async () => {
    const one = await connected();
    expect((await revoke(one.client, one.refresh_token ?? "")).status).toBe(200);
    expect(await status(one.access_token)).toBe(401);
    expect((await refresh(one)).status).toBe(400);
    expect((await one.ada.api<{ items: object[] }>("GET", "/v1/grants")).items).toEqual([]);
  });

  it("a refresh token that was replaced already ends the grant as well", async () => {
    const one = await connected();
    const next = await (await refresh(one)).json<Tokens>();
    expect((await one.ada.api<{ items: object[] }>("GET", "/v1/grants")).items).toMatchObject([{ rotations: 1 }]);
    expect((await revoke(one.client, one.refresh_token ?? "")).status).toBe(200);
    expect(await status(next.access_token)).toBe(401);
  });

  it("an access token ends that one and leaves the grant", async () => {
    const one = await connected();
    expect((await revoke(one.client, one.access_token)).status).toBe(200);
    expect(await status(one.access_token)).toBe(401);
    const next = await (await refresh(one)).json<Tokens>();
    expect(await status(next.access_token)).toBe(200);
    const client = await registerClient(locker, { grant_types: ["authorization_code"] });
    const single = await connected({ client });
    expect((await revoke(client, single.access_token)).status).toBe(200);
    expect(await status(single.access_token)).toBe(401);
  });

  it.each(["pause", "freeze"] as const)("is never in vain: a %s in between does not keep the token", async (how) => {
    const [one, other] = [await connected(), await connected()];
    for (const { ada } of [one, other]) {
      const { items } = await ada.api<{ items: { id: string }[] }>("GET", "/v1/grants");
      await ada.api("POST", how === "pause" ? `/v1/grants/${items[0]?.id ?? ""}/pause` : "/v1/vault/freeze");
    }
    expect((await revoke(one.client, one.refresh_token ?? "")).status).toBe(200);
    expect((await revoke(other.client, other.access_token)).status).toBe(200);
    if (how === "freeze") {
      const { identities } = await one.ada.api<{ identities: { email: string }[] }>("GET", "/v1/me");
      const fresh = await signIn(locker.publicOrigin, identities[0]?.email ?? "");
      return expect((await fresh.api<{ items: object[] }>("GET", "/v1/grants")).items).toEqual([]);
    }
    expect((await one.ada.api<{ items: object[] }>("GET", "/v1/grants")).items).toEqual([]);
    const { items } = await other.ada.api<{ items: { id: string }[] }>("GET", "/v1/grants");
    await other.ada.api("POST", `/v1/grants/${items[0]?.id ?? ""}/resume`);
    expect(await status(other.access_token)).toBe(401);
    expect((await refresh(other)).status).toBe(200);
  });

  it("what is dead, forged or unknown is no error; another client's token is", async () => {
    const one = await connected();
    for (const token of ["nonsense", `alk_oat_${"0".repeat(97)}`])
      expect((await revoke(one.client, token)).status).toBe(200);
    const other = await registerClient(locker);
    expect((await revoke(other, one.access_token)).status).toBe(400);
    expect((await revoke(other, one.refresh_token ?? "")).status).toBe(400);
    expect(await status(one.access_token)).toBe(200);
    expect((await post("/revoke", { client_id: "cli_unknown", token: one.access_token })).status).toBe(401);
    expect((await post("/revoke", { client_id: one.client.client_id })).status).toBe(400);
  });
});

describe("introspection (RFC 7662)", () => {
  const ask = (client: OAuthClient, token: string) =>
    post("/introspect", { client_id: client.client_id, client_secret: client.client_secret ?? "", token });

  it("tells a client that proves itself about its own tokens, and nothing of others", async () => {
    const client = await registerClient(locker, { token_endpoint_auth_method: "client_secret_post" });
    const other = await registerClient(locker, { token_endpoint_auth_method: "client_secret_post" });
    const ada = await newPerson(locker);
    const exchange = { ...exchangeOf(client, await codeFor(ada, client)), client_secret: client.client_secret ?? "" };
    const { access_token, refresh_token = "" } = await (await tokenRequest(locker, exchange)).json<Tokens>();
    const told = await ask(client, access_token);
    expect(told.headers.get("cache-control")).toBe("no-store");
    expect(await told.json()).toMatchObject({
      active: true,
      client_id: client.client_id,
      scope: "vault:read vault:proxy",
      aud: resourceOf(locker),
      iss: locker.publicOrigin,
      token_type: "Bearer",
    });
    expect(await (await ask(client, refresh_token)).json()).toMatchObject({ active: true });
    for (const answer of [
      await ask(other, access_token),
      await ask(other, refresh_token),
      await ask(client, "nonsense"),
    ])
      expect(await answer.json()).toEqual({ active: false });
    await post("/revoke", {
      client_id: client.client_id,
      client_secret: client.client_secret ?? "",
      token: refresh_token,
    });
    for (const token of [access_token, refresh_token])
      expect(await (await ask(client, token)).json()).toEqual({ active: false });
  });

  it("asks for proof: a public client is told nothing, not even of its own", async () => {
    const one = await connected();
    const answer = await ask(one.client, one.access_token);
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ error: "invalid_client" });
  });

  it("changes nothing: a token that was only asked about was not used", async () => {
    const client = await registerClient(locker, { token_endpoint_auth_method: "client_secret_post" });
    const secret = { client_secret: client.client_secret ?? "" };
    const ada = await newPerson(locker);
    const first = await (
      await tokenRequest(locker, { ...exchangeOf(client, await codeFor(ada, client)), ...secret })
    ).json<Tokens>();
    const second = await (await refresh({ client, ...first }, secret)).json<Tokens>();
    await ask(client, second.access_token);
    const grants = await ada.api<{ items: { last_used_at?: string; uses: number }[] }>("GET", "/v1/grants");
    expect(grants.items).toMatchObject([{ uses: 0 }]);
    const again = await (await refresh({ client, ...first }, secret)).json<Tokens>();
    expect(again.refresh_token).toBe(second.refresh_token);
  });
});

describe("the token endpoint refuses", () => {
  it.each([
    ["no grant type", {}, "invalid_request", 400],
    ["passwords", { grant_type: "password", username: "ada", password: "x" }, "unsupported_grant_type", 400],
    ["what is in no table of ours", { grant_type: "__proto__" }, "unsupported_grant_type", 400],
    ["a client that is not there", { grant_type: "authorization_code", client_id: "cli_x" }, "invalid_client", 401],
  ])("%s", async (_what, parameters, error, expected) => {
    const client = await registerClient(locker);
    const answer = await tokenRequest(locker, { client_id: client.client_id, ...parameters });
    expect({ status: answer.status, ...(await answer.json<object>()) }).toMatchObject({ status: expected, error });
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.headers.get("content-type")).toBe("application/json");
  });

  it("a parameter that comes twice, a body that is no form, and GET", async () => {
    const client = await registerClient(locker);
    const twice = `grant_type=refresh_token&client_id=${client.client_id}&client_id=other&refresh_token=x`;
    const form = { "content-type": "application/x-www-form-urlencoded" };
    for (const [body, headers] of [
      [twice, form],
      [JSON.stringify({ grant_type: "refresh_token" }), { "content-type": "application/json" }],
    ] as const) {
      const answer = await fetch(`${locker.publicOrigin}/token`, { method: "POST", body, headers });
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ error: "invalid_request" });
    }
    const get = await fetch(`${locker.publicOrigin}/token?${twice}`);
    expect(get.status).toBe(405);
    expect(get.headers.get("allow")).toBe("POST, OPTIONS");
  });

  it("no client at all: that is one that did not prove itself, and it is told how it may", async () => {
    for (const path of ["/token", "/revoke", "/introspect", "/device_authorization"]) {
      const answer = await post(path, { grant_type: "refresh_token", token: "x" });
      expect([path, answer.status]).toEqual([path, 401]);
      expect(answer.headers.get("www-authenticate")).toMatch(/^Basic /);
      expect(await answer.json()).toMatchObject({ error: "invalid_client" });
    }
  });

  it("two proofs at once, and a name in the form that is not the one in the header", async () => {
    const client = await registerClient(locker, { token_endpoint_auth_method: "client_secret_basic" });
    const basic = { authorization: `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}` };
    const both = await tokenRequest(locker, { grant_type: "refresh_token", client_secret: "x" }, basic);
    expect(await both.json()).toMatchObject({ error: "invalid_request" });
    const other = await tokenRequest(locker, { grant_type: "refresh_token", client_id: "cli_other" }, basic);
    expect(await other.json()).toMatchObject({ error: "invalid_request" });
  });
});

it("an OAuth token is no key to the management API", async () => {
  const { access_token } = await connected({
    scope: "vault:read vault:proxy vault:write vault:reveal",
    scopes: ["vault:read", "vault:proxy", "vault:write", "vault:reveal"],
  });
  for (const path of ["/v1/keys", "/v1/me", "/v1/grants", "/v1/tokens", "/v1/activity"]) {
    const answer = await fetch(locker.publicOrigin + path, { headers: { authorization: `Bearer ${access_token}` } });
    expect(answer.status, path).toBe(403);
  }
});
