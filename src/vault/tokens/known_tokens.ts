import { Problem } from "../../problem.ts";
import type { Freeze } from "../account/frozen.ts";
import type { VaultRow } from "../account/vault_row.ts";
import type { Holder } from "../policy/judgement.ts";
import { Accesses, type StoredAccess } from "./accesses.ts";
import type { Grants } from "./grants.ts";
import { earlier, isUnder, Lineage } from "./lineage.ts";
import { Remembered } from "./remembered.ts";
import type { Token } from "./token.ts";
import { TokenRows } from "./token_rows.ts";

/**
 * How a vault finds a token, by its text's hash or its id, and as what: as its grant, its access token and the freeze let it be now.
 * What is remembered of a row in memory is dropped with every write to it.
 */
export class KnownTokens {
  protected readonly rows: TokenRows;
  protected readonly accesses: Accesses;
  protected readonly grants: Grants;
  readonly #sql: SqlStorage;
  readonly #remembered = new Remembered();
  readonly #lineage: Lineage;
  #frozen: Freeze | null;

  constructor(sql: SqlStorage, grants: Grants, { frozen_at: at, frozen_by: by }: VaultRow) {
    this.rows = new TokenRows(sql);
    this.accesses = new Accesses(sql);
    this.grants = grants;
    this.#sql = sql;
    this.#lineage = new Lineage(grants, (id) => this.#parent(id));
    this.#frozen = at === null || by === null ? null : { at, by };
  }

  get frozen(): Freeze | null {
    return this.#frozen;
  }

  /** Refuses while the vault is frozen: what is judged by no token of its own asks here. */
  assertThawed(): void {
    if (this.#frozen !== null) throw new Problem("frozen", "This vault is frozen.", { rule: "frozen" });
  }

  /** Freezes all tokens at once, or with null lets them go: every judgement of any of them sees it from now on. */
  freeze(frozen: Freeze | null): void {
    this.#sql.exec("UPDATE vault SET frozen_at = ?, frozen_by = ?", frozen?.at ?? null, frozen?.by ?? null);
    this.#frozen = frozen;
    this.#remembered.forgetAll();
  }

  /**
   * The token of that hash, dead or alive, as its grant lets it be. Being asked by an access token of one that rotates is its
   * use: its answer has arrived.
   */
  byHash(hash: string): Token | undefined {
    const known = this.#remembered.byHash(hash);
    if (known !== undefined) return this.#lineage.standing(known);
    const token = this.#byOwnHash(hash) ?? this.#byAccess(hash, "use");
    if (token === undefined) return undefined;
    this.#remembered.keepHash(hash, token);
    return this.#lineage.standing(token);
  }

  /** As {@link byHash}, but looking is no use. */
  look(hash: string): Token | undefined {
    const token = this.#byOwnHash(hash) ?? this.#byAccess(hash, "look");
    return token && this.#lineage.standing(token);
  }

  find(id: string): Token | undefined {
    const token = this.select("id = ?", id)[0];
    return token && this.#lineage.standing(token);
  }

  /** The token as it is now for whoever came with an access token of that generation. */
  at(id: string, generation: number | undefined): Token | undefined {
    if (generation === undefined) return this.find(id);
    const access = this.accesses.newest(id, generation);
    return access && this.#lineage.standing(this.#through(access));
  }

  /** The token, and whose leave its calls need beside its own. */
  lineage(token: Token): (Holder & { token: Token })[] {
    return this.#lineage.of(token);
  }

  /** Ids of all that a token stems from: tokens, a device or a grant. */
  ancestors({ parent_id }: Token): string[] {
    if (parent_id === null) return [];
    const parent = this.find(parent_id);
    return [parent_id, ...(parent === undefined ? [] : this.ancestors(parent))];
  }

  protected write(id: string, set: string, ...values: SqlStorageValue[]): void {
    this.rows.write(id, set, ...values);
    this.forget(id);
  }

  /** Something about it was written elsewhere: what is remembered here is no longer true. */
  protected forget(id: string): void {
    this.#remembered.forget(id);
  }

  protected must(id: string): Token {
    const token = this.find(id);
    if (token === undefined) throw new Error(`token ${id} is not there`);
    return token;
  }

  protected select(where: string, ...values: SqlStorageValue[]): Token[] {
    return this.rows.select(where, ...values).map((row) => ({ ...row, frozen: this.#frozen }));
  }

  #byOwnHash(hash: string): Token | undefined {
    return this.select("hash = ? AND hash <> id", hash)[0];
  }

  #byAccess(hash: string, purpose: "use" | "look"): Token | undefined {
    const access = this.accesses.byHash(hash);
    if (access !== undefined && purpose === "use") this.accesses.use(hash);
    return access && this.#through(access);
  }

  #through({ token_id, hash, generation, expires_at, scopes, superseded }: StoredAccess): Token {
    const token = this.select("id = ?", token_id)[0] as Token;
    return {
      ...token,
      hash,
      generation,
      policy: scopes === undefined ? token.policy : { ...token.policy, scopes },
      expires_at: earlier(expires_at, token.expires_at),
      superseded,
    };
  }

  /** A token that others stem from. It is remembered, unless a grant says anew each time what it is. */
  #parent(id: string): Token {
    const known = this.#remembered.byId(id);
    if (known !== undefined) return known;
    const token = this.must(id);
    if (!isUnder(token, "grt")) this.#remembered.keepId(token);
    return token;
  }
}
