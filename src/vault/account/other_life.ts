import { Problem } from "../../problem.ts";
import type { Audit } from "../audit/audit.ts";
import { CHANGES_NOTHING } from "../audit/outbox.ts";
import type { Theirs } from "../audit/resume.ts";
import { chainHash, type AuditRow, type Decision, type Settled } from "../audit/row.ts";
import { Spans } from "../audit/spans.ts";

/** Hears of each row that is lost, and how it ended. */
type OnLost = (decision: Decision, ended: Settled | undefined) => void;

/**
 * What D1 tells of a life that this vault does not remember: rows that it has lost, and ends of calls that have ended here otherwise
 * or not at all. Shown row by row in their order, however many there are: of a call's row nothing is kept.
 */
export class OtherLife {
  readonly #audit: Audit;
  readonly #onLost: OnLost;
  readonly #rows = new Spans();
  readonly #ends = new Spans();
  readonly #held: number[] = [];
  /** The first row that is not known here as it is there. */
  #strange: AuditRow | undefined;
  /** The first row that is lost, and the last one before it that is not. */
  #first: { seq: number; prev: string } | undefined;
  #shared = 0;
  /** The first end that is lost. */
  #first_end: { seq: number; prev: string } | undefined;
  /** How many rows are lost. */
  lost = 0;
  /** What is to be done again. */
  readonly changes: Decision[] = [];

  constructor(audit: Audit, onLost: OnLost) {
    this.#audit = audit;
    this.#onLost = onLost;
  }

  /** Does D1 tell nothing that is not known here by now? Somebody else may have caught up with it meanwhile. */
  get isNone(): boolean {
    return this.#strange === undefined || this.#audit.knows(this.#strange);
  }

  add(row: AuditRow): void {
    const [here] = this.#audit.at(row.seq);
    const is_ours = here === undefined ? row.seq <= this.#audit.heads.head_seq : here.hash === row.hash;
    if (!is_ours || this.#first !== undefined) return this.#addLost(row);
    this.#shared = row.seq;
    if (here === undefined) return;
    this.#held.push(row.seq);
    if (here.outcome_hash === row.outcome_hash) return;
    this.#strange ??= row;
    this.#addEnd(row);
  }

  /**
   * From where on the two lives differ, and what D1 has from there. Calls that were under way in the other one never came to D1, so before the first
   * row that is not ours there may be others that are not: as many as its `prev` does not know of. Where none may be, it does not continue this
   * vault's own chain, and is a fault or a forgery by which nothing is done.
   */
  since(left: number): Theirs {
    const { fork, prev } = this.#fork(left);
    return { fork, prev, rows: this.#rows, ends: this.#ends, first_end: this.#first_end, held: this.#held };
  }

  #fork(left: number): { fork: number; prev: string } {
    const { head_seq, head_hash } = this.#audit.heads;
    if (this.#first === undefined) return { fork: head_seq + 1, prev: head_hash };
    const { seq, prev } = this.#first;
    if (this.#audit.prevAt(seq) === prev) return { fork: seq, prev };
    const fork = Math.max(this.#shared, left) + 1;
    const before = this.#audit.prevAt(fork);
    if (fork === seq || before === undefined) throw other(fork);
    return { fork, prev: before };
  }

  /** Rows that follow each other, but for those that are missing between them, are one chain. */
  #addLost(row: AuditRow): void {
    const decision = JSON.parse(row.decision) as Decision;
    const before = this.#rows.last;
    const follows = before?.seq !== row.seq - 1 || decision.prev === before.hash;
    if (decision.seq !== row.seq || !follows || chainHash(row.decision) !== row.hash) throw other(row.seq);
    this.#strange ??= row;
    this.#first ??= { seq: row.seq, prev: decision.prev };
    this.#rows.add(row.seq, row.hash);
    this.lost++;
    if (!CHANGES_NOTHING.has(decision.action)) this.changes.push(decision);
    this.#onLost(decision, row.outcome === null ? undefined : (JSON.parse(row.outcome) as Settled));
    this.#addEnd(row);
  }

  #addEnd({ seq: of_seq, hash: of_hash, outcome, outcome_hash }: AuditRow): void {
    if (outcome === null || outcome_hash === null) return;
    const { seq, prev, of } = JSON.parse(outcome) as Settled;
    if (chainHash(outcome) !== outcome_hash || of !== of_hash) throw other(of_seq);
    if (seq < (this.#first_end?.seq ?? Infinity)) this.#first_end = { seq, prev };
    this.#ends.add(seq, outcome_hash);
  }
}

function other(seq: number): Problem {
  return new Problem("conflict", `D1 holds other audit rows under seq ${seq}.`);
}
