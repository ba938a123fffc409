import { Problem } from "../../problem.ts";
import { recognise, type Caller } from "../tokens/caller.ts";
import { Housekeeping } from "../housekeeping.ts";
import type { ApiKey } from "./key.ts";
import { usedKey } from "./key_uses.ts";
import { record, type Parts } from "../parts.ts";
import { findThrown, takeBack } from "./trash.ts";

/** Brings back a key that a client deleted, as it was with what its provider had granted, by id or by the name that it had. */
export function restoreKey(parts: Parts, caller: Caller, ref: string): ApiKey {
  const { sql, keys, tokens, gate, jobs, connected_keys } = parts;
  const now = Date.now();
  const by = recognise(tokens, caller, now);
  const thrown = findThrown(sql, ref, now);
  if (thrown === undefined) throw new Problem("not_found", "There is no such key to bring back.");
  const taken = thrown.rows.key_name.map(({ name }) => name).find((name) => keys.find(name) !== undefined);
  if (taken !== undefined) throw new Problem("conflict", `Another key is called ${taken}; rename it first.`);
  takeBack(sql, thrown);
  keys.changed();
  gate.bump();
  jobs.plan("release_blobs", now + Housekeeping.KEEP_BLOBS_MS);
  const key = keys.must(thrown.key_id);
  connected_keys.restored(key, now);
  record(parts, by, caller, "key.restore", { key: key.id, key_name: key.name });
  return usedKey(parts, key.id);
}
