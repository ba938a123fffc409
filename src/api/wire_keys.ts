/** Keys as the wire wants them. */
import type * as z from "zod";
import { providerOf } from "../catalog/catalog.ts";
import type { Config } from "../config.ts";
import type { KeyDetails as StoredDetails } from "../vault/keys/change_keys.ts";
import type { UsedVersion } from "../vault/keys/key_uses.ts";
import type { ApiKey } from "../vault/keys/key.ts";
import type { Thrown } from "../vault/keys/trash.ts";
import type { AllowedKey, DeletedKey, Key, KeyDetails, KeyVersion } from "./schema.ts";
import { optionalTime, wireTime } from "./wire.ts";

export function wireKey(key: ApiKey): z.output<typeof Key> {
  const { provider, origin, base_path, placement, headers } = key.destination;
  const { id, name, version, tags, scrub, revealable, uses } = key;
  return {
    id,
    name,
    provider,
    version,
    base_url: origin + base_path,
    placement,
    headers,
    tags,
    note: key.note ?? undefined,
    scrub,
    revealable,
    paused: key.paused_at !== null,
    created_at: wireTime(key.created_at),
    updated_at: wireTime(key.updated_at),
    expires_at: optionalTime(key.expires_at),
    last_used_at: optionalTime(key.last_used_at),
    uses,
    overlap_until: optionalTime(key.overlap_until),
    connection: placement.in === "oauth" ? (key.connection ?? "not_connected") : undefined,
  };
}

export function wireKeyDetails({ former_names, versions, oauth, ...key }: StoredDetails): z.output<typeof KeyDetails> {
  return {
    ...wireKey(key),
    former_names,
    versions: versions.map(({ version, destination, created_at }) => ({
      version,
      base_url: destination.origin + destination.base_path,
      created_at: wireTime(created_at),
      current: version === key.version,
    })),
    oauth: oauth === null ? undefined : wireConnection(oauth),
  };
}

export function wireKeyVersions({
  key,
  versions,
}: {
  key: ApiKey;
  versions: UsedVersion[];
}): z.output<typeof KeyVersion>[] {
  const overlaps = (key.overlap_until ?? 0) > Date.now();
  return versions.map(({ version, uses, last_used_at, kept }) => {
    const used = { version, uses, last_used_at: optionalTime(last_used_at) };
    if (kept === undefined) return { ...used, state: "gone" };
    const { destination, created_at } = kept;
    const state =
      version === key.version ? "current" : overlaps && version === key.overlap_version ? "in_reserve" : "kept";
    const base_url = destination.origin + destination.base_path;
    return { ...used, state, base_url, created_at: wireTime(created_at) };
  });
}

function wireConnection(oauth: NonNullable<StoredDetails["oauth"]>): z.output<typeof KeyDetails>["oauth"] {
  const { scopes, connected_at, obtained_at, expires_at, renewals, failures, trouble, history } = oauth;
  return {
    scopes: scopes ?? undefined,
    connected_at: wireTime(connected_at),
    obtained_at: wireTime(obtained_at),
    expires_at: optionalTime(expires_at),
    renewals,
    failures,
    trouble: trouble ?? undefined,
    history: history.map(({ at, what, detail }) => ({ at: wireTime(at), what, detail: detail ?? undefined })),
  };
}

/** A key as whoever may call with it needs to know it. */
export function wireAllowedKey(
  { id, name, destination }: ApiKey,
  { proxy_origin }: Config,
): z.output<typeof AllowedKey> {
  const { provider } = destination;
  const url = `${proxy_origin}/v1/proxy/${name}`;
  return { id, name, provider, url, sdk_base_url: url + (providerOf(provider)?.sdk_base_path ?? "") };
}

/** A key that a client has deleted. */
export function wireDeletedKey({ deleted_at, until, ...key }: Thrown): z.output<typeof DeletedKey> {
  return { ...key, deleted_at: wireTime(deleted_at), until: wireTime(until) };
}
