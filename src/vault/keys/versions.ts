import { dataKeyIdOf } from "../../crypto/seal.ts";
import { Problem } from "../../problem.ts";
import type { ApiKey, Destination } from "./key.ts";
import type { VersionUse } from "../audit/uses.ts";

/** A version of a key: immutable, with the destination that its secret was sealed for. */
export type Version = { version: number; destination: Destination; created_at: number };

type Row = { version: number; destination: string; created_at: number };

/** How many versions of a key are kept to roll back to. */
const KEPT = 10;

/** Tables `key_version` and `version_use`, and what `api_key` says about versions. */
export class Versions {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Hands out the next number. Taken before sealing, so that no two writers ever seal under one name in KV. */
  reserve(key_id: string): number {
    return this.#sql
      .exec<{ last: number }>(
        "UPDATE api_key SET last_version = last_version + 1 WHERE id = ? RETURNING last_version AS last",
        key_id,
      )
      .one().last;
  }

  /** Newest first. A number says nothing about age: a new data key gives each version another. */
  list(key_id: string): Version[] {
    return this.#sql
      .exec<Row>(
        "SELECT version, destination, created_at FROM key_version WHERE key_id = ? ORDER BY created_at DESC, version DESC",
        key_id,
      )
      .toArray()
      .map((row) => ({ ...row, destination: JSON.parse(row.destination) as Destination }));
  }

  /** Versions whose blob has been kept since before `until`, and when the next one is due. */
  keptBlobs(until: number): { due: { key_id: string; version: number }[]; next: number | null } {
    const due = this.#sql
      .exec<{ key_id: string; version: number }>(
        "SELECT key_id, version FROM key_version WHERE sealed IS NOT NULL AND coalesce(sealed_at, created_at) <= ? LIMIT 20",
        until,
      )
      .toArray();
    const { next } = this.#sql
      .exec<{ next: number | null }>(
        "SELECT min(coalesce(sealed_at, created_at)) AS next FROM key_version WHERE sealed IS NOT NULL AND coalesce(sealed_at, created_at) > ?",
        until,
      )
      .one();
    return { due, next };
  }

  /** The sealed blob that is still kept at hand for this version. */
  sealedBlob(key_id: string, version: number): Uint8Array | undefined {
    const [row] = this.#sql
      .exec<{ sealed: ArrayBuffer | null }>(
        "SELECT sealed FROM key_version WHERE key_id = ? AND version = ?",
        key_id,
        version,
      )
      .toArray();
    return row?.sealed ? new Uint8Array(row.sealed) : undefined;
  }

  releaseBlob(id: string, version: number): void {
    this.#sql.exec("UPDATE key_version SET sealed = NULL WHERE key_id = ? AND version = ?", id, version);
  }

  /** When the current version of each key was made. */
  currentSince(): Map<string, number> {
    const rows = this.#sql.exec<{ id: string; at: number }>(
      "SELECT k.id, v.created_at AS at FROM api_key k JOIN key_version v ON v.key_id = k.id AND v.version = k.version",
    );
    return new Map([...rows].map(({ id, at }) => [id, at]));
  }

  /** The key as it was, or will be, with that version. */
  at(key: ApiKey, version: number): ApiKey {
    const [row] = this.#sql
      .exec<Row>(
        "SELECT version, destination, created_at FROM key_version WHERE key_id = ? AND version = ?",
        key.id,
        version,
      )
      .toArray();
    if (row === undefined) throw new Problem("not_found", "There is no such version of this key.");
    return {
      ...key,
      version,
      destination: JSON.parse(row.destination) as Destination,
      sealed_destination: row.destination,
    };
  }

  /** Makes a sealed version current. With an overlap the one before stays in reserve until `overlap_until`. */
  add(
    key: ApiKey,
    version: number,
    destination: string,
    sealed: Uint8Array,
    overlap_until: number | null,
    now: number,
  ): void {
    this.#sql.exec(
      "INSERT INTO key_version (key_id, version, destination, sealed, data_key, created_at) VALUES (?, ?, ?, ?, ?, ?)",
      key.id,
      version,
      destination,
      sealed,
      dataKeyIdOf(sealed),
      now,
    );
    this.#point(key.id, version, overlap_until === null ? null : key.version, overlap_until, now);
  }

  /** Versions that an older data key has sealed, oldest first. */
  sealedBefore(data_key: number): { key_id: string; version: number }[] {
    return this.#sql
      .exec<{ key_id: string; version: number }>(
        "SELECT key_id, version FROM key_version WHERE data_key < ? ORDER BY key_id, version",
        data_key,
      )
      .toArray();
  }

  /** Puts a version, sealed anew under another number, in the place of one: the same secret for the same destination. */
  replace(key_id: string, from: number, to: number, sealed: Uint8Array, now: number): boolean {
    const copied = this.#sql.exec(
      `INSERT INTO key_version (key_id, version, destination, sealed, data_key, sealed_at, created_at)
       SELECT key_id, ?3, destination, ?4, ?5, ?6, created_at FROM key_version WHERE key_id = ?1 AND version = ?2`,
      key_id,
      from,
      to,
      sealed,
      dataKeyIdOf(sealed),
      now,
    );
    if (copied.rowsWritten === 0) return false;
    for (const [table, column] of [
      ["api_key", "version"],
      ["api_key", "overlap_version"],
      ["connect_link", "version"],
    ]) {
      const id = table === "api_key" ? "id" : "key_id";
      this.#sql.exec(`UPDATE ${table} SET ${column} = ?3 WHERE ${id} = ?1 AND ${column} = ?2`, key_id, from, to);
    }
    this.#sql.exec(
      `UPDATE page_link SET errand = json_set(errand, '$.version', ?3)
       WHERE errand ->> '$.key_id' = ?1 AND errand ->> '$.version' = ?2`,
      key_id,
      from,
      to,
    );
    this.#sql.exec("DELETE FROM key_version WHERE key_id = ? AND version = ?", key_id, from);
    this.#sql.exec("UPDATE version_use SET became = ?3 WHERE key_id = ?1 AND became = ?2", key_id, from, to);
    this.#sql.exec(
      `INSERT INTO version_use (key_id, version, became) VALUES (?1, ?2, ?3)
       ON CONFLICT DO UPDATE SET became = excluded.became`,
      key_id,
      from,
      to,
    );
    return true;
  }

  /** Adds what rows that leave for D1 say about a version's use. Its key may be gone meanwhile. */
  addUse(key_id: string, version: number, { uses, last_used_at }: VersionUse): void {
    this.#sql.exec(
      `INSERT INTO version_use (key_id, version, uses, last_used_at) SELECT id, ?2, ?3, ?4 FROM api_key WHERE id = ?1
       ON CONFLICT DO UPDATE SET uses = uses + excluded.uses, last_used_at = max(coalesce(last_used_at, 0), excluded.last_used_at)`,
      key_id,
      version,
      uses,
      last_used_at,
    );
  }

  /** What was counted, by the number that a version had then, and the one that it has now if it was sealed anew. */
  uses(key_id: string): { version: number; became: number | null; uses: number; last_used_at: number | null }[] {
    return this.#sql
      .exec<{ version: number; became: number | null; uses: number; last_used_at: number | null }>(
        "SELECT version, became, uses, last_used_at FROM version_use WHERE key_id = ?",
        key_id,
      )
      .toArray();
  }

  /** Makes an earlier version current again. */
  rollBack(key: ApiKey, version: number, now: number): void {
    this.at(key, version);
    this.#point(key.id, version, null, null, now);
  }

  /** Forgets versions beyond those that are kept; answers them, so that their blobs can go too. */
  prune(key: ApiKey): number[] {
    const needed = new Set([key.version, key.overlap_version]);
    const extra = this.list(key.id)
      .map(({ version }) => version)
      .slice(KEPT)
      .filter((version) => !needed.has(version));
    for (const version of extra) {
      this.#sql.exec("DELETE FROM key_version WHERE key_id = ? AND version = ?", key.id, version);
    }
    return extra;
  }

  #point(
    key_id: string,
    version: number,
    overlap_version: number | null,
    overlap_until: number | null,
    now: number,
  ): void {
    this.#sql.exec(
      "UPDATE api_key SET version = ?, overlap_version = ?, overlap_until = ?, provider = (SELECT destination ->> '$.provider' FROM key_version WHERE key_id = ?5 AND version = ?1), updated_at = ?4 WHERE id = ?5",
      version,
      overlap_version,
      overlap_until,
      now,
      key_id,
    );
  }
}
