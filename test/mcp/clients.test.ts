import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
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
import { activity, eventually, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { inVault, letIn, META } from "../support/mcp.ts";
import { connect, REDIRECT_URI, tokenRequest, type OAuthClient, type Tokens } from "../support/oauth.ts";
import { startUpstream } from "../support/upstream.ts";

let locker: LocalLocker;
let home: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "mcp-clients-"));
  locker = await usualLocker();
});
afterAll(async () => {
  rmSync(home, { recursive: true, force: true });
});

/** A client's OAuth store, in the shape that all SDKs want: it renews by itself, and says when it wants to see its person again. */
class Store {
  readonly clientMetadata = { redirect_uris: [REDIRECT_URI], client_name: "Agent" };
  readonly redirectUrl = REDIRECT_URI;
  readonly #client: OAuthClient;
  #tokens: Tokens | undefined;
  readonly #seen = new Set<string>();
  asked_again = 0;

  constructor({ client, ...tokens }: Tokens & { client: OAuthClient }) {
    const issuer = locker.publicOrigin;
    // Where they came from is kept with them, and they are shown nowhere else.
    const from = { issuer, authorization_server: issuer, token_endpoint: `${issuer}/token` };
    this.#client = { ...client, ...from };
    this.#tokens = { ...tokens, ...from };
  }

  /** It has been given other tokens since. */
  get renewed(): boolean {
    return this.#seen.size > 0;
  }

  clientInformation = () => this.#client;
  tokens = () => this.#tokens;
  saveTokens = (tokens: object) => {
    this.#tokens = tokens as Tokens;
    this.#seen.add(this.#tokens.access_token);
  };
  saveAuthorizationServerInformation = () => {};
  invalidateCredentials = () => {
    this.#tokens = undefined;
  };
  redirectToAuthorization = () => void this.asked_again++;
  saveCodeVerifier = () => {};
  codeVerifier = () => "";
  state = () => "the-state";
}

type Signed = { person: Person; url: URL; store: Store; token: string; refresh_token: string; client: OAuthClient };

async function signedIn(): Promise<Signed> {
  const person = await newPerson(locker);
  await storeKey(person, "openai", "http://127.0.0.1:9");
  const let_in = await connect(locker, person, { scope: "vault:read vault:write" });
  const { access_token: token, refresh_token = "", client } = let_in;
  return {
    person,
    url: new URL(`${locker.publicOrigin}/v1/mcp`),
    store: new Store(let_in),
    token,
    refresh_token,
    client,
  };
}

/** An hour passes: what was issued until now is refused. */
async function expire({ person, token }: Signed): Promise<void> {
  await inVault(locker, person, "UPDATE access SET expires_at = ?", Date.now() - 1);
  const name = token.slice(10, 34);
  await locker.miniflare.unsafeEvictDurableObject("apilocker", "UserVault", { name, webSockets: "hibernate" });
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
  it("connects, lists, calls what it lists, renews itself in between, and is told when it is disconnected", async () => {
    const signed = await signedIn();
    const { store } = signed;
    const options = versionNegotiation === "legacy" ? {} : { versionNegotiation };
    const client = new CurrentClient({ name: "test", version: "1" }, options);
    await client.connect(new CurrentTransport(signed.url, { authProvider: store }));
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain("list_keys");
    // The client checks structured content against the schema that was listed, for every tool that can be called for nothing.
    for (const { name, annotations } of tools)
      if (annotations?.readOnlyHint === true && name !== "get_key_metadata" && name !== "explain_access")
        expect((await client.callTool({ name, arguments: {} })).isError, name).not.toBe(true);
    expect(store.renewed).toBe(false);
    await expire(signed);
    expect((await client.callTool(KEYS)).structuredContent).toMatchObject(SHOWN);
    expect([store.renewed, store.asked_again]).toEqual([true, 0]);
    await disconnect(signed);
    await expect(async () => client.callTool(KEYS)).rejects.toThrow(/unauthori/i);
    expect(store.asked_again).toBe(1);
    await client.close().catch(() => {});
  });
});

it.each([
  ["today", { mode: "auto" } as const],
  ["2025", undefined],
])(
  "a call that must ask first has the SDK of %s open the question's page, and goes on by itself",
  async (_era, era) => {
    const person = await newPerson(locker);
    await storeKey(person, "openai", "http://127.0.0.1:9");
    const let_in = await connect(locker, person, { scope: "vault:read vault:proxy", ask: "every" });
    const options = {
      capabilities: { elicitation: { url: {} } },
      ...(era === undefined ? {} : { versionNegotiation: era }),
    };
    const client = new CurrentClient({ name: "test", version: "1" }, options);
    const opened: string[] = [];
    client.setRequestHandler("elicitation/create", async ({ params }) => {
      const { url = "" } = params as { url?: string };
      opened.push(url);
      await person.api("POST", `/v1/approvals/${url.split("/").at(-1)}`, { decision: "no" });
      return { action: "accept" };
    });
    const url = new URL(`${locker.publicOrigin}/v1/mcp`);
    await client.connect(new CurrentTransport(url, { authProvider: new Store(let_in) }));
    const answer = await client.callTool({ name: "proxy_request", arguments: { key: "openai", path: "/v1/models" } });
    expect(opened).toHaveLength(1);
    expect(opened[0]).toContain(`${locker.publicOrigin}/approvals/apr_`);
    expect(answer).toMatchObject({ isError: true });
    expect(JSON.stringify(answer)).toContain("said no");
    await client.close();
  },
);

it.each([
  ["by a client of today, which leaves", { pin: "2026-07-28" }],
  ["by a client of 2025, which says so in its session", "legacy"],
] as const)("a call that is given up %s goes no further, and its rows say so", async (_how, mode) => {
  const upstream = await startUpstream(() => {});
  const person = await newPerson(locker);
  await storeKey(person, "slow", upstream.origin);
  const { token, url } = await letIn(locker, person);
  const client = new CurrentClient({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new CurrentTransport(new URL(url), { requestInit }));
  const patience = new AbortController();
  const call = { name: "proxy_request", arguments: { key: "slow", path: "/" } };
  const answer = client.callTool(call, { signal: patience.signal });
  answer.catch(() => {});
  await eventually(async () => upstream.seen.length === 1);
  patience.abort("enough");
  await expect(answer).rejects.toThrow("enough");
  await eventually(async () => upstream.left === 1);
  await eventually(async () => {
    const rows = (await activity(person)).filter(({ action }) => action === "proxy.call" || action === "tool.call");
    return rows.length === 2 && rows.every(({ outcome }) => outcome === "canceled");
  });
  await client.close();
  await upstream.stop();
});

it("a call whose client is killed goes no further either, and its rows say so", async () => {
  const upstream = await startUpstream(() => {});
  const person = await newPerson(locker);
  await storeKey(person, "slow", upstream.origin);
  const { token, url } = await letIn(locker, person);
  const params = { name: "proxy_request", arguments: { key: "slow", path: "/" }, _meta: META };
  const asked = request(url, {
    method: "POST",
    agent: false,
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": params.name,
    },
  });
  asked.on("error", () => {});
  asked.end(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }));
  await eventually(async () => upstream.seen.length === 1);
  asked.socket?.resetAndDestroy();
  await eventually(async () => upstream.left === 1);
  await eventually(async () => {
    const rows = (await activity(person)).filter(({ action }) => action === "proxy.call" || action === "tool.call");
    return rows.length === 2 && rows.every(({ outcome }) => outcome === "canceled");
  });
  await upstream.stop();
});

it("SDK v1 connects, lists, calls, renews itself in between, and is told when it is disconnected", async () => {
  const signed = await signedIn();
  const { store } = signed;
  const client = new OldClient({ name: "test", version: "1" });
  await client.connect(new OldTransport(signed.url, { authProvider: store }) as never);
  expect((await client.listTools()).tools.map(({ name }) => name)).toContain("list_keys");
  await expire(signed);
  expect((await client.callTool(KEYS)).structuredContent).toMatchObject(SHOWN);
  expect([store.renewed, store.asked_again]).toEqual([true, 0]);
  await disconnect(signed);
  await expect(async () => client.callTool(KEYS)).rejects.toThrow(/unauthori/i);
  expect(store.asked_again).toBe(1);
  await client.close().catch(() => {});
});

it("the AI SDK connects, calls, renews itself in between, and is told when it is disconnected", async () => {
  const signed = await signedIn();
  const { store } = signed;
  const client = await createMCPClient({
    transport: { type: "http", url: signed.url.href, authProvider: store as never },
  });
  const tools = await client.tools();
  const list = async () => tools.list_keys?.execute({}, { toolCallId: "1", messages: [] } as never);
  expect(await list()).toMatchObject({ structuredContent: SHOWN });
  await expire(signed);
  expect(await list()).toMatchObject({ structuredContent: SHOWN });
  expect([store.renewed, store.asked_again]).toEqual([true, 0]);
  await disconnect(signed);
  await expect(list()).rejects.toMatchObject({ cause: { name: "UnauthorizedError" } });
  expect(store.asked_again).toBe(1);
  await client.close().catch(() => {});
});

it("mcp-remote carries a stdio client here", async () => {
  const signed = await signedIn();
  const entry = join(dirname(createRequire(import.meta.url).resolve("mcp-remote/package.json")), "dist", "proxy.js");
  const args = [entry, signed.url.href, "--allow-http", "--header", `Authorization:Bearer ${signed.token}`];
  const env = { ...process.env, HOME: home, MCP_REMOTE_CONFIG_DIR: home } as Record<string, string>;
  const client = new OldClient({ name: "test", version: "1" });
  await client.connect(new StdioClientTransport({ command: process.execPath, args, env, stderr: "ignore" }));
  expect((await client.callTool(KEYS)).structuredContent).toMatchObject(SHOWN);
  await client.close();
});

/** The Inspector's command line, as it is installed: one call of it. */
function inspect({ url }: Signed, token: string, era: string, ...more: string[]) {
  const at = dirname(createRequire(import.meta.url).resolve("@modelcontextprotocol/inspector/package.json"));
  const { bin } = JSON.parse(readFileSync(join(at, "package.json"), "utf8")) as { bin: Record<string, string> };
  const entry = join(at, bin["mcp-inspector"] ?? "");
  const where = ["--cli", url.href, "--transport", "http", "--protocol-era", era, "--format", "json"];
  const args = [entry, ...where, "--header", `Authorization: Bearer ${token}`, ...more];
  const env = { ...process.env, HOME: home, MCP_INSPECTOR_SECRET_STORE: "file" };
  return promisify(execFile)(process.execPath, args, { env });
}

const CALL = ["--method", "tools/call", "--tool-name", "list_keys"] as const;

it.each(["legacy", "modern"])("the Inspector finds its way in the %s era", async (era) => {
  const signed = await signedIn();
  const listed = await inspect(signed, signed.token, era, "--method", "tools/list");
  expect(listed.stdout).toContain("list_keys");
  expect((await inspect(signed, signed.token, era, ...CALL)).stdout).toContain("openai");
});

it("the Inspector goes on with a token that was renewed, and is told when it is disconnected", async () => {
  const signed = await signedIn();
  await expire(signed);
  const { client_id } = signed.client;
  const asked = { grant_type: "refresh_token", refresh_token: signed.refresh_token, client_id };
  const { access_token } = await (await tokenRequest(locker, asked)).json<Tokens>();
  expect((await inspect(signed, access_token, "auto", ...CALL)).stdout).toContain("openai");
  await disconnect(signed);
  await expect(inspect(signed, access_token, "auto", ...CALL)).rejects.toThrow(/unauthori|auth_required|401|sign in/i);
});
