import { assertMayResume, takeOffHold } from "../account/on_hold.ts";
import { cameByMcp, recognise, type Caller } from "../tokens/caller.ts";
import { cutKey, lastUse } from "../tokens/ending.ts";
import { Housekeeping } from "../housekeeping.ts";
import type { ApiKey, NewKey } from "./key.ts";
import { usedKey } from "./key_uses.ts";
import { sayFarewell } from "../connections/manage_connections.ts";
import { record, type Parts } from "../parts.ts";
import type { Receipt } from "../receipt.ts";
import type { Secret } from "./sealer.ts";
import { throwAway } from "./trash.ts";

/** Stores a key: sealed and in KV first, then, if name and caller still stand, committed in one step. */
export async function createKey(parts: Parts, caller: Caller, key: NewKey, secret: Secret): Promise<ApiKey> {
  const { keys, sealer, jobs, tokens } = parts;
  recognise(tokens, caller, Date.now());
  keys.assertRoomFor(key.name, key.destination.provider);
  const id = keys.newId("key", Date.now());
  const sealed = await sealer.put(id, 1, JSON.stringify(key.destination), secret);
  try {
    const now = Date.now();
    const by = recognise(tokens, caller, now);
    keys.add(id, key, sealed, now);
    parts.connected_keys.versionChanged(keys.must(id), secret, now);
    const stored = keys.must(id);
    // It has seen the secret: that it may also use the key gives nothing away.
    if (by.kind === "dev") tokens.addKey(by, id);
    jobs.plan("release_blobs", now + Housekeeping.KEEP_BLOBS_MS);
    record(parts, by, caller, "key.create", { key: id, key_name: key.name, provider: key.destination.provider });
    return stored;
  } catch (refused) {
    await sealer.deleteBlob(id, 1);
    throw refused;
  }
}

/** Pausing cuts what is open with the key. */
export async function pauseKey(parts: Parts, caller: Caller, ref: string): Promise<ApiKey> {
  const { keys, gate, tokens } = parts;
  const by = recognise(tokens, caller, Date.now(), "stop");
  const { id, name, paused_at } = keys.must(ref);
  keys.pause(id, Date.now());
  gate.bump();
  if (paused_at === null) record(parts, by, caller, "key.pause", { key: id, key_name: name });
  await cutKey(parts, id, "key_paused");
  return usedKey(parts, id);
}

export function resumeKey(parts: Parts, caller: Caller, ref: string): ApiKey {
  const now = Date.now();
  const by = recognise(parts.tokens, caller, now);
  const { id, name } = parts.keys.must(ref);
  assertMayResume(parts, by, id);
  parts.keys.resume(id, now);
  takeOffHold(parts, id);
  record(parts, by, caller, "key.resume", { key: id, key_name: name });
  return usedKey(parts, id);
}

/** Deletes a key, cuts what is open with it and removes its sealed blobs. */
export async function deleteKey(parts: Parts, caller: Caller, ref: string): Promise<Receipt> {
  const { keys, gate, sealer, tokens, versions } = parts;
  const now = Date.now();
  const by = recognise(tokens, caller, now, "stop");
  const key = keys.must(ref);
  const { id, name } = key;
  const last_used_at = lastUse(parts, key.last_used_at, id);
  const sealed = versions.list(id);
  // What a client deletes its owner may want back; what they delete themselves is gone.
  const regrettable = cameByMcp(caller);
  if (regrettable) throwAway(parts, key, now);
  const farewell = regrettable ? undefined : sayFarewell(parts, id);
  keys.delete(id);
  gate.bump();
  record(parts, by, caller, "key.delete", { key: id, key_name: name });
  const ended = await cutKey(parts, id, "key_deleted");
  void farewell;
  // Not waited for, so that a store that hangs delays no receipt. Without its key row nothing names the blob any more; one that
  // is left behind by a fault is unreachable, not usable.
  if (!regrettable) for (const { version } of sealed) void sealer.deleteBlob(id, version);
  return { id, revoked_at: now, last_used_at, ...ended };
}
