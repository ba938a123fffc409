/** mcp-remote, as people put it between their client and us: it signs in by itself, and several at once log nobody out. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { activity, eventually, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { inVault } from "../support/mcp.ts";
import { consent, resourceOf } from "../support/oauth.ts";

const PROXY = join(dirname(createRequire(import.meta.url).resolve("mcp-remote/package.json")), "dist", "proxy.js");
const AT_ONCE = 3;
let locker: LocalLocker;
let ada: Person;
let home: string;
let desk: Server;
/** How often somebody had to look at a browser. */
let sign_ins = 0;

/** The browser that mcp-remote opens is a script that tells us the address; the person at it consents. */
beforeAll(async () => {
  locker = await usualLocker();
  ada = await newPerson(locker);
  await storeKey(ada, "my-key", "https://api.openai.com");
  home = mkdtempSync(join(tmpdir(), "apilocker-mcp-remote-"));
  desk = createServer((request, response) => {
    void signIn(request).finally(() => response.end());
  });
  await new Promise<void>((done) => desk.listen(0, "127.0.0.1", done));
  const { port } = desk.address() as AddressInfo;
  const script = `#!${process.execPath}\nfetch("http://127.0.0.1:${port}/", { method: "POST", body: process.argv.at(-1) });\n`;
  for (const name of ["browser", "xdg-open"]) {
    writeFileSync(join(home, name), script);
    chmodSync(join(home, name), 0o755);
  }
});
afterAll(async () => {
  desk.close();
  rmSync(home, { recursive: true, force: true });
});

async function signIn(request: IncomingMessage): Promise<void> {
  const { pathname, search } = new URL(await text(request));
  sign_ins++;
  // Whoever waits for the answer may have been closed meanwhile.
  await fetch(await consent(ada, pathname + search)).catch(() => {});
}

/** One process of mcp-remote, and an MCP client to put on top of it. */
function one() {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [PROXY, resourceOf(locker), "--allow-http"],
    env: { ...process.env, HOME: home, BROWSER: join(home, "browser"), PATH: `${home}:${process.env.PATH}` } as Record<
      string,
      string
    >,
    stderr: "ignore",
  });
  return { transport, client: new Client({ name: "test", version: "1" }) };
}

/** The names of the tools that one sees. */
async function toolsThroughOne(): Promise<string[]> {
  const { transport, client } = one();
  try {
    await client.connect(transport, { timeout: 60_000 });
    return (await client.listTools()).tools.map(({ name }) => name);
  } finally {
    await client.close();
  }
}

/** Files in which mcp-remote keeps its tokens. */
function tokenFiles(): string[] {
  const folder = join(home, ".mcp-auth");
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith("tokens.json"))
    .map((name) => join(folder, name));
}

it("signs in once by itself, and goes on with what it has stored", async () => {
  expect(await toolsThroughOne()).toContain("list_keys");
  expect(sign_ins).toBe(1);
  expect(await toolsThroughOne()).toContain("list_keys");
  expect(sign_ins).toBe(1);
}, 120_000);

it("several processes that find their shared access token expired refresh at once, and all go on", async () => {
  for (let round = 0; round < 2; round++) {
    for (const file of tokenFiles()) {
      const stored = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
      writeFileSync(file, JSON.stringify({ ...stored, access_token: "expired", expires_in: 0, expires_at: 0 }));
    }
    const seen = await Promise.all(Array.from({ length: AT_ONCE }, toolsThroughOne));
    for (const tools of seen) expect(tools).toContain("list_keys");
  }
  expect(sign_ins).toBe(1);
  const rows = await activity(ada, 200);
  expect(rows.filter(({ action }) => action === "token.refresh").length).toBeGreaterThanOrEqual(2);
  expect(rows.filter(({ action }) => action === "refresh.reuse")).toEqual([]);
}, 240_000);

it("one that is connected renews its token in the middle, and asks its person again once it was disconnected", async () => {
  const { transport, client } = one();
  try {
    await client.connect(transport, { timeout: 60_000 });
    const keys = () => client.callTool({ name: "list_keys", arguments: {} });
    expect(JSON.stringify(await keys())).toContain("my-key");
    await inVault(locker, ada, "UPDATE access SET expires_at = ?", Date.now() - 1);
    const name = ada.cookie.slice(ada.cookie.indexOf("alk_ses_")).slice(10, 34);
    await locker.miniflare.unsafeEvictDurableObject("apilocker", "UserVault", { name, webSockets: "hibernate" });
    expect(JSON.stringify(await keys())).toContain("my-key");
    const before = sign_ins;
    const { items } = await ada.api<{ items: { id: string }[] }>("GET", "/v1/grants");
    for (const { id } of items) await ada.api("DELETE", `/v1/grants/${id}`);
    await Promise.race([keys(), eventually(async () => sign_ins > before, 30_000)]).catch(() => {});
    await eventually(async () => sign_ins > before, 30_000);
  } finally {
    await client.close();
  }
}, 120_000);
