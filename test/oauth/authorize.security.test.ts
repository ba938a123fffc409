/** Authorization requests of hostile clients and pages (RFC 9700 §4.1, §4.11, §4.12; OAuth 2.1 §4.1.2.1). */
import { beforeAll, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { newPerson, usualLocker } from "../support/locker.ts";
import { authorizePath, formOf, pkce, registerClient, REDIRECT_URI, type OAuthClient } from "../support/oauth.ts";

let locker: LocalLocker;
let ada: Person;
let web: OAuthClient;
let native: OAuthClient;
const WEB_URI = "https://agent.example.com/callback";

beforeAll(async () => {
  locker = await usualLocker();
  [ada, web, native] = await Promise.all([
    newPerson(locker),
    registerClient(locker, { redirect_uris: [WEB_URI] }),
    registerClient(locker),
  ]);
});

const { challenge } = pkce();
const ask = (client: OAuthClient, parameters: Record<string, string | undefined>, who = ada) =>
  who.fetch(authorizePath(client, challenge, parameters), { headers: { accept: "text/html" } });

describe("until client and redirect URI are known to belong together nothing is sent anywhere", () => {
  it.each([
    ["an unknown client", { client_id: "cli_unknown" }],
    ["no client", { client_id: undefined }],
    ["another host", { redirect_uri: "https://evil.example.com/callback" }],
    ["a sub-domain", { redirect_uri: "https://x.agent.example.com/callback" }],
    ["a longer path", { redirect_uri: `${WEB_URI}/more` }],
    ["a path with dots", { redirect_uri: "https://agent.example.com/x/../callback" }],
    ["another query", { redirect_uri: `${WEB_URI}?next=https://evil.example.com` }],
    ["a fragment", { redirect_uri: `${WEB_URI}#x` }],
    ["another port", { redirect_uri: "https://agent.example.com:8443/callback" }],
    ["another scheme", { redirect_uri: "http://agent.example.com/callback" }],
    ["another case", { redirect_uri: "https://agent.example.com/Callback" }],
    ["an encoded spelling", { redirect_uri: "https://agent.example.com/%63allback" }],
    ["a user in front", { redirect_uri: "https://agent.example.com@evil.example.com/callback" }],
    ["a script", { redirect_uri: "javascript:alert(1)" }],
    ["a loopback address", { redirect_uri: "http://127.0.0.1:1/callback" }],
  ])("%s is refused on a page", async (_what, parameters) => {
    const answer = await ask(web, parameters);
    expect([400, 401, 422]).toContain(answer.status);
    expect(answer.headers.get("location")).toBeNull();
    expect(answer.headers.get("content-type")).toContain("text/html");
    expect(await answer.text()).not.toContain('evil.example.com/callback"');
  });

  it("a parameter that comes twice is refused", async () => {
    for (const name of ["client_id", "redirect_uri"]) {
      const path = `${authorizePath(web, challenge)}&${name}=${encodeURIComponent("https://evil.example.com/")}`;
      const answer = await ada.fetch(path);
      expect(answer.status).toBe(422);
      expect(answer.headers.get("location")).toBeNull();
    }
  });
});

describe("a loopback address", () => {
  it("may have any port, and nothing else that differs", async () => {
    for (const redirect_uri of ["http://127.0.0.1:1/callback", "http://127.0.0.1/callback", REDIRECT_URI])
      expect((await ask(native, { redirect_uri })).status, redirect_uri).toBe(200);
    for (const redirect_uri of [
      "http://localhost:33418/callback",
      "http://[::1]:33418/callback",
      "http://127.0.0.1:33418/callback/",
      "http://127.0.0.1:33418/callback?x=1",
      "http://127.0.0.1:33418",
      "https://127.0.0.1:33418/callback",
      "http://127.0.0.1.evil.example:33418/callback",
      "http://127.0.0.1:33418@evil.example/callback",
      "http://127.1:33418/callback",
      "http://0x7f000001:33418/callback",
      "http://127.0.0.1:99999/callback",
    ]) {
      const answer = await ask(native, { redirect_uri });
      expect(answer.status, redirect_uri).toBe(400);
      expect(answer.headers.get("location")).toBeNull();
    }
  });
});

describe("a request that is wrong in what is left", () => {
  const wrong: [string, Record<string, string | undefined>, string][] = [
    ["plain PKCE", { code_challenge_method: "plain" }, "invalid_request"],
    ["PKCE without a method", { code_challenge_method: undefined }, "invalid_request"],
    ["no PKCE", { code_challenge: undefined, code_challenge_method: undefined }, "invalid_request"],
    ["a challenge that is no SHA-256", { code_challenge: "x".repeat(43) }, "invalid_request"],
    ["a token in the front channel", { response_type: "token" }, "unsupported_response_type"],
    ["a hybrid", { response_type: "code id_token" }, "unsupported_response_type"],
    ["an answer in the fragment", { response_mode: "fragment" }, "invalid_request"],
    ["an answer by a posted form", { response_mode: "form_post" }, "invalid_request"],
    ["a request object", { request: "eyJhbGciOiJub25lIn0.e30." }, "invalid_request"],
    ["a request object elsewhere", { request_uri: "https://evil.example.com/r" }, "invalid_request"],
    ["scopes that are not served", { scope: "admin" }, "invalid_scope"],
    ["another resource", { resource: "https://evil.example.com/mcp" }, "invalid_target"],
    ["a resource with a fragment", { resource: "http://localhost/v1/mcp#x" }, "invalid_target"],
  ];

  it.each(wrong)("%s is told to a program on this machine, with iss and state", async (_what, parameters, error) => {
    const answer = await ask(native, parameters);
    expect(answer.status).toBe(303);
    const location = new URL(answer.headers.get("location") ?? "");
    expect(location.origin + location.pathname).toBe(REDIRECT_URI);
    expect(Object.fromEntries(location.searchParams)).toMatchObject({
      error,
      iss: locker.publicOrigin,
      state: "the-state",
    });
    expect(location.searchParams.has("code")).toBe(false);
  });

  it("is no way to use us as a door to an address that anybody may have registered (open redirector)", async () => {
    for (const who of [ada, { fetch: (path: string, init?: RequestInit) => fetch(locker.publicOrigin + path, init) }]) {
      const answer = await ask(web, { response_type: "token" }, who as Person);
      expect(answer.status).toBe(400);
      expect(answer.headers.get("location")).toBeNull();
      const page = await answer.text();
      expect(page).toContain("agent.example.com");
      expect(page).toContain("error=unsupported_response_type");
    }
  });

  it("with a parameter twice is told so without repeating either", async () => {
    const path = `${authorizePath(native, challenge)}&state=second`;
    const location = new URL((await ada.fetch(path)).headers.get("location") ?? "");
    expect(location.searchParams.get("error")).toBe("invalid_request");
    expect(location.searchParams.has("state")).toBe(false);
  });

  it("too long to come back from a sign-in is refused at once", async () => {
    const answer = await ask(native, { state: "s".repeat(2_600) });
    expect(answer.status).toBe(422);
  });
});

it("parameters that mean nothing here are passed over, prompt=consent among them", async () => {
  expect((await ask(native, { prompt: "consent", nonce: "n", access_type: "offline", "x-y": "z" })).status).toBe(200);
  expect((await ask(native, { scope: "vault:read offline_access" })).status).toBe(200);
});

it("what was posted to us is not posted on: the answer to a consent is 303, with no referrer", async () => {
  const page = await (await ask(web, {})).text();
  const answer = await ada.fetch("/authorize", { method: "POST", body: formOf(page) });
  expect(answer.status).toBe(303);
  expect(answer.headers.get("referrer-policy")).toBe("no-referrer");
  expect(answer.headers.get("cache-control")).toBe("no-store");
});

it("every field that a client says of itself is escaped, wherever it is shown", async () => {
  const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'\u202e`;
  const client = await registerClient(locker, {
    client_name: evil,
    client_uri: `https://a.example/${evil}`,
    logo_uri: `javascript:alert(1)`,
    redirect_uris: ["https://agent.example.com/cb?x='onclick=alert(1)"],
  });
  const page = await (await ask(client, { state: evil, scope: "vault:read vault:reveal" })).text();
  expect(page).not.toMatch(/<script|<img|onerror=alert\(1\)>|javascript:/);
  expect(page).not.toContain("\u202e");
  expect(page).toContain("&lt;script&gt;");
  const refused = await (await ask(client, { response_type: evil })).text();
  expect(refused).not.toMatch(/<script|<img/);
});
