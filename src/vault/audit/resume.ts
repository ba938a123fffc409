import type { Audit, OnRow } from "./audit.ts";
import type { Heads } from "./heads.ts";
import type { AuditRow, Decision, Event, Outcome, Settled } from "./row.ts";
import type { Spans } from "./spans.ts";

/** An end from which on two lives differ, and the hash of the one before it. */
type FirstEnd = { seq: number; prev: string };

/**
 * What the archive has of another life of this vault: from the `fork` on other rows, before which `prev` stands, and other `ends`, the first of which
 * is `first_end`. What is `held` here it has too, as it was or with another end.
 */
export type Theirs = {
  fork: number;
  prev: string;
  rows: Spans;
  ends: Spans;
  first_end: FirstEnd | undefined;
  held: readonly number[];
};

/** An outbox, with what only it may move. */
type Log = { sql: SqlStorage; heads: Heads; audit: Audit; onRow: OnRow };

/** A row that has ended here and has not left. */
type Ended = { row: AuditRow; end: Settled };

/**
 * Goes on where the archive ends, after a restore (SECURITY S18). What is archived leaves the outbox; what was written here
 * since, in a life that the archive does not know, is appended again behind it, and so are ends. Answers what neither has.
 */
export function resume(log: Log, theirs: Theirs, now: number): NonNullable<Event["lost"]> {
  const { sql, heads, audit, onRow } = log;
  const { fork, prev, rows, ends, held } = theirs;
  const gone = new Set(held);
  const kept = notArchived(sql, fork).filter(({ seq }) => !gone.has(seq));
  const own = kept.filter(({ seq }) => seq >= fork);
  const ended: Ended[] = kept.flatMap((row) =>
    row.outcome === null ? [] : [{ row, end: JSON.parse(row.outcome) as Settled }],
  );
  ended.sort((a, b) => a.end.seq - b.end.seq);
  const from = firstEnd(heads, theirs, ended);
  const open = sql.exec<{ seq: number }>("SELECT seq FROM audit WHERE pending = 1").toArray();
  heads.moveTo({ row: rows.last, end: ends.last ?? (from && { seq: from.seq - 1, hash: from.prev }) });
  audit.forget([...held, ...own.map(({ seq }) => seq)]);
  // Whoever carries one of these has lost it.
  for (const { seq } of open)
    if (gone.has(seq) || seq >= fork) onRow("whole", seq, now, { outcome: { outcome: "interrupted" } });
  for (const { row, end } of ended)
    if (row.seq < fork && from !== undefined && end.seq >= from.seq) endAgain(log, row, end, now);
  for (const row of own) appendAgain(audit, row, now);
  return { rows: rows.gaps(fork, prev), outcomes: from === undefined ? [] : ends.gaps(from.seq, from.prev) };
}

/** Rows from the fork on, and before it those that have ended and have not left. */
function notArchived(sql: SqlStorage, fork: number): AuditRow[] {
  const select =
    "SELECT seq, decision, hash, outcome, outcome_hash FROM audit WHERE seq >= ? OR pending = 0 ORDER BY seq";
  return sql.exec<AuditRow>(select, fork).toArray();
}

/** From which end on the two lives differ; undefined where they do not. `ended` is in order. */
function firstEnd(heads: Heads, { first_end, fork }: Theirs, ended: readonly Ended[]): FirstEnd | undefined {
  const own = ended.find(({ row }) => row.seq >= fork)?.end;
  if (first_end === undefined) return own;
  const before = ended.find(({ end }) => end.seq === first_end.seq - 1)?.row.outcome_hash ?? first_end.prev;
  if (own !== undefined && own.seq < first_end.seq) return own;
  if (before === first_end.prev) return first_end;
  // Theirs follows an end that never came to D1: all that may have been settled since is settled again.
  const noted = heads.notedEnd();
  return { seq: noted.seq + 1, prev: noted.hash };
}

/** Chains an end that has not left behind those that have. */
function endAgain({ sql, heads }: Log, { seq, hash }: AuditRow, end: Settled, now: number): void {
  const again = heads.nextEnd(hash, howOf(end), now);
  sql.exec("UPDATE audit SET outcome = ?, outcome_hash = ? WHERE seq = ?", again.text, again.hash, seq);
  heads.moveTo({ end: again });
}

function appendAgain(audit: Audit, { decision, outcome }: AuditRow, now: number): void {
  const { seq: _seq, prev: _prev, id, at: _at, ...event } = JSON.parse(decision) as Decision;
  const { seq } = audit.append({ ...event, subject: event.subject ?? id }, now);
  if (event.outcome !== undefined) return;
  audit.settle(seq, outcome === null ? { outcome: "interrupted" } : howOf(JSON.parse(outcome) as Settled), now);
}

function howOf({ seq: _seq, prev: _prev, of: _of, at: _at, ...how }: Settled): Outcome {
  return how;
}
