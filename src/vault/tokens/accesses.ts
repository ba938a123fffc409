import type { Scope } from "../policy/scopes.ts";

/** An access token of a token that rotates. */
export type Access = {
  hash: string;
  generation: number;
  expires_at: number;
  /** Where an OAuth client asked for fewer than its grant has. */
  scopes?: readonly Scope[] | undefined;
};

/** As it is stored, with whose it is. */
export type StoredAccess = Access & { token_id: string; superseded: boolean };

type Row = Omit<StoredAccess, "scopes" | "superseded"> & { scopes: string | null; superseded: number };

/** Table `access`: the access tokens of those tokens that rotate, by hash. */
export class Accesses {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  byHash(hash: string): StoredAccess | undefined {
    return this.#select("hash = ?", hash);
  }

  /** The last that was given of a generation. */
  newest(token_id: string, generation: number): StoredAccess | undefined {
    return this.#select("token_id = ? AND generation = ? ORDER BY expires_at DESC LIMIT 1", token_id, generation);
  }

  /** Stores one more, and answers when it expires: where it is there already, which is so within a slot of time, when that does. */
  add(token_id: string, { hash, generation, expires_at, scopes }: Access): number {
    this.#sql.exec(
      "INSERT INTO access (hash, token_id, generation, expires_at, scopes) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      hash,
      token_id,
      generation,
      expires_at,
      scopes === undefined ? null : JSON.stringify(scopes),
    );
    return this.#sql.exec<{ expires_at: number }>("SELECT expires_at FROM access WHERE hash = ?", hash).one()
      .expires_at;
  }

  /** Somebody came with it: its answer has arrived. */
  use(hash: string): void {
    this.#sql.exec("UPDATE access SET used = 1 WHERE hash = ? AND used = 0", hash);
  }

  /** Has anybody come with one of that generation? */
  wasUsed(token_id: string, generation: number): boolean {
    const used = "SELECT 1 FROM access WHERE token_id = ? AND generation = ? AND used = 1";
    return this.#sql.exec(used, token_id, generation).toArray().length > 0;
  }

  /** Ends those of generations up to `last`, and forgets those of generations below `kept`. */
  supersede(token_id: string, last: number, kept: number): void {
    this.#sql.exec(
      "UPDATE access SET superseded = 1 WHERE token_id = ? AND generation <= ? AND superseded = 0",
      token_id,
      last,
    );
    this.#sql.exec("DELETE FROM access WHERE token_id = ? AND generation < ?", token_id, kept);
  }

  end(hash: string): void {
    this.#sql.exec("UPDATE access SET superseded = 1 WHERE hash = ?", hash);
  }

  #select(where: string, ...values: SqlStorageValue[]): StoredAccess | undefined {
    const [row] = this.#sql.exec<Row>(`SELECT * FROM access WHERE ${where}`, ...values).toArray();
    if (row === undefined) return undefined;
    const scopes = row.scopes === null ? undefined : (JSON.parse(row.scopes) as Scope[]);
    return { ...row, scopes, superseded: row.superseded === 1 };
  }
}
