import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { destinationOf } from "../../src/api/destination.ts";
import { readConfig } from "../../src/config.ts";
import { signIn, type Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import type { Browser } from "../support/browser.ts";
import { browserOf, connectByBrowser, connectedKey } from "../support/connecting.ts";
import { mintToken, newPerson, usualLocker } from "../support/locker.ts";
import { call, letIn } from "../support/mcp.ts";
import { startOAuthUpstream, type OAuthUpstream } from "../support/oauth_upstream.ts";

let locker: LocalLocker;
let upstream: OAuthUpstream;

beforeAll(async () => {
  locker = await usualLocker();
  upstream = await startOAuthUpstream(`${locker.publicOrigin}/connect/callback`);
});
afterAll(() => upstream.stop());
beforeEach(() => void (upstream.asked.length = 0));

async function withKey(more: object = {}): Promise<{ ada: Person; url: string }> {
  const ada = await newPerson(locker);
  await ada.api("POST", "/v1/keys", connectedKey(upstream, more));
  const { url } = await ada.api<{ url: string }>("POST", "/v1/keys/account/connect");
  return { ada, url };
}

const post = (browser: Browser, url: string, origin = locker.publicOrigin) =>
  browser.visit(url, { method: "POST", headers: { origin } });

/** Sets out, and answers what the provider would send back, without going there. */
async function setOut(browser: Browser, url: string): Promise<{ state: string; sent: URL }> {
  const sent = new URL((await post(browser, url)).headers.get("location") ?? "");
  return { state: sent.searchParams.get("state") ?? "", sent };
}

const back = (query: Record<string, string>) =>
  `${locker.publicOrigin}/connect/callback?${new URLSearchParams(query).toString()}`;

describe("the page from which somebody sets out", () => {
  it("shows where they go and where the tokens go, and its form may be redirected there and nowhere else", async () => {
    const { ada, url } = await withKey();
    const page = await browserOf(ada).visit(url);
    const text = await page.text();
    expect(text).toContain(new URL(upstream.origin).host);
    expect(text).toContain(`${locker.publicOrigin}/connect/callback`);
    expect(page.headers.get("content-security-policy")).toContain(`form-action 'self' ${upstream.origin};`);
    expect(text).not.toContain(upstream.client_secret);
  });

  it("is for its vault's person only, is used up by the post and not by looking, and by no post of another site", async () => {
    const { ada, url } = await withKey();
    const mallory = await newPerson(locker, "mallory");
    expect((await browserOf(mallory).visit(url)).status).toBe(404);
    expect((await post(browserOf(mallory), url)).status).toBe(404);
    const browser = browserOf(ada);
    expect((await post(browser, url, "https://evil.example")).status).toBe(403);
    expect((await browser.visit(url)).status).toBe(200);
    expect((await browser.visit(url)).status).toBe(200);
    expect((await post(browser, url)).status).toBe(303);
    expect((await post(browser, url)).status).toBe(404);
  });

  it("sends along what the provider must know and no secret, and the person's own parameters override none of it", async () => {
    const { ada, url } = await withKey();
    const { sent } = await setOut(browserOf(ada), url);
    expect(sent.origin + sent.pathname).toBe(`${upstream.origin}/auth`);
    expect(Object.fromEntries(sent.searchParams)).toMatchObject({
      response_type: "code",
      client_id: upstream.client_id,
      redirect_uri: `${locker.publicOrigin}/connect/callback`,
      code_challenge_method: "S256",
      access_type: "offline",
    });
    expect(sent.href).not.toContain(encodeURIComponent(upstream.client_secret));
    const { placement } = connectedKey(upstream);
    for (const name of ["state", "redirect_uri", "code_challenge", "client_id", "request_uri"]) {
      const body = connectedKey(upstream, {
        name: "other",
        placement: { ...placement, authorize_parameters: { [name]: "x" } },
      });
      const refused = await ada.fetch("/v1/keys", {
        method: "POST",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      });
      expect([name, refused.status]).toEqual([name, 422]);
    }
  });

  it("is void once the key was changed", async () => {
    const { ada, url } = await withKey();
    const { placement, fields } = connectedKey(upstream);
    await ada.api("PATCH", "/v1/keys/account", {
      fields,
      placement: { ...placement, authorize_url: `${upstream.origin}/evil` },
    });
    expect((await post(browserOf(ada), url)).status).toBe(409);
  });
});

describe("what comes back", () => {
  it("counts only in the browser and under the session that set out, with its own state, and once", async () => {
    const { ada, url } = await withKey();
    const browser = browserOf(ada);
    const { state } = await setOut(browser, url);
    const answers = {
      "another browser of the same person": await browserOf(ada).visit(back({ code: "c", state })),
      "no session": await (async () => {
        browser.plant(locker.publicOrigin, "apilocker", "");
        const answer = await browser.visit(back({ code: "c", state }));
        const [, ...value] = ada.cookie.split("=");
        browser.plant(locker.publicOrigin, "apilocker", value.join("="));
        return answer;
      })(),
      "another state": await browser.visit(back({ code: "c", state: `${state}x` })),
      "two states": await browser.visit(`${back({ code: "c", state })}&state=${state}`),
      "two codes": await browser.visit(`${back({ code: "c", state })}&code=d`),
      "another issuer": await browser.visit(back({ code: "c", state, iss: "https://evil.example" })),
      "a refusal": await browser.visit(back({ error: "access_denied", state })),
    };
    for (const [what, { status }] of Object.entries(answers))
      expect([what, status < 200 || status >= 400]).toEqual([what, true]);
    expect(upstream.asked).toEqual([]);
  });

  it("by another person's session is refused though the cookie is there: nobody connects their account to somebody else's vault", async () => {
    const { ada, url } = await withKey();
    const mallory = await newPerson(locker, "mallory");
    const browser = browserOf(ada);
    const { state } = await setOut(browser, url);
    const [, ...value] = mallory.cookie.split("=");
    browser.plant(locker.publicOrigin, "apilocker", value.join("="));
    expect((await browser.visit(back({ code: "c", state }))).status).toBe(400);
    expect(upstream.asked).toEqual([]);
  });

  it("for a key whose endpoints were changed meanwhile goes to neither endpoint", async () => {
    const { ada, url } = await withKey();
    const browser = browserOf(ada);
    const { state } = await setOut(browser, url);
    const { placement, fields } = connectedKey(upstream);
    await ada.api("PATCH", "/v1/keys/account", {
      fields,
      placement: { ...placement, token_url: `${upstream.origin}/evil` },
    });
    expect((await browser.visit(back({ code: "c", state }))).status).toBe(409);
    expect(upstream.asked).toEqual([]);
  });

  it("a code that the provider does not take connects nothing, and its words are not shown", async () => {
    const { ada, url } = await withKey();
    const browser = browserOf(ada);
    const { state } = await setOut(browser, url);
    upstream.failWith({ status: 400, body: `{"error":"invalid_grant","error_description":"<b>stack</b> sk-secret"}` });
    const answer = await browser.visit(back({ code: "c", state }));
    expect(answer.status).toBe(409);
    expect(await answer.text()).not.toMatch(/stack|sk-secret/);
    expect(await ada.api("GET", "/v1/keys/account")).toMatchObject({ connection: "not_connected" });
  });
});

it("a freeze voids what was begun: neither the page nor what comes back from the provider connects anything, for good", async () => {
  const { ada, url } = await withKey();
  const { url: second } = await ada.api<{ url: string }>("POST", "/v1/keys/account/connect");
  const browser = browserOf(ada);
  const { state } = await setOut(browser, url);
  await ada.api("POST", "/v1/vault/freeze");
  expect((await browser.visit(back({ code: "c", state }))).status).toBe(423);
  const { identities } = await ada.api<{ identities: { email: string }[] }>("GET", "/v1/me");
  const again = await signIn(locker.publicOrigin, identities[0]?.email ?? "");
  await again.api("POST", "/v1/vault/unfreeze");
  expect((await browserOf(again).visit(second)).status).toBe(404);
  expect((await browser.visit(back({ code: "c", state }))).status).not.toBe(200);
  expect(upstream.asked).toEqual([]);
});

it("an API that refuses every token cannot make the vault ask for one after another", async () => {
  const { ada } = await withKey();
  await connectByBrowser(locker, ada);
  const { token } = await mintToken(ada);
  upstream.asked.length = 0;
  const call = () =>
    fetch(`${locker.proxyOrigin}/v1/proxy/account/x`, { headers: { authorization: `Bearer ${token}` } });
  expect((await call()).status).toBe(200);
  upstream.forgetTokens();
  const statuses = await Promise.all(Array.from({ length: 20 }, async () => (await call()).status));
  expect(new Set(statuses)).toEqual(new Set([401]));
  expect(upstream.asked).toEqual([]);
  expect(await ada.api("GET", "/v1/keys/account")).toMatchObject({ connection: "connected" });
});

it("neither tokens nor the client's secret are in any row, page, address or answer of the locker", async () => {
  const { ada } = await withKey();
  const { addresses, response } = await connectByBrowser(locker, ada);
  const shown = [
    ...addresses,
    await response.text(),
    JSON.stringify(await ada.api("GET", "/v1/keys/account")),
    JSON.stringify(await ada.api("GET", "/v1/activity?limit=50")),
  ].join("\n");
  const { token } = await mintToken(ada);
  await fetch(`${locker.proxyOrigin}/v1/proxy/account/x`, { headers: { authorization: `Bearer ${token}` } });
  const access = upstream.calls.at(-1)?.token ?? "";
  expect(access).toMatch(/^.{20,}$/);
  expect(shown).not.toContain(access);
  expect(shown).not.toContain(upstream.client_secret);
});

it("a client's secret is sent to no endpoint that is private or our own, in a deployment", () => {
  const key = `k1:${Buffer.alloc(32).toString("base64")}`;
  const config = readConfig({
    PUBLIC_ORIGIN: "https://locker.test",
    PROXY_ORIGIN: "https://proxy.test",
    ROOT_KEYS: key,
    TOKEN_KEYS: key,
  });
  const wanted = (placement: object) => ({
    provider: "custom",
    base_url: "https://api.example.com",
    placement: { in: "oauth" as const, token_url: "https://id.example.com/token", ...placement },
  });
  const secret = { client_id: "c", client_secret: "s" };
  expect(destinationOf(wanted({}), secret, config)).toMatchObject({ origin: "https://api.example.com" });
  for (const url of [
    "http://id.example.com/",
    "https://127.0.0.1/",
    "https://169.254.169.254/",
    "https://locker.test/",
    "https://a:b@id.example.com/",
  ])
    for (const field of ["authorize_url", "token_url", "revoke_url"])
      expect(() => destinationOf(wanted({ [field]: url }), secret, config), `${field} ${url}`).toThrow(
        `placement.${field}`,
      );
});

describe("a page that an MCP client hands to its person", () => {
  it("connects the key for that person alone, says who asked, and is void once the client is gone", async () => {
    const { ada } = await withKey();
    const [client, eve] = [await letIn(locker, ada), await newPerson(locker, "eve")];
    const { structured, text } = await call(client, "connect_key", { key: "account" });
    expect(structured).toMatchObject({ status: "link", next: expect.stringContaining("get_key_metadata") as string });
    const url = String(structured?.url);
    expect(text).not.toContain(upstream.client_secret);
    expect(await (await browserOf(ada).visit(url)).text()).toContain("Agent");
    expect((await browserOf(eve).visit(url)).status).toBe(404);
    expect((await post(browserOf(eve), url)).status).toBe(404);
    const { sent } = await setOut(browserOf(ada), url);
    expect(sent.origin).toBe(upstream.origin);

    const again = String((await call(client, "connect_key", { key: "account" })).structured?.url);
    await ada.api("DELETE", `/v1/grants/${client.grant_id}`);
    expect((await post(browserOf(ada), again)).status).toBe(404);
    const reader = await letIn(locker, ada, { scopes: ["vault:write"], keys: [] });
    expect((await call(reader, "connect_key", { key: "account" })).error).toMatchObject({ code: "not_found" });
  });
});
