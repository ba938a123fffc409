import { newIds } from "../ids.ts";
import { chainHash, GENESIS, type ChainHeads, type Decision, type Event, type Outcome, type Settled } from "./row.ts";

/** The next entry of a chain: what is hashed to the letter. It counts once it was written and `moveTo` was told. */
export type Entry = { seq: number; text: string; hash: string };

/** Where both chains of a vault's log end, and what follows there (SECURITY S17). */
export class Heads {
  readonly #sql: SqlStorage;
  readonly #newId = newIds();
  #now: ChainHeads = GENESIS;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Finds them: the last row in the outbox, or what was noted when the outbox was last emptied. */
  load({ head_seq, head_hash, outcome_seq, outcome_hash }: ChainHeads): void {
    this.#now = { head_seq, head_hash, outcome_seq, outcome_hash };
    const [last] = this.#sql
      .exec<{ seq: number; hash: string }>("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
      .toArray();
    // An old pending row may be all that is left here: what was noted is then the later end.
    if (last !== undefined && last.seq > head_seq) this.moveTo({ row: last });
    const [end] = this.#sql
      .exec<{ seq: number; hash: string }>(
        `SELECT json_extract(outcome, '$.seq') AS seq, outcome_hash AS hash FROM audit WHERE outcome IS NOT NULL ORDER BY 1 DESC LIMIT 1`,
      )
      .toArray();
    if (end !== undefined && end.seq > outcome_seq) this.moveTo({ end });
  }

  get now(): ChainHeads {
    return this.#now;
  }

  moveTo({ row, end }: { row?: Omit<Entry, "text"> | undefined; end?: Omit<Entry, "text"> | undefined }): void {
    if (row !== undefined) this.#now = { ...this.#now, head_seq: row.seq, head_hash: row.hash };
    if (end !== undefined) this.#now = { ...this.#now, outcome_seq: end.seq, outcome_hash: end.hash };
  }

  /** The next entry of the chain of decisions. */
  nextRow(event: Event, now: number): Entry & { id: string } {
    const seq = this.#now.head_seq + 1;
    const id = this.#newId("aud", now);
    const entry: Decision = { seq, prev: this.#now.head_hash, id, at: new Date(now).toISOString(), ...event };
    const text = JSON.stringify(entry);
    return { seq, id, text, hash: chainHash(text) };
  }

  /** The next entry of the chain of outcomes, for the decision with that hash. */
  nextEnd(of: string, outcome: Outcome, now: number): Entry {
    const seq = this.#now.outcome_seq + 1;
    const entry: Settled = { seq, prev: this.#now.outcome_hash, of, at: new Date(now).toISOString(), ...outcome };
    const text = JSON.stringify(entry);
    return { seq, text, hash: chainHash(text) };
  }

  /** Notes them, before the rows go by which they are found. */
  note(): void {
    const { head_seq, head_hash, outcome_seq, outcome_hash } = this.#now;
    this.#sql.exec(
      "UPDATE vault SET head_seq = ?, head_hash = ?, outcome_seq = ?, outcome_hash = ?",
      head_seq,
      head_hash,
      outcome_seq,
      outcome_hash,
    );
  }

  /** The last end that was noted. */
  notedEnd(): { seq: number; hash: string } {
    return this.#sql
      .exec<{ seq: number; hash: string }>("SELECT outcome_seq AS seq, outcome_hash AS hash FROM vault")
      .one();
  }
}
