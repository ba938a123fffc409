import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { Browser } from "../support/browser.ts";
import { startLocker } from "../support/locker.ts";

/** Who is signed in at each provider, and what they were asked. */
const at = {
  google: { sub: "g-1", email: "ada@example.com", email_verified: true },
  github: { id: 583231, login: "ada", email: "ada@example.com", verified: true },
};
let asked: { url: URL; body: URLSearchParams; headers: Headers }[] = [];
let nonce = "";

const json = (value: unknown) => Response.json(value);

const google = async (request: Request): Promise<Response> => {
  const url = new URL(request.url);
  if (url.pathname === "/.well-known/openid-configuration") {
    return json({
      issuer: "https://accounts.google.com",
      authorization_endpoint: "https://accounts.google.com/o/oauth2/v2/auth",
      token_endpoint: "https://oauth2.googleapis.com/token",
      jwks_uri: "https://www.googleapis.com/oauth2/v3/certs",
      id_token_signing_alg_values_supported: ["RS256"],
    });
  }
  asked.push({ url, body: new URLSearchParams(await request.text()), headers: request.headers });
  const now = Math.floor(Date.now() / 1_000);
  const claims = {
    iss: "https://accounts.google.com",
    aud: "google-client",
    iat: now,
    exp: now + 300,
    nonce,
    ...at.google,
  };
  const id_token = `${[{ alg: "RS256" }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".")}.c2ln`;
  return json({ access_token: "g-at", token_type: "Bearer", expires_in: 3599, id_token });
};

const github = async (request: Request): Promise<Response> => {
  const url = new URL(request.url);
  asked.push({
    url,
    body: new URLSearchParams(request.method === "POST" ? await request.text() : ""),
    headers: request.headers,
  });
  if (url.pathname === "/login/oauth/access_token")
    return json({ access_token: "gho_secret", token_type: "bearer", scope: "read:user,user:email" });
  if (url.pathname === "/user/emails")
    return json([{ email: at.github.email, primary: true, verified: at.github.verified }]);
  return json({ id: at.github.id, login: at.github.login, name: null });
};

let locker: LocalLocker;

beforeAll(async () => {
  const vars = {
    GOOGLE_CLIENT_ID: "google-client",
    GOOGLE_CLIENT_SECRET: "gs",
    GITHUB_CLIENT_ID: "github-client",
    GITHUB_CLIENT_SECRET: "hs",
  };
  const internet = {
    "accounts.google.com": google,
    "oauth2.googleapis.com": google,
    "github.com": github,
    "api.github.com": github,
  };
  locker = await startLocker({ vars, internet });
});
afterAll(() => locker.stop());

/** Goes to the provider and comes back as its page would send one. */
async function through(browser: Browser, start: Response): Promise<Response> {
  const there = new URL(start.headers.get("location") ?? "");
  nonce = there.searchParams.get("nonce") ?? "";
  const back = new URL(there.searchParams.get("redirect_uri") ?? "");
  back.search = new URLSearchParams({ code: "a-code", state: there.searchParams.get("state") ?? "" }).toString();
  return browser.visit(back, { headers: { "sec-fetch-site": "cross-site" } });
}

const signIn = async (browser: Browser, provider: string) =>
  through(browser, await browser.visit(`${locker.publicOrigin}/auth/${provider}`));
const link = async (browser: Browser, provider: string) =>
  through(
    browser,
    await browser.visit(`${locker.publicOrigin}/auth/${provider}/link`, {
      method: "POST",
      headers: { origin: locker.publicOrigin },
    }),
  );

async function me(
  browser: Browser,
): Promise<{ account_id: string; identities: { issuer: string; subject: string; email?: string }[] }> {
  const response = await browser.visit(`${locker.publicOrigin}/v1/me`, {
    headers: { "sec-fetch-site": "same-origin" },
  });
  expect(response.status).toBe(200);
  return response.json();
}

describe("Google", () => {
  it("signs in by issuer and subject, with PKCE, state and nonce, and whoever login_hint names is nobody's business", async () => {
    at.google = { sub: "g-pkce", email: "pkce@example.com", email_verified: true };
    asked = [];
    const browser = new Browser();
    const start = await browser.visit(`${locker.publicOrigin}/auth/google?login_hint=mallory@example.com`);
    const there = new URL(start.headers.get("location") ?? "");
    expect(there.origin + there.pathname).toBe("https://accounts.google.com/o/oauth2/v2/auth");
    expect(Object.fromEntries(there.searchParams)).toMatchObject({
      client_id: "google-client",
      response_type: "code",
      code_challenge_method: "S256",
      scope: "openid email profile",
    });
    for (const name of ["state", "nonce", "code_challenge"])
      expect(there.searchParams.get(name)?.length).toBeGreaterThan(40);
    expect(there.searchParams.has("login_hint")).toBe(false);
    expect((await through(browser, start)).status).toBe(302);
    expect(asked[0]?.body.get("code_verifier")?.length).toBeGreaterThan(40);
    expect((await me(browser)).identities).toMatchObject([
      { issuer: "https://accounts.google.com", email: "pkce@example.com" },
    ]);
  });
});

describe("GitHub", () => {
  it("signs in by numeric id: a login or an address that changed hands is somebody else", async () => {
    at.github = { id: 1001, login: "octo", email: "octo@example.com", verified: true };
    asked = [];
    const first = new Browser();
    expect((await signIn(first, "github")).status).toBe(302);
    expect(asked.map(({ url }) => url.pathname)).toEqual(["/login/oauth/access_token", "/user", "/user/emails"]);
    expect(asked[0]?.body.get("client_secret")).toBe("hs");
    expect(asked[1]?.headers.get("authorization")).toBe("Bearer gho_secret");
    const { account_id } = await me(first);
    at.github = { id: 1001, login: "renamed", email: "new@example.com", verified: true };
    const second = new Browser();
    await signIn(second, "github");
    expect((await me(second)).account_id).toBe(account_id);
    at.github = { id: 2002, login: "octo", email: "octo2@example.com", verified: true };
    const third = new Browser();
    await signIn(third, "github");
    expect((await me(third)).account_id).not.toBe(account_id);
  });
});

describe("one person at several providers", () => {
  it("the same verified address at another provider is told to link: not merged, and no 500", async () => {
    at.google = { sub: "g-same", email: "same@example.com", email_verified: true };
    at.github = { id: 3003, login: "same", email: "Same@Example.com", verified: true };
    await signIn(new Browser(), "google");
    const browser = new Browser();
    const answer = await signIn(browser, "github");
    expect(answer.status).toBe(409);
    expect(await answer.json()).toMatchObject({ code: "link_required" });
    expect(browser.cookie(locker.publicOrigin, "apilocker")).toBeUndefined();
  });

  it("an address that nobody has verified says nothing about anybody", async () => {
    at.google = { sub: "g-verified", email: "claimed@example.com", email_verified: true };
    await signIn(new Browser(), "google");
    at.github = { id: 4004, login: "claims", email: "claimed@example.com", verified: false };
    const browser = new Browser();
    expect((await signIn(browser, "github")).status).toBe(302);
    expect((await me(browser)).identities).toHaveLength(1);
  });

  it("linked while freshly signed in, both lead to one account", async () => {
    at.google = { sub: "g-link", email: "link@example.com", email_verified: true };
    at.github = { id: 5005, login: "link", email: "link@example.com", verified: true };
    const browser = new Browser();
    await signIn(browser, "google");
    const { account_id } = await me(browser);
    expect((await link(browser, "github")).status).toBe(302);
    expect((await me(browser)).identities.map(({ issuer }) => issuer)).toEqual([
      "https://accounts.google.com",
      "https://github.com",
    ]);
    const other = new Browser();
    expect((await signIn(other, "github")).status).toBe(302);
    expect((await me(other)).account_id).toBe(account_id);
  });

  it("one that was linked is unlinked: its sessions end, it opens nothing here, and one that it was linked to stays", async () => {
    at.google = { sub: "g-owner", email: "owner@example.com", email_verified: true };
    at.github = { id: 5050, login: "thief", email: "thief@example.com", verified: true };
    const [owner, thief] = [new Browser(), new Browser()];
    await signIn(owner, "google");
    await link(owner, "github");
    await signIn(thief, "github");
    const { account_id, identities } = await me(owner);
    const unlink = (browser: Browser, identity: object) =>
      browser.visit(`${locker.publicOrigin}/v1/me/identities/unlink`, {
        method: "POST",
        body: JSON.stringify(identity),
        headers: { "content-type": "application/json", "sec-fetch-site": "same-origin" },
      });
    const [first, second] = identities.map(({ issuer, subject }) => ({ issuer, subject }));
    for (const browser of [owner, thief]) expect((await unlink(browser, first ?? {})).status).toBe(409);
    expect((await unlink(owner, second ?? {})).status).toBe(200);
    expect((await unlink(thief, second ?? {})).status).toBe(401);
    expect((await me(owner)).identities).toHaveLength(1);
    await signIn(thief, "github");
    expect((await me(thief)).account_id).not.toBe(account_id);
    expect((await me(owner)).account_id).toBe(account_id);
  });

  it("an identity that has an account of its own cannot be linked to another", async () => {
    at.google = { sub: "g-own", email: "own-g@example.com", email_verified: true };
    at.github = { id: 6006, login: "own", email: "own-h@example.com", verified: true };
    await signIn(new Browser(), "github");
    const browser = new Browser();
    await signIn(browser, "google");
    expect((await link(browser, "github")).status).toBe(409);
    expect((await me(browser)).identities).toHaveLength(1);
  });

  it("a linking that another session began, or another site, links nothing", async () => {
    at.google = { sub: "g-a", email: "a@example.com", email_verified: true };
    const [ada, eve] = [new Browser(), new Browser()];
    await signIn(ada, "google");
    at.google = { sub: "g-e", email: "e@example.com", email_verified: true };
    await signIn(eve, "google");
    at.github = { id: 7007, login: "x", email: "x@example.com", verified: true };
    const forged = await ada.visit(`${locker.publicOrigin}/auth/github/link`, {
      method: "POST",
      headers: { "sec-fetch-site": "cross-site" },
    });
    expect(forged.status).toBe(403);
    const begun = await eve.visit(`${locker.publicOrigin}/auth/github/link`, {
      method: "POST",
      headers: { origin: locker.publicOrigin },
    });
    ada.plant(locker.publicOrigin, "apilocker-sign-in", eve.cookie(locker.publicOrigin, "apilocker-sign-in") ?? "");
    expect((await through(ada, begun)).status).toBe(400);
    expect((await me(ada)).identities).toHaveLength(1);
  });

  it("a sign-in begun with one provider cannot be ended with another", async () => {
    const browser = new Browser();
    const begun = await browser.visit(`${locker.publicOrigin}/auth/google`);
    const state = new URL(begun.headers.get("location") ?? "").searchParams.get("state") ?? "";
    const answer = await browser.visit(
      `${locker.publicOrigin}/auth/github/callback?${new URLSearchParams({ code: "c", state }).toString()}`,
    );
    expect(answer.status).toBe(400);
  });
});

describe("people", () => {
  it("see a page of ours when something is refused, and programs see problem+json", async () => {
    const page = await fetch(`${locker.publicOrigin}/auth/google/callback?code=x&state=y`, {
      headers: { accept: "text/html" },
    });
    expect(page.status).toBe(400);
    expect(page.headers.get("content-type")).toMatch(/^text\/html/);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(await page.text()).not.toContain("<script");
  });

  it("are offered every configured way to sign in", async () => {
    const page = await (await fetch(locker.publicOrigin, { headers: { accept: "text/html" } })).text();
    for (const name of ["Google", "GitHub", "Local sign-in"]) expect(page).toContain(`Sign in with ${name}`);
  });

  it("see their sessions, and one browser can sign another out", async () => {
    at.google = { sub: "g-sessions", email: "sessions@example.com", email_verified: true };
    const [here, there] = [new Browser(), new Browser()];
    await signIn(here, "google");
    await signIn(there, "google");
    const same = { "sec-fetch-site": "same-origin" };
    const list = await here.visit(`${locker.publicOrigin}/v1/sessions`, { headers: same });
    const { items } = await list.json<{ items: { id: string; current: boolean }[] }>();
    expect(items.map(({ current }) => current).sort()).toEqual([false, true]);
    const other = items.find(({ current }) => !current);
    const named = await here.visit(`${locker.publicOrigin}/v1/sessions/${other?.id}`, {
      method: "PATCH",
      body: JSON.stringify({ name: "kiosk" }),
      headers: { ...same, "content-type": "application/json" },
    });
    expect(await named.json()).toMatchObject({ id: other?.id, name: "kiosk", current: false });
    const ended = await here.visit(`${locker.publicOrigin}/v1/sessions/${other?.id}`, {
      method: "DELETE",
      headers: same,
    });
    expect(await ended.json()).toMatchObject({ id: other?.id, streams_cut: 0 });
    expect((await there.visit(`${locker.publicOrigin}/v1/me`, { headers: same })).status).toBe(401);
    expect((await here.visit(`${locker.publicOrigin}/v1/me`, { headers: same })).status).toBe(200);
    // Who is out is not shown as signed in any more.
    const left = await here.visit(`${locker.publicOrigin}/v1/sessions`, { headers: same });
    expect(await left.json()).toMatchObject({ items: [{ current: true }] });
    const exported = await here.visit(`${locker.publicOrigin}/v1/me/export`, { headers: same });
    expect(await exported.json()).toMatchObject({ sessions: [{ current: true }] });
  });
});
