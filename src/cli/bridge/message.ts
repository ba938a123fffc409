/** A JSON-RPC message, as far as a bridge looks into it. */
export type Id = string | number;
export type Message = {
  jsonrpc: "2.0";
  id?: Id | null;
  method?: string;
  params?: { _meta?: Record<string, unknown>; [name: string]: unknown };
  result?: unknown;
  error?: unknown;
};

export type Request = Message & { id: Id; method: string };

/** Since 2026-07-28 every request says its protocol version itself; before, a session does. */
const VERSION = "io.modelcontextprotocol/protocolVersion";
/** What a method acts on, which a header must repeat. */
const NAMED: Readonly<Record<string, string>> = {
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
};

export function isMessage(value: unknown): value is Message {
  return typeof value === "object" && value !== null && (value as Message).jsonrpc === "2.0";
}

/** The messages of a text. Whatever is no JSON-RPC does not reach the client. */
export function messagesIn(text: string): Message[] {
  try {
    const value: unknown = JSON.parse(text);
    return (Array.isArray(value) ? value : [value]).filter(isMessage);
  } catch {
    return [];
  }
}

export function isRequest(message: Message): message is Request {
  return typeof message.method === "string" && (typeof message.id === "string" || typeof message.id === "number");
}

/** The version that a message names; undefined for one of the time of sessions. */
export function versionOf({ params }: Message): string | undefined {
  const version = params?._meta?.[VERSION];
  return typeof version === "string" ? version : undefined;
}

/** The headers that repeat a modern message (2026-07-28, Streamable HTTP); they must say just what the body says. */
export function mirroredHeaders(message: Message): Record<string, string> {
  const version = versionOf(message);
  if (version === undefined || message.method === undefined) return {};
  const field = NAMED[message.method];
  const name = field === undefined ? undefined : message.params?.[field];
  return {
    "mcp-protocol-version": version,
    "mcp-method": message.method,
    ...(typeof name === "string" ? { "mcp-name": headerValue(name) } : {}),
  };
}

/** A value that no header can hold, or that looks as if it were encoded, is encoded. */
export function headerValue(text: string): string {
  if (/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !/^=\?base64\?.*\?=$/.test(text)) return text;
  return `=?base64?${Buffer.from(text).toString("base64")}?=`;
}

export function errorFor(id: Id | null, code: number, message: string): Message {
  return { jsonrpc: "2.0", id, error: { code, message } };
}
