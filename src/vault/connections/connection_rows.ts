/**
 * How a key that renews itself stands. `ready`: it can have tokens, and has not asked yet. `reconnect_required`: the provider
 * has refused for good; only a person can go on.
 */
export type ConnectionState = "ready" | "connected" | "reconnect_required";

/** A connection without its tokens. Times are epoch milliseconds. */
export type Connection = {
  state: ConnectionState;
  serial: number;
  obtained_at: number;
  expires_at: number | null;
  scopes: string | null;
  connected_at: number;
  renewals: number;
  failures: number;
  retry_at: number;
  trouble: string | null;
};

/** Something that happened to a connection. */
export type ConnectionEvent = { at: number; what: string; detail: string | null };

/** How the token endpoint was last asked: it has answered; it is being asked; its answer was lost, and it may have moved on. */
export const ASKING = { answered: 0, under_way: 1, lost: 2 } as const;

/** As it is stored: what was granted is sealed, bound to where it may be sent. */
export type Row = Connection & {
  key_id: string;
  binding: string;
  sealed: ArrayBuffer | null;
  renewable: number;
  asking: (typeof ASKING)[keyof typeof ASKING];
  asked_at: number;
};

const EVENTS_KEPT = 20;

/** Tables `connection` and `connection_event`. */
export class ConnectionRows {
  readonly #sql: SqlStorage;
  readonly #changed: (key_id: string) => void;

  /** `changed` is told of every connection that is written or removed: what is remembered of it elsewhere is no longer true. */
  constructor(sql: SqlStorage, changed: (key_id: string) => void) {
    this.#sql = sql;
    this.#changed = changed;
  }

  find(key_id: string): Row | undefined {
    return this.#sql.exec<Row>("SELECT * FROM connection WHERE key_id = ?", key_id).toArray()[0];
  }

  /** Without what is sealed. */
  connection(key_id: string): Connection | undefined {
    const row = this.find(key_id);
    if (row === undefined) return undefined;
    const { state, serial, obtained_at, expires_at, scopes, connected_at, renewals, failures, retry_at, trouble } = row;
    return { state, serial, obtained_at, expires_at, scopes, connected_at, renewals, failures, retry_at, trouble };
  }

  /** Ids of all keys that are connected, or were just about to be. */
  connected(): string[] {
    const rows = this.#sql.exec<{ key_id: string }>(
      "SELECT key_id FROM connection WHERE state = 'connected' OR (state = 'ready' AND asking <> 0)",
    );
    return [...rows].map(({ key_id }) => key_id);
  }

  write(key_id: string, row: Omit<Row, "key_id">): void {
    const { state, binding, serial, sealed, obtained_at, expires_at, scopes, connected_at } = row;
    const { renewable, renewals, failures, retry_at, trouble, asking, asked_at } = row;
    this.#sql.exec(
      `INSERT OR REPLACE INTO connection (key_id, state, binding, serial, sealed, obtained_at, expires_at, renewable, scopes, connected_at, renewals, failures, retry_at, trouble, asking, asked_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      key_id,
      state,
      binding,
      serial,
      sealed,
      obtained_at,
      expires_at,
      renewable,
      scopes,
      connected_at,
      renewals,
      failures,
      retry_at,
      trouble,
      asking,
      asked_at,
    );
    this.#changed(key_id);
  }

  /** The token endpoint is about to be asked. */
  setOut(key_id: string, now: number): void {
    this.#sql.exec("UPDATE connection SET asking = ?, asked_at = ? WHERE key_id = ?", ASKING.under_way, now, key_id);
  }

  /** Whoever was asking, but for these, has fallen meanwhile: what they were answered is lost. Answers which keys' that were. */
  loseAnswers(but_for: string[]): string[] {
    const rows = this.#sql.exec<{ key_id: string }>("SELECT key_id FROM connection WHERE asking = ?", ASKING.under_way);
    const lost = [...rows].map(({ key_id }) => key_id).filter((key_id) => !but_for.includes(key_id));
    // Nearly always none: whoever only wakes writes nothing.
    if (lost.length > 0)
      this.#sql.exec(
        "UPDATE connection SET asking = ? WHERE key_id IN (SELECT value FROM json_each(?))",
        ASKING.lost,
        JSON.stringify(lost),
      );
    return lost;
  }

  remove(key_id: string): void {
    this.#sql.exec("DELETE FROM connection WHERE key_id = ?", key_id);
    this.#changed(key_id);
  }

  /** What has happened to a connection, newest first. */
  events(key_id: string): ConnectionEvent[] {
    return this.#sql
      .exec<ConnectionEvent>("SELECT at, what, detail FROM connection_event WHERE key_id = ? ORDER BY id DESC", key_id)
      .toArray();
  }

  note(key_id: string, what: string, detail: string | null, now: number): void {
    this.#sql.exec(
      "INSERT INTO connection_event (key_id, at, what, detail) VALUES (?, ?, ?, ?)",
      key_id,
      now,
      what,
      detail,
    );
    this.#sql.exec(
      "DELETE FROM connection_event WHERE key_id = ?1 AND id NOT IN (SELECT id FROM connection_event WHERE key_id = ?1 ORDER BY id DESC LIMIT +?2)",
      key_id,
      EVENTS_KEPT,
    );
  }
}

/** A connection that nothing has happened to yet. */
export function blank(now: number): Omit<Row, "key_id" | "state" | "binding" | "serial"> {
  const none = {
    sealed: null,
    expires_at: null,
    scopes: null,
    trouble: null,
    renewable: 1,
    asking: 0,
    asked_at: 0,
  } as const;
  return { ...none, obtained_at: now, connected_at: now, renewals: 0, failures: 0, retry_at: 0 };
}
