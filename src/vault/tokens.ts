import { ulid } from "ulid";
import type { TokenKind } from "../crypto/token.ts";
import { Problem } from "../problem.ts";
import { policyUnder, type Grants } from "./grants.ts";
import type { Policy } from "./policy.ts";

/** A token of this vault. Times are epoch milliseconds. */
export type Token = {
  id: string;
  kind: TokenKind;
  hash: string;
  /** The token, device or grant that minted it; null for what a person made. */
  parent_id: string | null;
  name: string;
  policy: Policy;
  created_at: number;
  /** When the person behind a session proved who they are. */
  signed_in_at: number | null;
  expires_at: number | null;
  seen_at: number | null;
  paused_at: number | null;
  revoked_at: number | null;
  uses: number;
  refused: number;
  last_used_at: number | null;
};

/** What a new token starts with. */
export type NewToken = Pick<Token, "kind" | "hash" | "name" | "policy" | "expires_at" | "signed_in_at"> & {
  parent_id?: string | undefined;
};

const ID_PREFIX: Partial<Record<TokenKind, string>> = { app: "tok", ses: "ses", dev: "dev" };
const TOKENS_LIMIT = 1_000;
const SESSIONS_LIMIT = 50;
const DEVICES_LIMIT = 100;
const LIMITS: Partial<Record<TokenKind, number>> = { ses: SESSIONS_LIMIT, dev: DEVICES_LIMIT };
const REMEMBERED = 2_000;

type Row = Omit<Token, "policy"> & { policy: string };

/** Table `token`. Only hashes are stored; what is remembered in memory is dropped with every write to its row. */
export class Tokens {
  readonly #sql: SqlStorage;
  readonly #grants: Grants;
  readonly #by_hash = new Map<string, Token>();

  constructor(sql: SqlStorage, grants: Grants) {
    this.#sql = sql;
    this.#grants = grants;
  }

  /** The token of that hash, dead or alive, as its grant lets it be. */
  byHash(hash: string): Token | undefined {
    const known = this.#by_hash.get(hash);
    if (known !== undefined) return this.#standing(known);
    const token = this.#select("hash = ?", hash)[0];
    if (token === undefined) return undefined;
    if (this.#by_hash.size >= REMEMBERED) this.#by_hash.clear();
    this.#by_hash.set(hash, token);
    return this.#standing(token);
  }

  find(id: string): Token | undefined {
    const token = this.#select("id = ?", id)[0];
    return token && this.#standing(token);
  }

  /** Live or dead tokens of a kind, newest first, below the id `before`. */
  list(kind: TokenKind, before: string | undefined, limit: number): Token[] {
    return this.#select("kind = ? AND id < ? ORDER BY id DESC LIMIT ?", kind, before ?? "~", limit);
  }

  /** Sessions that must end so that one more has room: a sign-in is never refused, the oldest make way. */
  sessionsInTheWay(now: number): string[] {
    const live = this.live("ses", now);
    return live.slice(0, Math.max(0, live.length - SESSIONS_LIMIT + 1));
  }

  /** Ids of live tokens of a kind, of one parent or all, oldest first. */
  live(kind: TokenKind, now: number, parent_id?: string): string[] {
    return this.#sql
      .exec<{ id: string }>(
        `SELECT id FROM token WHERE kind = ?1 AND (?3 IS NULL OR parent_id = ?3) AND revoked_at IS NULL
         AND (expires_at IS NULL OR expires_at > ?2) ORDER BY id`,
        kind,
        now,
        parent_id ?? null,
      )
      .toArray()
      .map(({ id }) => id);
  }

  /** Stores a new token; one too many of its kind is refused. */
  add(token: NewToken, now: number): Token {
    const limit = LIMITS[token.kind] ?? TOKENS_LIMIT;
    // Access tokens are bounded by grant, where the oldest make way (access_tokens.ts).
    if (token.kind !== "oat" && this.live(token.kind, now).length >= limit) {
      throw new Problem("conflict", "A vault holds no more live tokens of this kind; revoke some first.");
    }
    const id = `${ID_PREFIX[token.kind] ?? token.kind}_${ulid(now)}`;
    this.#sql.exec(
      `INSERT INTO token (id, kind, hash, parent_id, name, policy, created_at, signed_in_at, expires_at, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      token.kind,
      token.hash,
      token.parent_id ?? null,
      token.name,
      JSON.stringify(token.policy),
      now,
      token.signed_in_at,
      token.expires_at,
      now,
    );
    return this.#must(id);
  }

  /**
   * Ends a token for ever, and in the same step all that was minted by it (SECURITY S3). The rows stay, so that their refusals
   * can be told. Answers the ids of all that are dead now: what each has open is to be cut.
   */
  revoke(id: string, now: number): string[] {
    this.#write(id, "revoked_at = coalesce(revoked_at, ?)", now);
    return [id, ...this.revokeChildren(id, now)];
  }

  /** Ends all that was minted by a token, a device or a grant, and by what those minted. */
  revokeChildren(parent_id: string, now: number): string[] {
    const children = this.#sql.exec<{ id: string }>("SELECT id FROM token WHERE parent_id = ?", parent_id).toArray();
    return children.flatMap(({ id }) => this.revoke(id, now));
  }

  pause(id: string, now: number): void {
    this.#write(id, "paused_at = coalesce(paused_at, ?)", now);
  }

  resume(id: string): void {
    this.#write(id, "paused_at = NULL");
  }

  /** Keeps a session alive: it was seen now and lives until `expires_at`. */
  touch(id: string, now: number, expires_at: number): void {
    this.#write(id, "seen_at = ?, expires_at = ?", now, expires_at);
  }

  rename(id: string, name: string): void {
    this.#write(id, "name = ?", name);
  }

  /** Lets a token that is held to certain keys use one more. */
  addKey({ id, policy }: Token, key_id: string): void {
    if (policy.keys === undefined) return;
    this.#write(id, "policy = ?", JSON.stringify({ ...policy, keys: [...policy.keys, key_id] }));
  }

  /** Adds what rows that leave for D1 say about a token's use. */
  addUse(id: string, uses: number, refused: number, last_used_at: number | null): void {
    this.#write(
      id,
      "uses = uses + ?, refused = refused + ?, last_used_at = max(coalesce(last_used_at, 0), coalesce(?, last_used_at))",
      uses,
      refused,
      last_used_at,
    );
  }

  #write(id: string, set: string, ...values: SqlStorageValue[]): void {
    for (const { hash } of this.#sql.exec<{ hash: string }>(
      `UPDATE token SET ${set} WHERE id = ? RETURNING hash`,
      ...values,
      id,
    )) {
      this.#by_hash.delete(hash);
    }
  }

  /** An access token is what its grant lets it be now: narrowing, pausing or ending the grant does the same to all of them. */
  #standing(token: Token): Token {
    const grant = token.kind === "oat" ? this.#grants.find(token.parent_id ?? "") : undefined;
    if (grant === undefined) return token;
    return {
      ...token,
      policy: policyUnder(grant, token.policy),
      expires_at: earlier(token.expires_at, grant.expires_at),
      paused_at: token.paused_at ?? grant.paused_at,
      revoked_at: token.revoked_at ?? grant.revoked_at,
    };
  }

  #must(id: string): Token {
    const token = this.find(id);
    if (token === undefined) throw new Error(`token ${id} is not there`);
    return token;
  }

  #select(where: string, ...values: SqlStorageValue[]): Token[] {
    return this.#sql
      .exec<Row>(`SELECT * FROM token WHERE ${where}`, ...values)
      .toArray()
      .map((row) => ({ ...row, policy: JSON.parse(row.policy) as Policy }));
  }
}

/** The earlier of two moments, where null is never. */
function earlier(one: number | null, other: number | null): number | null {
  const first = Math.min(one ?? Infinity, other ?? Infinity);
  return Number.isFinite(first) ? first : null;
}
