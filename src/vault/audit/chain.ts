import { objectIn } from "../../json.ts";
import type { Gap } from "./spans.ts";
import { BEGINNING, type Checkpoint } from "./segments.ts";
import { chainHash, type AuditRow, type ChainHeads, type Decision, type Settled } from "./row.ts";

/** What a check has found: how many rows it has read, and the first thing amiss. */
export type Checked = { rows: number; fault: string | undefined };

/** An entry of a chain; what a row tells of entries that a restore has lost comes with it. */
type Entry = { hash: string; prev: string; lost?: Decision["lost"] };

/**
 * Checks both chains of an audit log: every text hashes to what is stored, every `prev` is the hash before it, no seq is
 * missing or there twice from the checkpoint on, but for those that a restore has lost and says so, outcomes belong to their
 * decisions, and the ends are the vault's heads (SECURITY S17). Rows are read a page at a time, the newest first, and forgotten:
 * what is kept are outcomes whose successors have not come yet, however long the log is.
 */
export class ChainCheck {
  readonly #rows: Walk;
  readonly #outcomes: Walk;
  #last_row = Infinity;
  #read = 0;
  #fault: string | undefined;

  constructor(heads: ChainHeads, from: Checkpoint = BEGINNING) {
    this.#outcomes = new Walk(
      "outcome",
      { seq: heads.outcome_seq, hash: heads.outcome_hash },
      { seq: from.outcome_seq, hash: from.outcome_hash },
      [...(from.lost ?? [])],
    );
    const rows = { seq: heads.head_seq, hash: heads.head_hash };
    // Only what is linked to the head is believed, also about what is lost.
    this.#rows = new Walk("row", rows, { seq: from.head_seq, hash: from.head_hash }, [], ({ lost }) => {
      this.#rows.gaps.push(...(lost?.rows ?? []));
      this.#outcomes.gaps.push(...(lost?.outcomes ?? []));
    });
    for (const { seq, prev, hash } of from.beyond) this.#outcomes.give(seq, { hash, prev });
  }

  /** Reads a page, whose rows are older than all that were read before. */
  read(page: readonly AuditRow[]): void {
    this.#read += page.length;
    for (const row of page) this.#fault ??= this.#take(row);
    this.#fault ??= this.#rows.go() ?? this.#rows.stopped() ?? this.#outcomes.go();
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
    this.#rows.give(row.seq, { hash: row.hash, prev: decision.prev, lost: decision.lost });
    if (row.outcome === null) return undefined;
    const outcome = objectIn(row.outcome) as Settled | undefined;
    if (outcome === undefined || row.outcome_hash === null || chainHash(row.outcome) !== row.outcome_hash)
      return `the outcome of row ${row.seq} was changed`;
    if (outcome.of !== row.hash) return `the outcome of row ${row.seq} belongs to another row`;
    const whole = decision.outcome !== undefined;
    if (whole || !this.#outcomes.give(outcome.seq, { hash: row.outcome_hash, prev: outcome.prev }))
      return `the outcome of row ${row.seq} was added`;
    return undefined;
  }
}

/** One chain, from its head backwards; entries may come before those that refer to them. */
class Walk {
  readonly gaps: Gap[];
  readonly #what: string;
  readonly #head: number;
  readonly #from: { seq: number; hash: string };
  readonly #visit: (entry: Entry) => void;
  readonly #waiting = new Map<number, Entry>();
  /** The entry that is wanted next, and the hash that it must have. */
  #next: { seq: number; hash: string };
  #newest = 0;

  constructor(
    what: string,
    head: { seq: number; hash: string },
    from: { seq: number; hash: string },
    gaps: Gap[],
    visit: (entry: Entry) => void = () => {},
  ) {
    this.#what = what;
    this.#head = head.seq;
    this.#next = head;
    this.#from = from;
    this.gaps = gaps;
    this.#visit = visit;
  }

  /** Whether there was none of that number yet. What is before the checkpoint, or came after the head was read, is nobody's here. */
  give(seq: number, entry: Entry): boolean {
    this.#newest = Math.max(this.#newest, seq);
    if (seq <= this.#from.seq || seq > this.#head) return true;
    if (seq > this.#next.seq || this.#waiting.has(seq)) return false;
    this.#waiting.set(seq, entry);
    return true;
  }

  /** Goes on as far as entries have come; answers what is amiss. */
  go(): string | undefined {
    while (this.#next.seq > this.#from.seq) {
      const { seq, hash } = this.#next;
      const entry = this.#waiting.get(seq);
      const gap = this.gaps.find(({ first, last }) => first <= seq && seq <= last);
      if (gap !== undefined && entry !== undefined) return `${this.#what} ${seq} was added`;
      if (gap === undefined && entry === undefined) return undefined;
      if (entry !== undefined && entry.hash !== hash)
        return `${this.#what} ${seq} is not the one that the next refers to`;
      if (entry !== undefined) this.#visit(entry);
      this.#waiting.delete(seq);
      this.#next = { seq: seq - 1, hash: entry?.prev ?? gap?.prev ?? "" };
    }
    return undefined;
  }

  /** Of a chain whose entries come in order: one that is not there will not come. */
  stopped(): string | undefined {
    return this.#waiting.size > 0 ? this.#missing() : undefined;
  }

  beyond(latest: number): string | undefined {
    return this.#newest > latest ? `${this.#what} ${this.#newest} was added` : undefined;
  }

  end(): string | undefined {
    const { seq, hash } = this.#next;
    if (seq > this.#from.seq) return this.#missing();
    return hash === this.#from.hash ? undefined : `${this.#what} ${seq + 1} does not begin the chain`;
  }

  #missing(): string {
    return `${this.#what} ${this.#next.seq} is missing`;
  }
}
