/** The consent page in a real browser: what a hostile site or client can do to it, and that an honest click works. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { CHROMIUM, launchChromium } from "../support/chromium.ts";
import { newPerson, usualLocker } from "../support/locker.ts";
import { authorizePath, pkce, registerClient } from "../support/oauth.ts";

type Site = { origin: string; seen: IncomingMessage[]; close: () => void };

/** A site on this machine that serves one page and remembers what it was asked. */
async function startSite(page: () => string, host = "127.0.0.1"): Promise<Site> {
  const seen: IncomingMessage[] = [];
  const server: Server = createServer((request, response) => {
    if (request.url !== "/favicon.ico") seen.push(request);
    response.writeHead(200, { "content-type": "text/html" }).end(`<!doctype html><title>site</title>${page()}`);
  });
  await new Promise<void>((done) => server.listen(0, host, done));
  const { port } = server.address() as AddressInfo;
  return { origin: `http://${host.includes(":") ? `[${host}]` : host}:${port}`, seen, close: () => server.close() };
}

describe.skipIf(CHROMIUM === undefined)("consent in a real browser (S25)", () => {
  let locker: LocalLocker;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let victim: Person;
  let evil: Site;
  let html = "";
  const dialogs: string[] = [];

  beforeAll(async () => {
    [locker, browser, evil] = await Promise.all([usualLocker(), launchChromium(), startSite(() => html)]);
    victim = await newPerson(locker, "victim");
  }, 60_000);
  afterAll(async () => {
    evil.close();
    await browser.close();
  });
  beforeEach(async () => {
    context = await browser.newContext();
    const [name = "", value = ""] = victim.cookie.split("=");
    await context.addCookies([{ name, value, url: locker.publicOrigin }]);
    page = await context.newPage();
    dialogs.length = 0;
    page.on("dialog", (dialog) => {
      dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    evil.seen.length = 0;
  });
  afterEach(() => context.close());

  const addressOf = async (client: Parameters<typeof authorizePath>[0], more: Record<string, string> = {}) =>
    locker.publicOrigin + authorizePath(client, pkce().challenge, more);

  it.each(["127.0.0.1", "::1"])(
    "a click on Allow brings the code to the client on %s, and no referrer",
    async (host) => {
      const client = await startSite(() => "thanks", host);
      try {
        const registered = await registerClient(locker, { redirect_uris: [`${client.origin}/callback`] });
        await page.goto(await addressOf(registered));
        await page.click("text=Allow");
        await page.waitForURL((url) => url.pathname === "/callback");
        const [request] = client.seen;
        expect(new URL(page.url()).searchParams.get("code")).toMatch(/^alk_oac_/);
        expect(request?.headers.referer).toBeUndefined();
        expect(request?.method).toBe("GET");
      } finally {
        client.close();
      }
    },
  );

  it("cannot be framed by another site (clickjacking)", async () => {
    const client = await registerClient(locker);
    html = `<iframe id="f" src="${(await addressOf(client)).replaceAll("&", "&amp;")}"></iframe>`;
    await page.goto(evil.origin);
    await page.waitForTimeout(300);
    const frame = page.frames().find((one) => one !== page.mainFrame());
    expect(await frame?.locator("button").count()).toBe(0);
  });

  it("runs nothing that a client says of itself, on the page or on the one that refuses it", async () => {
    const payload = `"'><script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>`;
    const client = await registerClient(locker, {
      client_name: payload,
      client_uri: `https://a.example/"><script>alert(4)</script>`,
      logo_uri: "https://a.example/x.png",
      redirect_uris: ["https://agent.apps-example.com/cb?a='><script>alert(5)</script>".replace(/[<>]/g, "")],
    });
    for (const more of [
      { state: payload, scope: "vault:read vault:reveal" },
      { state: payload, response_type: payload },
      { state: payload, redirect_uri: `javascript:alert(6)` },
    ]) {
      await page.goto(await addressOf(client, more as unknown as Record<string, string>));
      expect(await page.locator("script, img[src=x], svg[onload], [onclick]").count()).toBe(0);
    }
    expect(dialogs).toEqual([]);
    await page.goto(await addressOf(client));
    expect(await page.textContent("h1")).toContain("<script>alert(1)</script>");
  });

  it("is not answered by a form of another site, not even with a handle that is good", async () => {
    const client = await registerClient(locker);
    await page.goto(await addressOf(client));
    const handle = await page.getAttribute("input[name=handle]", "value");
    html = `<form method="post" action="${locker.publicOrigin}/authorize">
      <input name="handle" value="${handle}"><input name="decision" value="allow"><input name="reach" value="all">
      <input name="lasts" value="always"><input name="scope" value="vault:read"><button>go</button></form>`;
    await page.goto(evil.origin);
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.url() === `${locker.publicOrigin}/authorize`),
      page.click("button"),
    ]);
    expect([401, 403]).toContain(answer.status());
    expect((await victim.api<{ items: unknown[] }>("GET", "/v1/grants")).items).toEqual([]);
  });

  it("stays in touch with the app that opened it as a pop-up", async () => {
    const client = await registerClient(locker);
    html = `<button onclick="w = window.open(${JSON.stringify(await addressOf(client)).replaceAll('"', "&quot;")})">open</button>`;
    await page.goto(evil.origin);
    const [popup] = await Promise.all([page.waitForEvent("popup"), page.click("button")]);
    await popup.waitForLoadState();
    expect(await popup.textContent("body")).toContain("Allow");
    expect(await page.evaluate("w.closed")).toBe(false);
  });
});
