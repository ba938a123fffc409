import { afterAll, beforeAll, expect, it } from "vitest";
import { signIn } from "../../../src/local/person.ts";
import type { Stage } from "../../support/stage.ts";
import { expectQuiet, openWindow } from "../../support/dashboard.ts";
import { mintToken, newPerson, storeKey } from "../../support/locker.ts";
import { inVault } from "../../support/mcp.ts";
import { startUpstream, type Answerer, type Upstream } from "../../support/upstream.ts";

type Me = { identities: { email?: string }[] };

/** An answer that begins and never ends by itself, but for those who ask for something short. */
const ENDLESS: Answerer = (request, response) => {
  if (request.url === "/short") return void response.end("{}");
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write("data: hello\n\n");
};

export function stopping(stage: Stage): void {
  let upstream: Upstream;
  beforeAll(async () => {
    upstream = await startUpstream(ENDLESS);
  });
  afterAll(() => upstream.stop());

  /** A call that is open, and how it ended once it has. */
  async function openStream(token: string, path: string) {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${stage.locker.proxyOrigin}/v1/proxy/events${path}`, { headers });
    expect(response.status).toBe(200);
    const ended = response.text().then(
      () => "ended",
      () => "cut",
    );
    return { ended };
  }

  it("unlinks a way to sign in that somebody else has linked, and not yet the one that the account was opened with", async () => {
    const ada = await newPerson(stage.locker);
    const other = await signIn(
      stage.locker.publicOrigin,
      (await ada.api<Me>("GET", "/v1/me")).identities[0]?.email ?? "",
    );
    const insert =
      "INSERT INTO identity (issuer, subject, email, linked_at) VALUES ('https://github.com', '9', 'eve@example.com', ?)";
    await inVault(stage.locker, ada, insert, Date.now());
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    await page.goto(`${stage.locker.publicOrigin}/settings`);
    await page.getByText("eve@example.com").waitFor();
    await page
      .getByRole("button", { name: /^Unlink / })
      .first()
      .click();
    await page.getByRole("dialog").getByRole("button", { name: "Unlink" }).click();
    await page.getByRole("dialog").getByText("linked for seven days").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Unlink eve@example.com" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Unlink" }).click();
    await page.getByRole("dialog").getByRole("status").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
    await page.getByText("eve@example.com").waitFor({ state: "detached" });
    expect((await other.fetch("/v1/me")).status).toBe(401);
    expectQuiet(window);
  });

  it("sees a call appear as it happens, revokes its token, and is shown that the open stream was cut", async () => {
    const ada = await newPerson(stage.locker);
    await storeKey(ada, "events", upstream.origin);
    const { id, token } = await mintToken(ada, { keys: ["events"] }, "night worker");
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    await page.goto(`${stage.locker.publicOrigin}/activity`);
    await page.getByText("Live", { exact: true }).waitFor();
    const stream = await openStream(token, "/watched");
    // Nothing was clicked and nothing reloaded: the row came by itself.
    await page.getByText("/watched").waitFor();

    await page.getByRole("link", { name: "Tokens" }).click();
    await page.getByRole("link", { name: "night worker" }).click();
    await page.getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    const receipt = page.getByRole("dialog").getByRole("status");
    await receipt.getByText("Streams cut").waitFor();
    expect(await receipt.innerText()).toMatch(/Streams cut\s*1/);
    expect(await stream.ended).toBe("cut");
    const after = await fetch(`${stage.locker.proxyOrigin}/v1/proxy/events/again`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(after.status).toBe(401);
    await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
    await page.getByText("Revoked", { exact: true }).first().waitFor();
    expect(page.url()).toContain(id);
    expectQuiet(window);
    await window.close();
  }, 90_000);

  it("freezes everything with one click and one confirmation, may then only look, and unfreezes after signing in again", async () => {
    const email = `freezer-${crypto.randomUUID()}@example.com`;
    const ada = await signIn(stage.locker.publicOrigin, email);
    await storeKey(ada, "events", upstream.origin);
    const { token } = await mintToken(ada, { keys: ["events"] });
    const stream = await openStream(token, "/frozen");
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    await page.goto(stage.locker.publicOrigin);
    await page.getByRole("main").getByRole("button", { name: "Freeze everything" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Freeze" }).click();
    const receipt = page.getByRole("dialog").getByRole("status");
    await receipt.getByText("Streams cut").waitFor();
    expect(await receipt.innerText()).toMatch(/Streams cut\s*1/);
    expect(await stream.ended).toBe("cut");
    await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
    await page.getByText("Everything is frozen").waitFor();
    const frozen = await fetch(`${stage.locker.proxyOrigin}/v1/proxy/events/short`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(frozen.status).toBe(423);

    await page.getByRole("button", { name: "Sign in again" }).click();
    await page.getByRole("link", { name: /^Sign in with/ }).click();
    await page.getByLabel("E-mail").fill(email);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Unfreeze" }).click();
    await page.getByText("Everything is frozen").waitFor({ state: "detached" });
    const again = await fetch(`${stage.locker.proxyOrigin}/v1/proxy/events/short`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(again.status).toBe(200);
    expectQuiet(window);
    await window.close();
  }, 90_000);

  it("deletes the account, and nothing of it is left to use", async () => {
    const ada = await newPerson(stage.locker, "leaver");
    await storeKey(ada, "events", upstream.origin);
    const { token } = await mintToken(ada, { keys: ["events"] });
    await ada.api("PATCH", "/v1/me", { name: "Leaver" });
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    await page.goto(`${stage.locker.publicOrigin}/settings`);
    await page.getByRole("button", { name: "Delete the account" }).click();
    const dialog = page.getByRole("dialog");
    expect(await dialog.getByRole("button", { name: "Delete for ever" }).isDisabled()).toBe(true);
    await dialog.getByLabel("Type Leaver to confirm").fill("Leaver");
    await dialog.getByRole("button", { name: "Delete for ever" }).click();
    await dialog.getByText("Deleted at").waitFor();
    await dialog.getByRole("button", { name: "Close" }).last().click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    const after = await fetch(`${stage.locker.proxyOrigin}/v1/proxy/events/short`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(after.status).toBe(401);
    await window.close();
  }, 90_000);
}
