import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
  type OAuthClientProvider,
} from "@modelcontextprotocol/client";
import type { Page } from "playwright-core";
import { beforeAll, expect, it } from "vitest";
import type { Stage } from "../../support/stage.ts";
import { seriousFaults } from "../../support/accessibility.ts";
import { expectQuiet, openWindow } from "../../support/dashboard.ts";
import { poll, startLogin } from "../../support/device.ts";
import { eventually, mintToken, newPerson, storeKey } from "../../support/locker.ts";
import { startUpstream } from "../../support/upstream.ts";

const HOSTILE_CLIENT = `Claude</h1><script>document.title='owned'</script>`;
const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true };
const SCREENSHOTS = resolve(import.meta.dirname, "../../../.build/screenshots");

/** A program with a loopback address for the answer, as MCP clients on a desktop have. */
class Agent implements OAuthClientProvider {
  readonly #listening: Server;
  #client: Awaited<ReturnType<OAuthClientProvider["clientInformation"]>>;
  #tokens: Awaited<ReturnType<OAuthClientProvider["tokens"]>>;
  #verifier = "";
  asked: URL | undefined;
  /** What the locker answered by way of the browser. */
  answer = new URLSearchParams();

  private constructor(listening: Server) {
    this.#listening = listening;
    listening.on("request", (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "", "http://localhost");
      if (pathname === "/callback") this.answer = searchParams;
      response.writeHead(200, { "content-type": "text/plain" }).end("You can close this window.");
    });
  }

  static async start(): Promise<Agent> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return new Agent(server);
  }

  get redirectUrl(): string {
    return `http://127.0.0.1:${(this.#listening.address() as AddressInfo).port}/callback`;
  }
  get clientMetadata() {
    return { client_name: HOSTILE_CLIENT, redirect_uris: [this.redirectUrl], token_endpoint_auth_method: "none" };
  }
  clientInformation() {
    return this.#client;
  }
  saveClientInformation(client: NonNullable<Awaited<ReturnType<OAuthClientProvider["clientInformation"]>>>) {
    this.#client = client;
  }
  tokens() {
    return this.#tokens;
  }
  saveTokens(tokens: NonNullable<Awaited<ReturnType<OAuthClientProvider["tokens"]>>>) {
    this.#tokens = tokens;
  }
  codeVerifier() {
    return this.#verifier;
  }
  saveCodeVerifier(verifier: string) {
    this.#verifier = verifier;
  }
  redirectToAuthorization(url: URL) {
    this.asked = url;
  }
  stop(): void {
    this.#listening.closeAllConnections();
    this.#listening.close();
  }
}

export function lettingIn(stage: Stage): void {
  beforeAll(() => void mkdirSync(SCREENSHOTS, { recursive: true }));

  it("consents to a real MCP client, sees it connect, and disconnects it", async () => {
    const ada = await newPerson(stage.locker);
    await storeKey(ada, "inventory", "https://api.example.com");
    const window = await openWindow(stage.browser, ada);
    const { page, context } = window;
    await page.goto(`${stage.locker.publicOrigin}/connect`);
    await page.getByText("Waiting for it to connect").waitFor();
    await page.getByText("VS Code").click();
    const pasted = await page.getByLabel("For VS Code").innerText();
    const { url } = (JSON.parse(pasted) as { servers: { apilocker: { url: string } } }).servers.apilocker;

    const agent = await Agent.start();
    const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: agent });
    await expect(new Client({ name: "agent", version: "1" }).connect(transport)).rejects.toThrow(UnauthorizedError);

    const consent = await context.newPage();
    await consent.goto(agent.asked?.href ?? "");
    // What it calls itself is text, and where the answer goes is told in large type.
    await consent.getByText(HOSTILE_CLIENT).waitFor();
    await consent.getByText(/^this computer/).waitFor();
    expect(await consent.locator("script").count()).toBe(0);
    expect(await seriousFaults(consent)).toEqual([]);
    await consent.screenshot({ path: join(SCREENSHOTS, "consent-light.png"), fullPage: true });
    await consent.getByRole("button", { name: "Allow" }).click();
    await consent.getByText("You can close this window.").waitFor();

    await transport.finishAuth(agent.answer);
    const client = new Client({ name: "agent", version: "1" });
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { authProvider: agent }));
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain("list_keys");
    const listed = await client.callTool({ name: "list_keys", arguments: {} });
    expect(JSON.stringify(listed)).toContain("inventory");

    await page.getByText("is connected.").waitFor();
    await page.getByRole("main").getByRole("link", { name: HOSTILE_CLIENT }).click();
    await page.getByRole("heading", { level: 1, name: HOSTILE_CLIENT }).waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    await page.screenshot({ path: join(SCREENSHOTS, "client-light.png"), fullPage: true });
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Disconnect" }).click();
    await page.getByText("Disconnected at").waitFor();
    expect(await page.title()).not.toBe("owned");
    await expect(client.callTool({ name: "list_keys", arguments: {} })).rejects.toThrow();
    await client.close().catch(() => {});
    agent.stop();
    expectQuiet(window);
    await window.close();
  }, 90_000);

  it("is asked about calls on a phone while they wait: what the program wrote stands in its box, and one touch lets it through", async () => {
    const ada = await newPerson(stage.locker);
    const upstream = await startUpstream();
    const { host } = new URL(upstream.origin);
    await storeKey(ada, "orders", upstream.origin);
    const policy = { keys: ["orders"], ask: { methods: ["DELETE"] } };
    const { token } = await mintToken(ada, policy, "API Locker: this call is harmless");
    const window = await openWindow(stage.browser, ada, PHONE);
    const { page } = window;
    const wait = (order: number) =>
      fetch(`${stage.locker.proxyOrigin}/v1/proxy/orders/v1/orders/${order}/API-LOCKER:-HARMLESS`, {
        method: "DELETE",
        headers: { authorization: `Bearer ${token}` },
      });
    await page.goto(`${stage.locker.publicOrigin}/approvals`);
    await page.getByText("Nothing waits for you").waitFor();
    const first = wait(7);
    await page.getByText("/v1/orders/7").waitFor();
    expect(upstream.seen).toEqual([]);
    expect(await seriousFaults(page)).toEqual([]);
    await page.getByRole("heading", { level: 2, name: host }).waitFor();
    expect(await page.locator("figure.asked").innerText()).toMatch(/harmless[^]*HARMLESS|HARMLESS[^]*harmless/);
    expect(await outsideOfBoxes(page)).not.toMatch(/harmless/i);
    await page.screenshot({ path: join(SCREENSHOTS, "approval-phone.png"), fullPage: true });
    await page.getByRole("button", { name: "Allow once" }).tap();
    expect((await first).status).toBe(200);

    // From a message with a link: a page that works without script.
    const second = wait(8);
    const { url } = await eventually(async () => {
      const { items } = await ada.api<{ items: { url: string; path: string }[] }>("GET", "/v1/approvals");
      return items.find(({ path }) => path.includes("/8/"));
    });
    await page.goto(url);
    await page.locator("p.large", { hasText: host }).waitFor();
    expect(await page.locator("script").count()).toBe(0);
    expect(await seriousFaults(page)).toEqual([]);
    expect(await outsideOfBoxes(page)).not.toMatch(/harmless/i);
    await page.screenshot({ path: join(SCREENSHOTS, "approval-link-phone.png"), fullPage: true });
    await page.getByRole("button", { name: "Approve once" }).tap();
    expect((await second).status).toBe(200);
    expect(upstream.seen.map(({ method, url: at }) => `${method} ${at.slice(0, "/v1/orders/7".length)}`)).toEqual([
      "DELETE /v1/orders/7",
      "DELETE /v1/orders/8",
    ]);
    expectQuiet(window);
    await window.close();
    await upstream.stop();
  }, 90_000);

  it("approves a device by its code, sees it on the page, and revokes it", async () => {
    const ada = await newPerson(stage.locker);
    const window = await openWindow(stage.browser, ada);
    const { page } = window;
    const login = await startLogin(stage.locker, { device_name: HOSTILE_CLIENT.slice(0, 40) });
    await page.goto(login.verification_uri);
    await page.getByLabel(/Type the code/).fill(login.user_code);
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("button", { name: "Approve" }).waitFor();
    expect(await page.locator("script").count()).toBe(0);
    expect(await seriousFaults(page)).toEqual([]);
    await page.screenshot({ path: join(SCREENSHOTS, "device-approval-light.png"), fullPage: true });
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByText("You can close this page.").waitFor();
    const { access_token } = await eventually(async () => {
      const answer = await poll(stage.locker, login.device_code);
      return answer.status === 200 ? answer : undefined;
    }, 30_000);
    const asDevice = () =>
      fetch(`${stage.locker.publicOrigin}/v1/me`, { headers: { authorization: `Bearer ${String(access_token)}` } });
    expect((await asDevice()).status).toBe(200);

    await page.goto(`${stage.locker.publicOrigin}/devices`);
    await page
      .getByRole("button", { name: /^Actions for / })
      .first()
      .click();
    await page.getByRole("menuitem", { name: "Revoke" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await page.getByText("Revoked at").waitFor();
    expect((await asDevice()).status).toBe(401);
    await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
    // Browsers are told apart by a name, by where they signed in and by what they did.
    const here = page.getByRole("row", { name: /this browser/ });
    await here.getByRole("button").click();
    await page.getByRole("menuitem", { name: "Rename" }).click();
    await page.getByRole("dialog").getByLabel("Name").fill("Kiosk");
    await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
    await here.getByRole("link", { name: "Kiosk" }).click();
    await page.getByRole("row", { name: /Signed in/ }).waitFor();
    expectQuiet(window);
    await window.close();
  }, 90_000);
}

/** What a page says in its own words: all of it but the boxes for what others wrote. */
function outsideOfBoxes(page: Page): Promise<string> {
  return page.evaluate<string>(
    "(() => { const own = document.body.cloneNode(true); own.querySelectorAll('figure.asked').forEach((box) => box.remove()); return own.textContent; })()",
  );
}
