import { afterAll, beforeAll, expect, it } from "vitest";
import type { Person } from "../../../src/local/person.ts";
import { expectQuiet, openWindow, signedInAs } from "../../support/dashboard.ts";
import { mintToken, newPerson, storeKey } from "../../support/locker.ts";
import type { Stage } from "../../support/stage.ts";
import { startUpstream, type Upstream } from "../../support/upstream.ts";

/** A name that is too long for any line. */
const LONG = `long${"x".repeat(90)}`;
/** What reads otherwise than it is written, and would turn what stands behind it. */
const TURNED = "a\u202etxt.exe";

/** What a screen reader says of the field that has the focus, beside its label. */
const DESCRIBED =
  "document.activeElement.getAttribute('aria-describedby').split(' ').map((id) => document.getElementById(id).textContent).join(' ')";

export function badDays(stage: Stage): void {
  let upstream: Upstream;
  let ada: Person;
  let key: string;
  beforeAll(async () => {
    upstream = await startUpstream();
    ada = await newPerson(stage.locker);
    key = (await storeKey(ada, "orders", upstream.origin)).id;
  });
  afterAll(() => upstream.stop());

  it("without a network is told that nothing was done and what is old, and nothing is done later behind their back", async () => {
    const window = await openWindow(stage.browser, ada);
    const { page, context } = window;
    await page.goto(`${stage.locker.publicOrigin}/keys`);
    await page.getByRole("link", { name: "orders" }).click();
    await page.getByText("Version 1").waitFor();
    await context.setOffline(true);
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByText("That did not work").waitFor();
    await page.getByText("This may be old.").waitFor();
    await page.getByRole("main").getByText("Active", { exact: true }).waitFor();
    // A page that was never looked at cannot come; the others can still be gone to.
    await page.getByRole("link", { name: "Explain", exact: true }).click();
    await page.getByText("This page could not be shown.").waitFor();
    await page.getByRole("button", { name: "Try again" }).last().click();
    await page.getByRole("link", { name: "Keys", exact: true }).click();
    await page.getByRole("link", { name: "orders" }).waitFor();
    await page.getByText("This may be old.").waitFor();
    await context.setOffline(false);
    await page.getByText("This may be old.").waitFor({ state: "detached" });
    expect(await ada.api("GET", `/v1/keys/${key}`)).toMatchObject({ paused: false });
    await window.close();
  }, 60_000);

  it("sees a feed that went silent for what it is, and what happens also where answers are slower than it comes", async () => {
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    let [opened, pings, pongs, silent] = [0, 0, 0, false];
    await page.routeWebSocket(/\/v1\/live$/, (socket) => {
      const is_first = ++opened === 1;
      const server = socket.connectToServer();
      socket.onMessage((message) => {
        pings++;
        server.send(message);
      });
      server.onMessage((message) => {
        if (is_first && silent) return;
        socket.send(message);
        if (message === "pong") pongs++;
      });
    });
    await page.clock.install();
    await page.goto(`${stage.locker.publicOrigin}/activity`);
    await page.getByText("Live", { exact: true }).waitFor();
    // From here on time passes only as it is told to, however busy the machine is.
    await page.clock.pauseAt(await page.evaluate<number>("Date.now() + 1000"));
    const pass = async (until: () => boolean) => {
      for (let s = 0; s < 60 && !until(); s++) await page.clock.runFor(1_000);
    };
    await pass(() => pings > 0);
    await expect.poll(() => pongs, { timeout: 20_000 }).toBe(pings);
    // One that answers is kept.
    await page.clock.runFor(10_000);
    expect(opened).toBe(1);
    silent = true;
    await pass(() => opened > 1);
    expect(opened).toBe(2);
    await page.clock.resume();
    await page.getByText("Live", { exact: true }).waitFor();

    await page.route(/\/v1\/activity\?/, async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      await route.continue();
    });
    let going = true;
    const busy = (async () => {
      for (let at = 0; going; at++) {
        await ada.api("PATCH", `/v1/keys/${key}`, { note: `change ${at}` });
        await new Promise((resolve) => setTimeout(resolve, 150));
      }
    })();
    try {
      await page.getByText("Changed the key").first().waitFor();
    } finally {
      going = false;
      await busy;
      await page.unrouteAll({ behavior: "ignoreErrors" });
    }
    await window.close();
  }, 90_000);

  it("acts on what is on screen and on nothing else: not on the page before, not on what was deleted or forbidden elsewhere", async () => {
    await mintToken(ada, {}, LONG);
    const parent = await mintToken(ada, { keys: ["orders"] }, "parent");
    const derived = await fetch(`${stage.locker.publicOrigin}/v1/tokens/derive`, {
      method: "POST",
      headers: { authorization: `Bearer ${parent.token}`, "content-type": "application/json" },
      body: JSON.stringify({ name: "child", policy: {} }),
    });
    expect(derived.status).toBe(201);
    const { id: lost } = await storeKey(ada, "lost", upstream.origin, { revealable: true, note: TURNED });
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    await page.goto(`${stage.locker.publicOrigin}/tokens/${parent.id}`);
    const gate = Promise.withResolvers<void>();
    const child = page.getByRole("link", { name: "child" });
    await child.waitFor();
    await page.route(/\/v1\/tokens\/tok_/, async (route) => {
      await gate.promise;
      await route.continue();
    });
    await child.click();
    await page.getByRole("main").getByRole("status", { name: "Loading" }).first().waitFor();
    // The parent's page is gone with its address: what would be revoked now, if anything could be?
    expect(await page.getByRole("button", { name: "Revoke" }).count()).toBe(0);
    gate.resolve();
    await page.getByRole("heading", { level: 1, name: "child" }).waitFor();
    await page.goto(stage.locker.publicOrigin);
    await page.getByText(`The token ${LONG}`).waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
    await page.unrouteAll({ behavior: "wait" });

    await page.goto(`${stage.locker.publicOrigin}/keys/${lost}`);
    await page.getByText(TURNED.replace("\u202e", "\ufffd")).waitFor();
    await page.getByRole("button", { name: "Edit" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Tags").fill("prod");
    await ada.api("PATCH", `/v1/keys/${lost}`, { revealable: false });
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.waitFor({ state: "detached" });
    expect(await ada.api("GET", `/v1/keys/${lost}`)).toMatchObject({ tags: ["prod"], revealable: false });
    await ada.api("DELETE", `/v1/keys/${lost}`);
    await page.getByText("Deleted", { exact: true }).waitFor();
    expect(await page.getByRole("button", { name: "Reveal" }).count()).toBe(0);

    // Somebody else signs in beside it: nothing of the one is shown as the other's.
    const grace = await newPerson(stage.locker, "grace");
    await grace.api("PATCH", "/v1/me", { name: "Grace" });
    await page.goto(`${stage.locker.publicOrigin}/keys`);
    await page.getByRole("link", { name: "orders" }).waitFor();
    await signedInAs(window.context, grace);
    const loaded = page.waitForEvent("load");
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))");
    await loaded;
    await page.getByRole("button", { name: "Account: Grace" }).waitFor();
    await page.getByText("No keys yet").waitFor();
    expectQuiet(window);
    await window.close();
  }, 90_000);

  it("with a clock that is wrong is not sent to sign in again and again, and is led to what a form was refused for", async () => {
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    await page.clock.install({ time: Date.now() + 20 * 60_000 });
    await page.goto(`${stage.locker.publicOrigin}/settings`);
    await page.getByRole("link", { name: "Export as JSON" }).waitFor();
    await page.getByText("sign in again").waitFor({ state: "detached" });

    await page.getByRole("link", { name: "What freezes by itself" }).click();
    await page.getByRole("checkbox", { name: /A token was found in public/ }).waitFor();
    expect(await page.evaluate("document.querySelector('#rules').getBoundingClientRect().top < innerHeight")).toBe(
      true,
    );

    await page.getByRole("link", { name: "Keys", exact: true }).click();
    const search = page.getByRole("searchbox");
    await search.pressSequentially("two ");
    await page.waitForURL(/q=two$/);
    await search.pressSequentially("words");
    expect(await search.inputValue()).toBe("two words");

    // Of more tokens than come at once each can be asked about.
    const minted = [await mintToken(ada, {}, "one"), await mintToken(ada, {}, "another")];
    await page.route(/\/v1\/tokens\?/, async (route) => {
      const is_more = new URL(route.request().url()).searchParams.has("cursor");
      const items = minted.map(({ id }, at) => ({ id, name: `page ${at + 1}` }));
      await route.fulfill({
        json: is_more ? { items: items.slice(1) } : { items: items.slice(0, 1), next_cursor: "2" },
      });
    });
    await page.goto(`${stage.locker.publicOrigin}/explain?token=${minted[1]?.id}`);
    await page.getByLabel("Token").locator("option:checked", { hasText: "page 2" }).waitFor({ state: "attached" });
    await page.unrouteAll({ behavior: "wait" });

    await page.goto(`${stage.locker.publicOrigin}/tokens/new`);
    await page.getByLabel("Name").fill("refused");
    const fold = page.getByText("Limits, places and times").first();
    await fold.click();
    const countries = page.getByLabel("Countries").first();
    await countries.fill("Atlantis");
    await fold.click();
    await page.getByRole("button", { name: "Create the token" }).click();
    await page.getByRole("alert").waitFor();
    await countries.and(page.locator(":focus")).waitFor();
    expect(await page.evaluate(DESCRIBED)).toContain("two letters");
    await page.goto(`${stage.locker.publicOrigin}/keys/new?provider=openai`);
    await page.getByLabel("Name").fill("not a name");
    await page.getByLabel("Secret", { exact: true }).fill("sk-0123456789abcdef");
    await page.getByRole("button", { name: "Store the key" }).click();
    await page.getByLabel("Name").and(page.locator('[aria-invalid="true"]:focus')).waitFor();
    expectQuiet(window);
    await window.close();
  }, 60_000);
}
