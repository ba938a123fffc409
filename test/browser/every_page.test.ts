import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Page, ViewportSize } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import { seriousFaults } from "../support/accessibility.ts";
import { foundIn } from "../support/canary.ts";
import { CHROMIUM } from "../support/chromium.ts";
import { expectQuiet, openWindow, type Window } from "../support/dashboard.ts";
import { askOwner, HOSTILE, HOSTILE_PATH, moveIn } from "../support/lived_in.ts";
import { newPerson } from "../support/locker.ts";
import { setStage } from "../support/stage.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

const SCREENSHOTS = resolve(import.meta.dirname, "../../.build/screenshots");

const PHONE: ViewportSize = { width: 390, height: 780 };

const DESK: ViewportSize = { width: 1280, height: 800 };

/** What a page looks like, and the rules that may come out differently there. */
const MODES: Record<string, { colorScheme: "light" | "dark"; viewport: ViewportSize; rules?: readonly string[] }> = {
  light: { colorScheme: "light", viewport: DESK },
  dark: { colorScheme: "dark", viewport: DESK, rules: ["color-contrast"] },
  phone: { colorScheme: "light", viewport: PHONE, rules: ["scrollable-region-focusable", "target-size"] },
};

/** What somebody sees who has nothing yet. */
const EMPTY = ["/", "/keys", "/tokens", "/tokens/new", "/spend", "/alerts", "/approvals", "/clients", "/devices"];

/** How many questions a page may have while nothing is answered. */
const MOST_ASKED = 60;

/** Pages that read nothing before they are of use. */
const STILL = new Set(["connect", "nowhere"]);

describe.skipIf(CHROMIUM === undefined)("every page of the dashboard", () => {
  const stage = setStage();
  let upstream: Upstream;
  let ada: Person;
  let question: { leave(): void };
  let pages: Record<string, string>;
  let secrets: Record<string, string>;

  beforeAll(async () => {
    mkdirSync(SCREENSHOTS, { recursive: true });
    upstream = await startUpstream();
    ada = await newPerson(stage.locker);
    const { keys, tokens, client, ...home } = await moveIn(stage.locker, ada, upstream);
    secrets = { ...home.secrets, "her session": ada.cookie.slice(ada.cookie.indexOf("=") + 1).slice(34, 77) };
    question = await askOwner(stage.locker, ada);
    pages = {
      overview: "/",
      keys: "/keys",
      key: `/keys/${keys.openai}`,
      "key-hostile": `/keys/${keys.inventory}`,
      "key-new": "/keys/new",
      "key-form": "/keys/new?provider=openai",
      "key-custom": "/keys/new?provider=custom",
      tokens: "/tokens",
      token: `/tokens/${tokens.agent}`,
      "token-hostile": `/tokens/${tokens.hostile}`,
      "token-rotating": `/tokens/${tokens.nightly}`,
      "token-new": "/tokens/new?key=inventory",
      "token-edit": `/tokens/${tokens.agent}/edit`,
      explain: "/explain",
      activity: "/activity",
      spend: "/spend",
      alerts: "/alerts",
      approvals: "/approvals",
      clients: "/clients",
      client: `/clients/${client}`,
      devices: "/devices",
      "trust-new": "/devices/trusts/new",
      connect: "/connect",
      settings: "/settings",
      nowhere: "/settings/nowhere",
    };
  }, 120_000);
  afterAll(() => {
    question.leave();
    return upstream.stop();
  });

  /** Goes there as a link of the app does, without loading it anew. */
  async function go({ page }: Window, path: string): Promise<void> {
    if (page.url() === "about:blank") await page.goto(stage.locker.publicOrigin + path);
    else await page.evaluate(`history.pushState(null, "", ${JSON.stringify(path)})`);
  }

  /** The same, until nothing is loading any more. */
  async function visit(window: Window, path: string): Promise<void> {
    await go(window, path);
    await settled(window.page);
  }

  it("has no serious fault of accessibility, runs into no policy, fits its window and holds no secret: light, dark, on a phone", async () => {
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    for (const [name, path] of Object.entries(pages)) {
      await visit(window, path);
      for (const [mode, { rules, colorScheme, viewport }] of Object.entries(MODES)) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize(viewport);
        expect(await seriousFaults(page, rules), `${name}, ${mode}`).toEqual([]);
        // What is drawn to the width that there is finds out about it a frame later.
        await expect.poll(() => sidewaysOverflow(page), { message: `${name}, ${mode}`, timeout: 20_000 }).toBe(0);
        expect(await cutOff(page), `${name}, ${mode}`).toEqual([]);
        await page.screenshot({ path: join(SCREENSHOTS, `${name}-${mode}.png`), fullPage: mode === "light" });
      }
      expect(await page.title(), name).not.toBe("owned");
      // What is nowhere in the document is in no picture of it.
      expect(foundIn(new Map([[name, Buffer.from(await everythingIn(page))]]), secrets)).toEqual([]);
    }
    expectQuiet(window);
    await window.close();
  }, 180_000);

  it("says what it is for and how to begin where there is nothing yet", async () => {
    const window = await openWindow(stage.browser, await newPerson(stage.locker, "new"), {
      viewport: PHONE,
    });
    const { page } = window;
    for (const path of EMPTY) {
      await visit(window, path);
      await page
        .getByRole("main")
        .getByRole("heading", { level: path === "/" ? 2 : 3 })
        .first()
        .waitFor();
      expect(await seriousFaults(page, ["color-contrast", "heading-order", "list"]), path).toEqual([]);
      expect(await sidewaysOverflow(page), path).toBe(0);
      expect(await cutOff(page), path).toEqual([]);
      await page.screenshot({ path: join(SCREENSHOTS, `empty${path.replaceAll("/", "-")}-phone.png`) });
    }
    expectQuiet(window);
    await window.close();
  }, 60_000);

  it("stands still: nothing that was on screen moves when what was loading arrives", async () => {
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    // Nothing happens meanwhile: a row that comes in pushes the others down, as it should. The question's end is one, after two minutes.
    await page.routeWebSocket(/\/v1\/live$/, (feed) => feed.send(JSON.stringify({ type: "ready", seq: 0 })));
    await page.addInitScript(NOTE_MOVES);
    for (const name of ["overview", "keys", "key", "tokens", "activity", "approvals"]) {
      await page.goto(stage.locker.publicOrigin + (pages[name] ?? ""));
      await settled(page);
      const moves = await page.evaluate<{ by: number; what: string }[]>("globalThis.moves");
      // What Google calls a good page; a list that jumps by a line is beyond it.
      const told = `${name}: ${moves.map(({ by, what }) => `${by} ${what}`).join("; ")}`;
      expect(
        moves.reduce((sum, { by }) => sum + by, 0),
        told,
      ).toBeLessThan(0.1);
    }
    await window.close();
  }, 60_000);

  it("says what went wrong in the API's words, and shows the page once that has passed", async () => {
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    let down = true;
    await page.route(/\/v1\/keys(\?|$)/, (route) =>
      down
        ? route.fulfill({
            status: 403,
            contentType: "application/problem+json",
            body: JSON.stringify({ code: "policy_denied", detail: HOSTILE }),
          })
        : route.continue(),
    );
    await page.goto(`${stage.locker.publicOrigin}/keys`);
    await page.getByRole("alert").getByText(HOSTILE).waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    down = false;
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("link", { name: "stripe@live" }).waitFor();
    await window.close();
  }, 60_000);

  it("says on every page that it is loading, and what went wrong where nothing can be read", async () => {
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    let gate = Promise.withResolvers<void>();
    let asked = 0;
    const refusal = { code: "policy_denied", detail: "Nothing can be read just now." };
    await page.route(/\/v1\/(?!live)/, async (route) => {
      asked++;
      await gate.promise;
      await route.fulfill({ status: 403, contentType: "application/problem+json", body: JSON.stringify(refusal) });
    });
    const main = page.getByRole("main");
    for (const [name, path] of Object.entries(pages).filter(([name]) => !STILL.has(name))) {
      gate = Promise.withResolvers();
      // What follows a question mark is the same page, which has been told already that nothing can be read.
      if (path.includes("?")) await page.goto(stage.locker.publicOrigin + path);
      else await go(window, path);
      expect(await main.getByRole("status", { name: "Loading" }).first().waitFor().catch(String), name).toBeUndefined();
      gate.resolve();
      expect(
        await main.getByRole("alert").getByText(refusal.detail).first().waitFor().catch(String),
        name,
      ).toBeUndefined();
      expect(await main.getByRole("button", { name: "Try again" }).count(), name).toBeGreaterThan(0);
      // A page that asked again and again would never come to rest.
      expect(asked, name).toBeLessThan(MOST_ASKED);
      asked = 0;
    }
    expectQuiet(window);
    await window.close();
  }, 90_000);

  it("shows what came from outside as the text that it is", async () => {
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    await visit(window, "/activity");
    await page.getByText(HOSTILE_PATH).first().waitFor();
    await page.getByText(HOSTILE).first().waitFor();
    await page
      .getByRole("row", { name: HOSTILE_PATH })
      .getByRole("button", { name: /Details of row/ })
      .click();
    await page.getByRole("dialog").getByText(HOSTILE).first().waitFor();
    await page.keyboard.press("Escape");
    for (const name of ["token-hostile", "key-hostile", "clients"]) {
      await visit(window, pages[name] ?? "");
      await page.getByText(HOSTILE).first().waitFor();
    }
    expect(await page.locator("img").count()).toBe(0);
    expect(await page.title()).not.toBe("owned");
    expectQuiet(window);
    await window.close();
  }, 60_000);

  it("can be walked by keyboard: skip link, menu, a dialog that keeps the focus and gives it back", async () => {
    const window = await openWindow(stage.browser, ada);
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

    // A menu of a row: opened, walked and used without a pointer; the focus comes back to where it was.
    await visit(window, "/tokens");
    await page.getByRole("button", { name: "Actions for checkout" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("menu").waitFor();
    await page.getByRole("menuitem", { name: "Open" }).and(page.locator(":focus")).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.getByRole("menuitem", { name: "Pause" }).and(page.locator(":focus")).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Actions for checkout" }).and(page.locator(":focus")).waitFor();
    await window.close();
  }, 60_000);
});

/** Notes whatever moves on a page while nobody touches it: by how much of the window, and what went from where to where. */
const NOTE_MOVES = `
  globalThis.moves = [];
  const where = ({ node, previousRect, currentRect }) =>
    (node?.className || node?.nodeName) + " from " + previousRect.top + " to " + currentRect.top;
  new PerformanceObserver((list) => {
    for (const { value, sources } of list.getEntries()) moves.push({ by: value, what: sources.map(where).join(", ") });
  }).observe({ type: "layout-shift", buffered: true });
`;

async function settled(page: Page): Promise<void> {
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.locator(".bone").first().waitFor({ state: "detached" });
}

function focused(page: Page): Promise<string> {
  return page.evaluate("document.activeElement.textContent.trim()");
}

/** All that a page holds: its document, what stands in its fields, and what it keeps in the browser. */
function everythingIn(page: Page): Promise<string> {
  return page.evaluate(
    `[document.documentElement.outerHTML, ...[...document.querySelectorAll("input, textarea, select")].map(({ value }) => value),
      JSON.stringify([localStorage, sessionStorage]), document.cookie, location.href].join("\\n")`,
  );
}

function sidewaysOverflow(page: Page): Promise<number> {
  return page.evaluate("Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)");
}

/** What reaches beyond its card, and so is cut off or hangs out of it, unless it can be scrolled to or ends in an ellipsis. */
function cutOff(page: Page): Promise<string[]> {
  return page.evaluate(`{
    const kept = (element, card) => {
      for (let at = element; at !== card; at = at.parentElement)
        if (getComputedStyle(at).overflowX !== "visible") return true;
      return false;
    };
    [...document.querySelectorAll("main .card")].flatMap((card) => {
      const edge = card.getBoundingClientRect();
      const beyond = ({ left, right, width }) => width > 0 && (right > edge.right + 1 || left < edge.left - 1);
      return [...card.querySelectorAll("*")]
        .filter((element) => beyond(element.getBoundingClientRect()) && !kept(element, card))
        .map((element) => element.tagName.toLowerCase() + " " + element.textContent.slice(0, 60));
    });
  }`);
}
