import { randomUUID } from "node:crypto";
import { parseKeyRing } from "../../src/config.ts";
import { mintToken, type TokenKind } from "../../src/crypto/token.ts";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";

/** An MCP client that was let in: its access token, and the grant behind it. */
export type Client = { token: string; grant_id: string; url: string };

/** The object of a person's vault. */
export function vaultOf({ cookie }: Person): { name: string } {
  const token = cookie.slice(cookie.indexOf("alk_ses_"));
  return { name: token.slice(10, 34) };
}

export async function inVault<T = Record<string, unknown>>(
  locker: LocalLocker,
  person: Person,
  query: string,
  ...values: unknown[]
): Promise<T[]> {
  const storage = await locker.miniflare.unsafeGetDurableObjectStorage("apilocker", "UserVault", vaultOf(person));
  return storage.exec(query, ...(values as string[])) as Promise<T[]>;
}

/** Lets a client in without the dance, as if its person had just said yes. */
export async function letIn(
  locker: LocalLocker,
  person: Person,
  {
    scopes = ["vault:read", "vault:proxy", "vault:write"],
    keys,
    ask,
  }: { scopes?: string[]; keys?: string[]; ask?: object } = {},
): Promise<Client> {
  const grant_id = `grt_${randomUUID().replaceAll("-", "").slice(0, 26).toUpperCase()}`;
  const snapshot = {
    registration: "registered",
    name: "Agent",
    homepage: null,
    logo: null,
    redirect_uris: ["https://agent.example/cb"],
  };
  const now = Date.now();
  await inVault(
    locker,
    person,
    `INSERT INTO "grant" (id, client_id, client, scopes, keys, ask, created_at) VALUES (?, 'agent', ?, ?, ?, ?, ?)`,
    grant_id,
    JSON.stringify(snapshot),
    JSON.stringify(scopes),
    keys === undefined ? null : JSON.stringify(keys),
    ask === undefined ? null : JSON.stringify(ask),
    now,
  );
  return { token: await anotherToken(locker, person, grant_id), grant_id, url: `${locker.publicOrigin}/v1/mcp` };
}

/** One more access token of a grant, as a refresh gives it. */
export async function anotherToken(
  locker: LocalLocker,
  person: Person,
  grant_id: string,
  kind: TokenKind = "oat",
  scopes = ["vault:read", "vault:proxy", "vault:write", "vault:reveal"],
): Promise<string> {
  const { TOKEN_KEYS } = await locker.state.secrets();
  const { token, hash } = mintToken(parseKeyRing("TOKEN_KEYS", TOKEN_KEYS), kind, vaultOf(person).name);
  await inVault(
    locker,
    person,
    "INSERT INTO token (id, kind, hash, parent_id, name, policy, created_at, expires_at, seen_at) VALUES (?, ?, ?, ?, 'Agent', ?, ?, ?, ?)",
    `${kind}_${randomUUID()}`,
    kind,
    hash,
    kind === "oat" ? grant_id : null,
    JSON.stringify(kind === "oat" ? { scopes } : {}),
    Date.now(),
    Date.now() + 3_600_000,
    Date.now(),
  );
  return token;
}

/** An answer of `/v1/mcp`: its head, and the JSON-RPC messages in its body, however they were framed. */
export type McpAnswer = { status: number; headers: Headers; text: string; messages: RpcMessage[] };
type RpcMessage = {
  id?: number | string | null;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { code: number; message: string; data?: unknown };
};

const ACCEPT = "application/json, text/event-stream";
const IDENTITY = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
};
/** What a client of 2026-07-28 that can do nothing special says of itself with each request. */
export const META = { ...IDENTITY, "io.modelcontextprotocol/clientCapabilities": {} };

/** One POST with a JSON-RPC message, as it is. */
export async function post(
  { url, token }: Pick<Client, "url" | "token">,
  message: unknown,
  headers: Record<string, string> = {},
): Promise<McpAnswer> {
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", accept: ACCEPT, ...headers },
    body: JSON.stringify(message),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, messages: messagesIn(text) };
}

function messagesIn(text: string): RpcMessage[] {
  const data = text.startsWith("{") ? [text] : [...text.matchAll(/^data: (.*)$/gm)].map(([, line]) => line as string);
  return data.map((line) => JSON.parse(line) as RpcMessage);
}

/** One request as a client of 2026-07-28 makes it. */
export function current(
  client: Pick<Client, "url" | "token">,
  method: string,
  params: Record<string, unknown> = {},
  capabilities: object = {},
): Promise<McpAnswer> {
  const name = params.name ?? params.uri;
  const meta = { ...IDENTITY, "io.modelcontextprotocol/clientCapabilities": capabilities, ...(params._meta as object) };
  const headers = {
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": method,
    ...(typeof name === "string" ? { "mcp-name": name } : {}),
  };
  return post(client, { jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: meta } }, headers);
}

/** Opens a session as a client of 2025 does. */
export async function openSession(
  client: Pick<Client, "url" | "token">,
  { version = "2025-11-25", capabilities = {} }: { version?: string; capabilities?: object } = {},
): Promise<Session> {
  const params = { protocolVersion: version, capabilities, clientInfo: { name: "test", version: "1" } };
  const answer = await post(client, { jsonrpc: "2.0", id: 0, method: "initialize", params });
  const id = answer.headers.get("mcp-session-id");
  if (id === null) throw new Error(`no session: ${answer.status} ${answer.text}`);
  let last = 0;
  const headers = { "mcp-session-id": id, "mcp-protocol-version": version };
  const as = (token: string): Session => ({
    id,
    answer,
    headers,
    request: (method, params = {}) =>
      post({ ...client, token }, { jsonrpc: "2.0", id: ++last, method, params }, headers),
    reply: (id, result) => post({ ...client, token }, { jsonrpc: "2.0", id, result }, headers),
    as,
  });
  await post(client, { jsonrpc: "2.0", method: "notifications/initialized" }, headers);
  return as(client.token);
}

export type Session = {
  id: string;
  answer: McpAnswer;
  headers: Record<string, string>;
  request: (method: string, params?: object) => Promise<McpAnswer>;
  /** Answers what the server has asked. */
  reply: (id: number | string, result: object) => Promise<McpAnswer>;
  /** The same session with another token. */
  as: (token: string) => Session;
};

/** The result of a request that was answered well. */
export function resultOf({ status, text, messages }: McpAnswer): Record<string, unknown> {
  const result = messages.findLast(({ id, result }) => id !== undefined && result !== undefined)?.result;
  if (result === undefined) throw new Error(`no result: ${status} ${text}`);
  return result;
}

/** What a tool answered: its structured content, or why it refused. */
function toolAnswer(answer: McpAnswer): {
  structured?: Record<string, unknown>;
  error?: ToolError;
  text: string;
} {
  const result = resultOf(answer) as {
    isError?: boolean;
    structuredContent?: Record<string, unknown>;
    content: { type: string; text?: string }[];
  };
  const text = result.content[0]?.text ?? "";
  if (result.isError === true) return { error: (JSON.parse(text) as { error: ToolError }).error, text };
  return { ...(result.structuredContent === undefined ? {} : { structured: result.structuredContent }), text };
}

type ToolError = {
  code: string;
  detail: string;
  rule?: string;
  hint?: string;
  approval_url?: string;
  errors?: { field: string; rule: string }[];
};

/** Calls a tool that destroys as a client that shows forms, for a person who says yes. */
export async function confirmed(client: Pick<Client, "url" | "token">, name: string, args: object = {}) {
  const asked = { name, arguments: args };
  const form = { elicitation: { form: {} } };
  const { requestState } = resultOf(await current(client, "tools/call", asked, form));
  const inputResponses = { confirm: { action: "accept", content: { confirm: true } } };
  return toolAnswer(await current(client, "tools/call", { ...asked, inputResponses, requestState }, form));
}

/** Calls a tool as a client of 2026-07-28. */
export async function call(
  client: Pick<Client, "url" | "token">,
  name: string,
  args: object = {},
  capabilities: object = {},
) {
  return toolAnswer(await current(client, "tools/call", { name, arguments: args }, capabilities));
}

/** The stream on which a server speaks unasked; `ended` resolves when it ends. */
export async function openStream(client: Pick<Client, "url" | "token">, session: Pick<Session, "headers">) {
  const abort = new AbortController();
  const response = await fetch(client.url, {
    headers: { authorization: `Bearer ${client.token}`, accept: "text/event-stream", ...session.headers },
    signal: abort.signal,
  });
  let heard = "";
  const ended = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) heard += decoder.decode(chunk, { stream: true });
    return heard;
  })().catch(() => heard);
  return { status: response.status, headers: response.headers, ended, heard: () => heard, leave: () => abort.abort() };
}

/** The object of a session. */
function sessionObject(id: string): { name: string } {
  return { name: `streamable-http:${id}` };
}

/** Puts a session's object to sleep, or ends it as a deploy does; its streams sleep or are broken with it. */
export async function evictSession(locker: LocalLocker, id: string, webSockets: "hibernate" | "close"): Promise<void> {
  await locker.miniflare.unsafeEvictDurableObject("apilocker", "McpSession", { ...sessionObject(id), webSockets });
}

/** What is left in a session's object: its tables and entries. */
export async function remainsOf(locker: LocalLocker, id: string): Promise<string[]> {
  const storage = await locker.miniflare.unsafeGetDurableObjectStorage("apilocker", "McpSession", sessionObject(id));
  const tables = (await storage.exec("SELECT name FROM sqlite_master WHERE type = 'table'")) as { name: string }[];
  // Miniflare notes the object's name in a table of its own.
  return tables.map(({ name }) => name).filter((name) => !name.startsWith("__miniflare"));
}
