import { execFile, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Stage } from "../../support/stage.ts";
import { expectQuiet, openWindow } from "../../support/dashboard.ts";
import { startUpstream, type Upstream } from "../../support/upstream.ts";

/** Languages whose snippet a program of this machine can run as it is pasted, each into a file of that name. */
const SNIPPETS = [
  ["Node", "snippet.mjs", process.execPath],
  ["Python", "snippet.py", "python3"],
  ["Go", "snippet.go", "go", "run"],
  ["Swift", "snippet.swift", "swift"],
] as const;
const SECRET = "sk-first-call-0123456789";

export function firstCall(stage: Stage): void {
  let upstream: Upstream;
  beforeAll(async () => {
    upstream = await startUpstream((_request, response) => void response.end('{"hello":"from the upstream"}'));
  });
  afterAll(() => upstream.stop());

  it("is led from sign-in to the first proxied call, and sees it arrive", async () => {
    const window = await openWindow(stage.browser);
    const { page } = window;
    await page.goto(stage.locker.publicOrigin);
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

    // Nobody knows which call of such an API is harmless, but the person.
    await page.getByLabel("Path to GET").fill("/health");
    await page.getByRole("button", { name: "Test call" }).click();
    await page.getByText("The key works.").waitFor();
    expect(upstream.seen.at(-1)?.url).toBe("/health");

    await page.getByRole("link", { name: "Create a token for orders" }).click();
    await page.getByText("Whoever holds it may call orders with any method on any path.").waitFor();
    await page.getByRole("button", { name: "Create the token" }).click();
    await page.getByText("Waiting for the first call").waitFor();

    const command = await page.getByLabel("Code for curl").innerText();
    const { stdout } = await promisify(execFile)("bash", ["-c", command.replace("curl ", "curl -sS ")]);
    expect(JSON.parse(stdout)).toEqual({ hello: "from the upstream" });
    expect(upstream.seen.at(-1)?.headers.authorization).toBe(`Bearer ${SECRET}`);
    await page.getByText("The first call came through.").waitFor();

    // Whether or not this machine can run them: each asks the right address in the right way.
    for (const language of ["Go", "Swift"]) {
      await page.getByRole("tab", { name: language }).click();
      const code = await page.getByLabel(`Code for ${language.toLowerCase()}`).innerText();
      const answer = await fetch(...callIn(code));
      expect(await answer.json(), language).toEqual({ hello: "from the upstream" });
    }

    const folder = await mkdtemp(join(tmpdir(), "snippets-"));
    for (const [language, file, program, ...args] of SNIPPETS.filter(([, , of]) => isInstalled(of))) {
      await page.getByRole("tab", { name: language }).click();
      const code = await page.getByLabel(`Code for ${language.toLowerCase()}`).innerText();
      await writeFile(join(folder, file), code);
      const { stdout } = await promisify(execFile)(program, [...args, join(folder, file)]);
      expect(JSON.parse(stdout), language).toEqual({ hello: "from the upstream" });
    }

    await rm(folder, { recursive: true });

    await page.getByRole("link", { name: "Overview" }).click();
    await page.getByRole("list", { name: "Latest activity" }).getByText("GET", { exact: true }).first().waitFor();
    expectQuiet(window);
    await window.close();
  }, 60_000);
}

/** The call that a program makes, read from its text. */
function callIn(code: string): [url: string, RequestInit] {
  const url = /(?:NewRequest\("GET", |URL\(string: )"([^"]+)"/.exec(code)?.[1];
  const go = /Header\.Set\("([^"]+)", "([^"]+)"\)/.exec(code);
  const swift = /setValue\("([^"]+)", forHTTPHeaderField: "([^"]+)"\)/.exec(code);
  const [name, value] = go === null ? [swift?.[2], swift?.[1]] : [go[1], go[2]];
  if (url === undefined || name === undefined || value === undefined) throw new Error(`no call in: ${code}`);
  return [url, { headers: { [name]: value } }];
}

function isInstalled(program: string): boolean {
  return spawnSync(program, [program === "go" ? "version" : "--version"]).status === 0;
}
