import { execFile, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { CHROMIUM, launchChromium } from "../support/chromium.ts";
import { expectQuiet, openWindow } from "../support/dashboard.ts";
import { startLocker } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

/** Languages whose snippet a program of this machine can run as it is pasted. */
const SNIPPETS = [
  ["Node", process.execPath, "--input-type=module", "-e"],
  ["Python", "python3", "-c"],
] as const;
const SECRET = "sk-first-call-0123456789";

describe.skipIf(CHROMIUM === undefined)("somebody who has never been here", () => {
  let locker: LocalLocker;
  let upstream: Upstream;
  let browser: Browser;

  beforeAll(async () => {
    [locker, upstream, browser] = await Promise.all([
      startLocker(),
      startUpstream((_request, response) => void response.end('{"hello":"from the upstream"}')),
      launchChromium(),
    ]);
  }, 120_000);
  afterAll(() => Promise.all([browser.close(), locker.stop(), upstream.stop()]));

  it("is led from sign-in to the first proxied call, and sees it arrive", async () => {
    const window = await openWindow(browser);
    const { page } = window;
    await page.goto(locker.publicOrigin);
    await page.getByRole("link", { name: /^Sign in with/ }).click();
    await page.getByLabel("E-mail").fill(`ada-${randomUUID()}@example.com`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Three steps to your first call" }).waitFor();

    await page.getByRole("main").getByRole("link", { name: "Add a key" }).last().click();
    await page.getByRole("button", { name: /Any other API/ }).click();
    await page.getByLabel("Name").fill("orders");
    await page.getByLabel("Base URL").fill(upstream.origin);
    await page.getByLabel("Secret", { exact: true }).fill(SECRET);
    await page.getByRole("button", { name: "Store the key" }).click();
    await page.getByText("orders is stored").waitFor();
    // The secret is nowhere on the page any more, nor where a page can keep things.
    expect(await page.content()).not.toContain(SECRET);
    expect(await page.evaluate("JSON.stringify([localStorage, sessionStorage, location.href])")).not.toContain(SECRET);

    await page.getByRole("link", { name: "Create a token for orders" }).click();
    await page.getByText("Whoever holds it may call orders with any method on any path.").waitFor();
    await page.getByRole("button", { name: "Create the token" }).click();
    await page.getByText("Waiting for the first call").waitFor();

    const command = await page.getByLabel("Code for curl").innerText();
    const { stdout } = await promisify(execFile)("bash", ["-c", command.replace("curl ", "curl -sS ")]);
    expect(JSON.parse(stdout)).toEqual({ hello: "from the upstream" });
    expect(upstream.seen.at(-1)?.headers.authorization).toBe(`Bearer ${SECRET}`);
    await page.getByText("The first call came through.").waitFor();

    for (const [language, ...run] of SNIPPETS.filter(([, program]) => isInstalled(program))) {
      await page.getByRole("tab", { name: language }).click();
      const code = await page.getByLabel(`Code for ${language.toLowerCase()}`).innerText();
      const [program, ...args] = run;
      const { stdout } = await promisify(execFile)(program, [...args, code]);
      expect(JSON.parse(stdout), language).toEqual({ hello: "from the upstream" });
    }

    await page.getByRole("link", { name: "Overview" }).click();
    await page.getByRole("list", { name: "Latest activity" }).getByText("GET", { exact: true }).first().waitFor();
    expectQuiet(window);
    await window.close();
  }, 60_000);
});

function isInstalled(program: string): boolean {
  return spawnSync(program, ["--version"]).status === 0;
}
