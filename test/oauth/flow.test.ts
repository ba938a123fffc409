import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { Browser } from "../support/browser.ts";
import { activity, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import {
  authorizePath,
  codeFor,
  connect,
  consent,
  exchangeOf,
  formOf,
  pkce,
  proposedIn,
  registerClient,
  resourceOf,
  tokenRequest,
} from "../support/oauth.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;

beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream()]);
});
afterAll(() => upstream.stop());

type Grant = { id: string; client_id: string; client_name: string; scopes: string[]; keys?: string[] };

describe("a client that a person lets in", () => {
  it("gets a token that calls through the proxy, and is listed with what it may do", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin, { secret: "the-real-secret" });
    const { access_token, token_type, scope, expires_in, client } = await connect(locker, ada);
    expect(access_token).toMatch(/^alk_oat_/);
    expect({ token_type, scope }).toEqual({ token_type: "Bearer", scope: "vault:read vault:proxy" });
    expect(expires_in).toBeGreaterThan(3_500);
    expect(expires_in).toBeLessThanOrEqual(3_600);
    const answer = await fetch(`${locker.proxyOrigin}/v1/proxy/k/things`, {
      headers: { authorization: `Bearer ${access_token}` },
    });
    expect(answer.status).toBe(200);
    expect(upstream.seen.at(-1)?.headers.authorization).toBe("Bearer the-real-secret");
    const { items } = await ada.api<{ items: Grant[] }>("GET", "/v1/grants");
    expect(items).toMatchObject([
      {
        client_id: client.client_id,
        client_name: "Agent",
        registration: "registered",
        redirect_hosts: ["127.0.0.1:33418"],
        scopes: ["vault:read", "vault:proxy"],
      },
    ]);
    const rows = await activity(ada);
    expect(rows.map(({ action }) => action)).toEqual(
      expect.arrayContaining(["consent.allow", "grant.create", "proxy.call"]),
    );
  });

  it("gets what was ticked and no more, for the keys and the time that were chosen", async () => {
    const ada = await newPerson(locker);
    const one = await storeKey(ada, "one", upstream.origin);
    await storeKey(ada, "two", upstream.origin);
    const { access_token, scope } = await connect(locker, ada, {
      scope: "vault:read vault:proxy vault:write vault:reveal",
      scopes: ["vault:proxy"],
      keys: [one.id],
      lasts: "hour",
    });
    expect(scope).toBe("vault:proxy");
    const call = (key: string) =>
      fetch(`${locker.proxyOrigin}/v1/proxy/${key}/x`, { headers: { authorization: `Bearer ${access_token}` } });
    expect([(await call("one")).status, (await call("two")).status]).toEqual([200, 404]);
    const { items } = await ada.api<{ items: (Grant & { expires_at: string })[] }>("GET", "/v1/grants");
    expect(items[0]).toMatchObject({ scopes: ["vault:proxy"], keys: [one.id] });
    expect(Date.parse(items[0]?.expires_at ?? "") - Date.now()).toBeLessThanOrEqual(3_600_000);
  });

  it("is stopped at once by its person, and is told so", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    const { access_token } = await connect(locker, ada);
    const { items } = await ada.api<{ items: Grant[] }>("GET", "/v1/grants");
    const receipt = await ada.api("DELETE", `/v1/grants/${items[0]?.id}`);
    expect(receipt).toMatchObject({ id: items[0]?.id, streams_cut: 0, in_flight: 0 });
    const answer = await fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, {
      headers: { authorization: `Bearer ${access_token}` },
    });
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ code: "invalid_token", rule: "revoked" });
  });

  it("is narrowed by its person, never widened", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    const { access_token } = await connect(locker, ada);
    const { items } = await ada.api<{ items: Grant[] }>("GET", "/v1/grants");
    const path = `/v1/grants/${items[0]?.id}`;
    const patch = (body: object) =>
      ada.fetch(path, { method: "PATCH", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
    expect((await patch({ scopes: ["vault:read", "vault:write"] })).status).toBe(422);
    expect(await ada.api("PATCH", path, { scopes: ["vault:read"] })).toMatchObject({ scopes: ["vault:read"] });
    const answer = await fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, {
      headers: { authorization: `Bearer ${access_token}` },
    });
    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({ code: "insufficient_scope" });
  });
});

describe("the consent page", () => {
  it("asks who is not signed in to sign in first, and comes back to the very same request", async () => {
    const client = await registerClient(locker);
    const browser = new Browser();
    const path = authorizePath(client, pkce().challenge, { state: "a state & more", scope: "vault:read" });
    const asked = await browser.visit(locker.publicOrigin + path);
    const page = await asked.text();
    expect(page).toContain("Sign in with");
    expect(asked.headers.get("cross-origin-opener-policy")).toBe("unsafe-none");
    const [, href = ""] = /href="(\/auth\/oidc[^"]*)"/.exec(page) ?? [];
    const signIn = new URL(href.replaceAll("&amp;", "&"), locker.publicOrigin);
    signIn.searchParams.set("login_hint", "newcomer@example.com");
    const { url, response } = await browser.follow(signIn.href);
    expect(url.pathname + url.search).toBe(path);
    const form = formOf(await (response as Response).text());
    const answer = await browser.visit(`${locker.publicOrigin}/authorize`, {
      method: "POST",
      body: form,
      headers: { origin: locker.publicOrigin },
    });
    const back = new URL(answer.headers.get("location") ?? "");
    expect(back.searchParams.get("state")).toBe("a state & more");
    expect(back.searchParams.get("code")).toMatch(/^alk_oac_/);
  });

  it("shows who asks, where the answer goes, what for, and proposes all but the gravest", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "my-key", upstream.origin);
    const client = await registerClient(locker, {
      client_name: "Helpful Agent",
      redirect_uris: ["https://agent.example.com/callback"],
    });
    const path = authorizePath(client, pkce().challenge, { scope: "vault:read vault:write vault:reveal" });
    const response = await ada.fetch(path);
    const page = await response.text();
    expect(page).toContain("Helpful Agent");
    expect(page).toMatch(/class="large">\s*agent\.example\.com/);
    expect(page).toContain("Unverified");
    expect(page).toContain("my-key");
    expect(page).toContain(">Allow</button>");
    expect(page).not.toContain("<script");
    expect(proposedIn(page)).toEqual(["vault:read", "vault:write"]);
    expect(page).toContain('value="vault:reveal"');
    expect(response.headers.get("content-security-policy")).toContain("form-action 'self' https://agent.example.com;");
    expect(response.headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(response.headers.get("x-frame-options")).toBe("DENY");
    expect(response.headers.get("referrer-policy")).toBe("same-origin");
    expect(response.headers.get("cross-origin-opener-policy")).toBe("unsafe-none");
    expect(response.headers.get("cache-control")).toBe("no-store");
  });

  it("warns of an answer that goes to this computer", async () => {
    const ada = await newPerson(locker);
    const page = await (await ada.fetch(authorizePath(await registerClient(locker), pkce().challenge))).text();
    expect(page).toContain("this computer (127.0.0.1:33418)");
    expect(page).toContain("Any program on this computer can listen there");
  });

  it("tells the client when the person says no, or unticks everything", async () => {
    const ada = await newPerson(locker);
    const client = await registerClient(locker);
    for (const choice of [{ decision: "deny" }, { scopes: [] }] as const) {
      const back = await consent(ada, authorizePath(client, pkce().challenge), choice);
      expect(Object.fromEntries(back.searchParams)).toMatchObject({
        error: "access_denied",
        iss: locker.publicOrigin,
        state: "the-state",
      });
    }
    expect((await ada.api<{ items: Grant[] }>("GET", "/v1/grants")).items).toEqual([]);
  });

  it("takes the form itself for a yes, as the return key sends it, and anything but that for a no", async () => {
    const ada = await newPerson(locker);
    const client = await registerClient(locker);
    for (const [decision, answer] of [
      [undefined, "code"],
      ["", "code"],
      ["deny", "error"],
      ["ALLOW", "error"],
    ] as const) {
      const form = formOf(await (await ada.fetch(authorizePath(client, pkce().challenge))).text());
      if (decision === undefined) form.delete("decision");
      else form.set("decision", decision);
      const { headers } = await ada.fetch("/authorize", { method: "POST", body: form });
      expect(new URL(headers.get("location") ?? "").searchParams.has(answer), decision).toBe(true);
    }
  });

  it("asks every time, also for a client that was let in before", async () => {
    const ada = await newPerson(locker);
    const { client } = await connect(locker, ada);
    expect((await ada.fetch(authorizePath(client, pkce().challenge))).status).toBe(200);
  });
});

describe("an authorization response", () => {
  it("names its issuer, keeps the state and the redirect URI's own query", async () => {
    const ada = await newPerson(locker);
    const client = await registerClient(locker, { redirect_uris: ["https://agent.example.com/cb?tenant=7"] });
    const back = await consent(ada, authorizePath(client, pkce().challenge));
    expect(back.href.startsWith("https://agent.example.com/cb?tenant=7&")).toBe(true);
    expect(back.searchParams.get("iss")).toBe(locker.publicOrigin);
    expect(back.searchParams.get("state")).toBe("the-state");
  });

  it("carries no state where none was given", async () => {
    const ada = await newPerson(locker);
    const client = await registerClient(locker);
    const back = await consent(ada, authorizePath(client, pkce().challenge, { state: undefined }));
    expect(back.searchParams.has("state")).toBe(false);
  });
});

describe("the token endpoint", () => {
  it("answers JSON that nobody keeps, and lets browsers' clients read it", async () => {
    const ada = await newPerson(locker);
    const client = await registerClient(locker);
    const answer = await tokenRequest(locker, exchangeOf(client, await codeFor(ada, client)));
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
  });

  it("takes the resource that is served, however it is spelt, and none other", async () => {
    const ada = await newPerson(locker);
    const client = await registerClient(locker);
    const resource = resourceOf(locker);
    for (const spelling of [resource, `${resource}/`, resource.replace("http://localhost", "HTTP://LOCALHOST")]) {
      const { verifier, challenge } = pkce();
      const back = await consent(ada, authorizePath(client, challenge, { resource: spelling }));
      const proof = { code: back.searchParams.get("code") ?? "", verifier };
      const answer = await tokenRequest(locker, { ...exchangeOf(client, proof), resource: spelling });
      expect(answer.status, spelling).toBe(200);
    }
    const answer = await tokenRequest(locker, {
      ...exchangeOf(client, await codeFor(ada, client)),
      resource: `${locker.publicOrigin}/v1/other`,
    });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: "invalid_target" });
  });

  it("takes a confidential client's secret from the header or the body, and asks for it", async () => {
    const ada = await newPerson(locker);
    const client = await registerClient(locker, { token_endpoint_auth_method: "client_secret_basic" });
    const { client_id, client_secret = "" } = client;
    expect(client_secret).not.toBe("");
    const { client_id: _in_header, ...exchange } = exchangeOf(client, await codeFor(ada, client));
    const basic = (secret: string) => ({ authorization: `Basic ${btoa(`${client_id}:${secret}`)}` });
    const wrong = await tokenRequest(locker, exchange, basic("not-the-secret"));
    expect(wrong.status).toBe(401);
    expect(wrong.headers.get("www-authenticate")).toMatch(/^Basic /);
    expect(await wrong.json()).toMatchObject({ error: "invalid_client" });
    expect((await tokenRequest(locker, { ...exchange, client_id })).status).toBe(401);
    expect((await tokenRequest(locker, exchange, basic(client_secret))).status).toBe(200);
    const again = exchangeOf(client, await codeFor(ada, client));
    expect((await tokenRequest(locker, { ...again, client_secret })).status).toBe(200);
  });
});
