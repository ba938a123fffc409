import { objectIn } from "../../json.ts";
import type { Gap } from "./spans.ts";
import { BEGINNING, type Checkpoint } from "./segments.ts";
import { chainHash, type AuditRow, type ChainHeads, type Decision, type Settled } from "./row.ts";

/** What a check has found: how many rows it has read, and the first thing amiss. */
export type Checked = { rows: number; fault: string | undefined };

/** How far a check has come: all that is kept of what was read, so that another request can go on with it. */
export type CheckSoFar = { rows: Walked; outcomes: Walked; read: number; last_row: number };

/**
 * Checks both chains of an audit log: every text hashes to what is stored, every `prev` is the hash before it, no seq is
 * missing or there twice from the checkpoint on, but for those that a restore has lost and says so, outcomes belong to their
 * decisions, and the ends are the vault's heads (SECURITY S17). Rows are read a page at a time, the newest first, and forgotten:
 * what is kept are the ends of pieces of the chain of outcomes, no more than there were calls under way at once, however long
 * the log is.
 */
export class ChainCheck {
  readonly #rows: Walk;
  readonly #outcomes: Walk;
  #read: number;
  #last_row: number;
  #fault: string | undefined;

  constructor({ rows, outcomes, read, last_row }: CheckSoFar) {
    this.#rows = new Walk("row", rows);
    this.#outcomes = new Walk("outcome", outcomes);
    this.#read = read;
    this.#last_row = last_row;
  }

  static from(heads: ChainHeads, from: Checkpoint = BEGINNING): ChainCheck {
    const check = new ChainCheck({
      rows: unwalked({ seq: heads.head_seq, hash: heads.head_hash }, { seq: from.head_seq, hash: from.head_hash }, []),
      outcomes: unwalked(
        { seq: heads.outcome_seq, hash: heads.outcome_hash },
        { seq: from.outcome_seq, hash: from.outcome_hash },
        [...(from.lost ?? [])],
      ),
      read: 0,
      last_row: Number.MAX_SAFE_INTEGER,
    });
    for (const { seq, prev, hash } of from.beyond) check.#fault ??= check.#outcomes.give(seq, { hash, prev });
    return check;
  }

  get soFar(): CheckSoFar {
    return { rows: this.#rows.walked, outcomes: this.#outcomes.walked, read: this.#read, last_row: this.#last_row };
  }

  get fault(): string | undefined {
    return this.#fault;
  }

  /** Reads a page, whose rows are older than all that were read before. */
  read(page: readonly AuditRow[]): void {
    this.#read += page.length;
    for (const row of page) this.#fault ??= this.#take(row);
    this.#fault ??= this.#outcomes.go();
  }

  /** Nothing more comes. Where the log grew meanwhile, `latest` are the heads as they stand now: what lies beyond was never written by the vault. */
  end(latest?: ChainHeads): Checked {
    const fault =
      this.#fault ??
      (latest && (this.#rows.beyond(latest.head_seq) ?? this.#outcomes.beyond(latest.outcome_seq))) ??
      this.#rows.end() ??
      this.#outcomes.end();
    return { rows: this.#read, fault };
  }

  #take(row: AuditRow): string | undefined {
    const decision = objectIn(row.decision) as Decision | undefined;
    if (decision === undefined || chainHash(row.decision) !== row.hash || decision.seq !== row.seq)
      return `row ${row.seq} was changed`;
    if (row.seq >= this.#last_row) return `row ${row.seq} is there twice`;
    if (row.seq < 1) return `row ${row.seq} was added`;
    this.#last_row = row.seq;
    // Rows come in order: one that is not there now will not come.
    const fault =
      this.#rows.give(row.seq, { hash: row.hash, prev: decision.prev }) ?? this.#rows.go() ?? this.#rows.stopped();
    if (fault !== undefined) return fault;
    // Only what is linked to the head is believed, also about what is lost.
    if (decision.lost !== undefined && this.#rows.hasPassed(row.seq)) {
      this.#rows.walked.gaps.push(...decision.lost.rows);
      this.#outcomes.walked.gaps.push(...decision.lost.outcomes);
    }
    if (row.outcome === null) return undefined;
    const outcome = objectIn(row.outcome) as Settled | undefined;
    if (outcome === undefined || row.outcome_hash === null || chainHash(row.outcome) !== row.outcome_hash)
      return `the outcome of row ${row.seq} was changed`;
    if (outcome.of !== row.hash) return `the outcome of row ${row.seq} belongs to another row`;
    if (decision.outcome !== undefined) return `the outcome of row ${row.seq} was added`;
    return this.#outcomes.give(outcome.seq, { hash: row.outcome_hash, prev: outcome.prev });
  }
}

/** An entry of a chain as the next one names it. */
type Link = { seq: number; hash: string };

/** Entries of a chain that hang together: the hash of the last of them, and what the first refers to. */
type Piece = { first: number; last: number; prev: string; hash: string };

/**
 * One chain as far as it was walked, from its head backwards: the entry that is wanted `next`, with the hash that it must have, and what came
 * before those that refer to it, as pieces in order.
 */
type Walked = { head: Link; from: Link; next: Link; newest: number; gaps: Gap[]; pieces: Piece[] };

function unwalked(head: Link, from: Link, gaps: Gap[]): Walked {
  return { head, from, next: head, newest: 0, gaps, pieces: [] };
}

class Walk {
  readonly walked: Walked;
  readonly #what: string;

  constructor(what: string, walked: Walked) {
    this.#what = what;
    this.walked = walked;
  }

  /** Takes an entry; answers what is amiss. What is before the checkpoint, or came after the head was read, is nobody's here. */
  give(seq: number, { hash, prev }: { hash: string; prev: string }): string | undefined {
    const { head, from, next, pieces } = this.walked;
    this.walked.newest = Math.max(this.walked.newest, seq);
    if (seq <= from.seq || seq > head.seq) return undefined;
    const higher = pieces.findIndex(({ first }) => first > seq);
    const at = higher < 0 ? pieces.length : higher;
    const below = pieces[at - 1];
    if (seq > next.seq || (below !== undefined && seq <= below.last)) return `${this.#what} ${seq} was added`;
    const after = pieces[at]?.first === seq + 1 ? pieces[at] : undefined;
    const before = below?.last === seq - 1 ? below : undefined;
    if (after !== undefined && after.prev !== hash) return this.#unlinked(seq);
    if (before !== undefined && before.hash !== prev) return this.#unlinked(seq - 1);
    pieces.splice(at - Number(before !== undefined), Number(before !== undefined) + Number(after !== undefined), {
      first: before?.first ?? seq,
      prev: before?.prev ?? prev,
      last: after?.last ?? seq,
      hash: after?.hash ?? hash,
    });
    return undefined;
  }

  /** Goes on as far as entries have come; answers what is amiss. */
  go(): string | undefined {
    const { from, gaps, pieces } = this.walked;
    while (this.walked.next.seq > from.seq) {
      const { seq, hash } = this.walked.next;
      const piece = pieces.at(-1);
      const gap = gaps.find(({ first, last }) => first <= seq && seq <= last);
      if (gap !== undefined) {
        if (piece !== undefined && piece.last >= gap.first) return `${this.#what} ${piece.last} was added`;
        this.walked.next = { seq: gap.first - 1, hash: gap.prev };
        continue;
      }
      if (piece?.last !== seq) return undefined;
      if (piece.hash !== hash) return this.#unlinked(seq);
      const inside = gaps.find(({ last }) => piece.first <= last && last < piece.last);
      if (inside !== undefined) return `${this.#what} ${inside.last} was added`;
      pieces.pop();
      this.walked.next = { seq: piece.first - 1, hash: piece.prev };
    }
    return undefined;
  }

  /** Of a chain whose entries come in order: one that is not there will not come. */
  stopped(): string | undefined {
    return this.walked.pieces.length > 0 ? this.#missing() : undefined;
  }

  hasPassed(seq: number): boolean {
    return this.walked.next.seq < seq && seq <= this.walked.head.seq;
  }

  beyond(latest: number): string | undefined {
    const { newest } = this.walked;
    return newest > latest ? `${this.#what} ${newest} was added` : undefined;
  }

  end(): string | undefined {
    const { next, from } = this.walked;
    if (next.seq > from.seq) return this.#missing();
    return next.hash === from.hash ? undefined : `${this.#what} ${next.seq + 1} does not begin the chain`;
  }

  #missing(): string {
    return `${this.#what} ${this.walked.next.seq} is missing`;
  }

  #unlinked(seq: number): string {
    return `${this.#what} ${seq} is not the one that the next refers to`;
  }
}
