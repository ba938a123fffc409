import { Problem } from "../../problem.ts";
import { recognise, type Caller } from "../tokens/caller.ts";
import type { Connection, ConnectionEvent } from "../connections/connection_rows.ts";
import { judgeAgain } from "../tokens/ending.ts";
import { Housekeeping } from "../housekeeping.ts";
import type { ApiKey, Destination, KeyChanges } from "./key.ts";
import { usedKey } from "./key_uses.ts";
import { tagOf } from "../calls/leashes.ts";
import { record, type Parts } from "../parts.ts";
import type { Secret } from "./sealer.ts";
import { secretOf } from "./secret_of.ts";
import type { Token } from "../tokens/token.ts";
import type { Version } from "./versions.ts";

/**
 * A new secret, with where it may go; the destination belongs to the secret and comes with it (SECURITY S2). With `keep` the
 * fields that are not given stay as they are, and the destination with them: only the scopes that are asked for may differ.
 */
export type NewVersion = {
  destination: Destination;
  secret: Secret;
  overlap_ms: number;
  changes?: KeyChanges;
  keep?: boolean;
};

/** A key with what only its own page shows. */
export type KeyDetails = ApiKey & {
  former_names: string[];
  versions: Version[];
  oauth: (Connection & { history: ConnectionEvent[] }) | null;
};

export function keyDetails({ keys, versions, connected_keys }: Parts, ref: string): KeyDetails {
  const key = keys.must(ref);
  const connection = connected_keys.find(key.id);
  const oauth = connection === undefined ? null : { ...connection, history: connected_keys.events(key.id) };
  return { ...key, former_names: keys.formerNames(key), versions: versions.list(key.id), oauth };
}

/** Gives a key a new version: sealed and in KV first, then, if caller and key still stand, made current in one step. */
export async function rotateKey(parts: Parts, caller: Caller, ref: string, next: NewVersion): Promise<ApiKey> {
  const { keys, versions, sealer, jobs, tokens, connected_keys } = parts;
  recognise(tokens, caller, Date.now());
  const { id, version: before } = keys.must(ref);
  const secret = next.keep === true ? await completed(parts, id, next) : next.secret;
  const version = versions.reserve(id);
  const destination = JSON.stringify(next.destination);
  const sealed = await sealer.put(id, version, destination, secret);
  try {
    const now = Date.now();
    const by = recognise(tokens, caller, now);
    const key = keys.must(id);
    if (next.keep === true && key.version !== before) throw new Problem("conflict", "The key was changed meanwhile.");
    const { changes = {} } = next;
    if (Object.keys(changes).length > 0) recordChange(parts, by, caller, key, changes, now);
    // The old secret is no help where the new one goes: an overlap needs the same destination.
    const overlaps = next.overlap_ms > 0 && destination === key.sealed_destination;
    versions.add(key, version, destination, sealed, overlaps ? now + next.overlap_ms : null, now);
    keys.changed();
    connected_keys.versionChanged(keys.must(id), next.secret, now);
    jobs.plan("release_blobs", now + Housekeeping.KEEP_BLOBS_MS);
    const { name: key_name } = keys.must(id);
    record(parts, by, caller, "key.rotate", { key: id, key_name, provider: next.destination.provider });
  } catch (refused) {
    await sealer.deleteBlob(id, version);
    throw refused;
  }
  const key = usedKey(parts, id);
  // Neither is waited for: what is answered under an Idempotency-Key is stored in the step that made the version.
  if (next.changes?.expires_at !== undefined) void judgeAgain(parts, [tagOf.key(id)]);
  for (const old of versions.prune(key)) void sealer.deleteBlob(id, old);
  return key;
}

/** The secret with the fields that were not given as they are. A refresh token that has been used up is not carried on. */
async function completed(parts: Parts, id: string, next: NewVersion): Promise<Secret> {
  const key = parts.keys.must(id);
  if (butForScopes(key.destination) !== butForScopes(next.destination))
    throw new Problem("invalid_request", "Where a secret may go changes only together with the whole secret.");
  const { refresh_token, ...current } = await secretOf(parts, key);
  const unused = refresh_token !== undefined && parts.connected_keys.find(id)?.state === "ready";
  return { ...current, ...(unused ? { refresh_token } : {}), ...next.secret };
}

function butForScopes({ placement, ...rest }: Destination): string {
  return JSON.stringify({ ...rest, placement: placement.in === "oauth" ? { ...placement, scopes: "" } : placement });
}

/** Makes an earlier version current. To another destination only a person at the dashboard may lead a secret (SECURITY S2). */
export function rollBackKey(parts: Parts, caller: Caller, ref: string, version: number | undefined): ApiKey {
  const { keys, versions, connected_keys } = parts;
  const now = Date.now();
  const by = recognise(parts.tokens, caller, now);
  const key = keys.must(ref);
  const kept = versions.list(key.id).map((one) => one.version);
  const to = version ?? kept[kept.indexOf(key.version) + 1];
  if (to === undefined) throw new Problem("conflict", "This key has no earlier version.");
  if (versions.at(key, to).sealed_destination !== key.sealed_destination) {
    assertSession(by, "Rolling back to another destination");
  }
  versions.rollBack(key, to, now);
  keys.changed();
  connected_keys.versionChanged(keys.must(key.id), {}, now);
  record(parts, by, caller, "key.rollback", { key: key.id, key_name: key.name });
  return usedKey(parts, key.id);
}

/** Changes what is said about a key; where its secret may go is not among it. */
export async function changeKey(parts: Parts, caller: Caller, ref: string, changes: KeyChanges): Promise<ApiKey> {
  const now = Date.now();
  const by = recognise(parts.tokens, caller, now);
  const key = parts.keys.must(ref);
  recordChange(parts, by, caller, key, changes, now);
  if (changes.expires_at !== undefined) await judgeAgain(parts, [tagOf.key(key.id)]);
  return usedKey(parts, key.id);
}

function recordChange(parts: Parts, by: Token, caller: Caller, key: ApiKey, changes: KeyChanges, now: number): void {
  assertMayChange(by, key, changes);
  parts.keys.change(key, changes, now);
  parts.gate.bump();
  const action = changes.name !== undefined && changes.name !== key.name ? "key.rename" : "key.change";
  record(parts, by, caller, action, { key: key.id, key_name: changes.name ?? key.name });
}

/** What widens who may see or use a key, only a person at the dashboard may change (SECURITY S3, S4). */
function assertMayChange(by: Token, key: ApiKey, { tags, revealable, scrub }: KeyChanges): void {
  if (tags !== undefined) assertSession(by, "Changing tags");
  if (revealable === true) assertSession(by, "Making a key revealable");
  if (key.scrub && scrub === false) assertSession(by, "Letting answers show what an upstream repeats");
}

function assertSession(by: Token, what: string): void {
  if (by.kind !== "ses") throw new Problem("insufficient_scope", `${what} needs a browser session.`);
}
