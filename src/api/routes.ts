import { Hono, type Context } from "hono";
import type * as z from "zod";
import { identify, type Identified } from "../auth/caller.ts";
import { listProviders } from "../catalog/catalog.ts";
import { configOf } from "../config.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { UserVault } from "../vault/vault.ts";
import { activityPage, verifyActivity } from "./activity.ts";
import { destinationOf } from "./destination.ts";
import { openapi } from "./openapi.ts";
import { parse, readJson } from "./problems.ts";
import { NewKey, NewToken, OPERATIONS, type Operation, type OperationId } from "./schema.ts";
import { wireKey, wireReceipt, wireRow, wireSession, wireTime, wireToken } from "./wire.ts";

type App = { Bindings: Env };
type Queried = { limit: number; cursor?: string | undefined };

/** What a handler works with: the vault that the caller named by token, and the operation's checked input. */
type Asked = {
  env: Env;
  who: Identified;
  vault: DurableObjectStub<UserVault>;
  param: (name: string) => string;
  query: never;
  body: never;
};
type Handler = (asked: Asked) => Promise<unknown>;

const SECRET_BYTES = 64 * 1024;

const HANDLERS: Record<OperationId, Handler> = {
  createKey: async ({ env, vault, who, body }) => {
    const key: z.output<typeof NewKey> = body;
    const destination = destinationOf(key, configOf(env));
    const secret = key.secret === undefined ? (key.fields ?? {}) : { secret: key.secret };
    if (JSON.stringify(secret).length > SECRET_BYTES) throw new Problem("too_large", "A secret is at most 64 KiB.");
    const { name, tags, note = null, scrub, revealable } = key;
    const expires_at = key.expires_at === undefined ? null : Date.parse(key.expires_at);
    return wireKey(
      await ask(vault.createKey(who.caller, { name, tags, note, scrub, revealable, expires_at, destination }, secret)),
    );
  },
  listKeys: async ({ vault, who, query }) => {
    const { limit, cursor, provider, tag, q }: Queried & { provider?: string; tag?: string; q?: string } = query;
    return paged(
      (await ask(vault.listKeys(who.caller, cursor, limit + 1, { provider, tag, q }))).map(wireKey),
      limit,
      ({ id }) => id,
    );
  },
  getKey: async ({ vault, who, param }) => wireKey(await ask(vault.getKey(who.caller, param("key")))),
  pauseKey: async ({ vault, who, param }) => wireKey(await ask(vault.pauseKey(who.caller, param("key")))),
  resumeKey: async ({ vault, who, param }) => wireKey(await ask(vault.resumeKey(who.caller, param("key")))),
  deleteKey: async ({ vault, who, param }) => wireReceipt(await ask(vault.deleteKey(who.caller, param("key")))),

  createToken: async ({ vault, who, body }) => {
    const { name, policy = {} }: z.output<typeof NewToken> = body;
    const expires_at = policy.expires_at === undefined ? undefined : Date.parse(policy.expires_at);
    const { token, row } = await ask(vault.createToken(who.caller, name, { ...policy, expires_at }));
    return { id: row.id, token, expires_at: wireToken(row).expires_at };
  },
  listTokens: async ({ vault, who, query }) => {
    const { limit, cursor }: Queried = query;
    return paged(
      (await ask(vault.listTokens(who.caller, "app", cursor, limit + 1))).map(wireToken),
      limit,
      ({ id }) => id,
    );
  },
  getToken: async ({ vault, who, param }) => wireToken(await ask(vault.getToken(who.caller, param("id")))),
  pauseToken: async ({ vault, who, param }) => wireToken(await ask(vault.pauseToken(who.caller, param("id")))),
  resumeToken: async ({ vault, who, param }) => wireToken(await ask(vault.resumeToken(who.caller, param("id")))),
  revokeToken: async ({ vault, who, param }) => wireReceipt(await ask(vault.revokeToken(who.caller, param("id")))),

  listActivity: async ({ env, who, query }) => {
    const { limit, cursor = Number.MAX_SAFE_INTEGER }: { limit: number; cursor?: number } = query;
    const { rows } = await activityPage(env, who, cursor, limit + 1);
    return paged(rows.map(wireRow), limit, ({ seq }) => String(seq));
  },
  verifyActivity: async ({ env, who }) => {
    const { rows, fault, heads } = await verifyActivity(env, who);
    return { ok: fault === undefined, rows, head: { seq: heads.head_seq, hash: heads.head_hash }, fault };
  },

  listProviders: async () => ({ items: listProviders() }),
  listSessions: async ({ vault, who, query }) => {
    const { limit, cursor }: Queried = query;
    const { session } = await ask(vault.me(who.caller));
    const sessions = (await ask(vault.listTokens(who.caller, "ses", cursor, limit + 1))).filter(
      ({ revoked_at }) => revoked_at === null,
    );
    return paged(
      sessions.map((one) => wireSession(one, one.id === session.id)),
      limit,
      ({ id }) => id,
    );
  },
  me: async ({ vault, who }) => {
    const { account_id, identities, session } = await ask(vault.me(who.caller));
    return {
      account_id,
      identities: identities.map(({ issuer, email, name, linked_at }) => ({
        issuer,
        email: email ?? undefined,
        name: name ?? undefined,
        linked_at: wireTime(linked_at),
      })),
      session: session.kind === "ses" ? wireSession(session, true) : undefined,
    };
  },
};

/** The JSON API, one route per row of the contract. */
export const api = new Hono<App>();

for (const [id, operation] of Object.entries(OPERATIONS) as [OperationId, Operation][]) {
  const path = `/v1${operation.path.replace(/\{(\w+)\}/g, ":$1")}`;
  api.on(operation.method, path, async (context: Context<App>) => {
    const { env, req } = context;
    const who = identify(req.raw, configOf(env), operation.may);
    const query = operation.query === undefined ? {} : parse(operation.query, req.query());
    const body = operation.body === undefined ? {} : parse(operation.body, await readJson(req.raw));
    const param = (name: string) => req.param(name) ?? "";
    const vault = env.USER_VAULT.getByName(who.vault_id);
    const answer = await HANDLERS[id]({ env, who, vault, param, query: query as never, body: body as never });
    return context.json(answer, operation.status, { "cache-control": "no-store" });
  });
}

api.get("/openapi.json", ({ env, json }) => json(openapi(configOf(env).public_origin)));
api.all("/v1/*", () => {
  throw new Problem("not_found", "There is no such operation; /openapi.json lists them.");
});

/** One page of what was read with one row too many. */
function paged<T>(items: T[], limit: number, cursorOf: (item: T) => string): { items: T[]; next_cursor?: string } {
  const last = items[limit - 1];
  return items.length > limit && last !== undefined
    ? { items: items.slice(0, limit), next_cursor: cursorOf(last) }
    : { items };
}
