import { dataKeyIdOf } from "../../crypto/seal.ts";
import { Problem } from "../../problem.ts";
import { Housekeeping } from "../housekeeping.ts";
import { BY_VAULT } from "../audit/row.ts";
import { sealedName } from "../alerts/deliver.ts";
import type { Parts } from "../parts.ts";
import { secretOf } from "./secret_of.ts";
import { bytesOf, keptBlob, listThrown, writeThrown, type Rows, type InTrash } from "./trash.ts";

/** What was begun under the old key before there was a new one has ended by then. */
const UNDER_WAY_MS = 60_000;
/** What is sealed anew in one go, each with three questions to KV, of which one invocation may ask 1,000; so much of the trash, where a key may have several. */
const A_GO = 150;
const TRASH_A_GO = 10;
/** When to look again where something was changed while it was sealed anew. */
const AGAIN_MS = 1_000;

/**
 * A new data key for whatever is sealed from now on; then all that is live is sealed anew under new names, and the old key is
 * forgotten with its share (SECURITY S19). Traffic goes on: what is not done yet opens under the old key. A crash leaves the job.
 */
export async function rotateDataKey(parts: Parts): Promise<{ data_key: number }> {
  const { sealer, audit, jobs } = parts;
  const before = sealer.data_keys.current;
  const next = await sealer.data_keys.prepare(before + 1);
  if (sealer.data_keys.current !== before) {
    await sealer.data_keys.discard(next);
    throw new Problem("conflict", "The data key is being rotated already.");
  }
  const now = Date.now();
  sealer.data_keys.add(next, now);
  audit.append({ ...BY_VAULT, action: "vault.rotate_data_key", outcome: "ok" }, now);
  jobs.plan("reseal", now);
  return { data_key: next.id };
}

/** Seals anew whatever an older data key has sealed, and forgets that key once nothing can be sealed under it any more. */
export async function reseal(parts: Parts, now: number): Promise<void> {
  const { families, connected_keys, sealer, jobs } = parts;
  // The trash first: what is taken out of it meanwhile is met among the keys.
  const thrown = await resealTrash(parts);
  const replaced: Replaced[] = [];
  let more = false;
  try {
    more = await resealVersions(parts, replaced);
    await families.keys.reseal();
    await connected_keys.reseal();
    await resealWebhooks(parts);
  } finally {
    // Nothing remembers them: what was replaced before it broke off goes all the same.
    for (const { key_id, version } of replaced) await sealer.deleteBlob(key_id, version);
  }
  const settled = sealer.data_keys.currentSince() + UNDER_WAY_MS;
  if (more || thrown) jobs.plan("reseal", now);
  else if (now >= settled && !leavesOld(parts)) await sealer.data_keys.dropOld();
  else jobs.plan("reseal", Math.max(settled, now + AGAIN_MS));
}

/** Each version gets the next number, since names in KV are never written twice; what pointed at it points at its successor. Answers whether there are more. */
async function resealVersions({ keys, versions, sealer, jobs }: Parts, replaced: Replaced[]): Promise<boolean> {
  const old = versions.sealedBefore(sealer.data_keys.current);
  for (const { key_id, version } of old.slice(0, A_GO)) {
    const key = keys.find(key_id);
    if (key === undefined) continue;
    const sealed_key = versions.at(key, version);
    const secret = await secretOf({ sealer, versions }, sealed_key);
    if (keys.find(key_id) === undefined) continue;
    const to = versions.reserve(key_id);
    const sealed = await sealer.put(key_id, to, sealed_key.sealed_destination, secret);
    const now = Date.now();
    if (versions.replace(key_id, version, to, sealed, now)) replaced.push({ key_id, version });
    else await sealer.deleteBlob(key_id, to);
    keys.changed();
    jobs.plan("release_blobs", now + Housekeeping.KEEP_BLOBS_MS);
  }
  return old.length > A_GO;
}

/** A version whose blob nobody needs any more. */
type Replaced = { key_id: string; version: number };

type VersionUses = NonNullable<Rows["version_use"]>;

/** Is there still a secret that only an old key opens? A key may have been thrown away, or taken back, in between. */
function leavesOld({ sql, versions, sealer }: Parts): boolean {
  return (
    versions.sealedBefore(sealer.data_keys.current).length > 0 ||
    listThrown(sql).some((thrown) => isOld(thrown, sealer.data_keys.current))
  );
}

function isOld({ rows }: InTrash, current: number): boolean {
  return rows.key_version.some(({ data_key }) => data_key < current);
}

/**
 * What lies in the trash may be wanted back: it is sealed anew as it lies there, unless somebody takes it meanwhile. Answers whether there is
 * more of it.
 */
async function resealTrash({ sql, sealer, connected_keys }: Parts): Promise<boolean> {
  const old = listThrown(sql).filter((found) => isOld(found, sealer.data_keys.current));
  for (const found of old.slice(0, TRASH_A_GO)) {
    const thrown = withNumbersTaken(sql, found);
    const [key] = thrown?.rows.api_key ?? [];
    if (thrown === undefined || key === undefined) continue;
    const { key_id, rows } = thrown;
    const number = new Map(
      rows.key_version.map(({ version }, index) => [version, key.last_version - rows.key_version.length + index + 1]),
    );
    const anew = (version: number) => number.get(version) ?? version;
    const key_version: Rows["key_version"] = [];
    for (const row of rows.key_version) {
      const version = anew(row.version);
      const at = { id: key_id, version: row.version, sealed_destination: row.destination };
      const secret = await sealer.open(at, bytesOf(row.sealed) ?? undefined);
      const sealed = await sealer.put(key_id, version, row.destination, secret);
      const data_key = dataKeyIdOf(sealed);
      key_version.push({ ...row, version, sealed: keptBlob(sealed), data_key, sealed_at: Date.now() });
    }
    const connection: Rows["connection"] = [];
    for (const row of rows.connection ?? []) {
      const held = { ...row, sealed: bytesOf(row.sealed)?.buffer ?? null };
      connection.push({ ...row, sealed: keptBlob((await connected_keys.resealed(held)) ?? held.sealed) });
    }
    const overlap_version = key.overlap_version === null ? null : anew(key.overlap_version);
    const api_key = [{ ...key, version: anew(key.version), overlap_version }];
    const version_use = renumbered(rows.version_use ?? [], key_id, number);
    const written = writeThrown(sql, thrown, { ...rows, api_key, key_version, version_use, connection });
    for (const [before, given] of number) await sealer.deleteBlob(key_id, written ? before : given);
  }
  return old.length > TRASH_A_GO;
}

/** What was counted, with the number that each version has got. */
function renumbered(used: VersionUses, key_id: string, number: ReadonlyMap<number, number>): VersionUses {
  const now = used.map((row) => ({ ...row, became: number.get(row.became ?? row.version) ?? row.became }));
  const counted = new Set(used.map(({ version }) => version));
  const others = [...number].filter(([version]) => !counted.has(version));
  return [...now, ...others.map(([version, became]) => ({ key_id, version, became, uses: 0, last_used_at: null }))];
}

/** Numbers are taken before anything is sealed under them, so that a key that is taken back meanwhile uses others. */
function withNumbersTaken(sql: SqlStorage, thrown: InTrash): InTrash | undefined {
  const { rows, key_id } = thrown;
  const api_key = rows.api_key.map((key) => ({ ...key, last_version: key.last_version + rows.key_version.length }));
  return writeThrown(sql, thrown, { ...rows, api_key }) ? listThrown(sql, key_id)[0] : undefined;
}

async function resealWebhooks({ webhooks, sealer }: Parts): Promise<void> {
  for (const { id } of webhooks.list()) {
    const sealed = webhooks.sealedSecret(id);
    if (!sealer.isOld(sealed)) continue;
    const secret = await sealer.openValue(sealedName(id), sealed);
    webhooks.reseal(id, await sealer.sealValue(sealedName(id), new Uint8Array(secret)));
  }
}
