import { classifyInboundRequest, isJsonContentType } from "@modelcontextprotocol/server";
import { BODY_BYTES } from "../api/body.ts";
import { isSaidToFit } from "../body.ts";
import { configOf } from "../config.ts";
import { isObject } from "../json.ts";
import { asProblem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import { refused } from "./call_tool.ts";
import { recording } from "./reading.ts";
import type { Arrived } from "./serve.ts";
import { CURRENT_VERSION, IDENTITY, PRIVATE, SESSION_VERSIONS } from "./server.ts";
import { acceptsEither, sessionIn } from "./session_bridge.ts";
import { toolNamed, toolsWithin } from "./tools.ts";
import { vaultOf } from "./visit.ts";

/** What every result of 2026-07-28 says beside what was asked. */
const COMPLETE = { resultType: "complete" } as const;
const META = { _meta: { "io.modelcontextprotocol/serverInfo": IDENTITY } };
const CURRENT = membersOf({ ...COMPLETE, ...META });

const ENVELOPE = ["protocolVersion", "clientInfo", "clientCapabilities"].map(
  (name) => `io.modelcontextprotocol/${name}`,
);

/** A request as it is answered here; by whom it says that it was sent, or within which session. */
type Plain = { id: string | number; method: unknown; params: Record<string, unknown>; session_id: string | null };

/**
 * Does its head say that this may be one of the questions that are answered here? The body decides, and is read for that before the
 * vault is asked: nothing about it may be refused before whoever sent it is.
 */
export function mayBeDirect(request: Request): boolean {
  const { method, headers } = request;
  if (method !== "POST") return false;
  const asked = headers.get("mcp-method");
  const fits =
    sessionIn(headers) === null
      ? asked === "tools/list" || asked === "tools/call"
      : asked === null && isOfSession(headers);
  return fits && isJsonContentType(headers.get("content-type")) && isSaidToFit(request, BODY_BYTES);
}

function isOfSession(headers: Headers): boolean {
  const version = headers.get("mcp-protocol-version");
  return (version === null || SESSION_VERSIONS.includes(version)) && acceptsEither(headers);
}

/**
 * What agents ask all day (which tools are there, and one that only reads), answered with one question to the vault and without
 * making a server for it, or waking a session's, which is most of what such a call costs. Only what is spelled to the letter and
 * wants nothing special is answered here, just as the SDK's server would; undefined for all else, which is its to serve or to
 * refuse.
 */
export async function answerDirectly(arrived: Arrived, body: unknown): Promise<Response | undefined> {
  const message = configOf(arrived.env).conformance_fixtures ? undefined : plainRequest(arrived.request, body);
  switch (message?.method) {
    case "tools/list":
      return holdsOnly(message.params, ["_meta"]) ? listTools(arrived, message) : undefined;
    case "tools/call":
      return holdsOnly(message.params, ["_meta", "name", "arguments"]) ? callTool(arrived, message) : undefined;
    default:
      return undefined;
  }
}

/** The message, where its headers say the same as its body and nothing about it is to be refused. */
function plainRequest({ headers }: Request, body: unknown): Plain | undefined {
  if (!isObject(body) || !holdsOnly(body, ["jsonrpc", "id", "method", "params"])) return undefined;
  const { jsonrpc, id, method, params = {} } = body;
  if (jsonrpc !== "2.0" || (typeof id !== "string" && !Number.isSafeInteger(id)) || !isObject(params)) return undefined;
  const { name = null, _meta: meta } = params;
  const session_id = sessionIn(headers);
  const plain = { id: id as string | number, method, params, session_id };
  if (session_id !== null) return meta === undefined || wantsNothing(meta) ? plain : undefined;
  if (headers.get("mcp-method") !== method || headers.get("mcp-name") !== name) return undefined;
  if (headers.get("mcp-protocol-version") !== CURRENT_VERSION || !isSoundEnvelope(meta)) return undefined;
  return plain;
}

/** Beside a session's request: at most where to tell of progress, of which a tool that only reads makes none. */
function wantsNothing(meta: unknown): boolean {
  return isObject(meta) && holdsOnly(meta, ["progressToken"]) && /^(string|number)$/.test(typeof meta.progressToken);
}

/** Envelopes that were found to be right: a client sends the same each time, and judging it costs more than answering. */
const sound = new Set<string>();
const REMEMBERED = 1_000;
const ENVELOPE_LENGTH = 4_096;

/** By the SDK's own reading, and with nothing in it that asks for more than an answer. */
function isSoundEnvelope(meta: unknown): boolean {
  if (!isObject(meta) || !holdsOnly(meta, ENVELOPE)) return false;
  const text = JSON.stringify(meta);
  if (sound.has(text)) return true;
  const message = { jsonrpc: "2.0", id: 0, method: "tools/list", params: { _meta: meta } };
  const route = classifyInboundRequest({ httpMethod: "POST", protocolVersionHeader: CURRENT_VERSION, body: message });
  if (route.kind !== "modern" || text.length > ENVELOPE_LENGTH) return false;
  if (sound.size >= REMEMBERED) sound.clear();
  sound.add(text);
  return true;
}

async function listTools({ env, visit }: Arrived, asked: Plain): Promise<Response> {
  const { scopes } = await ask(vaultOf(env, visit).greet(visit.caller, asked.session_id));
  return answered(asked, asked.session_id === null ? listed(scopes).current : listed(scopes).session);
}

const lists = new Map<string, { current: string; session: string }>();

/** The result of `tools/list` for whoever has these scopes: the same texts each time. */
function listed(scopes: Parameters<typeof toolsWithin>[0]): { current: string; session: string } {
  const key = scopes.toSorted().join(" ");
  let texts = lists.get(key);
  if (texts === undefined) {
    const result = { tools: toolsWithin(scopes) };
    texts = {
      current: JSON.stringify({ ...result, ...COMPLETE, ...PRIVATE, ...META }),
      session: JSON.stringify(result),
    };
    lists.set(key, texts);
  }
  return texts;
}

async function callTool({ env, visit }: Arrived, asked: Plain): Promise<Response | undefined> {
  const { name, arguments: given = {} } = asked.params;
  const tool = typeof name === "string" ? toolNamed(name) : undefined;
  if (tool?.reading === undefined) return undefined;
  const input = tool.input.safeParse(given);
  if (!input.success) return undefined;
  const reading = recording(vaultOf(env, visit), tool.reading, {
    tool: tool.name,
    key: tool.keyOf?.(input.data),
    scope: tool.scope,
    session_id: asked.session_id,
  });
  try {
    const text = JSON.stringify(await tool.run({ env, visit, vault: reading.vault }, input.data));
    return told(asked, `"structuredContent":${text},"content":[{"type":"text","text":${JSON.stringify(text)}}]`);
  } catch (thrown) {
    const problem = asProblem(thrown);
    if (reading.recorded) return told(asked, membersOf(refused(problem)));
    // Not let in, which the router words; or only not to this: then it is told what it would need.
    if (problem.code !== "insufficient_scope") throw problem;
    return undefined;
  }
}

/** The result of a call, of which these are the members that tell its outcome. */
function told(asked: Plain, outcome: string): Response {
  return answered(asked, asked.session_id === null ? `{${outcome},${CURRENT}}` : `{${outcome}}`);
}

/** One message of JSON, in either era: clients of sessions take that as well as a stream (2025-03-26, Streamable HTTP). */
function answered({ id, session_id }: Plain, result: string): Response {
  const text = `{"result":${result},"jsonrpc":"2.0","id":${JSON.stringify(id)}}`;
  const session = session_id === null ? undefined : { "mcp-session-id": session_id };
  return new Response(text, { headers: { "content-type": "application/json", ...session } });
}

/** An object's members as JSON, to stand beside others. */
function membersOf(value: object): string {
  return JSON.stringify(value).slice(1, -1);
}

function holdsOnly(value: object, names: readonly string[]): boolean {
  return Object.keys(value).every((name) => names.includes(name));
}
