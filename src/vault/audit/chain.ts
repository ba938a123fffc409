import { objectIn } from "../../json.ts";
import type { Gap } from "./spans.ts";
import { BEGINNING, type Checkpoint } from "./segments.ts";
import { chainHash, type AuditRow, type ChainHeads, type Decision, type Settled } from "./row.ts";

type Entry = { hash: string; prev: string; lost?: Decision["lost"] };

/** Where a check of the chains stands; feed it rows from the newest to the oldest. */
export type ChainCheck = { rows: number; fault: string | undefined };

/**
 * Checks both chains of an audit log: every text hashes to what is stored, every `prev` is the hash before it, no seq is
 * missing or there twice from the checkpoint on, but for those that a restore has lost and says so, outcomes belong to their decisions, and the ends are the vault's heads (SECURITY S17). `rows` may
 * come in any order. Where they were read while the log grew, `latest` are the heads as they stood afterwards: what lies
 * beyond those was never written by the vault.
 */
export function checkChain(
  rows: readonly AuditRow[],
  heads: ChainHeads,
  { latest, from = BEGINNING }: { latest?: ChainHeads | undefined; from?: Checkpoint | undefined } = {},
): ChainCheck {
  const decisions = new Map<number, Entry>();
  const outcomes = new Map<number, Entry>();
  for (const row of rows) {
    const decision = objectIn(row.decision) as Decision | undefined;
    if (decision === undefined || chainHash(row.decision) !== row.hash || decision.seq !== row.seq)
      return fault(rows, `row ${row.seq} was changed`);
    if (decisions.has(row.seq)) return fault(rows, `row ${row.seq} is there twice`);
    if (row.seq < 1 || (latest !== undefined && row.seq > latest.head_seq))
      return fault(rows, `row ${row.seq} was added`);
    decisions.set(row.seq, { hash: row.hash, prev: decision.prev, lost: decision.lost });
    if (row.outcome === null) continue;
    const outcome = objectIn(row.outcome) as Settled | undefined;
    if (outcome === undefined || row.outcome_hash === null || chainHash(row.outcome) !== row.outcome_hash)
      return fault(rows, `the outcome of row ${row.seq} was changed`);
    if (outcome.of !== row.hash) return fault(rows, `the outcome of row ${row.seq} belongs to another row`);
    if (decision.outcome !== undefined || outcomes.has(outcome.seq) || outcome.seq > (latest?.outcome_seq ?? Infinity))
      return fault(rows, `the outcome of row ${row.seq} was added`);
    outcomes.set(outcome.seq, { hash: row.outcome_hash, prev: outcome.prev });
  }
  for (const { seq, prev, hash } of from.beyond) outcomes.set(seq, { hash, prev });
  // Only what is linked to the head is believed, also about what is lost.
  const lost = { rows: [] as Gap[], outcomes: [...(from.lost ?? [])] };
  const broken =
    walk(
      decisions,
      { seq: heads.head_seq, hash: heads.head_hash },
      { seq: from.head_seq, hash: from.head_hash },
      "row",
      lost.rows,
      ({ lost: told }) => {
        lost.rows.push(...(told?.rows ?? []));
        lost.outcomes.push(...(told?.outcomes ?? []));
      },
    ) ??
    walk(
      outcomes,
      { seq: heads.outcome_seq, hash: heads.outcome_hash },
      { seq: from.outcome_seq, hash: from.outcome_hash },
      "outcome",
      lost.outcomes,
    );
  return { rows: rows.length, fault: broken };
}

function walk(
  entries: Map<number, Entry>,
  head: { seq: number; hash: string },
  from: { seq: number; hash: string },
  what: string,
  gaps: readonly Gap[],
  visit: (entry: Entry) => void = () => {},
): string | undefined {
  let wanted = head.hash;
  for (let { seq } = head; seq > from.seq; seq--) {
    const entry = entries.get(seq);
    const gap = gaps.find(({ first, last }) => first <= seq && seq <= last);
    if (gap !== undefined) {
      if (entry !== undefined) return `${what} ${seq} was added`;
      wanted = gap.prev;
      continue;
    }
    if (entry === undefined) return `${what} ${seq} is missing`;
    if (entry.hash !== wanted) return `${what} ${seq} is not the one that the next refers to`;
    visit(entry);
    wanted = entry.prev;
  }
  return wanted === from.hash ? undefined : `${what} ${from.seq + 1} does not begin the chain`;
}

function fault(rows: readonly AuditRow[], text: string): ChainCheck {
  return { rows: rows.length, fault: text };
}
