import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { decodeJwt, importSPKI, jwtVerify } from "jose";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { connectByBrowser, connectedKey } from "../support/connecting.ts";
import { activity, eventually, mintToken, newPerson, usualLocker } from "../support/locker.ts";
import { startOAuthUpstream, type OAuthUpstream } from "../support/oauth_upstream.ts";
import { startUpstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: OAuthUpstream;

beforeAll(async () => {
  locker = await usualLocker();
  upstream = await startOAuthUpstream(`${locker.publicOrigin}/connect/callback`);
});
afterAll(() => upstream.stop());

type Details = {
  connection: string;
  oauth?: { renewals: number; trouble?: string; scopes?: string; history: { what: string; detail?: string }[] };
};

/** Somebody with a connected key and a token for it. */
async function connected(): Promise<{
  ada: Person;
  call: (path?: string, init?: RequestInit) => Promise<Response>;
  vault_id: string;
}> {
  const ada = await newPerson(locker);
  await ada.api("POST", "/v1/keys", connectedKey(upstream));
  const { response } = await connectByBrowser(locker, ada);
  expect(await response.text()).toContain("account is connected");
  const { token } = await mintToken(ada);
  return { ada, call: caller(token), vault_id: token.slice(10, 34) };
}

function caller(token: string) {
  return (path = "/x", init: RequestInit = {}) =>
    fetch(`${locker.proxyOrigin}/v1/proxy/account${path}`, {
      ...init,
      headers: { authorization: `Bearer ${token}`, ...init.headers },
    });
}

const details = (person: Person) => person.api<Details>("GET", "/v1/keys/account");
const refreshes = () => upstream.asked.filter(({ body }) => body.get("grant_type") === "refresh_token");

describe("a key that is connected in the browser", () => {
  it("shows its API an access token, and none was asked for besides", async () => {
    const { ada, call } = await connected();
    expect(await details(ada)).toMatchObject({ connection: "connected", oauth: { renewals: 0 } });
    expect((await call()).status).toBe(200);
    const [first] = upstream.calls.slice(-1);
    expect(first).toMatchObject({ path: "/api/x", taken: true });
    expect(refreshes()).toEqual([]);
  });

  it("is of no use before it is connected, and says so", async () => {
    const ada = await newPerson(locker);
    await ada.api("POST", "/v1/keys", connectedKey(upstream));
    const { token } = await mintToken(ada);
    const answer = await caller(token)();
    expect(answer.status).toBe(424);
    expect(await answer.json()).toMatchObject({ code: "reconnect_required", rule: "reconnect_required" });
    expect(await details(ada)).toMatchObject({ connection: "not_connected" });
  });

  it("is forgotten and revoked at the provider when it is disconnected, and can be connected again", async () => {
    const { ada, call } = await connected();
    upstream.asked.length = 0;
    for (let n = 0; n < 2; n++)
      expect(await ada.api("POST", "/v1/keys/account/disconnect")).toMatchObject({ connection: "not_connected" });
    expect((await call()).status).toBe(424);
    // Said again it changes nothing, and so leaves no row.
    expect((await activity(ada)).filter(({ action }) => action === "key.disconnect")).toHaveLength(1);
    await eventually(async () => upstream.asked.some(({ path }) => path === "/token/revocation"));
    await connectByBrowser(locker, ada);
    expect((await call()).status).toBe(200);
  });

  it("is revoked at the provider when it is deleted", async () => {
    const { ada } = await connected();
    upstream.asked.length = 0;
    await ada.api("DELETE", "/v1/keys/account");
    const revoked = await eventually(async () => upstream.asked.find(({ path }) => path === "/token/revocation"));
    expect(revoked.body.get("token")).toMatch(/^.{20,}$/);
  });

  it("loses what was granted when its secret goes elsewhere, and keeps it when only the client's secret changes", async () => {
    const { ada, call } = await connected();
    const { client_secret } = upstream;
    await ada.api("POST", "/v1/keys/account/rotate", { fields: { client_secret } });
    expect((await call()).status).toBe(200);
    await ada.api("PATCH", "/v1/keys/account", { scopes: "openid things:read" });
    expect((await call()).status).toBe(200);
    const { placement, fields } = connectedKey(upstream);
    await ada.api("PATCH", "/v1/keys/account", { fields, placement, base_url: `${upstream.origin}/other` });
    expect((await call()).status).toBe(424);
  });
});

describe("an access token that the API takes no more, though it should live", () => {
  /** Lets a minute pass for the token that is held: one that was obtained just now is not asked for again. */
  async function aged(vault_id: string): Promise<void> {
    const storage = await locker.miniflare.unsafeGetDurableObjectStorage("apilocker", "UserVault", { name: vault_id });
    await storage.exec("UPDATE connection SET obtained_at = obtained_at - 60000, asked_at = asked_at - 60000");
  }

  it("is renewed and the call made once more, with its body; one that is too large to keep is told the API's own 401", async () => {
    const { call, vault_id } = await connected();
    await call();
    const token = upstream.calls.at(-1)?.token;
    await aged(vault_id);
    upstream.forgetTokens();
    upstream.asked.length = 0;
    expect((await call("/again", { method: "POST", body: "the body" })).status).toBe(200);
    const [refused, taken] = upstream.calls.slice(-2);
    expect([refused, taken]).toMatchObject([
      { path: "/api/again", token, taken: false, body: "the body" },
      { path: "/api/again", taken: true, body: "the body" },
    ]);
    expect(refreshes()).toHaveLength(1);
    await aged(vault_id);
    upstream.forgetTokens();
    expect((await call("/large", { method: "POST", body: "x".repeat(1024 * 1024 + 1) })).status).toBe(401);
    expect(upstream.calls.at(-1)).toMatchObject({ path: "/api/large", taken: false });
    expect((await call()).status).toBe(200);
    expect(refreshes()).toHaveLength(2);
  });
});

describe("a refresh token that was pasted", () => {
  async function pasted(): Promise<{ ada: Person; call: ReturnType<typeof caller> }> {
    const refresh_token = await upstream.issued();
    const ada = await newPerson(locker);
    const { client_id, client_secret } = upstream;
    await ada.api("POST", "/v1/keys", connectedKey(upstream, { fields: { client_id, client_secret, refresh_token } }));
    const { token } = await mintToken(ada);
    return { ada, call: caller(token) };
  }

  it("is used once, by however many calls at once, and the provider's reuse detection never fires", async () => {
    const { ada, call } = await pasted();
    expect(await details(ada)).toMatchObject({ connection: "ready" });
    upstream.asked.length = 0;
    const answers = await Promise.all(Array.from({ length: 100 }, () => call()));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(refreshes()).toHaveLength(1);
    expect(await details(ada)).toMatchObject({ connection: "connected", oauth: { renewals: 1 } });
    // What came of it is used next, not what was pasted.
    const rows = await eventually(async () => {
      const found = (await activity(ada, 200)).filter(({ action }) => action === "connection.renew");
      return found.length > 0 && found;
    });
    expect(rows.map(({ outcome }) => outcome)).toEqual(["ok"]);
  });

  it("that the provider does not take is told as such, once: nothing is asked again until somebody connects", async () => {
    const ada = await newPerson(locker);
    const { client_id, client_secret } = upstream;
    const fields = { client_id, client_secret, refresh_token: "never-issued" };
    await ada.api("POST", "/v1/keys", connectedKey(upstream, { fields }));
    const hook = await startUpstream();
    onTestFinished(() => hook.stop());
    await ada.api("POST", "/v1/webhooks", { url: hook.origin, events: ["alert.raised"] });
    const call = caller((await mintToken(ada)).token);
    upstream.asked.length = 0;
    expect((await call()).status).toBe(424);
    expect((await call()).status).toBe(424);
    expect(refreshes()).toHaveLength(1);
    const { connection, oauth } = await details(ada);
    expect({ connection, trouble: oauth?.trouble }).toEqual({
      connection: "reconnect_required",
      trouble: "invalid_grant",
    });
    const { items } = await ada.api<{ items: { kind: string; key?: string }[] }>("GET", "/v1/alerts");
    expect(items.map(({ kind }) => kind)).toEqual(["reconnect_required"]);
    await eventually(async () => hook.seen.some(({ body }) => body.includes("reconnect_required")));
    await connectByBrowser(locker, ada);
    expect((await call()).status).toBe(200);
  });

  it("survives a provider that is in trouble: the caller is told to try again, and nothing is lost", async () => {
    const { call } = await pasted();
    upstream.failWith({ status: 503, body: "down", headers: { "retry-after": "1" } });
    const answer = await call();
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    await eventually(async () => (await call()).status === 200);
  });
});

describe("clients that need nobody", () => {
  it("client credentials: Basic as the specification spells it, and a token for the API", async () => {
    const ada = await newPerson(locker);
    const { placement, fields } = connectedKey(upstream);
    const own = { ...placement, grant: "client_credentials", authorize_url: undefined, scopes: "things:read" };
    await ada.api("POST", "/v1/keys", connectedKey(upstream, { placement: own, fields }));
    upstream.asked.length = 0;
    const call = caller((await mintToken(ada)).token);
    expect((await call()).status).toBe(200);
    const pair = `${upstream.client_id}:${encodeURIComponent(upstream.client_secret)}`;
    expect(upstream.asked.at(-1)?.authorization).toBe(`Basic ${Buffer.from(pair).toString("base64")}`);
    expect(upstream.asked.at(-1)?.body.get("grant_type")).toBe("client_credentials");
    expect((await ada.fetch("/v1/keys/account/connect", { method: "POST" })).status).toBe(409);
  });

  it.each([-600, 600])(
    "a service account whose provider's clock is %d s off signs again by that clock, and only then",
    async (off_s) => {
      const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const key = await importSPKI(publicKey.export({ type: "spki", format: "pem" }).toString(), "ES256");
      const endpoint = await startUpstream(async (_request, response, { url, body }) => {
        if (url !== "/token") return void response.end("{}");
        const now = new Date(Date.now() + off_s * 1_000);
        const { assertion = "" } = Object.fromEntries(new URLSearchParams(body.toString()));
        const fresh = await jwtVerify(assertion, key, { currentDate: now, maxTokenAge: 300 }).then(
          () => true,
          () => false,
        );
        response.writeHead(fresh ? 200 : 400, { "content-type": "application/json", date: now.toUTCString() });
        response.end(JSON.stringify(fresh ? { access_token: "at-1", expires_in: 3600 } : { error: "invalid_grant" }));
      });
      try {
        const ada = await newPerson(locker);
        await ada.api("POST", "/v1/keys", {
          name: "account",
          provider: "custom",
          base_url: endpoint.origin,
          placement: { in: "oauth", grant: "jwt_bearer", token_url: `${endpoint.origin}/token`, scopes: "a" },
          fields: {
            client_id: "robot@example.iam",
            private_key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
          },
        });
        expect((await caller((await mintToken(ada)).token)("/v1/things")).status).toBe(200);
        expect(endpoint.seen.map(({ url }) => url)).toEqual(["/token", "/token", "/v1/things"]);
      } finally {
        await endpoint.stop();
      }
    },
  );

  it("a service account that is refused by a provider with the same clock is refused once", async () => {
    const endpoint = await startUpstream(
      (_request, response) => void response.writeHead(400).end(`{"error":"invalid_grant"}`),
    );
    try {
      const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const ada = await newPerson(locker);
      const private_key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
      await ada.api("POST", "/v1/keys", {
        name: "account",
        provider: "custom",
        base_url: endpoint.origin,
        placement: { in: "oauth", grant: "jwt_bearer", token_url: `${endpoint.origin}/token` },
        fields: { client_id: "robot@example.iam", private_key },
      });
      expect((await caller((await mintToken(ada)).token)()).status).toBe(424);
      expect(endpoint.seen).toHaveLength(1);
    } finally {
      await endpoint.stop();
    }
  });

  it("a service account signs for itself, with RSA and with P-256, and its key goes nowhere", async () => {
    const endpoint = await startUpstream(
      (_request, response) =>
        void response
          .writeHead(200, { "content-type": "application/json" })
          .end(JSON.stringify({ access_token: "at-1", expires_in: 3600 })),
    );
    try {
      for (const [alg, pair] of [
        ["RS256", generateKeyPairSync("rsa", { modulusLength: 2048 })],
        ["ES256", generateKeyPairSync("ec", { namedCurve: "P-256" })],
      ] as const) {
        const ada = await newPerson(locker);
        const token_url = `${endpoint.origin}/token`;
        const private_key = pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
        await ada.api("POST", "/v1/keys", {
          name: "account",
          provider: "custom",
          base_url: endpoint.origin,
          placement: { in: "oauth", grant: "jwt_bearer", token_url, scopes: "a b" },
          fields: { client_id: "robot@example.iam", private_key, private_key_id: "k-1" },
        });
        endpoint.seen.length = 0;
        expect((await caller((await mintToken(ada)).token)("/v1/things")).status).toBe(200);
        const [asked, called] = endpoint.seen;
        const form = new URLSearchParams(asked?.body.toString());
        expect(form.get("grant_type")).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
        const key = await importSPKI(pair.publicKey.export({ type: "spki", format: "pem" }).toString(), alg);
        const { payload, protectedHeader } = await jwtVerify(form.get("assertion") ?? "", key, { audience: token_url });
        expect(protectedHeader).toMatchObject({ alg, kid: "k-1" });
        expect(payload).toMatchObject({ iss: "robot@example.iam", scope: "a b" });
        expect(decodeJwt(form.get("assertion") ?? "").exp).toBeGreaterThan(Date.now() / 1_000);
        expect(called?.headers.authorization).toBe("Bearer at-1");
        expect(JSON.stringify(endpoint.seen.map(({ headers, url }) => [headers, url]))).not.toContain("PRIVATE KEY");
      }
    } finally {
      await endpoint.stop();
    }
  });
});
