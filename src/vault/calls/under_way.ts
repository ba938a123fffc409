import type { Decision } from "../audit/row.ts";

/** A call that nobody settled and nobody holds a leash for is given this long (SECURITY S6). */
export const UNCLAIMED_MS = 15_000;

const PENDING = "seq IN (SELECT value FROM json_each(?)) AND pending = 1";

/** A call under way. `unclaimed_at` is since when no leash holds it; null while one does, as far as is known. */
export type UnderWayCall = { seq: number; unclaimed_at: number | null };

/**
 * The pending rows of table `audit`: calls that were let through and have not ended. Who carries one proves it by its lease;
 * all of it is stored, since a vault sleeps between two looks. Which rows these are is looked up once, then followed: the outbox
 * may be long where D1 is away, and a revocation does not search it.
 */
export class UnderWay {
  readonly #sql: SqlStorage;
  /** Seqs; undefined until somebody asks. One that is no longer pending does no harm. */
  #open: Set<number> | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** A call was let through. */
  began(seq: number): void {
    this.#open?.add(seq);
  }

  ended(seq: number): void {
    this.#open?.delete(seq);
  }

  /** The decision of a call whose current lease has this hash, with its whole path; undefined otherwise. */
  leased(seq: number, lease: string): Decision | undefined {
    const [row] = this.#sql
      .exec<{ decision: string; path: string | null }>(
        "SELECT decision, path FROM audit WHERE seq = ? AND pending = 1 AND lease = ?",
        seq,
        lease,
      )
      .toArray();
    return row && readDecision(row);
  }

  /**
   * Calls of an access token's generation that no leash holds yet find none: of one token that ends among several of a generation
   * no row tells which calls were its own.
   */
  disown(token_id: string, generation: number): void {
    for (const { seq, token, generation: came_with } of this.decisions())
      if (token === token_id && came_with === generation)
        this.#sql.exec("UPDATE audit SET lease = NULL WHERE seq = ? AND pending = 1", seq);
  }

  /** A leash holds the call. `lease` opens the next one, should this one be lost: each opens one. */
  hold(seq: number, lease: string): void {
    this.#sql.exec("UPDATE audit SET lease = ?, unclaimed_at = NULL WHERE seq = ? AND pending = 1", lease, seq);
  }

  /** No leash holds the call any more. True where it has not ended, so that somebody should look after it. */
  letGo(seq: number, now: number): boolean {
    return this.#sql.exec("UPDATE audit SET unclaimed_at = ? WHERE seq = ? AND pending = 1", now, seq).rowsWritten > 0;
  }

  /** Calls that have not ended, oldest first. */
  all(): UnderWayCall[] {
    return this.#sql
      .exec<UnderWayCall>(`SELECT seq, unclaimed_at FROM audit WHERE ${PENDING} ORDER BY seq`, this.#seqs())
      .toArray();
  }

  /** The decision of a call that has not ended, with its whole path. */
  decision(seq: number): Decision | undefined {
    const [row] = this.#sql
      .exec<{ decision: string; path: string | null }>(
        "SELECT decision, path FROM audit WHERE seq = ? AND pending = 1",
        seq,
      )
      .toArray();
    return row && readDecision(row);
  }

  /** The decisions of all calls that have not ended. */
  decisions(): Decision[] {
    return this.#sql
      .exec<{ decision: string; path: string | null }>(
        `SELECT decision, path FROM audit WHERE ${PENDING}`,
        this.#seqs(),
      )
      .toArray()
      .map(readDecision);
  }

  /** How many calls these actors or keys have under way. */
  count(of: "actor" | "key", ids: readonly string[]): number {
    const path = of === "actor" ? "$.actor.id" : "$.key";
    return this.#sql
      .exec<{ n: number }>(
        `SELECT count(*) AS n FROM audit WHERE ${PENDING} AND decision ->> '${path}' IN (SELECT value FROM json_each(?))`,
        this.#seqs(),
        JSON.stringify(ids),
      )
      .one().n;
  }

  #seqs(): string {
    this.#open ??= new Set(
      this.#sql
        .exec<{ seq: number }>("SELECT seq FROM audit WHERE pending = 1")
        .toArray()
        .map(({ seq }) => seq),
    );
    return JSON.stringify([...this.#open]);
  }
}

/** A decision as it was judged: its row may record only the beginning of the path. */
function readDecision(row: { decision: string; path: string | null }): Decision {
  const decision = JSON.parse(row.decision) as Decision;
  return row.path === null ? decision : { ...decision, path: row.path };
}
