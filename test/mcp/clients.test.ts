import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { createMCPClient } from "@ai-sdk/mcp";
import {
  Client as CurrentClient,
  StreamableHTTPClientTransport as CurrentTransport,
} from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { newPerson, startLocker, storeKey } from "../support/locker.ts";
import { connect, tokenRequest, type OAuthClient } from "../support/oauth.ts";

let locker: LocalLocker;
let home: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "mcp-clients-"));
  locker = await startLocker();
});
afterAll(async () => {
  await locker.stop();
  rmSync(home, { recursive: true, force: true });
});

/** A token that is shown with every request, and may be another one tomorrow: what a client's OAuth store does. */
type Signed = { person: Person; url: URL; fetch: typeof fetch; refresh: () => Promise<void>; token: () => string };

async function signedIn(): Promise<Signed> {
  const person = await newPerson(locker);
  await storeKey(person, "openai", "http://127.0.0.1:9");
  const { access_token, refresh_token, client } = await connect(locker, person, { scope: "vault:read vault:write" });
  let [token, next] = [access_token, refresh_token ?? ""];
  const withToken: typeof fetch = (input, init) => {
    const headers = new Headers(init?.headers);
    headers.set("authorization", `Bearer ${token}`);
    return fetch(input, { ...init, headers });
  };
  const refresh = async () => {
    const { client_id } = client satisfies OAuthClient;
    const answer = await tokenRequest(locker, { grant_type: "refresh_token", refresh_token: next, client_id });
    const fresh = await answer.json<{ access_token: string; refresh_token: string }>();
    expect(fresh.access_token).not.toBe(token);
    [token, next] = [fresh.access_token, fresh.refresh_token];
  };
  return { person, url: new URL(`${locker.publicOrigin}/v1/mcp`), fetch: withToken, refresh, token: () => token };
}

async function disconnect({ person }: Signed): Promise<void> {
  const { items } = await person.api<{ items: { id: string }[] }>("GET", "/v1/grants");
  for (const { id } of items) await person.api("DELETE", `/v1/grants/${id}`);
}

const KEYS = { name: "list_keys", arguments: {} };
const SHOWN = { items: [{ name: "openai" }] };

describe.each([
  ["SDK v2, of today", { mode: "auto" } as const],
  ["SDK v2, as of 2025", "legacy" as const],
])("%s", (_name, versionNegotiation) => {
  it("connects, lists, calls what it lists, goes on after a refresh, and is told when it is disconnected", async () => {
    const signed = await signedIn();
    const options = versionNegotiation === "legacy" ? {} : { versionNegotiation };
    const client = new CurrentClient({ name: "test", version: "1" }, options);
    await client.connect(new CurrentTransport(signed.url, { fetch: signed.fetch }));
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain("list_keys");
    // The client checks structured content against the schema that was listed, for every tool that can be called for nothing.
    for (const { name, annotations } of tools)
      if (annotations?.readOnlyHint === true && name !== "get_key_metadata" && name !== "explain_access")
        expect((await client.callTool({ name, arguments: {} })).isError, name).not.toBe(true);
    await signed.refresh();
    expect((await client.callTool(KEYS)).structuredContent).toMatchObject(SHOWN);
    await disconnect(signed);
    await expect(async () => client.callTool(KEYS)).rejects.toThrow(/401|unauthori|revoked/i);
    await client.close().catch(() => {});
  });
});

it("SDK v1 connects, lists, calls, goes on after a refresh, and is told when it is disconnected", async () => {
  const signed = await signedIn();
  const client = new OldClient({ name: "test", version: "1" });
  await client.connect(new OldTransport(signed.url, { fetch: signed.fetch as never }) as never);
  expect((await client.listTools()).tools.map(({ name }) => name)).toContain("list_keys");
  await signed.refresh();
  expect((await client.callTool(KEYS)).structuredContent).toMatchObject(SHOWN);
  await disconnect(signed);
  await expect(async () => client.callTool(KEYS)).rejects.toThrow(/401|unauthori|revoked/i);
  await client.close().catch(() => {});
});

it("the AI SDK connects and calls", async () => {
  const signed = await signedIn();
  const headers = { authorization: `Bearer ${signed.token()}` };
  const client = await createMCPClient({ transport: { type: "http", url: signed.url.href, headers } });
  const tools = await client.tools();
  expect(Object.keys(tools)).toContain("list_keys");
  const answer = await tools.list_keys?.execute({}, { toolCallId: "1", messages: [] } as never);
  expect(answer).toMatchObject({ structuredContent: SHOWN });
  await client.close();
});

it("mcp-remote carries a stdio client here", async () => {
  const signed = await signedIn();
  const entry = join(dirname(createRequire(import.meta.url).resolve("mcp-remote/package.json")), "dist", "proxy.js");
  const args = [entry, signed.url.href, "--allow-http", "--header", `Authorization:Bearer ${signed.token()}`];
  const env = { ...process.env, HOME: home, MCP_REMOTE_CONFIG_DIR: home } as Record<string, string>;
  const client = new OldClient({ name: "test", version: "1" });
  await client.connect(new StdioClientTransport({ command: process.execPath, args, env, stderr: "ignore" }));
  expect((await client.callTool(KEYS)).structuredContent).toMatchObject(SHOWN);
  await client.close();
});

it.each(["legacy", "modern"])("the Inspector finds its way in the %s era", async (era) => {
  const signed = await signedIn();
  const at = dirname(createRequire(import.meta.url).resolve("@modelcontextprotocol/inspector/package.json"));
  const { bin } = JSON.parse(readFileSync(join(at, "package.json"), "utf8")) as { bin: Record<string, string> };
  const entry = join(at, bin["mcp-inspector"] ?? "");
  const asked = [
    "--cli",
    signed.url.href,
    "--transport",
    "http",
    "--protocol-era",
    era,
    "--header",
    `Authorization: Bearer ${signed.token()}`,
  ];
  const env = { ...process.env, HOME: home, MCP_INSPECTOR_SECRET_STORE: "file" };
  const run = (...more: string[]) => promisify(execFile)(process.execPath, [entry, ...asked, ...more], { env });
  expect((await run("--method", "tools/list", "--format", "json")).stdout).toContain("list_keys");
  expect((await run("--method", "tools/call", "--tool-name", "list_keys", "--format", "json")).stdout).toContain(
    "openai",
  );
});
