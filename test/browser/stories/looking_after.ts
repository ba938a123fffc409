import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Page, Route } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Person } from "../../../src/local/person.ts";
import { seriousFaults } from "../../support/accessibility.ts";
import { expectQuiet, openWindow } from "../../support/dashboard.ts";
import { moveIn, type LivedIn } from "../../support/lived_in.ts";
import { activity, eventually, newPerson, storeKey } from "../../support/locker.ts";
import { signedInLongAgo } from "../../support/session.ts";
import type { Stage } from "../../support/stage.ts";
import { startUpstream, type Upstream } from "../../support/upstream.ts";

const SCREENSHOTS = resolve(import.meta.dirname, "../../../.build/screenshots");

export function lookingAfter(stage: Stage): void {
  let upstream: Upstream;
  let ada: Person;
  let ids: LivedIn;
  beforeAll(async () => {
    upstream = await startUpstream();
    ada = await newPerson(stage.locker);
    ids = await moveIn(stage.locker, ada, upstream);
  }, 60_000);
  afterAll(() => upstream.stop());

  const open = async (path: string, wishes: Parameters<typeof openWindow>[2] = {}) => {
    const window = await openWindow(stage.browser, ada, wishes);
    await window.page.goto(stage.locker.publicOrigin + path);
    return window;
  };

  it("sees at a glance what happens, what is used most, who is let in and what needs attention", async () => {
    const window = await open("/");
    const main = window.page.getByRole("main");
    await main.getByRole("img", { name: /calls in the last 24 hours/ }).waitFor();
    for (const heading of ["Open alerts", "Check-up", "Connected clients", "Most used keys", "Most used tokens"])
      await main.getByRole("heading", { name: heading }).waitFor();
    await main.getByRole("link", { name: "stripe@live" }).first().waitFor();
    await main.getByRole("link", { name: "Claude Code" }).waitFor();
    await main.getByRole("list", { name: "Latest activity" }).waitFor();
    expectQuiet(window);
    await window.close();
  }, 60_000);

  it("finds what happened by filters that stand in the address, takes it away as a file, and proves that none is missing", async () => {
    const window = await open("/activity", { timezoneId: "Asia/Kolkata", acceptDownloads: true });
    const { page } = window;
    await page.getByLabel("Outcome").selectOption("refused");
    await page.getByLabel("Key", { exact: true }).selectOption({ label: "stripe@live" });
    await page.getByText("/v1/charges/ch_1").waitFor();
    await page.getByText("rule: methods").waitFor();
    await page.getByText("/v1/customers").waitFor({ state: "detached" });
    expect(new URL(page.url()).searchParams.get("outcome")).toBe("refused");
    await page.reload();
    await page.getByText("/v1/charges/ch_1").waitFor();
    expect(await page.getByText("/v1/customers").count()).toBe(0);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "CSV" }).click(),
    ]);
    const file = await readFile(await download.path(), "utf8");
    expect(file.trim().split(/\r?\n/)).toHaveLength(2);
    expect(file).toContain("/v1/charges/ch_1");

    await page.route(
      (url) => url.pathname === "/v1/activity/export",
      async (route) => {
        const later = route.request().url().includes("cursor=5");
        const headers = later ? {} : { link: '</v1/activity/export?format=jsonl&cursor=5>; rel="next"' };
        await route.fulfill({ body: later ? "two" : "one ", contentType: "application/jsonl", headers });
      },
    );
    const [long] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "JSONL" }).click(),
    ]);
    expect(await readFile(await long.path(), "utf8")).toBe("one two");

    await page.getByRole("button", { name: /Details of row/ }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("methods", { exact: true }).waitFor();
    const row = (await activity(ada, 200)).find(({ path }) => path === "/v1/charges/ch_1");
    await dialog.getByText(row?.hash ?? "").waitFor();
    // The person's own time, whatever the server's is.
    const theirs = new Intl.DateTimeFormat("en-US", {
      dateStyle: "medium",
      timeStyle: "medium",
      timeZone: "Asia/Kolkata",
    });
    const shown = theirs.format(new Date(String(row?.at))).replaceAll(/\s/gu, " ");
    expect((await dialog.innerText()).replaceAll(/\s/gu, " ")).toContain(shown);
    expect(await seriousFaults(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Verify" }).click();
    await dialog.getByText("Every row is there, and none was changed.").waitFor();
    expectQuiet(window);
    await window.close();
  }, 60_000);

  it("is not told that there is nothing where only the newest of it was looked through, and it is looked further", async () => {
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    const nothing_yet = { items: [], next_cursor: String(Number.MAX_SAFE_INTEGER) };
    const seen = Promise.withResolvers<void>();
    await page.route(
      (url) => url.pathname === "/v1/activity",
      async (route) => {
        if (!route.request().url().includes("cursor=")) return route.fulfill({ json: nothing_yet });
        await seen.promise;
        return route.continue();
      },
    );
    await page.goto(`${stage.locker.publicOrigin}/activity?outcome=refused`);
    await page.getByText("Nothing so far.").waitFor();
    seen.resolve();
    await page.getByText("/v1/charges/ch_1").waitFor();
    expectQuiet(window);
    await window.close();
  }, 60_000);

  it("sees which version of a key was used how often, and brings back a key that a client deleted", async () => {
    const window = await open(`/keys/${ids.keys.openai}`);
    const { page } = window;
    const versions = page.getByRole("list", { name: "Versions" });
    await versions.getByRole("listitem").first().waitFor();
    const told = (await versions.innerText()).replaceAll(/\s+/g, " ");
    expect(told).toMatch(/Version 2 1 use.*Current.*Version 1 In reserve 3 uses/);
    await versions.getByRole("link", { name: "3 uses" }).click();
    await page.getByText("key_version: 1").waitFor();
    await page.getByRole("row").nth(3).waitFor();
    expect(await page.getByRole("row").count()).toBe(4);

    await page.getByRole("link", { name: "Keys", exact: true }).click();
    const deleted = page.getByRole("list", { name: "Deleted keys" });
    await deleted.getByText("old-crm").waitFor();
    await deleted.getByRole("button", { name: "Bring back" }).click();
    await page.getByRole("link", { name: "old-crm" }).waitFor();
    await deleted.waitFor({ state: "detached" });
    expect(await ada.api("GET", "/v1/keys/old-crm")).toMatchObject({ name: "old-crm", paused: false });
    expectQuiet(window);
    await window.close();
  }, 60_000);

  it("narrows a client, and what it may no more it may no more", async () => {
    const window = await open(`/clients/${ids.client}`);
    const { page } = window;
    const dialog = page.getByRole("dialog");
    await page.getByRole("button", { name: "Narrow" }).click();
    await dialog.getByLabel("github").uncheck();
    await dialog.getByLabel("Before it calls a service").selectOption("every");
    expect(await seriousFaults(page)).toEqual([]);
    await dialog.getByRole("button", { name: "Narrow" }).click();
    await dialog.waitFor({ state: "detached" });
    const grant = await ada.api<{ keys: string[]; ask?: object }>("GET", `/v1/grants/${ids.client}`);
    expect(grant.keys).not.toContain(ids.keys.github);
    expect(grant.keys).toContain(ids.keys.openai);
    expect(grant.ask).toBeDefined();
    await page.getByText("Every call must have your yes first.").waitFor();
    expectQuiet(window);
    await window.close();
  }, 60_000);

  it("reads what was spent by token, key, model and day, and sets a price of their own", async () => {
    const window = await open("/spend");
    const { page } = window;
    // gpt-4o: 2 × (41,000 at 2.50 and 9,200 at 10 dollars a million); claude-sonnet-4: 12,400 at 6 and 3,100 at 22.50.
    await page.getByText("$0.5332").first().waitFor();
    for (const [card, line] of [
      ["By token", "support agent"],
      ["By key", "openai@prod"],
      ["By model", "claude-sonnet-4-5"],
    ] as const)
      await page
        .locator("section", { has: page.getByRole("heading", { name: card }) })
        .getByText(line)
        .waitFor();
    await page.getByRole("img", { name: /in the last 30 days/ }).waitFor();
    await page.getByRole("button", { name: "Set a price" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Model").fill("gpt-9");
    await dialog.getByLabel("Input", { exact: true }).fill("1.5");
    await dialog.getByLabel("Output", { exact: true }).fill("6");
    expect(await seriousFaults(page)).toEqual([]);
    await dialog.getByRole("button", { name: "Set", exact: true }).click();
    const row = page.getByRole("row", { name: /gpt-9/ });
    await row.getByText("1.5", { exact: true }).waitFor();
    await row.getByRole("button", { name: "Actions for gpt-9" }).click();
    await page.getByRole("menuitem", { name: "Back to the catalog's" }).click();
    await row.waitFor({ state: "detached" });
    expectQuiet(window);
    await window.close();
  }, 60_000);

  it("sees tokens below those that they were made from, and all of them end with the one at the top", async () => {
    const window = await open("/tokens");
    const { page } = window;
    await page.getByRole("link", { name: "titles" }).waitFor();
    const order = await page.getByRole("table", { name: "Tokens" }).getByRole("link").allInnerTexts();
    const at = (name: string) => order.indexOf(name);
    expect(at("support agent")).toBeLessThan(at("summaries"));
    expect(at("titles")).toBe(at("summaries") + 1);
    await page.getByRole("link", { name: "summaries" }).click();
    await page.getByRole("list", { name: "Tokens made from it" }).getByText("titles").waitFor();
    await page.getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await page.getByText("Revoked at").waitFor();
    expect(await ada.api("GET", `/v1/tokens/${ids.tokens.titles}`)).toHaveProperty("revoked_at");
    expect(await ada.api("GET", `/v1/tokens/${ids.tokens.agent}`)).not.toHaveProperty("revoked_at");
    expectQuiet(window);
    await window.close();
  }, 60_000);

  it("sees what they asked for at once, though the answer is slow, and what was refused as it was", async () => {
    const window = await open("/keys");
    const { page } = window;
    for (const { path, row, asks } of [
      { path: "/keys", row: "stripe@live", asks: /\/v1\/keys\/[^/]+\/(pause|resume)$/ },
      { path: "/tokens", row: "checkout", asks: /\/v1\/tokens\/[^/]+\/(pause|resume)$/ },
    ]) {
      await page.goto(stage.locker.publicOrigin + path);
      const line = page.getByRole("row", { name: new RegExp(`^.*${row}`) }).first();
      const choose = async (action: string) => {
        await line.getByRole("button", { name: `Actions for ${row}` }).click();
        await page.getByRole("menuitem", { name: action }).click();
      };
      await line.getByText("Active").waitFor();
      const slow = await heldBack(page, asks);
      await choose("Pause");
      await line.getByText("Pausing…").waitFor();
      // Everything is read again meanwhile, and says what the vault knows: what was asked for stays on screen.
      const again = page.waitForResponse((response) => new URL(response.url()).pathname === `/v1${path}`);
      await ada.api("PATCH", `/v1/tokens/${ids.tokens.ci}`, { name: `ci of ${path}` });
      await again;
      if (path === "/tokens") await page.getByRole("link", { name: "ci of /tokens" }).waitFor();
      expect(await line.innerText()).toContain("Pausing…");
      await slow.letGo();
      await line.getByText("Paused", { exact: true }).waitFor();

      const down = await heldBack(page, asks);
      await choose("Resume");
      await line.getByText("Resuming…").waitFor();
      await down.refuse("The vault is resting.");
      await line.getByText("Paused", { exact: true }).waitFor();
      await page.getByText("The vault is resting.").first().waitFor();
      await choose("Resume");
      await line.getByText("Active").waitFor();
    }

    await page.goto(`${stage.locker.publicOrigin}/clients/${ids.client}`);
    const client = await heldBack(page, /\/v1\/grants\/[^/]+\/pause$/);
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("button", { name: "Resume" }).waitFor();
    await page.getByText("Pausing…").waitFor();
    await client.refuse("The vault is resting.");
    await page.getByRole("button", { name: "Pause" }).waitFor();
    await page.getByText("Active", { exact: true }).first().waitFor();

    await page.goto(`${stage.locker.publicOrigin}/alerts`);
    const seen = page.getByRole("button", { name: "I have seen it" });
    await seen.first().waitFor();
    const open_alerts = await seen.count();
    const alert = await heldBack(page, /\/v1\/alerts\/[^/]+\/acknowledge$/);
    await seen.first().click();
    await expect.poll(() => seen.count(), { timeout: 20_000 }).toBe(open_alerts - 1);
    await alert.refuse("The vault is resting.");
    await expect.poll(() => seen.count(), { timeout: 20_000 }).toBe(open_alerts);

    await page.goto(`${stage.locker.publicOrigin}/devices`);
    const device = await heldBack(page, /\/v1\/devices\/[^/]+$/);
    await page.getByRole("button", { name: "Actions for Ada's laptop" }).click();
    await page.getByRole("menuitem", { name: "Rename" }).click();
    await page.getByRole("dialog").getByLabel("Name").fill("Ada's desk");
    await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
    await page.getByRole("row", { name: /Ada's desk/ }).waitFor();
    await device.refuse("The vault is resting.");
    await page.getByRole("row", { name: /Ada's laptop/ }).waitFor();
    expectQuiet(window);
    await window.close();
  }, 90_000);

  it("has seen an alert, says what stops by itself, and is told elsewhere by a webhook", async () => {
    const window = await open("/alerts");
    const { page } = window;
    await page.getByRole("button", { name: "I have seen it" }).first().click();
    await page.getByText("Nothing needs your attention").waitFor();
    const rule = page.getByRole("listitem").filter({ hasText: "A token was found in public" });
    await rule.getByRole("combobox").selectOption("vault");
    await eventually(async () => {
      const rules = await ada.api<Record<string, { auto_freeze: string }>>("GET", "/v1/alerts/settings");
      return rules.token_leak?.auto_freeze === "vault";
    });
    await page.getByRole("button", { name: "Add a webhook" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Address").fill(`${upstream.origin}/pager`);
    await dialog.getByRole("button", { name: "Add" }).click();
    const secret = await dialog.locator(".secret code").innerText();
    expect(secret).toMatch(/^whsec_/);
    await dialog.getByRole("button", { name: "Done" }).click();
    const row = page.getByRole("row", { name: /\/pager/ });
    const choose = async (action: string) => {
      await row.getByRole("button", { name: /^Actions for/ }).click();
      await page.getByRole("menuitem", { name: action }).click();
    };
    await choose("Send a test");
    await dialog.getByRole("button", { name: "Send" }).click();
    await dialog.getByText("It was taken.").waitFor();
    expect(upstream.seen.some(({ url }) => url === "/pager")).toBe(true);
    // Shown once: gone with its dialog.
    expect(await page.content()).not.toContain(secret);
    await page.keyboard.press("Escape");

    // What was sent is there to see and to send again; how that goes is told.
    await row
      .getByRole("button", { name: /\/pager/ })
      .first()
      .click();
    const sent = dialog.getByRole("listitem");
    await sent.filter({ hasText: "A test" }).getByText("Taken 200").waitFor();
    await page.screenshot({ path: join(SCREENSHOTS, "deliveries-light.png") });
    expect(await seriousFaults(page)).toEqual([]);
    upstream.answerWith((_request, response) => void response.writeHead(500).end());
    await sent.getByRole("button", { name: "Send again" }).click();
    await page.getByText("The receiver refused it. (500)").first().waitFor();
    await sent.getByText("2 attempts").waitFor();
    const [first, second] = upstream.seen
      .filter(({ url }) => url === "/pager")
      .map(({ headers }) => headers["webhook-id"]);
    expect(second).toBe(first);
    await page.keyboard.press("Escape");
    await choose("Delete");
    await dialog.getByRole("button", { name: "Delete" }).click();
    await row.waitFor({ state: "detached" });
    expectQuiet(window);
    await window.close();
  }, 60_000);

  it("takes their account away as a file and links another way to sign in, but neither long after they signed in", async () => {
    const eve = await newPerson(stage.locker);
    await storeKey(eve, "ledger", upstream.origin, { secret: "sk-never-exported-0123456789" });
    const window = await openWindow(stage.browser, eve, { acceptDownloads: true });
    const { page } = window;
    await page.goto(`${stage.locker.publicOrigin}/settings`);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Export as JSON" }).click(),
    ]);
    const file = await readFile(await download.path(), "utf8");
    expect((JSON.parse(file) as { keys: object[] }).keys).toMatchObject([{ name: "ledger" }]);
    expect(file).not.toContain("sk-never-exported");

    const other = `eve-${randomUUID()}@example.com`;
    await page.getByRole("button", { name: "Link Local sign-in" }).click();
    await page.getByLabel("E-mail").fill(other);
    await page.getByRole("button", { name: "Sign in" }).click();
    const card = page.locator("section", { has: page.getByRole("heading", { name: "Ways to sign in" }) });
    await card.getByText(other).waitFor();
    expect(await card.getByRole("listitem").count()).toBe(2);
    expect(await seriousFaults(page)).toEqual([]);
    expectQuiet(window);

    await signedInLongAgo(stage.locker, eve);
    await page.reload();
    for (const what of ["export the account", "link another way to sign in"])
      await page.getByText(`To ${what}, sign in again.`).waitFor();
    expect(await page.getByRole("link", { name: "Export as JSON" }).count()).toBe(0);
    expect(await page.getByRole("button", { name: "Link Local sign-in" }).count()).toBe(0);
    await card.getByRole("button", { name: "Sign in again" }).click();
    await page.getByRole("link", { name: /^Sign in with/ }).waitFor();
    await window.close();
  }, 60_000);

  it("lets a CI job in without a secret, and lets it in no more", async () => {
    const window = await open("/devices/trusts/new");
    const { page } = window;
    await page.getByLabel("Name", { exact: true }).fill("releases");
    await page.getByLabel("Which jobs are meant").fill("repository = acme/shop\nref = refs/heads/main, refs/tags/v*");
    await page.getByRole("checkbox", { name: "github", exact: true }).first().check();
    await page.getByText("Whoever holds it may call github").waitFor();
    await page.getByRole("button", { name: "Let it in" }).click();
    await page.getByRole("heading", { level: 1, name: "releases is let in" }).waitFor();
    const { items } = await ada.api<{ items: { name: string; address: string; claims: object }[] }>(
      "GET",
      "/v1/trusts",
    );
    const made = items.find(({ name }) => name === "releases");
    expect(made?.claims).toEqual({ repository: ["acme/shop"], ref: ["refs/heads/main", "refs/tags/v*"] });
    expect(await page.getByLabel("How a job gets its token").innerText()).toContain(made?.address);
    await page.getByRole("link", { name: "Done" }).click();
    await page
      .getByRole("row", { name: /releases/ })
      .getByRole("button", { name: "Delete" })
      .click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByText("Ended at").waitFor();
    expectQuiet(window);
    await window.close();
  }, 60_000);

  it("gets from nothing chosen to a token in hand without touching a pointer", async () => {
    const window = await open("/keys/new");
    const { page } = window;
    await page.getByRole("heading", { level: 1, name: "Add a key" }).waitFor();
    await tabTo(page, "Search providers");
    await page.keyboard.type("any");
    await page.getByText("Not in the catalog").waitFor();
    await tabTo(page, "Any other API");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: /Any other API/ }).waitFor();
    await tabTo(page, "Name");
    await page.keyboard.type("typed");
    await tabTo(page, "Base URL");
    await page.keyboard.type(upstream.origin);
    await tabTo(page, "Secret");
    await page.keyboard.type("sk-by-keyboard-0123456789");
    await page.keyboard.press("Enter");
    await page.getByText("typed is stored").waitFor();
    await tabTo(page, "Create a token for typed");
    await page.keyboard.press("Enter");
    await page.getByText("Whoever holds it may call typed").waitFor();
    await tabTo(page, "Name");
    await page.keyboard.press("Enter");
    await page.getByTestId("token").waitFor();
    expectQuiet(window);
    await window.close();
  }, 60_000);
}

/** Keeps back the answer to what is asked for next, until it is let go or refused. */
async function heldBack(page: Page, asks: RegExp) {
  const asked = Promise.withResolvers<Route>();
  await page.route(asks, asked.resolve, { times: 1 });
  return {
    letGo: async () => (await asked.promise).continue(),
    refuse: async (detail: string) =>
      (await asked.promise).fulfill({
        status: 503,
        contentType: "application/problem+json",
        body: JSON.stringify({ code: "unavailable", detail }),
      }),
  };
}

const MOST_TABS = 80;

/** Presses Tab until what has the focus is called so. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let pressed = 0; pressed < MOST_TABS; pressed++) {
    await page.keyboard.press("Tab");
    const called = await page.evaluate<string>(
      "(document.activeElement.labels?.[0]?.innerText ?? document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText ?? '').trim()",
    );
    if (called.includes(name)) return;
  }
  throw new Error(`nothing called ${name} can be reached by Tab`);
}
