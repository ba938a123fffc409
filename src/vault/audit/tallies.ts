import type { VaultRow } from "../account/vault_row.ts";
import type { Audit } from "./audit.ts";
import { bucketOf, sumSql, tallyOf, type Bucket, type Tally } from "./tally.ts";
import type { Read } from "./uses.ts";

/** Rows that have left and are not counted yet: those beyond `after`, but for the ones that are `held` here. */
export type Uncounted = { after: number; held: number[] };

/**
 * Table `tally`: calls of the rows that have left for D1, by the hour and by how they ended. They are added up once for each
 * batch, in the step that forgets its rows, so that a row is in exactly one place: here or in the outbox.
 */
export class Tallies {
  readonly #sql: SqlStorage;
  readonly #audit: Audit;
  /** Of the rows that have left, those up to that seq are counted; undefined where all are. */
  #upto: number | undefined;

  constructor(sql: SqlStorage, audit: Audit) {
    this.#sql = sql;
    this.#audit = audit;
  }

  /**
   * Every seq is either counted or still here. If that does not come out, rows have left uncounted, before there were tallies
   * or under a release that knows none, and all are counted anew.
   */
  load({ tallied, tallied_to }: VaultRow): void {
    this.#upto = tallied_to ?? undefined;
    if (tallied === this.#leftUpTo(tallied_to ?? this.#audit.heads.head_seq)) return;
    this.#sql.exec("DELETE FROM tally");
    this.#note(0, 0);
  }

  /** The seq up to which rows that have left are counted, while not all are. */
  get upto(): number | undefined {
    return this.#upto;
  }

  /** Counts rows that leave, in the step that forgets them. What is not reached yet will be read in D1. */
  add(rows: readonly Read[]): void {
    const reached = rows.filter(({ row }) => row.seq <= (this.#upto ?? Infinity));
    if (reached.length === 0) return;
    this.#put(tallyOf(reached));
    this.#sql.exec("UPDATE vault SET tallied = tallied + ?", reached.length);
  }

  /** Goes on counting up to that seq: `found` are the calls of all rows until there that have left. */
  reach(upto: number, found: readonly Tally[]): void {
    this.#put(found);
    this.#note(this.#leftUpTo(upto), upto < this.#audit.heads.head_seq ? upto : undefined);
  }

  /** Calls from the bucket on in which `since` lies: of the rows that are counted and of those still here. */
  of(bucket: Bucket, since: string): { tally: Tally[]; uncounted: Uncounted | undefined } {
    const from = bucketOf(bucket, since);
    const counted = this.#sql.exec<Tally>(sumSql(bucket), from).toArray();
    const uncounted = this.#upto === undefined ? undefined : { after: this.#upto, held: this.#audit.seqs(this.#upto) };
    return { tally: [...counted, ...this.#audit.tally(bucket, from)], uncounted };
  }

  /** After a restore: of what has left beyond that seq nothing is counted, and it will be read in D1. */
  recountAfter(left: number): void {
    const upto = Math.min(left, this.#upto ?? left);
    this.#note(this.#leftUpTo(upto), upto);
  }

  /** Forgets hours that began before that time. */
  forget(before: number): void {
    this.#sql.exec("DELETE FROM tally WHERE hour <= ?", bucketOf("hour", new Date(before).toISOString()));
  }

  #leftUpTo(seq: number): number {
    return seq - this.#audit.countUpTo(seq);
  }

  #note(tallied: number, upto: number | undefined): void {
    this.#upto = upto;
    this.#sql.exec("UPDATE vault SET tallied = ?, tallied_to = ?", tallied, upto ?? null);
  }

  #put(tallies: readonly Tally[]): void {
    this.#sql.exec(
      `INSERT INTO tally (hour, outcome, calls, timed, latency_ms)
       SELECT value ->> 'bucket', value ->> 'outcome', value ->> 'calls', value ->> 'timed', value ->> 'latency_ms'
       FROM json_each(?) WHERE true
       ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, timed = timed + excluded.timed, latency_ms = latency_ms + excluded.latency_ms`,
      JSON.stringify(tallies),
    );
  }
}
