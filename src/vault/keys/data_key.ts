import { Problem } from "../../problem.ts";
import { Housekeeping } from "../housekeeping.ts";
import { sealedName } from "../alerts/deliver.ts";
import type { Parts } from "../parts.ts";

/** What was begun under the old key before there was a new one has ended by then. */
const UNDER_WAY_MS = 60_000;

const BY_VAULT = {
  actor: { kind: "vault", id: "vault", name: "API Locker" },
  ip: "",
  country: "XX",
  user_agent: "",
} as const;

/**
 * A new data key for whatever is sealed from now on; then all that is live is sealed anew under new names, and the old key is
 * forgotten with its share (SECURITY S19). Traffic goes on: what is not done yet opens under the old key. A crash leaves the job.
 */
export async function rotateDataKey(parts: Parts): Promise<{ data_key: number }> {
  const { sealer, audit, jobs } = parts;
  const before = sealer.current;
  const next = await sealer.prepare(before + 1);
  if (sealer.current !== before) {
    await sealer.discard(next);
    throw new Problem("conflict", "The data key is being rotated already.");
  }
  const now = Date.now();
  sealer.addDataKey(next, now);
  audit.append({ ...BY_VAULT, action: "vault.rotate_data_key", outcome: "ok" }, now);
  jobs.plan("reseal", now);
  return { data_key: next.id };
}

/** Seals anew whatever an older data key has sealed, and forgets that key once nothing can be sealed under it any more. */
export async function reseal(parts: Parts, now: number): Promise<void> {
  const { families, connected_keys, sealer, jobs } = parts;
  const replaced = await resealVersions(parts);
  await families.reseal();
  await connected_keys.reseal();
  await resealWebhooks(parts);
  for (const { key_id, version } of replaced) await sealer.deleteBlob(key_id, version);
  if (now - sealer.currentSince() >= UNDER_WAY_MS) await sealer.dropOld();
  else jobs.plan("reseal", sealer.currentSince() + UNDER_WAY_MS);
}

/** Each version gets the next number, since names in KV are never written twice; what pointed at it points at its successor. */
async function resealVersions({ keys, versions, sealer, jobs }: Parts): Promise<{ key_id: string; version: number }[]> {
  const replaced: { key_id: string; version: number }[] = [];
  for (const { key_id, version } of versions.sealedBefore(sealer.current)) {
    const key = keys.find(key_id);
    if (key === undefined) continue;
    const { sealed_destination, ...at } = versions.at(key, version);
    const secret = await sealer.open({ ...at, sealed_destination }, keys.sealedBlob(key_id, version));
    if (keys.find(key_id) === undefined) continue;
    const to = versions.reserve(key_id);
    const sealed = await sealer.put(key_id, to, sealed_destination, secret);
    const now = Date.now();
    if (versions.replace(key_id, version, to, sealed, now)) replaced.push({ key_id, version });
    else await sealer.deleteBlob(key_id, to);
    keys.changed();
    jobs.plan("release_blobs", now + Housekeeping.KEEP_BLOBS_MS);
  }
  return replaced;
}

async function resealWebhooks({ webhooks, sealer }: Parts): Promise<void> {
  for (const { id } of webhooks.list()) {
    const sealed = webhooks.sealedSecret(id);
    if (!sealer.isOld(sealed)) continue;
    const secret = await sealer.openValue(sealedName(id), sealed);
    webhooks.reseal(id, await sealer.sealValue(sealedName(id), new Uint8Array(secret)));
  }
}
