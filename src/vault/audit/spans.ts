/** Entries of a chain that no log has any more, from one number to another; `prev` is the hash of the entry before them. */
export type Gap = { first: number; last: number; prev: string };

type Span = { first: number; last: number; hash: string };

/** Entries of a chain that were seen, in about their order: as spans, of which there are no more than gaps between them. */
export class Spans {
  /** In order; `hash` is that of a span's last entry. */
  readonly #spans: Span[] = [];

  add(seq: number, hash: string): void {
    const at = this.#spans.findLastIndex(({ first }) => first <= seq) + 1;
    const [before, after] = [this.#spans[at - 1], this.#spans[at]];
    if (before !== undefined && seq <= before.last) return;
    const joins_after = after?.first === seq + 1;
    const span = joins_after ? { ...after, first: seq } : { first: seq, last: seq, hash };
    const joins_before = before?.last === seq - 1;
    this.#spans.splice(at - Number(joins_before), Number(joins_before) + Number(joins_after), {
      ...span,
      first: joins_before ? before.first : seq,
    });
  }

  get last(): { seq: number; hash: string } | undefined {
    const last = this.#spans.at(-1);
    return last && { seq: last.last, hash: last.hash };
  }

  /** What is missing from that number on, before which `prev` stands. */
  gaps(from: number, prev: string): Gap[] {
    const gaps: Gap[] = [];
    let next = { seq: from, prev };
    for (const { first, last, hash } of this.#spans) {
      if (first > next.seq) gaps.push({ first: next.seq, last: first - 1, prev: next.prev });
      if (last >= next.seq) next = { seq: last + 1, prev: hash };
    }
    return gaps;
  }
}
