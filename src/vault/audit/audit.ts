import { RecentUses } from "./uses.ts";
import { filterSql, type ActivityFilter } from "./activity_filter.ts";
import { tallySql, type Bucket, type Tally } from "./tally.ts";
import { Heads } from "./heads.ts";
import { resume, type Theirs } from "./resume.ts";
import type { AuditRow, ChainHeads, Decision, Event, Outcome } from "./row.ts";

/** A call that goes on after its decision: the lease that opens its leash, and the path where the row has only a part of it. */
export type Reserved = { lease: string; path: string | null };

/** Hears of rows: a `whole` one is to be shipped, a `pending` one to be looked after; and of what was written into it. */
export type OnRow = (
  state: "whole" | "pending",
  seq: number,
  now: number,
  told: { event: Event } | { outcome: Outcome },
) => void;

/** Uses are counted over so many rows that are still here: more lie here only where D1 is away. */
const COUNTED_ROWS = 10_000;

/** How long a router may still say how a call ended that was given up. */
const LATE_MS = 60 * 60_000;

/**
 * Table `audit`: the outbox. Every row gets a gapless seq and is chained over its decision at the insert, in the same
 * synchronous step as the decision itself; the outcome is an entry of the second chain (SECURITY S16, S17).
 */
export class Audit {
  readonly #sql: SqlStorage;
  readonly #onRow: OnRow;
  readonly #heads: Heads;
  /** Of what is still here. */
  readonly uses = new RecentUses(() => this.latest(Number.MAX_SAFE_INTEGER, COUNTED_ROWS));
  /** The newest row that has left since this object woke. */
  newest_left = 0;
  /** How often a restore was caught up with since then: under the numbers of rows that were read before there may be others now. */
  lives = 0;
  /** Hashes of pending rows that were written since this object woke: ending one need not look it up. */
  readonly #pending = new Map<number, string>();

  constructor(sql: SqlStorage, onRow: OnRow) {
    this.#sql = sql;
    this.#heads = new Heads(sql);
    this.#onRow = onRow;
  }

  /** Before anything else is asked; `noted` is what was noted of the heads when the outbox was last emptied. */
  load(noted: ChainHeads): void {
    this.#heads.load(noted);
  }

  get heads(): ChainHeads {
    return this.#heads.now;
  }

  /** The newest seq that has left for D1: what D1 has beyond it is here too, or was written in a life that this vault does not remember. */
  get left(): number {
    const { head_seq } = this.heads;
    const { last, gap } = this.#sql
      .exec<{ last: number | null; gap: number | null }>(
        `SELECT max(seq) AS last, max(CASE WHEN NOT EXISTS (SELECT 1 FROM audit b WHERE b.seq = audit.seq - 1) THEN seq - 1 END) AS gap FROM audit`,
      )
      .one();
    return gap === null || last !== head_seq ? head_seq : gap;
  }

  /** Rows that are still here although later ones have left: calls that last. */
  get lasting(): number[] {
    return this.seqs(0, this.left);
  }

  /** What the row of that seq follows: as it does here, or as the next one would; undefined where nobody here can say. */
  prevAt(seq: number): string | undefined {
    const [row] = this.#sql.exec<{ decision: string }>("SELECT decision FROM audit WHERE seq = ?", seq).toArray();
    if (row !== undefined) return (JSON.parse(row.decision) as Decision).prev;
    return seq === this.heads.head_seq + 1 ? this.heads.head_hash : undefined;
  }

  /** Is this a row of ours, with the end that it has here? What is not here any more is known by its number alone. */
  knows({ seq, hash, outcome_hash }: Pick<AuditRow, "seq" | "hash" | "outcome_hash">): boolean {
    const [here] = this.at(seq);
    if (here === undefined) return seq <= this.heads.head_seq;
    return here.hash === hash && here.outcome_hash === outcome_hash;
  }

  /** Goes on where the archive ends, after a restore. Answers which entries neither has. */
  resume(theirs: Theirs, now: number): NonNullable<Event["lost"]> {
    this.lives++;
    return resume({ sql: this.#sql, heads: this.#heads, audit: this, onRow: this.#onRow }, theirs, now);
  }

  /** Appends a row. Without an outcome it stays pending until it is settled. */
  append(event: Event, now: number, reserved?: Reserved): { seq: number; id: string } {
    const row = this.#heads.nextRow(event, now);
    const { seq, id, hash } = row;
    const pending = event.outcome === undefined;
    this.#sql.exec(
      "INSERT INTO audit (seq, decision, hash, pending, lease, unclaimed_at, path) VALUES (?, ?, ?, ?, ?, ?, ?)",
      seq,
      row.text,
      hash,
      pending ? 1 : 0,
      reserved?.lease ?? null,
      pending ? now : null,
      reserved?.path ?? null,
    );
    this.#heads.moveTo({ row });
    if (pending) this.#pending.set(seq, hash);
    this.uses.add(event, now);
    this.#onRow(pending ? "pending" : "whole", seq, now, { event });
    return { seq, id };
  }

  /** Ends a pending row. The first outcome stands, but what is said after we gave a call up is recorded too. */
  settle(seq: number, outcome: Outcome, now: number): void {
    const of = this.#pendingHash(seq);
    if (of === undefined) return this.#settleLate(seq, outcome, now);
    const end = this.#heads.nextEnd(of, outcome, now);
    this.#sql.exec(
      `UPDATE audit SET pending = 0, lease = NULL, unclaimed_at = NULL, path = NULL, outcome = ?, outcome_hash = ? WHERE seq = ?`,
      end.text,
      end.hash,
      seq,
    );
    this.#pending.delete(seq);
    this.#heads.moveTo({ end });
    if (outcome.outcome === "refused") this.uses.forget();
    this.#onRow("whole", seq, now, { outcome });
  }

  /** Gives a pending row up: nobody carries the call any more. */
  interrupt(seq: number, now: number): void {
    this.#sql.exec("DELETE FROM interrupted WHERE at < ?", now - LATE_MS);
    this.#sql.exec(
      "INSERT INTO interrupted (seq, decision, at) SELECT seq, decision, ? FROM audit WHERE seq = ? AND pending = 1",
      now,
      seq,
    );
    this.settle(seq, { outcome: "interrupted" }, now);
  }

  /** Whole rows that wait for D1, oldest first. */
  whole(limit: number): AuditRow[] {
    return this.#rows("pending = 0 ORDER BY seq LIMIT +?", limit);
  }

  /** The row of that seq, if it is still here. */
  at(seq: number): AuditRow[] {
    return this.#rows("seq = ?", seq);
  }

  /** What is still here, newest first, below `before`. */
  latest(before: number, limit: number, filter: ActivityFilter = {}): AuditRow[] {
    const { where, values } = filterSql(filter);
    return this.#rows(`seq < ? AND ${where} ORDER BY seq DESC LIMIT +?`, before, ...values, limit);
  }

  /** Calls of rows that are still here, from that bucket on. */
  tally(bucket: Bucket, from: string): Tally[] {
    return this.#sql.exec<Tally>(`${tallySql(bucket)} AND decision ->> '$.at' >= ? GROUP BY 1, 2`, from).toArray();
  }

  /** How many rows beyond `after`, up to a seq, are still here. */
  countWithin(after: number, upto: number): number {
    const select = "SELECT count(*) AS n FROM audit WHERE seq > ? AND seq <= ?";
    return this.#sql.exec<{ n: number }>(select, after, upto).one().n;
  }

  /** Rows beyond `after` that are still here, up to a seq. */
  seqs(after: number, upto: number = Number.MAX_SAFE_INTEGER): number[] {
    return this.#sql
      .exec<{ seq: number }>("SELECT seq FROM audit WHERE seq > ? AND seq <= ? ORDER BY seq", after, upto)
      .toArray()
      .map(({ seq }) => seq);
  }

  /** Forgets rows that D1 has confirmed, and notes the heads that would go with them. Call inside a transaction. */
  forget(seqs: readonly number[]): void {
    this.#sql.exec("DELETE FROM audit WHERE seq IN (SELECT value FROM json_each(?))", JSON.stringify(seqs));
    for (const seq of seqs) {
      this.#pending.delete(seq);
      this.newest_left = Math.max(this.newest_left, seq);
    }
    this.uses.forget();
    this.#heads.note();
  }

  #pendingHash(seq: number): string | undefined {
    const select = "SELECT hash FROM audit WHERE seq = ? AND pending = 1";
    return this.#pending.get(seq) ?? this.#sql.exec<{ hash: string }>(select, seq).toArray()[0]?.hash;
  }

  /** The row may be in D1 by now, and what is chained is never changed: a late outcome gets a row of its own (SECURITY S17). */
  #settleLate(seq: number, outcome: Outcome, now: number): void {
    const [row] = this.#sql
      .exec<{ decision: string }>("DELETE FROM interrupted WHERE seq = ? RETURNING decision", seq)
      .toArray();
    if (row === undefined) return;
    const { seq: _seq, prev: _prev, id, at: _at, ...event } = JSON.parse(row.decision) as Decision;
    const late = this.append({ ...event, action: "proxy.late", subject: id }, now);
    this.settle(late.seq, outcome, now);
  }

  #rows(where: string, ...values: SqlStorageValue[]): AuditRow[] {
    return this.#sql
      .exec<AuditRow>(`SELECT seq, decision, hash, outcome, outcome_hash FROM audit WHERE ${where}`, ...values)
      .toArray();
  }
}
