import {
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  type ReadResourceResult,
} from "@modelcontextprotocol/server";
import { activityHandlers } from "../api/activity.ts";
import { keyHandlers } from "../api/keys.ts";
import { pagesOf } from "../api/schema/common.ts";
import { Problem } from "../problem.ts";
import { answerOf, operationOf } from "./operation.ts";
import { holds, type Visit } from "./visit.ts";

const JSON_TYPE = "application/json";
const PAGE = 100;
const COMPLETIONS = 100;
const KEY_URI = /^locker:\/\/keys\/([A-Za-z0-9._@%-]{1,200})$/;

const KEYS = {
  uri: "locker://keys",
  name: "keys",
  title: "Keys",
  description: "The keys that this client may use: names, providers, state. No secrets.",
  mimeType: JSON_TYPE,
};
const ACTIVITY = {
  uri: "locker://activity",
  name: "activity",
  title: "Recent activity",
  description: "The newest rows of the audit log that this client may see.",
  mimeType: JSON_TYPE,
};

export const TEMPLATES = [
  {
    uriTemplate: "locker://keys/{name}",
    name: "key",
    title: "A key",
    description: "One key by name: provider, where it may go, versions, use. No secret.",
    mimeType: JSON_TYPE,
  },
];

/** The keys and the activity, then each key by its name. */
export async function listResources(env: Env, visit: Visit, cursor: string | undefined) {
  if (!holds(visit, "vault:read")) return { resources: [] };
  if (!pagesOf("key").cursor.safeParse(cursor).success)
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, "There is no such page.");
  const { items, next_cursor } = await keysPage(env, visit, cursor);
  const keys = items.map(({ name, provider }) => ({
    uri: uriOf(name),
    name: `key ${name}`,
    title: name,
    description: `A key for ${provider}.`,
    mimeType: JSON_TYPE,
  }));
  const resources = cursor === undefined ? [KEYS, ACTIVITY, ...keys] : keys;
  return { resources, ...(next_cursor === undefined ? {} : { nextCursor: next_cursor }) };
}

export async function readResource(env: Env, visit: Visit, uri: string): Promise<ReadResourceResult> {
  const text = await contentsOf(env, visit, uri);
  return { contents: [{ uri, mimeType: JSON_TYPE, text: JSON.stringify(text) }] };
}

async function contentsOf(env: Env, visit: Visit, uri: string): Promise<unknown> {
  const absent = new ResourceNotFoundError(uri, "There is no such resource for this client.");
  if (!holds(visit, "vault:read")) throw absent;
  if (uri === KEYS.uri) return keysPage(env, visit, undefined);
  if (uri === ACTIVITY.uri) {
    const asked = operationOf({ env, visit }, "vault:read");
    return activityHandlers.listActivity({ ...asked, query: { limit: PAGE }, body: {} });
  }
  const [, name] = KEY_URI.exec(uri) ?? [];
  if (name === undefined) throw absent;
  try {
    const asked = operationOf({ env, visit }, "vault:read", { key: decodeURIComponent(name) });
    return await keyHandlers.getKey({ ...asked, query: {}, body: {} });
  } catch (thrown) {
    if (thrown instanceof URIError || (thrown instanceof Problem && thrown.code === "not_found")) throw absent;
    throw thrown;
  }
}

/** Names of keys that begin like this. */
export async function keyNames(env: Env, visit: Visit, beginning: string): Promise<string[]> {
  if (!holds(visit, "vault:read")) return [];
  const query = { limit: COMPLETIONS, q: beginning === "" ? undefined : beginning };
  const asked = operationOf({ env, visit }, "vault:read");
  const { items } = answerOf(await keyHandlers.listKeys({ ...asked, query, body: {} }));
  return items.map(({ name }) => name).filter((name) => name.startsWith(beginning));
}

async function keysPage(env: Env, visit: Visit, cursor: string | undefined) {
  const asked = operationOf({ env, visit }, "vault:read");
  return answerOf(await keyHandlers.listKeys({ ...asked, query: { limit: PAGE, cursor }, body: {} }));
}

function uriOf(name: string): string {
  return `locker://keys/${encodeURIComponent(name)}`;
}
