import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

// The table in which wrangler remembers the same thing.
const BOOKKEEPING = `CREATE TABLE IF NOT EXISTS d1_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`;

/** Applies every migration of a folder once, in order, each in one transaction with its note that it was applied. */
export async function applyMigrations(database: D1Database, folder: string): Promise<void> {
  await database.prepare(BOOKKEEPING).run();
  const { results } = await database.prepare("SELECT name FROM d1_migrations").all<{ name: string }>();
  const applied = new Set(results.map(({ name }) => name));
  for (const name of (await readdir(folder)).filter((file) => file.endsWith(".sql")).toSorted()) {
    if (applied.has(name)) continue;
    const sql = await readFile(join(folder, name), "utf8");
    // The local database takes a whole script as one statement; a deployed one is migrated by wrangler.
    await database.batch([
      database.prepare(sql),
      database.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(name),
    ]);
  }
}
