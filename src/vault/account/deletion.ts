import { logFault } from "../../problem.ts";
import type { Jobs } from "../jobs.ts";
import type { McpSessions } from "../calls/mcp_sessions.ts";
import type { Sealer } from "../keys/sealer.ts";
import type { VaultRow } from "./vault_row.ts";

type Parts = { env: Env; vault_id: string; jobs: Jobs; sealer: Sealer; mcp_sessions: McpSessions };

/** What D1 holds of a vault, by table: all of it goes with the account. Whoever opens the account afresh finds nothing. */
export const DIRECTORY_TABLES = [
  "identity",
  "account",
  "audit",
  "audit_segment",
  "audit_checkpoint",
  "device_login",
] as const;

/** So much is done in one go; a large account takes several, one alarm after the other. */
const BLOBS_A_GO = 500;
const BLOBS_AT_ONCE = 50;
/** What a statement deletes of a log, in a few tens of milliseconds: D1 gives it 30 seconds, and nobody else is served meanwhile. */
const A_STATEMENT = { audit: 2_000, audit_segment: 100 } as const;
const STATEMENTS_A_GO = 100;
const SESSION_TRIES = 10;
const BACKOFF_MS = 2_000;
const BACKOFF_LIMIT_MS = 5 * 60_000;

/**
 * The end of a vault (SECURITY S13, S18). That it ends is one durable mark; from then on nothing is served. Then, each step
 * repeatable and in this order: the tombstone in D1, the share in KV (no blob opens any more), the blobs, the rows in D1, and the
 * object's own storage with the mark. A crash at any point leaves the mark, and the alarm goes on.
 */
export class Deletion {
  readonly #storage: DurableObjectStorage;
  #begun: boolean;
  #failures = 0;

  constructor(storage: DurableObjectStorage, { deleting_at }: VaultRow) {
    this.#storage = storage;
    this.#begun = deleting_at !== null;
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** Marks the vault and wakes it soon, should this go no further. */
  begin(now: number): void {
    this.#storage.sql.exec("UPDATE vault SET deleting_at = coalesce(deleting_at, ?)", now);
    this.#begun = true;
    void this.#storage.setAlarm(now + BACKOFF_MS);
  }

  /** Goes on. True once nothing is left; else the alarm is set to try again. */
  async finish(parts: Parts): Promise<boolean> {
    try {
      await parts.jobs.stop();
      if (!(await emptyStores(parts))) {
        await this.#storage.setAlarm(Date.now());
        return false;
      }
      // Their objects hold no authority (SECURITY S23): one that cannot be reached for long is not waited for for ever.
      if (!(await parts.mcp_sessions.clear(Date.now())) && this.#failures < SESSION_TRIES)
        throw new Error("sessions are left");
      await this.#storage.deleteAlarm();
      await this.#storage.deleteAll();
      return true;
    } catch (fault) {
      logFault("deletion_unfinished", fault);
      const wait_ms = Math.min(BACKOFF_MS * 2 ** this.#failures++, BACKOFF_LIMIT_MS);
      await this.#storage.setAlarm(Date.now() + wait_ms);
      return false;
    }
  }
}

/** Everything outside the object. False where there is more than one go should do. */
async function emptyStores(parts: Parts): Promise<boolean> {
  const { env, vault_id, sealer } = parts;
  // Where D1 is away the share goes all the same: it is what makes the blobs unreadable.
  const [buried, closed] = await Promise.allSettled([
    bury(env.DB, vault_id),
    deleteBlobs(env.BLOBS, sealer.data_keys.shareNames(), `${vault_id}/share/`),
  ]);
  if (closed.status === "rejected") throw closed.reason;
  if (buried.status === "rejected") throw buried.reason;
  const gone = (await deleteBlobs(env.BLOBS, [], `${vault_id}/`)) && (await deleteRows(env.DB, vault_id));
  if (!gone) return false;
  await env.DB.prepare("UPDATE tombstone SET finished_at = ? WHERE vault_id = ?").bind(Date.now(), vault_id).run();
  return true;
}

async function bury(db: D1Database, vault_id: string): Promise<void> {
  const insert = "INSERT INTO tombstone (vault_id, at) VALUES (?, ?) ON CONFLICT DO NOTHING";
  await db.prepare(insert).bind(vault_id, Date.now()).run();
}

/** Deletes by name what is known, and what a listing shows besides. False where there may be more. */
async function deleteBlobs(blobs: KVNamespace, known: readonly string[], prefix: string): Promise<boolean> {
  const { keys, list_complete } = await blobs.list({ prefix, limit: BLOBS_A_GO });
  const names = [...new Set([...known, ...keys.map(({ name }) => name)])];
  for (let at = 0; at < names.length; at += BLOBS_AT_ONCE)
    await Promise.all(names.slice(at, at + BLOBS_AT_ONCE).map((name) => blobs.delete(name)));
  return list_complete;
}

/** The hints first, so that whoever it was can begin afresh; then the log, a piece at a time. */
async function deleteRows(db: D1Database, vault_id: string): Promise<boolean> {
  await db.batch(
    DIRECTORY_TABLES.filter((table) => !(table in A_STATEMENT)).map((table) =>
      db.prepare(`DELETE FROM ${table} WHERE vault_id = ?`).bind(vault_id),
    ),
  );
  let statements = 0;
  for (const [table, seq] of [
    ["audit_segment", "first_seq"],
    ["audit", "seq"],
  ] as const) {
    const piece = db.prepare(
      `DELETE FROM ${table} WHERE vault_id = ?1 AND ${seq} IN (SELECT ${seq} FROM ${table} WHERE vault_id = ?1 LIMIT +?2)`,
    );
    while ((await piece.bind(vault_id, A_STATEMENT[table]).run()).meta.changes > 0)
      if (++statements >= STATEMENTS_A_GO) return false;
  }
  return true;
}
