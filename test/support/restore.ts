/** A point-in-time restore, without the platform: what is in an object is kept, and put back later. */
import { runInDurableObject } from "cloudflare:test";
import { evict, type Vault } from "./vault.ts";

export type Dump = { table: string; rows: Record<string, SqlStorageValue>[] }[];

/** Everything in the object, as it is now; `looked_at`: when it was last looked for a restore. */
export function remember({ stub }: Vault, { looked_at }: { looked_at?: number } = {}): Promise<Dump> {
  return runInDurableObject(stub, (_vault, { storage }) => {
    if (looked_at !== undefined) storage.sql.exec("UPDATE vault SET checked_at = ?", looked_at);
    const tables = storage.sql.exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'").toArray();
    return tables
      .filter(({ name }) => !name.startsWith("_cf") && !name.startsWith("sqlite") && !name.startsWith("__"))
      .map(({ name }) => ({ table: name, rows: storage.sql.exec(`SELECT * FROM "${name}"`).toArray() }));
  });
}

/** What a point-in-time restore does: everything in the object is as it was then, and its memory is gone. */
export async function restore(vault: Vault, then: Dump): Promise<void> {
  await runInDurableObject(vault.stub, (_vault, { storage }) => {
    storage.transactionSync(() => {
      storage.sql.exec("PRAGMA defer_foreign_keys = on");
      for (const { table } of then) storage.sql.exec(`DELETE FROM "${table}"`);
      for (const { table, rows } of then)
        for (const row of rows) {
          const names = Object.keys(row);
          storage.sql.exec(
            `INSERT INTO "${table}" (${names.map((name) => `"${name}"`).join()}) VALUES (${names.map(() => "?").join()})`,
            ...Object.values(row),
          );
        }
    });
  });
  await evict(vault);
}
