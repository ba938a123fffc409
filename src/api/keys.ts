import type * as z from "zod";
import { providerOf } from "../catalog/catalog.ts";
import { configOf } from "../config.ts";
import { Problem } from "../problem.ts";
import { overridesMethod } from "../proxy/headers.ts";
import { probe } from "../proxy/probe.ts";
import { ask } from "../vault/answer.ts";
import type { KeyDetails } from "../vault/keys/change_keys.ts";
import type { Destination, KeyChanges } from "../vault/keys/key.ts";
import type { Secret } from "../vault/keys/sealer.ts";
import { assertUsed, destinationOf, withEndpoints } from "./destination.ts";
import { paged, pageOf, type Handlers } from "./operation.ts";
import type { KEY_OPERATIONS, KeyPatch } from "./schema.ts";
import { wireReceipt, wireTime } from "./wire.ts";
import { wireAllowedKey, wireDeletedKey, wireKey, wireKeyDetails, wireKeyVersions } from "./wire_keys.ts";

const SECRET_BYTES = 64 * 1024;

export const keyHandlers: Handlers<typeof KEY_OPERATIONS> = {
  createKey: async ({ env, vault, who, body }) => {
    const key = withEndpoints(body);
    const secret = secretOf(key);
    const destination = destinationOf(key, secret, configOf(env));
    const { name, tags, note = null, scrub, revealable } = key;
    const expires_at = key.expires_at === undefined ? null : Date.parse(key.expires_at);
    const stored = { name, tags, note, scrub, revealable, expires_at, destination };
    return wireKey(await ask(vault.createKey(who.caller, stored, secret)));
  },
  listKeys: async ({ vault, who, query }) => {
    const { limit, cursor, ...filter } = query;
    const keys = await ask(vault.listKeys(who.caller, cursor, limit + 1, filter));
    return paged(keys.map(wireKey), limit, ({ id }) => id);
  },
  getKey: async ({ vault, who, param }) => wireKeyDetails(await ask(vault.getKey(who.caller, param("key")))),
  listKeyVersions: async ({ vault, who, param, query }) =>
    pageOf(wireKeyVersions(await ask(vault.keyVersions(who.caller, param("key")))), query),
  changeKey: async ({ env, vault, who, param, body: patch }) => {
    const changes = changesOf(patch);
    if (patch.scopes !== undefined) {
      const { id, destination } = await ask(vault.getKey(who.caller, param("key")));
      const next = { destination: scoped(destination, patch.scopes), secret: {}, overlap_ms: 0, changes, keep: true };
      return wireKey(await ask(vault.rotateKey(who.caller, id, next)));
    }
    if (patch.secret === undefined && patch.fields === undefined) {
      return wireKey(await ask(vault.changeKey(who.caller, param("key"), changes)));
    }
    const before = await ask(vault.getKey(who.caller, param("key")));
    const wanted = withEndpoints({ ...overlaid(before, patch), fields: patch.fields });
    const secret = secretOf({ secret: patch.secret, fields: wanted.fields });
    const destination = destinationOf(wanted, secret, configOf(env));
    return wireKey(
      await ask(vault.rotateKey(who.caller, param("key"), { destination, secret, overlap_ms: 0, changes })),
    );
  },
  rotateKey: async ({ env, vault, who, param, body: rotation }) => {
    const key = await ask(vault.getKey(who.caller, param("key")));
    const secret = secretOf(rotation);
    const overlap_ms = rotation.overlap_seconds * 1_000;
    if (key.destination.placement.in === "oauth") {
      // One of several fields may be given by itself: a new client secret, or another refresh token.
      const { destination } = key;
      assertUsed(secret, destination.placement);
      return wireKey(await ask(vault.rotateKey(who.caller, key.id, { destination, secret, overlap_ms, keep: true })));
    }
    const destination = destinationOf(overlaid(key, {}), secret, configOf(env));
    return wireKey(await ask(vault.rotateKey(who.caller, key.id, { destination, secret, overlap_ms, changes: {} })));
  },
  rollBackKey: async ({ vault, who, param, body }) => {
    const { version } = body;
    return wireKey(await ask(vault.rollBackKey(who.caller, param("key"), version)));
  },
  revealKey: async ({ vault, who, param }) => {
    const [revealed] = (await ask(vault.revealKeys(who.caller, [param("key")]))).map(wireRevealed);
    if (revealed === undefined) throw new Problem("not_found", "There is no such key.");
    return revealed;
  },
  revealKeys: async ({ vault, who, body }) => {
    const { keys } = body;
    return { items: (await ask(vault.revealKeys(who.caller, keys))).map(wireRevealed) };
  },
  testKey: async ({ env, vault, who, param, body: asked }) => {
    const key = await ask(vault.getKey(who.caller, param("key")));
    const known = providerOf(key.destination.provider)?.test;
    const wanted = asked.path ?? known?.path;
    if (wanted === undefined) {
      const errors = [{ field: "path", rule: "must be given: no harmless call is known for this provider" }];
      throw new Problem("invalid_request", "No harmless call is known for this provider; say which path to GET.", {
        errors,
      });
    }
    const method = asked.method ?? (asked.path === undefined ? known?.method : undefined) ?? "GET";
    const [path = "", query = ""] = wanted.split("?");
    const overridden = overridesMethod([], query);
    const dispatch = await ask(vault.tryKey(who.caller, { key: key.id, method, path, overridden }));
    return probe(configOf(env), vault, dispatch, { method, path, query });
  },
  createEntryLink: async ({ env, vault, who, param }) => {
    const { handle, expires_at } = await ask(vault.createPageLink(who.caller, { kind: "rotate", key: param("key") }));
    return { url: `${configOf(env).public_origin}/entry/${handle}`, expires_at: wireTime(expires_at) };
  },
  connectKey: async ({ env, vault, who, param }) => {
    const { handle, expires_at } = await ask(vault.createConnectLink(who.caller, param("key")));
    return { url: `${configOf(env).public_origin}/connect/${handle}`, expires_at: wireTime(expires_at) };
  },
  disconnectKey: async ({ vault, who, param }) => wireKey(await ask(vault.disconnect(who.caller, param("key")))),
  pauseKey: async ({ vault, who, param }) => wireKey(await ask(vault.pauseKey(who.caller, param("key")))),
  resumeKey: async ({ vault, who, param }) => wireKey(await ask(vault.resumeKey(who.caller, param("key")))),
  listDeletedKeys: async ({ vault, who, query }) =>
    pageOf((await ask(vault.deletedKeys(who.caller))).map(wireDeletedKey), query),
  listAllowedKeys: async ({ env, vault, who, query: { limit, cursor } }) => {
    const keys = await ask(vault.allowedKeys(who.caller, cursor, limit + 1));
    return paged(
      keys.map((key) => wireAllowedKey(key, configOf(env))),
      limit,
      ({ id }) => id,
    );
  },
  restoreKey: async ({ vault, who, param }) => wireKey(await ask(vault.restoreKey(who.caller, param("key")))),
  deleteKey: async ({ vault, who, param }) => wireReceipt(await ask(vault.deleteKey(who.caller, param("key")))),
};

/** A secret's fields; a single secret is the field `secret`. */
function secretOf({ secret, fields }: { secret?: string | undefined; fields?: Secret | undefined }): Secret {
  const all = secret === undefined ? (fields ?? {}) : { secret };
  if (Object.values(all).some((text) => text.length > SECRET_BYTES))
    throw new Problem("too_large", "A secret is at most 64 KiB.");
  return all;
}

/** Where a key's next secret goes: as before, but for what the person says anew. Another provider begins from its own defaults. */
function overlaid(
  key: KeyDetails,
  patch: Pick<z.output<typeof KeyPatch>, "provider" | "base_url" | "placement" | "headers">,
) {
  const { provider, origin, base_path, placement, headers } = key.destination;
  if (patch.provider !== undefined && patch.provider !== provider) return { ...patch, provider: patch.provider };
  return {
    provider,
    base_url: patch.base_url ?? origin + base_path,
    placement: patch.placement ?? placement,
    headers: patch.headers ?? headers,
  };
}

/** What is asked for may change without the secret: it is sent nowhere else for it. */
function scoped(destination: Destination, scopes: string): Destination {
  const { placement } = destination;
  if (placement.in === "oauth") return { ...destination, placement: { ...placement, scopes } };
  const errors = [{ field: "scopes", rule: "is only for keys that are connected by OAuth" }];
  throw new Problem("invalid_request", "This key has no scopes.", { errors });
}

function changesOf({ name, tags, note, scrub, revealable, expires_at }: z.output<typeof KeyPatch>): KeyChanges {
  const said = {
    name,
    tags,
    note,
    scrub,
    revealable,
    expires_at: typeof expires_at === "string" ? Date.parse(expires_at) : expires_at,
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}

function wireRevealed({ key, secret }: { key: { id: string; name: string; version: number }; secret: Secret }) {
  return { id: key.id, name: key.name, version: key.version, fields: secret };
}
