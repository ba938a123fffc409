import type { Row as ConnectionRow } from "../connections/connection_rows.ts";
import type { Jobs } from "../jobs.ts";
import type { ApiKey } from "./key.ts";

/** Columns as they stand in their table; what is sealed is in base64. */
type Kept<T> = Omit<T, "sealed"> & { sealed: string | null };
type Named<T> = T & Record<string, SqlStorageValue>;

/** A key's rows in every table as they were. What was thrown away by an earlier release lacks the later ones. */
export type Rows = {
  api_key: Named<{ version: number; last_version: number; overlap_version: number | null }>[];
  key_version: Named<{ version: number; destination: string; data_key: number; sealed: string | null }>[];
  key_name: Named<{ name: string }>[];
  version_use?: Named<{ version: number; became: number | null; uses: number }>[];
  connection?: Kept<ConnectionRow>[];
  connection_event?: Record<string, SqlStorageValue>[];
};

/** A key in the trash. `content` is what its rows were read from: whoever writes says what they had read. */
export type InTrash = { key_id: string; content: string; rows: Rows };

const KEPT_MS = 7 * 86_400_000;
const TABLES = {
  api_key: "id",
  key_version: "key_id",
  key_name: "key_id",
  version_use: "key_id",
  connection: "key_id",
  connection_event: "key_id",
} as const;
const NAMES = Object.keys(TABLES) as (keyof typeof TABLES)[];
const BLOB = "base64:";
const SEALED = "sealed";

/**
 * Puts a key's rows aside before they are deleted by a client, whose model may have been talked into it: with all that it was
 * granted by its provider. Its blobs stay where they are; nothing uses the key meanwhile, since nothing finds it.
 */
export function throwAway({ sql, jobs }: { sql: SqlStorage; jobs: Jobs }, key: ApiKey, now: number): void {
  const tables = Object.fromEntries(
    NAMES.map((table) => [
      table,
      sql
        .exec(`SELECT * FROM ${table} WHERE ${TABLES[table]} = ? ORDER BY 1`, key.id)
        .toArray()
        .map((row) =>
          Object.fromEntries(
            Object.entries(row).map(([name, value]) => [
              name,
              name === SEALED ? keptBlob(value as ArrayBuffer | null) : value,
            ]),
          ),
        ),
    ]),
  );
  sql.exec(
    "INSERT OR REPLACE INTO trash (key_id, name, content, deleted_at) VALUES (?, ?, ?, ?)",
    key.id,
    key.name,
    JSON.stringify({ tables }),
    now,
  );
  jobs.plan("empty_trash", now + KEPT_MS);
}

/** A key that a client deleted, as far as its owner need be told to want it back. */
export type Thrown = { id: string; name: string; provider: string; deleted_at: number; until: number };

/** What may be brought back, what went last first. */
export function thrown(sql: SqlStorage, now: number): Thrown[] {
  return sql
    .exec<Omit<Thrown, "until">>(
      `SELECT key_id AS id, name, content ->> '$.tables.api_key[0].provider' AS provider, deleted_at
       FROM trash WHERE deleted_at > ? ORDER BY deleted_at DESC`,
      now - KEPT_MS,
    )
    .toArray()
    .map((key) => ({ ...key, until: key.deleted_at + KEPT_MS }));
}

/** What lies in the trash under that id or name; of several what went last. */
export function findThrown(sql: SqlStorage, ref: string, now: number): InTrash | undefined {
  return select(
    sql,
    "(key_id = ?1 OR name = ?1) AND deleted_at > ?2 ORDER BY deleted_at DESC LIMIT 1",
    ref,
    now - KEPT_MS,
  )[0];
}

/** Everything that lies there, or that one key. */
export function listThrown(sql: SqlStorage, key_id?: string): InTrash[] {
  return select(sql, "?1 IS NULL OR key_id = ?1", key_id ?? null);
}

/** What nobody has wanted back in time, and when the next one is due. */
export function thrownForGood(sql: SqlStorage, now: number): { due: InTrash[]; next: number | null } {
  const due = select(sql, "deleted_at <= ? LIMIT 20", now - KEPT_MS);
  const { next } = sql
    .exec<{ next: number | null }>(
      "SELECT min(deleted_at) + ?1 AS next FROM trash WHERE deleted_at > ?2",
      KEPT_MS,
      now - KEPT_MS,
    )
    .one();
  return { due, next: due.length === 20 ? now : next };
}

/** Puts the rows back where they were. */
export function takeBack(sql: SqlStorage, { key_id, rows }: InTrash): void {
  for (const table of NAMES)
    // What was thrown away before a table was kept has no rows of it.
    for (const row of rows[table] ?? []) {
      // Numbers of events are given to others meanwhile.
      const columns = Object.entries(row).filter(([name]) => table !== "connection_event" || name !== "id");
      const names = columns.map(([name]) => name).join(", ");
      const marks = columns.map(() => "?").join(", ");
      const values = columns.map(([name, value]) => (name === SEALED ? bytesOf(value) : value));
      sql.exec(`INSERT INTO ${table} (${names}) VALUES (${marks})`, ...values);
    }
  forgetThrown(sql, key_id);
}

/** Writes other rows in the place of those that were read. False where somebody has taken or written them since. */
export function writeThrown(sql: SqlStorage, { key_id, content }: InTrash, rows: Rows): boolean {
  return (
    sql.exec(
      "UPDATE trash SET content = ? WHERE key_id = ? AND content = ?",
      JSON.stringify({ tables: rows }),
      key_id,
      content,
    ).rowsWritten > 0
  );
}

export function forgetThrown(sql: SqlStorage, key_id: string): void {
  sql.exec("DELETE FROM trash WHERE key_id = ?", key_id);
}

/** The sealed blob that is kept in a row, if there is one. */
export function bytesOf(value: SqlStorageValue): Uint8Array<ArrayBuffer> | null {
  return typeof value === "string" ? new Uint8Array(Buffer.from(value.slice(BLOB.length), "base64")) : null;
}

/** A sealed blob as it is kept. */
export function keptBlob(bytes: ArrayBuffer | Uint8Array | null): string | null {
  return bytes === null ? null : BLOB + Buffer.from(new Uint8Array(bytes)).toString("base64");
}

function select(sql: SqlStorage, where: string, ...values: SqlStorageValue[]): InTrash[] {
  return sql
    .exec<{ key_id: string; content: string }>(`SELECT key_id, content FROM trash WHERE ${where}`, ...values)
    .toArray()
    .map((row) => ({ ...row, rows: (JSON.parse(row.content) as { tables: Rows }).tables }));
}
