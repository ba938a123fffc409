import { afterAll, beforeAll, expect, it } from "vitest";
import type { Stage } from "../../support/stage.ts";
import { expectQuiet, openWindow } from "../../support/dashboard.ts";
import { mintToken, newPerson, storeKey } from "../../support/locker.ts";
import { startUpstream, type Upstream } from "../../support/upstream.ts";

const OLD = "sk-old-0123456789abcdef";
const NEW = "sk-new-fedcba9876543210";

/** How many a list shows at once. */
const PAGE = 50;

export function keysAndTokens(stage: Stage): void {
  let upstream: Upstream;
  beforeAll(async () => {
    upstream = await startUpstream();
  });
  afterAll(() => upstream.stop());

  it("a key is rotated, revealed and hidden again, rolled back, renamed, paused, and deleted once its name was typed", async () => {
    const ada = await newPerson(stage.locker);
    const { id } = await storeKey(ada, "orders", upstream.origin, { secret: OLD });
    const { token } = await mintToken(ada, { keys: ["orders"] });
    const call = async () => {
      const headers = { authorization: `Bearer ${token}` };
      const { status } = await fetch(`${stage.locker.proxyOrigin}/v1/proxy/orders/x`, { headers });
      return { status, shown: upstream.seen.at(-1)?.headers.authorization };
    };
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    const dialog = page.getByRole("dialog");
    await page.goto(`${stage.locker.publicOrigin}/keys/${id}`);

    await page.getByRole("button", { name: "Rotate" }).click();
    await dialog.getByLabel("Secret", { exact: true }).fill(NEW);
    await dialog.getByRole("button", { name: "Rotate" }).click();
    await dialog.getByText("Version 2 is current").waitFor();
    await dialog.getByRole("button", { name: "Close" }).last().click();
    expect(await call()).toEqual({ status: 200, shown: `Bearer ${NEW}` });
    await page.getByText("The secret before this one is still tried until").waitFor();

    await page.getByRole("button", { name: "Reveal" }).click();
    expect(await page.content()).not.toContain(NEW);
    await dialog.getByRole("button", { name: "Show it" }).click();
    await dialog.getByText(NEW).waitFor();
    await dialog.getByRole("button", { name: "Hide now" }).click();
    await dialog.getByRole("button", { name: "Show it" }).waitFor();
    expect(await page.content()).not.toContain(NEW);
    await page.keyboard.press("Escape");

    await page.getByRole("button", { name: "Roll back" }).click();
    await dialog.getByRole("button", { name: "Roll back" }).click();
    await dialog.waitFor({ state: "detached" });
    expect(await call()).toEqual({ status: 200, shown: `Bearer ${OLD}` });

    await page.getByRole("button", { name: "Edit" }).click();
    await dialog.getByLabel("Name").fill("orders-eu");
    await dialog.getByLabel("Tags").fill("prod, eu");
    await dialog.getByRole("button", { name: "Save" }).click();
    await page.getByRole("heading", { level: 1, name: "orders-eu" }).waitFor();
    await page.getByText("Former names").waitFor();
    // Who still calls it by its former name is served.
    expect((await call()).status).toBe(200);

    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("button", { name: "Resume" }).waitFor();
    expect((await call()).status).toBe(423);

    await page.getByRole("button", { name: "Delete" }).click();
    expect(await dialog.getByRole("button", { name: "Delete the key" }).isDisabled()).toBe(true);
    await dialog.getByLabel("Type orders-eu to confirm").fill("orders-eu");
    await dialog.getByRole("button", { name: "Delete the key" }).click();
    await dialog.getByText("Deleted at").waitFor();
    await dialog.getByRole("button", { name: "Close" }).last().click();
    await page.getByText("No keys yet").waitFor();
    expectQuiet(window);
    await window.close();
  }, 90_000);

  it("a policy says in words what it will do, and the engine says the same; changed, it does the other thing at once", async () => {
    const ada = await newPerson(stage.locker);
    await storeKey(ada, "orders", upstream.origin);
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    await page.goto(`${stage.locker.publicOrigin}/tokens/new?key=orders`);
    await page.getByLabel("Name").fill("reader");
    await page.getByLabel("GET", { exact: true }).first().check();
    await page.getByLabel("Paths").first().fill("/v1/**");
    await page.getByText("Limits, places and times").first().click();
    await page.getByLabel("Calls a minute").first().fill("30");
    await page.getByText("Whoever holds it may call orders with GET on /v1/**. At most 30 a minute.").waitFor();
    await page.getByRole("button", { name: "Create the token" }).click();
    const token = await page.getByTestId("token").innerText();
    // Shown once: gone with the page.
    await page.getByRole("link", { name: "Done" }).click();
    await page.getByRole("heading", { level: 1, name: "reader" }).waitFor();
    expect(await page.content()).not.toContain(token);

    await page.getByRole("link", { name: "Explain" }).last().click();
    await page.getByLabel("Key").selectOption({ label: "orders" });
    await page.getByLabel("Method").selectOption("DELETE");
    await page.getByLabel("Path").fill("/v1/items");
    await page.getByRole("button", { name: "Explain" }).click();
    await page.getByText("Refused by methods").waitFor();
    const refused = await fetch(`${stage.locker.proxyOrigin}/v1/proxy/orders/v1/items`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${token}` },
    });
    expect(refused.status).toBe(403);

    await page.goto(`${stage.locker.publicOrigin}/tokens`);
    await page.getByRole("link", { name: "reader" }).click();
    await page.getByRole("link", { name: "Edit" }).click();
    await page.getByLabel("DELETE", { exact: true }).first().check();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("with GET or DELETE").waitFor();
    const allowed = await fetch(`${stage.locker.proxyOrigin}/v1/proxy/orders/v1/items`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${token}` },
    });
    expect(allowed.status).toBe(200);
    expectQuiet(window);
    await window.close();
  }, 90_000);

  it("a token is revoked out of the list and leaves its receipt, is found among those that ended, and a key among many", async () => {
    const ada = await newPerson(stage.locker);
    await Promise.all(Array.from({ length: 14 }, (_, index) => storeKey(ada, `mail-${index}`, upstream.origin)));
    await storeKey(ada, "shop", upstream.origin);
    await Promise.all([mintToken(ada, {}, "worker"), mintToken(ada, {}, "checkout")]);
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    await page.goto(`${stage.locker.publicOrigin}/tokens`);
    // By what is in the document: behind a dialog nothing has a role.
    const row = (name: string) => page.locator(".listing a", { hasText: name });
    await page.getByRole("button", { name: "Actions for worker" }).click();
    await page.getByRole("menuitem", { name: "Revoke…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    // The list, told of it, is read again meanwhile.
    await row("worker").waitFor({ state: "detached" });
    await page.getByText("Revoked at").waitFor();
    await page.getByRole("button", { name: "Close" }).last().click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByLabel("State").selectOption("ended");
    await row("worker").waitFor();
    expect(await row("checkout").count()).toBe(0);
    await page.getByLabel("State").selectOption("all");
    await page.getByLabel("Search tokens").fill("CHECK");
    await row("worker").waitFor({ state: "detached" });
    await row("checkout").waitFor();

    await page.goto(`${stage.locker.publicOrigin}/tokens/new`);
    const keys = page.getByRole("group", { name: "Keys" }).first();
    await keys.getByLabel("mail-3", { exact: true }).check();
    await keys.getByLabel("Search keys").fill("SHOP");
    // It submits nothing.
    await page.keyboard.press("Enter");
    await keys.getByLabel("mail-4", { exact: true }).waitFor({ state: "detached" });
    await keys.getByLabel("shop", { exact: true }).check();
    await page.getByText("Whoever holds it may call mail-3 and shop").waitFor();

    await page.goto(`${stage.locker.publicOrigin}/keys`);
    await page.getByRole("button", { name: "Actions for shop" }).click();
    await page.getByRole("menuitem", { name: "Delete…" }).click();
    await page.getByLabel("Type shop to confirm").fill("shop");
    await page.getByRole("button", { name: "Delete the key" }).click();
    await row("shop").waitFor({ state: "detached" });
    await page.getByText("Deleted at").waitFor();
    expectQuiet(window);
    await window.close();
  }, 60_000);

  it("a long list comes page after page, a key is tried before an app has it, and a token is copied and then replaced", async () => {
    const ada = await newPerson(stage.locker);
    await storeKey(ada, "chat", upstream.origin, { provider: "openai" });
    await Promise.all(Array.from({ length: PAGE }, (_, index) => storeKey(ada, `more-${index}`, upstream.origin)));
    const { id, token } = await mintToken(ada, { keys: ["chat"], methods: ["GET"] }, "shop");
    const window = await openWindow(stage.browser, ada, { permissions: ["clipboard-read", "clipboard-write"] });
    const { page } = window;
    await page.goto(`${stage.locker.publicOrigin}/keys`);
    const rows = page.getByRole("table", { name: "Keys" }).locator("tbody tr");
    await rows.first().waitFor();
    expect(await rows.count()).toBe(PAGE);
    await page.getByRole("button", { name: "Show more" }).click();
    await expect.poll(() => rows.count(), { timeout: 20_000 }).toBe(PAGE + 1);
    await page.getByRole("link", { name: "chat", exact: true }).click();
    await page.getByRole("button", { name: "Test call" }).click();
    await page.getByRole("button", { name: "Test again" }).waitFor();
    expect(upstream.seen.at(-1)).toMatchObject({ method: "GET", url: "/v1/models" });

    await page.goto(`${stage.locker.publicOrigin}/tokens/${id}`);
    await page
      .locator("section", { has: page.getByRole("heading", { name: "What it can reach" }) })
      .getByRole("link", { name: "chat" })
      .waitFor();
    await page.getByRole("link", { name: "Replace" }).click();
    await page.getByText("Whoever holds it may call chat with GET").waitFor();
    expect(await page.getByLabel("Name").inputValue()).toBe("shop");
    await page.getByRole("button", { name: "Create the token" }).click();
    const fresh = await page.getByTestId("token").innerText();
    await page.getByRole("button", { name: "Copy", exact: true }).first().click();
    await page.getByText("Copied").first().waitFor();
    expect(await page.evaluate("navigator.clipboard.readText()")).toBe(fresh);
    await page.getByRole("button", { name: "Revoke the old token" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await page.getByText("Revoked at").waitFor();
    const status = async (bearer: string) =>
      (await fetch(`${stage.locker.proxyOrigin}/v1/proxy/chat/x`, { headers: { authorization: `Bearer ${bearer}` } }))
        .status;
    expect([await status(token), await status(fresh)]).toEqual([401, 200]);
    expectQuiet(window);
    await window.close();
  }, 90_000);
}
