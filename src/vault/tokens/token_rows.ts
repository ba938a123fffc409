import type { TokenKind } from "../../crypto/token.ts";
import { newIds } from "../ids.ts";
import type { Policy } from "../policy/policy.ts";
import type { NewToken, Token } from "./token.ts";

const ID_PREFIX: Partial<Record<TokenKind, string>> = { app: "tok", ses: "ses", dev: "dev" };
const TOKENS_LIMIT = 1_000;
const LIMITS: Partial<Record<TokenKind, number>> = { ses: 50, dev: 100 };

/** How many live tokens of a kind a vault holds at most. */
export function limitOf(kind: TokenKind): number {
  return LIMITS[kind] ?? TOKENS_LIMIT;
}

/** What a list of tokens may be narrowed to. */
export type TokenFilter = { q?: string | undefined; state?: "live" | "ended" | undefined };

/** Is a token neither revoked nor expired, nor one that rotates and was not refreshed in time? Its values are {@link livesAt}. */
export const LIVES = `revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)
  AND NOT EXISTS (SELECT 1 FROM family WHERE token_id = token.id AND answered_at + idle_ms < ?)`;

export function livesAt(now: number): number[] {
  return [now, now];
}

/** All that was minted by one, and by those. */
const BELOW = `WITH RECURSIVE below (id) AS (
  SELECT id FROM token WHERE parent_id = ? UNION SELECT token.id FROM token JOIN below ON token.parent_id = below.id)`;

/** A token as its row says it: by itself, whatever lies over it. */
export type StoredToken = Omit<Token, "frozen">;

type Row = Omit<Token, "policy" | "generation" | "superseded" | "frozen"> & { policy: string };

/** Table `token`. Only hashes are stored. */
export class TokenRows {
  readonly #sql: SqlStorage;
  readonly #newId = newIds();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  select(where: string, ...values: SqlStorageValue[]): StoredToken[] {
    return this.#sql
      .exec<Row>(`SELECT * FROM token WHERE ${where}`, ...values)
      .toArray()
      .map((row) => ({ ...row, policy: JSON.parse(row.policy) as Policy }));
  }

  /** Answers the new row's id. */
  add(token: NewToken, now: number): string {
    const id = this.#newId(ID_PREFIX[token.kind] ?? token.kind, now);
    this.#sql.exec(
      `INSERT INTO token (id, kind, hash, parent_id, name, policy, created_at, signed_in_at, expires_at, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      token.kind,
      token.hash ?? id,
      token.parent_id ?? null,
      token.name,
      JSON.stringify(token.policy),
      now,
      token.signed_in_at,
      token.expires_at,
      now,
    );
    return id;
  }

  write(id: string, set: string, ...values: SqlStorageValue[]): void {
    this.#sql.exec(`UPDATE token SET ${set} WHERE id = ?`, ...values, id);
  }

  delete(id: string): void {
    this.#sql.exec("DELETE FROM token WHERE id = ?", id);
  }

  parentOf(id: string): string | null {
    const [row] = this.#sql
      .exec<{ parent_id: string | null }>("SELECT parent_id FROM token WHERE id = ?", id)
      .toArray();
    return row?.parent_id ?? null;
  }

  /** Ids of live tokens of a kind, of one parent or all, oldest first. */
  live(kind: TokenKind, now: number, parent_id?: string): string[] {
    return this.#ids(
      `SELECT id FROM token WHERE kind = ? AND parent_id IS coalesce(?, parent_id) AND ${LIVES} ORDER BY id`,
      kind,
      parent_id ?? null,
      ...livesAt(now),
    );
  }

  /** Ids of all that was derived from this one, and from those. */
  descendants(id: string): string[] {
    return this.#ids(`${BELOW} SELECT id FROM below`, id);
  }

  /** Ids of what was minted by a token, a device or a grant, and was not ended. */
  liveChildren(parent_id: string): string[] {
    return this.#ids("SELECT id FROM token WHERE parent_id = ? AND revoked_at IS NULL", parent_id);
  }

  /** Ids of what stems from it and has been dead since before `until`. */
  deadUnder(id: string, until: number): string[] {
    const died_at = "min(coalesce(revoked_at, expires_at), coalesce(expires_at, revoked_at))";
    return this.#ids(`${BELOW} SELECT id FROM token JOIN below USING (id) WHERE ${died_at} < ?`, id, until);
  }

  #ids(query: string, ...values: SqlStorageValue[]): string[] {
    return this.#sql
      .exec<{ id: string }>(query, ...values)
      .toArray()
      .map(({ id }) => id);
  }
}
