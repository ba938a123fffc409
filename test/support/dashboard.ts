import type { Browser, BrowserContext, Page } from "playwright-core";
import { expect } from "vitest";
import type { Person } from "../../src/local/person.ts";

/** A browser window in which a person is signed in, and everything in it that a browser complained about. */
export type Window = { context: BrowserContext; page: Page; complaints: string[]; close(): Promise<void> };

type Wishes = NonNullable<Parameters<Browser["newContext"]>[0]>;

export async function openWindow(browser: Browser, person?: Person, wishes: Wishes = {}): Promise<Window> {
  // Nothing on screen moves by itself: what waits for a dialog to stand still need not, and nothing is painted for nobody.
  const still = { viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" } as const;
  const context = await browser.newContext({ ...still, ...wishes });
  // Names what it waited for, which the runner's own timeout does not.
  context.setDefaultTimeout(20_000);
  if (person !== undefined) await signedInAs(context, person);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (fault) => complaints.push(fault.message));
  page.on("console", (message) => {
    // That an answer was a refusal is the app's to tell; a policy that something ran into is not.
    if (message.type() === "error" && !/^Failed to load resource/.test(message.text())) complaints.push(message.text());
  });
  return { context, page, complaints, close: () => context.close() };
}

/** From now on the window's pages are this person's. */
export async function signedInAs(context: BrowserContext, { cookie, origin }: Person): Promise<void> {
  const equals = cookie.indexOf("=");
  // As the product sets it: no script of a page reads it.
  const session = { name: cookie.slice(0, equals), value: cookie.slice(equals + 1), httpOnly: true } as const;
  await context.addCookies([{ ...session, sameSite: "Lax", url: origin }]);
}

/** Fails if the browser had to stop something, or a script fell over. */
export function expectQuiet({ complaints }: Window): void {
  expect(complaints).toEqual([]);
}
