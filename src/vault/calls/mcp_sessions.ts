import { randomBytes } from "node:crypto";
import { logFault } from "../../problem.ts";
import type { Jobs } from "../jobs.ts";

/** What a vault asks of the object that holds a session: to close its streams and leave nothing behind. */
type SessionObject = { end(): Promise<void> };

/** A client that opens ever more sessions loses the one it has not used for longest. */
const SESSIONS_A_HOLDER = 50;
const IDLE_MS = 30 * 86_400_000;
/** Noting that a session is in use costs a write: once an hour will do. */
const SEEN_EVERY_MS = 60 * 60_000;
const RETRY_MS = 30_000;
/** How long a receipt waits for streams to close. */
const CLOSED_WITHIN_MS = 1_000;
const A_TURN = 50;

/**
 * Table `mcp_session`. Opened by a grant or a device and known to nobody else: an id that is not on this list, or on it for
 * another holder, is no session, and no object is ever made or woken for it (DESIGN D7).
 */
export class McpSessions {
  readonly #sql: SqlStorage;
  readonly #jobs: Jobs;
  readonly #objects: DurableObjectNamespace;

  constructor(sql: SqlStorage, jobs: Jobs, objects: DurableObjectNamespace) {
    this.#sql = sql;
    this.#jobs = jobs;
    this.#objects = objects;
  }

  /** Opens one. Where the holder has too many, the longest unused makes way. */
  open(holder_id: string, now: number): string {
    const live = this.#live("holder_id = ? ORDER BY seen_at", holder_id);
    this.#markEnded(live.slice(0, Math.max(0, live.length - SESSIONS_A_HOLDER + 1)), now);
    const id = randomBytes(24).toString("base64url");
    this.#sql.exec(
      "INSERT INTO mcp_session (id, holder_id, created_at, seen_at) VALUES (?, ?, ?, ?)",
      id,
      holder_id,
      now,
      now,
    );
    this.#jobs.plan("end_sessions", now + IDLE_MS);
    return id;
  }

  /** Is this a session of that holder, now? Being asked for keeps it. */
  holds(id: string, holder_id: string, now: number): boolean {
    const [session] = this.#sql
      .exec<{ seen_at: number }>(
        "SELECT seen_at FROM mcp_session WHERE id = ? AND holder_id = ? AND ended_at IS NULL",
        id,
        holder_id,
      )
      .toArray();
    if (session === undefined || now - session.seen_at >= IDLE_MS) return false;
    if (now - session.seen_at >= SEEN_EVERY_MS)
      this.#sql.exec("UPDATE mcp_session SET seen_at = ? WHERE id = ?", now, id);
    return true;
  }

  /** How many live sessions each holder has. */
  counts(): Map<string, number> {
    const rows = this.#sql.exec<{ holder_id: string; n: number }>(
      "SELECT holder_id, count(*) AS n FROM mcp_session WHERE ended_at IS NULL GROUP BY holder_id",
    );
    return new Map([...rows].map(({ holder_id, n }) => [holder_id, n]));
  }

  /** Ends one session. It is unknown before this returns. */
  end(id: string, now: number): Promise<number> {
    return this.#end([id], now);
  }

  /**
   * Ends all sessions of these holders: unknown at once, their streams closed within a second. Answers how many objects have
   * said so; the alarm goes on asking the rest.
   */
  endOf(holder_ids: readonly string[], now: number): Promise<number> {
    return this.#end(this.#live("holder_id IN (SELECT value FROM json_each(?))", JSON.stringify(holder_ids)), now);
  }

  /** Ends all sessions of the vault. */
  endAll(now: number): Promise<number> {
    return this.#end(this.#live("true"), now);
  }

  /** Ends what has been idle for too long, and goes on with what could not be ended before. */
  async expire(now: number): Promise<void> {
    this.#markEnded(this.#live("seen_at <= ?", now - IDLE_MS), now);
    const left = this.#sql
      .exec<{ id: string }>("SELECT id FROM mcp_session WHERE ended_at IS NOT NULL LIMIT +?", A_TURN)
      .toArray();
    const gone = await Promise.all(left.map(({ id }) => this.#close(id)));
    if (gone.includes(false)) this.#jobs.plan("end_sessions", now + RETRY_MS);
    else if (left.length === A_TURN) this.#jobs.plan("end_sessions", now);
    const { next } = this.#sql
      .exec<{ next: number | null }>("SELECT min(seen_at) AS next FROM mcp_session WHERE ended_at IS NULL")
      .one();
    if (next !== null) this.#jobs.plan("end_sessions", next + IDLE_MS);
  }

  /** Ends all there are, for a vault that is deleted. True once no object holds anything of one. */
  async clear(now: number): Promise<boolean> {
    this.#markEnded(this.#live("true"), now);
    for (;;) {
      const some = this.#sql.exec<{ id: string }>("SELECT id FROM mcp_session LIMIT +?", A_TURN).toArray();
      if (some.length === 0) return true;
      const gone = await Promise.all(some.map(({ id }) => this.#close(id)));
      if (gone.includes(false)) return false;
    }
  }

  async #end(ids: readonly string[], now: number): Promise<number> {
    if (ids.length === 0) return 0;
    this.#markEnded(ids, now);
    let closed = 0;
    const closing = Promise.all(
      ids.map(async (id) => {
        if (await this.#close(id)) closed++;
      }),
    );
    await Promise.race([closing, scheduler.wait(CLOSED_WITHIN_MS)]);
    return closed;
  }

  #markEnded(ids: readonly string[], now: number): void {
    if (ids.length === 0) return;
    this.#sql.exec(
      "UPDATE mcp_session SET ended_at = ? WHERE id IN (SELECT value FROM json_each(?))",
      now,
      JSON.stringify(ids),
    );
    this.#jobs.plan("end_sessions", now + RETRY_MS);
  }

  /** Asks the object to end; only once it has is the session forgotten. */
  async #close(id: string): Promise<boolean> {
    try {
      const object = this.#objects.getByName(sessionObjectName(id)) as unknown as SessionObject;
      await object.end();
      this.#sql.exec("DELETE FROM mcp_session WHERE id = ? AND ended_at IS NOT NULL", id);
      return true;
    } catch (fault) {
      logFault("session_not_ended", fault);
      return false;
    }
  }

  #live(where: string, ...values: SqlStorageValue[]): string[] {
    const rows = this.#sql.exec<{ id: string }>(
      `SELECT id FROM mcp_session WHERE ended_at IS NULL AND ${where}`,
      ...values,
    );
    return [...rows].map(({ id }) => id);
  }
}

/** Under which name a session's object is found; `McpAgent` reads its transport from the first word. */
export function sessionObjectName(id: string): string {
  return `streamable-http:${id}`;
}
