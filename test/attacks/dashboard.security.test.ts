import { beforeAll, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { newPerson, usualLocker } from "../support/locker.ts";

/** What every answer to a browser carries (SECURITY S25). */
const ALWAYS = {
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff",
  "cross-origin-resource-policy": "same-origin",
  "strict-transport-security": "max-age=31536000; includeSubDomains",
};

describe("the dashboard's page and assets (S1, S25)", () => {
  let locker: LocalLocker;
  let ada: Person;
  let asset: string;
  beforeAll(async () => {
    locker = await usualLocker();
    ada = await newPerson(locker);
    const page = await (await ada.fetch("/")).text();
    asset = /src="(\/assets\/[^"]+\.js)"/.exec(page)?.[1] ?? "";
  }, 120_000);
  const anybody = (path: string, init?: RequestInit) =>
    fetch(locker.publicOrigin + path, { redirect: "manual", ...init });

  it.each(["/", "/keys", "/keys/key_x", "/tokens/new", "/clients", "/settings", "/activity?key=%3Cscript%3E"])(
    "%s is the app for whoever is signed in, and a page without script for whoever is not",
    async (path) => {
      const app = await ada.fetch(path);
      expect(app.status).toBe(200);
      expect(await app.text()).toContain('id="root"');
      const sign_in = await anybody(path);
      const text = await sign_in.text();
      expect(text).not.toMatch(/<script/);
      // Back to where the person wanted to go, and nothing of the address is markup.
      expect(text).toContain(`return_to=${encodeURIComponent(path)}`.replaceAll("%20", "+"));
      expect(sign_in.headers.get("content-security-policy")).toContain("default-src 'none'");
    },
  );

  it.each(["/v1/keys", "/v1/me", "/openapi.json", "/health", "/.well-known/oauth-authorization-server", "/v1/nothing"])(
    "%s is JSON, and no browser takes it for anything else",
    async (path) => {
      const { headers } = await ada.fetch(path);
      expect(headers.get("content-type")).toMatch(/^application\/(problem\+)?json/);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
    },
  );

  it("the app may run nothing but its own files, load from nowhere else, and be framed by nobody", async () => {
    const { headers } = await ada.fetch("/");
    const policy = headers.get("content-security-policy") ?? "";
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "connect-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "form-action 'self'",
      "require-trusted-types-for 'script'",
    ])
      expect(policy.split("; ")).toContain(rule);
    expect(policy).not.toMatch(/unsafe|https?:|data:|\*/);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
  });

  it("every page and asset carries the headers", async () => {
    const answers = await Promise.all([
      ada.fetch("/"),
      anybody("/"),
      anybody("/sign-in"),
      anybody("/style.css"),
      anybody("/icon.svg"),
      anybody("/apilocker.tgz"),
      anybody(asset),
      anybody("/docs"),
      anybody("/problems"),
      anybody("/problems/paused"),
    ]);
    for (const answer of answers) {
      expect(answer.status, answer.url).toBe(200);
      expect(answer.headers.get("content-type"), answer.url).not.toBeNull();
      for (const [name, value] of Object.entries(ALWAYS)) expect(answer.headers.get(name), answer.url).toBe(value);
    }
  });

  it("an asset says what it is, is kept for ever, and is not a page that could run", async () => {
    const { headers } = await anybody(asset);
    expect(headers.get("content-type")).toMatch(/^text\/javascript/);
    expect(headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'");
  });

  it.each([
    "/index.html",
    "/assets/nothing.js",
    "/.vite/manifest.json",
    "/assets/../index.html",
    "/assets/%2e%2e/index.html",
    "/main.tsx",
  ])("%s serves no file of the build beside those that the page loads", async (path) => {
    const answer = await anybody(path);
    expect(answer.status).toBe(404);
    expect(answer.headers.get("content-type")).toMatch(/problem\+json/);
  });

  it("the proxy's origin serves neither page nor asset", async () => {
    for (const path of ["/", asset, "/style.css", "/icon.svg", "/apilocker.tgz"]) {
      const answer = await fetch(locker.proxyOrigin + path, { redirect: "manual" });
      expect(answer.status, path).toBeGreaterThanOrEqual(400);
      expect(answer.headers.get("content-type"), path).toMatch(/^application\/(problem\+)?json/);
      expect(await answer.text()).not.toMatch(/<html|function|:root/);
    }
  });

  it("a session that was ended gets the sign-in page, not the app", async () => {
    const eve = await newPerson(locker, "eve");
    expect(await (await eve.fetch("/keys")).text()).toContain('id="root"');
    await eve.fetch("/auth/sign-out", { method: "POST" });
    expect(await (await eve.fetch("/keys")).text()).not.toContain('id="root"');
  });

  it("sign-in leads back to a page of ours only", async () => {
    for (const evil of ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]) {
      const page = await (await anybody(`/sign-in?${new URLSearchParams({ return_to: evil }).toString()}`)).text();
      const href = /href="(\/auth\/[^"]+)"/.exec(page)?.[1]?.replaceAll("&amp;", "&") ?? "";
      const begun = await anybody(href);
      expect(begun.headers.get("location")).not.toContain("evil.example");
    }
  });
});
