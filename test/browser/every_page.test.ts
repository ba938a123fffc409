import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Browser, Page, ViewportSize } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { seriousFaults } from "../support/accessibility.ts";
import { CHROMIUM, launchChromium } from "../support/chromium.ts";
import { expectQuiet, openWindow, type Window } from "../support/dashboard.ts";
import { mintToken, newPerson, startLocker, storeKey } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

/** Names that would do something if they were ever taken for more than text. */
const HOSTILE = `<img src=x onerror="document.title='owned'">`;
const HOSTILE_PATH = "/%3Cscript%3Edocument.title='owned'%3C/script%3E";
const SCREENSHOTS = resolve(import.meta.dirname, "../../.build/screenshots");

/** What a page looks like, and the rules that may come out differently there. */
const MODES: Record<string, { colorScheme: "light" | "dark"; viewport: ViewportSize; rules?: readonly string[] }> = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 800 }, rules: ["color-contrast"] },
  phone: { colorScheme: "light", viewport: { width: 390, height: 780 }, rules: ["scrollable-region-focusable"] },
};

describe.skipIf(CHROMIUM === undefined)("every page of the dashboard", () => {
  let locker: LocalLocker;
  let upstream: Upstream;
  let browser: Browser;
  let ada: Person;
  let pages: Record<string, string>;

  beforeAll(async () => {
    mkdirSync(SCREENSHOTS, { recursive: true });
    [locker, upstream, browser] = await Promise.all([startLocker(), startUpstream(), launchChromium()]);
    ada = await newPerson(locker);
    const key = await storeKey(ada, "inventory", upstream.origin, { tags: [HOSTILE.slice(0, 40)], note: HOSTILE });
    const secret = { provider: "openai", secret: "sk-0123456789abcdef" };
    await ada.api("POST", "/v1/keys", { name: "openai@prod", ...secret, tags: ["llm"] });
    const token = await mintToken(ada, { keys: ["inventory"], methods: ["GET"] }, HOSTILE);
    await mintToken(ada, {}, "ci");
    upstream.answerWith((_request, response) => void response.writeHead(200, { "x-evil": HOSTILE }).end(HOSTILE));
    const calls = [`/v1/items`, HOSTILE_PATH, "/v1/orders"].map((path) =>
      fetch(`${locker.proxyOrigin}/v1/proxy/inventory${path}`, {
        headers: { authorization: `Bearer ${token.token}`, "user-agent": HOSTILE },
      }),
    );
    await Promise.all(calls);
    await fetch(`${locker.proxyOrigin}/v1/proxy/inventory/v1/items`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${token.token}` },
    });
    pages = {
      overview: "/",
      keys: "/keys",
      key: `/keys/${key.id}`,
      "key-new": "/keys/new",
      "key-form": "/keys/new?provider=openai",
      "key-custom": "/keys/new?provider=custom",
      tokens: "/tokens",
      token: `/tokens/${token.id}`,
      "token-new": "/tokens/new?key=inventory",
      "token-edit": `/tokens/${token.id}/edit`,
      explain: "/explain",
      activity: "/activity",
      alerts: "/alerts",
      approvals: "/approvals",
      clients: "/clients",
      devices: "/devices",
      connect: "/connect",
      settings: "/settings",
      nowhere: "/settings/nowhere",
    };
  }, 120_000);
  afterAll(() => Promise.all([browser.close(), locker.stop(), upstream.stop()]));

  /** Goes there and waits until nothing is loading any more. */
  async function visit({ page }: Window, path: string): Promise<void> {
    await page.goto(locker.publicOrigin + path);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.locator(".bone").first().waitFor({ state: "detached" });
  }

  it("has no serious fault of accessibility, runs into no policy and fits its window, in light, in the dark and on a phone", async () => {
    const window = await openWindow(browser, ada);
    const { page } = window;
    for (const [name, path] of Object.entries(pages)) {
      await visit(window, path);
      for (const [mode, { colorScheme, viewport, rules }] of Object.entries(MODES)) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize(viewport);
        expect(await seriousFaults(page, rules), `${name} in ${mode}`).toEqual([]);
        expect(await sidewaysOverflow(page), `${name} in ${mode}`).toBe(0);
        await page.screenshot({ path: join(SCREENSHOTS, `${name}-${mode}.png`), fullPage: true });
      }
      expect(await page.title(), name).not.toBe("owned");
    }
    expectQuiet(window);
    await window.close();
  }, 180_000);

  it("shows what came from outside as the text that it is", async () => {
    const window = await openWindow(browser, ada);
    const { page } = window;
    await visit(window, "/activity");
    await page.getByText(HOSTILE_PATH).first().waitFor();
    await page.getByText(HOSTILE).first().waitFor();
    await page
      .getByRole("button", { name: /Details of row/ })
      .nth(1)
      .click();
    await page.getByRole("dialog").getByText(HOSTILE).first().waitFor();
    await visit(window, pages.token ?? "");
    await page.getByRole("heading", { level: 1, name: HOSTILE }).waitFor();
    await visit(window, pages.key ?? "");
    await page.getByText(HOSTILE).first().waitFor();
    expect(await page.locator("img").count()).toBe(0);
    expect(await page.title()).not.toBe("owned");
    expectQuiet(window);
    await window.close();
  }, 60_000);

  it("can be walked by keyboard: skip link, menu, a dialog that keeps the focus and gives it back", async () => {
    const window = await openWindow(browser, ada);
    const { page } = window;
    await visit(window, pages.key ?? "");
    await page.keyboard.press("Tab");
    expect(await focused(page)).toBe("Skip to the page");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Reveal" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    for (let press = 0; press < 8; press++) {
      await page.keyboard.press("Tab");
      // Nothing behind the dialog takes the focus.
      expect(await page.evaluate("document.activeElement.closest('.frame') === null")).toBe(true);
    }
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.locator("button:focus", { hasText: "Reveal" }).waitFor();
    await window.close();
  }, 60_000);
});

function focused(page: Page): Promise<string> {
  return page.evaluate("document.activeElement.textContent.trim()");
}

function sidewaysOverflow(page: Page): Promise<number> {
  return page.evaluate("Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)");
}
