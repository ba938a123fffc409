import { Problem } from "../../problem.ts";
import { newIds } from "../ids.ts";
import type { ClaimConditions } from "./claims.ts";
import { withinSql, type Reach } from "../policy/reach.ts";
import type { PolicyInput } from "../policy/resolve_policy.ts";

/** A machine identity that is let in. `policy`, resolved when it was stored, is that of each token that is minted for it. */
export type Trust = {
  id: string;
  name: string;
  issuer: string;
  audience: string;
  /** Public keys (RFC 7517) of an issuer that cannot be asked; null where it is asked. */
  jwks: string | null;
  claims: ClaimConditions;
  single_use: boolean;
  policy: PolicyInput;
  created_at: number;
  uses: number;
  last_used_at: number | null;
};

export type NewTrust = Pick<Trust, "name" | "issuer" | "jwks" | "claims" | "single_use" | "policy"> & {
  audience: string | undefined;
};

type Row = Omit<Trust, "claims" | "policy" | "single_use"> & { claims: string; policy: string; single_use: number };

const TRUSTS_LIMIT = 50;

/** Tables `trust` and `exchanged`. A trust that was deleted is gone: what it minted ended with it. */
export class Trusts {
  readonly #sql: SqlStorage;
  readonly #newId = newIds();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  find(id: string): Trust | undefined {
    return this.#select("id = ?", id)[0];
  }

  must(id: string): Trust {
    const trust = this.find(id);
    if (trust === undefined) throw new Problem("not_found", "There is no such trust.");
    return trust;
  }

  /** Trusts, newest first, below the id `before`; of what they reach, only within a choice of keys. */
  list(before: string | undefined, limit: number, reach: Reach = null): Trust[] {
    const { where, values } = withinSql("policy -> '$.keys'", reach);
    return this.#select(`id < ? AND ${where} ORDER BY id DESC LIMIT +?`, before ?? "~", ...values, limit);
  }

  /** Stores a trust. Its audience is its own address unless something else was chosen. */
  add(
    { name, issuer, audience, jwks, claims, single_use, policy }: NewTrust,
    addressOf: (id: string) => string,
  ): Trust {
    if (this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM trust").one().n >= TRUSTS_LIMIT)
      throw new Problem("conflict", `A vault holds at most ${TRUSTS_LIMIT} trusts.`);
    const now = Date.now();
    const id = this.#newId("tst", now);
    this.#sql.exec(
      "INSERT INTO trust (id, name, issuer, audience, jwks, claims, single_use, policy, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      id,
      name,
      issuer,
      audience ?? addressOf(id),
      jwks,
      JSON.stringify(claims),
      single_use ? 1 : 0,
      JSON.stringify(policy),
      now,
    );
    return this.must(id);
  }

  delete(id: string): void {
    this.#sql.exec("DELETE FROM trust WHERE id = ?", id);
  }

  used(id: string, now: number): void {
    this.#sql.exec("UPDATE trust SET uses = uses + 1, last_used_at = ? WHERE id = ?", now, id);
  }

  /** Notes a token that is exchanged; false where it was before. Forgets those that nobody could show any more. */
  take(hash: string, expires_at: number, now: number): boolean {
    this.#sql.exec("DELETE FROM exchanged WHERE expires_at <= ?", now);
    const { rowsWritten } = this.#sql.exec(
      "INSERT INTO exchanged (hash, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
      hash,
      expires_at,
    );
    return rowsWritten > 0;
  }

  #select(where: string, ...values: SqlStorageValue[]): Trust[] {
    return this.#sql
      .exec<Row>(`SELECT * FROM trust WHERE ${where}`, ...values)
      .toArray()
      .map((row) => ({
        ...row,
        claims: JSON.parse(row.claims) as ClaimConditions,
        policy: JSON.parse(row.policy) as PolicyInput,
        single_use: row.single_use === 1,
      }));
  }
}
