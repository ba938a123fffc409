import type { VaultRow } from "../account/vault_row.ts";
import type { Audit } from "./audit.ts";
import { bucketOf, sumSql, tallyOf, type Bucket, type Tally } from "./tally.ts";
import type { Read } from "./uses.ts";

/** Rows beyond `after`, up to a seq. */
export type Stretch = { after: number; upto: number };

/**
 * Table `tally`: calls of the rows that have left for D1, by the hour and by how they ended. They are added up once for each
 * batch, in the step that forgets its rows, so that a row is in exactly one place: here or in the outbox.
 */
export class Tallies {
  readonly #sql: SqlStorage;
  readonly #audit: Audit;
  #uncounted: Stretch | undefined;

  constructor(sql: SqlStorage, audit: Audit) {
    this.#sql = sql;
    this.#audit = audit;
  }

  /**
   * Every seq is counted, to be counted, or still here. If that does not come out, rows have left uncounted, before there were
   * tallies or under a release that knows none, and all are counted anew.
   */
  load({ tallied, tallied_to, tallied_beyond }: VaultRow): void {
    const all = this.#all;
    if (tallied_to !== null) this.#uncounted = { after: tallied_to, upto: tallied_beyond ?? all.upto };
    const to_count = this.#uncounted === undefined ? 0 : this.#left(this.#uncounted);
    if (tallied !== this.#left(all) - to_count) this.#beginAnew();
  }

  /** Of the rows there, those that have left are not counted yet; undefined where all are. */
  get uncounted(): Stretch | undefined {
    return this.#uncounted;
  }

  /** Counts rows that leave, in the step that forgets them. What is to be counted yet will be read in D1. */
  add(rows: readonly Read[]): void {
    const { after, upto } = this.#uncounted ?? { after: 0, upto: 0 };
    const counted = rows.filter(({ row: { seq } }) => seq <= after || seq > upto);
    if (counted.length === 0) return;
    this.#put(tallyOf(counted));
    this.#sql.exec("UPDATE vault SET tallied = tallied + ?", counted.length);
  }

  /** `found` are the calls of those rows of the upper end of what is uncounted that have left. */
  reach(end: Stretch, found: readonly Tally[]): void {
    const after = this.#uncounted?.after ?? 0;
    this.#put(found);
    this.#sql.exec("UPDATE vault SET tallied = tallied + ?", this.#left(end));
    this.#note(end.after > after ? { after, upto: end.after } : undefined);
  }

  /** Calls from the bucket on in which `since` lies: of the rows that are counted and of those still here. */
  of(bucket: Bucket, since: string): { tally: Tally[]; counting: boolean } {
    const from = bucketOf(bucket, since);
    const counted = this.#sql.exec<Tally>(sumSql(bucket), from).toArray();
    return { tally: [...counted, ...this.#audit.tally(bucket, from)], counting: this.#uncounted !== undefined };
  }

  /** After a restore: of what has left beyond that seq nothing is counted, and it will be read in D1. */
  recountAfter(left: number): void {
    if (this.#uncounted !== undefined) return this.#beginAnew();
    this.#sql.exec("UPDATE vault SET tallied = ?", this.#left({ after: 0, upto: left }));
    this.#note({ after: left, upto: this.#audit.heads.head_seq });
  }

  /** Forgets hours that began before that time. */
  forget(before: number): void {
    this.#sql.exec("DELETE FROM tally WHERE hour <= ?", bucketOf("hour", new Date(before).toISOString()));
  }

  get #all(): Stretch {
    return { after: 0, upto: this.#audit.heads.head_seq };
  }

  /** How many of these have left. */
  #left({ after, upto }: Stretch): number {
    return upto - after - this.#audit.countWithin(after, upto);
  }

  #beginAnew(): void {
    this.#sql.exec("DELETE FROM tally");
    this.#sql.exec("UPDATE vault SET tallied = 0");
    this.#note(this.#all);
  }

  #note(uncounted: Stretch | undefined): void {
    this.#uncounted = uncounted;
    this.#sql.exec(
      "UPDATE vault SET tallied_to = ?, tallied_beyond = ?",
      uncounted?.after ?? null,
      uncounted?.upto ?? null,
    );
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
