import type { Jobs } from "../jobs.ts";
import type { ApiKey } from "./keys.ts";
import type { Sealer } from "./sealer.ts";

/** The rows of a key as they were; a sealed blob that was still at hand is in base64. */
type Content = { tables: Record<string, Record<string, SqlStorageValue>[]> };

const KEPT_MS = 7 * 86_400_000;
const TABLES = { api_key: "id", key_version: "key_id", key_name: "key_id", version_use: "key_id" } as const;
const BLOB = "base64:";

/**
 * Puts a key's rows aside before they are deleted by a client, whose model may have been talked into it. Its blobs stay where
 * they are; nothing uses the key meanwhile, since nothing finds it.
 */
export function throwAway({ sql, jobs }: { sql: SqlStorage; jobs: Jobs }, key: ApiKey, now: number): void {
  const tables = Object.fromEntries(
    Object.entries(TABLES).map(([table, column]) => [
      table,
      sql
        .exec(`SELECT * FROM ${table} WHERE ${column} = ?`, key.id)
        .toArray()
        .map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, kept(value)]))),
    ]),
  );
  const content = JSON.stringify({ tables } satisfies Content);
  sql.exec(
    "INSERT OR REPLACE INTO trash (key_id, name, content, deleted_at) VALUES (?, ?, ?, ?)",
    key.id,
    key.name,
    content,
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
export function findThrown(
  sql: SqlStorage,
  ref: string,
  now: number,
): { key_id: string; names: string[]; content: string } | undefined {
  const [thrown] = sql
    .exec<{ key_id: string; content: string }>(
      "SELECT key_id, content FROM trash WHERE (key_id = ?1 OR name = ?1) AND deleted_at > ?2 ORDER BY deleted_at DESC LIMIT 1",
      ref,
      now - KEPT_MS,
    )
    .toArray();
  if (thrown === undefined) return undefined;
  const { key_name = [] } = (JSON.parse(thrown.content) as Content).tables;
  return { ...thrown, names: key_name.map(({ name }) => name as string) };
}

/** Puts the rows back where they were. */
export function takeBack(sql: SqlStorage, { key_id, content }: { key_id: string; content: string }): void {
  const { tables } = JSON.parse(content) as Content;
  for (const table of Object.keys(TABLES))
    for (const row of tables[table] ?? []) {
      const columns = Object.keys(row);
      const marks = columns.map(() => "?").join(", ");
      const values = Object.values(row).map((value) => restored(value));
      sql.exec(`INSERT INTO ${table} (${columns.join(", ")}) VALUES (${marks})`, ...values);
    }
  sql.exec("DELETE FROM trash WHERE key_id = ?", key_id);
}

/** Forgets what nobody wanted back, its blobs first. Answers when to look again. */
export async function emptyTrash(
  { sql, sealer }: { sql: SqlStorage; sealer: Sealer },
  now: number,
): Promise<number | undefined> {
  const due = sql
    .exec<{ key_id: string; content: string }>(
      "SELECT key_id, content FROM trash WHERE deleted_at <= ? LIMIT 20",
      now - KEPT_MS,
    )
    .toArray();
  for (const { key_id, content } of due) {
    const { tables } = JSON.parse(content) as Content;
    for (const { version } of tables.key_version ?? []) await sealer.deleteBlob(key_id, Number(version));
    sql.exec("DELETE FROM trash WHERE key_id = ?", key_id);
  }
  const { next } = sql.exec<{ next: number | null }>("SELECT min(deleted_at) AS next FROM trash").one();
  return next === null ? undefined : next + KEPT_MS;
}

function kept(value: SqlStorageValue): SqlStorageValue {
  return value instanceof ArrayBuffer ? BLOB + Buffer.from(value).toString("base64") : value;
}

function restored(value: SqlStorageValue): SqlStorageValue {
  if (typeof value !== "string" || !value.startsWith(BLOB)) return value;
  return new Uint8Array(Buffer.from(value.slice(BLOB.length), "base64")).buffer;
}
