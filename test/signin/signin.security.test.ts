import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Browser } from "../support/browser.ts";
import { startHostileProvider } from "../support/hostile_provider.ts";
import { newPerson, startLocker, usualLocker } from "../support/locker.ts";

const PENDING = "apilocker-sign-in";
const SESSION = "apilocker";

const locker = await usualLocker();

const begin = (email: string, return_to = "/") =>
  `${locker.publicOrigin}/auth/oidc?${new URLSearchParams({ login_hint: email, return_to }).toString()}`;
const isCallback = ({ pathname }: URL) => pathname.endsWith("/callback");
const somebody = () => `${randomUUID()}@example.com`;

describe("a sign-in belongs to the browser that began it", () => {
  it("a callback link that was begun elsewhere signs nobody in (login CSRF)", async () => {
    const attacker = new Browser();
    const { url } = await attacker.follow(begin(somebody()), isCallback);
    const victim = new Browser();
    const answer = await victim.visit(url);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: "sign_in_failed" });
    expect(victim.cookie(locker.publicOrigin, SESSION)).toBeUndefined();
  });

  it("a callback with another sign-in's state is refused", async () => {
    const [one, two] = [new Browser(), new Browser()];
    const first = await one.follow(begin(somebody()), isCallback);
    await two.follow(begin(somebody()), isCallback);
    const answer = await two.visit(first.url);
    expect(answer.status).toBe(400);
    expect(two.cookie(locker.publicOrigin, SESSION)).toBeUndefined();
  });

  it("a callback works once", async () => {
    const browser = new Browser();
    const { url } = await browser.follow(begin(somebody()), isCallback);
    const pending = browser.cookie(locker.publicOrigin, PENDING) ?? "";
    expect((await browser.visit(url)).status).toBe(302);
    browser.plant(locker.publicOrigin, PENDING, pending);
    expect((await browser.visit(url)).status).toBe(400);
  });

  it("what is kept in the browser is sealed: no verifier, state or nonce can be read or changed", async () => {
    const browser = new Browser();
    const { url } = await browser.follow(begin(somebody()), isCallback);
    const pending = browser.cookie(locker.publicOrigin, PENDING) ?? "";
    expect(Buffer.from(pending.split(".")[1] ?? "", "base64url").toString("latin1")).not.toContain(
      url.searchParams.get("state"),
    );
    for (const at of [4, 20, pending.length - 2]) {
      const changed = pending.slice(0, at) + (pending[at] === "A" ? "B" : "A") + pending.slice(at + 1);
      browser.plant(locker.publicOrigin, PENDING, changed);
      expect((await browser.visit(url)).status).toBe(400);
    }
  });

  it("cookies are HttpOnly, SameSite=Lax and for this host alone", async () => {
    const response = await fetch(begin(somebody()), { redirect: "manual" });
    const [cookie = ""] = response.headers.getSetCookie();
    expect(cookie).toMatch(/HttpOnly/);
    expect(cookie).toMatch(/SameSite=Lax/);
    expect(cookie).toMatch(/Path=\/(;|$)/);
    expect(cookie).not.toMatch(/Domain=/i);
  });
});

describe("return_to leads nowhere but to our own pages", () => {
  const outside = [
    "//evil.example/",
    "/\\evil.example",
    "https://evil.example/",
    "javascript:alert(1)",
    "/\t/evil.example",
    "\\\\evil.example",
    "http:evil.example",
    "/.//evil.example",
    "/%2e//evil.example",
    "/x/..//evil.example",
    "/./\\evil.example",
    "",
    "/%0d%0aset-cookie:a=b",
  ];
  it.each(outside)("%j", async (return_to) => {
    const browser = new Browser();
    const { url } = await browser.follow(begin(somebody(), return_to), isCallback);
    const answer = await browser.visit(url);
    const location = answer.headers.get("location") ?? "";
    expect(new URL(location, locker.publicOrigin).origin).toBe(locker.publicOrigin);
    expect(location).toMatch(/^\/(?![/\\])/);
    expect(answer.headers.getSetCookie().some((cookie) => cookie.startsWith("a="))).toBe(false);
  });

  it("a page of ours is kept, query and all", async () => {
    const browser = new Browser();
    const { url } = await browser.follow(begin(somebody(), "/keys?q=a"), isCallback);
    expect((await browser.visit(url)).headers.get("location")).toBe("/keys?q=a");
  });
});

describe("a provider that lies signs nobody in", () => {
  it.each([
    ["another nonce", { nonce: "another" }],
    ["no nonce", { nonce: undefined as never }],
    ["another issuer", { iss: "https://accounts.google.com" }],
    ["another audience", { aud: "somebody-else" }],
    ["an expired token", { exp: 1 }],
  ])("%s", async (_what, lie) => {
    const provider = await startHostileProvider("apilocker");
    const other = await startLocker({ vars: { OIDC_ISSUER: provider.origin } });
    try {
      provider.tell(lie);
      const browser = new Browser();
      const { response } = await browser.follow(`${other.publicOrigin}/auth/oidc`);
      expect(response?.status).toBe(400);
      expect(await response?.json()).toMatchObject({ code: "sign_in_failed" });
      expect(browser.cookie(other.publicOrigin, SESSION)).toBeUndefined();
    } finally {
      await Promise.all([other.stop(), provider.stop()]);
    }
  });

  it("one that is down is our trouble: 503, never a 401", async () => {
    const provider = await startHostileProvider("apilocker");
    await provider.stop();
    const other = await startLocker({ vars: { OIDC_ISSUER: provider.origin } });
    try {
      const answer = await fetch(`${other.publicOrigin}/auth/oidc`, { redirect: "manual" });
      expect(answer.status).toBe(503);
      expect(answer.headers.get("retry-after")).not.toBeNull();
    } finally {
      await other.stop();
    }
  });
});

describe("accounts", () => {
  it("ten first sign-ins at once open one account with one vault", async () => {
    const email = somebody();
    const accounts = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const browser = new Browser();
        await browser.follow(begin(email));
        const me = await browser.visit(`${locker.publicOrigin}/v1/me`, {
          headers: { "sec-fetch-site": "same-origin" },
        });
        return (await me.json<{ account_id: string }>()).account_id;
      }),
    );
    expect(new Set(accounts).size).toBe(1);
    const db = await locker.miniflare.getD1Database("DB");
    const { results } = await db.prepare("SELECT 1 FROM account WHERE id = ?").bind(accounts[0]).all();
    expect(results).toHaveLength(1);
  });

  it("D1 is only a hint: a row that points an identity at another vault opens nothing", async () => {
    const ada = await newPerson(locker, "ada");
    const eve = somebody();
    await new Browser().follow(begin(eve));
    const { account_id } = await ada.api<{ account_id: string }>("GET", "/v1/me");
    const db = await locker.miniflare.getD1Database("DB");
    const vault = await db
      .prepare("SELECT vault_id FROM account WHERE id = ?")
      .bind(account_id)
      .first<{ vault_id: string }>();
    await db
      .prepare("UPDATE identity SET account_id = ?, vault_id = ? WHERE email = ?")
      .bind(account_id, vault?.vault_id, eve)
      .run();
    const browser = new Browser();
    const { response } = await browser.follow(begin(eve));
    expect(response?.status).toBe(404);
    expect(browser.cookie(locker.publicOrigin, SESSION)).toBeUndefined();
  });

  it("an account whose vault is gone does not get a new one", async () => {
    const email = somebody();
    const browser = new Browser();
    await browser.follow(begin(email));
    const db = await locker.miniflare.getD1Database("DB");
    await db
      .prepare("UPDATE account SET vault_id = ? WHERE id = (SELECT account_id FROM identity WHERE email = ?)")
      .bind(`00${"z".repeat(21)}1`, email)
      .run();
    const { response } = await new Browser().follow(begin(email));
    expect(response?.status).toBe(404);
  });
});
