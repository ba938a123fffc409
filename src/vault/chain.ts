import { chainHash, type AuditRow, type ChainHeads, type Decision, type Settled } from "./audit.ts";

/** Where a check of the chains stands; feed it rows from the newest to the oldest. */
export type ChainCheck = { rows: number; fault: string | undefined };

/**
 * Checks both chains of an audit log: every text hashes to what is stored, every `prev` is the hash before it, no seq is
 * missing, outcomes belong to their decisions, and the ends are the vault's heads (SECURITY S17). `rows` may come in any order.
 */
export function checkChain(rows: readonly AuditRow[], heads: ChainHeads): ChainCheck {
  const decisions = new Map<number, { hash: string; prev: string }>();
  const outcomes = new Map<number, { hash: string; prev: string }>();
  for (const row of rows) {
    const decision = JSON.parse(row.decision) as Decision;
    if (chainHash(row.decision) !== row.hash || decision.seq !== row.seq)
      return fault(rows, `row ${row.seq} was changed`);
    decisions.set(row.seq, { hash: row.hash, prev: decision.prev });
    if (row.outcome === null) continue;
    const outcome = JSON.parse(row.outcome) as Settled;
    if (row.outcome_hash === null || chainHash(row.outcome) !== row.outcome_hash)
      return fault(rows, `the outcome of row ${row.seq} was changed`);
    if (outcome.of !== row.hash) return fault(rows, `the outcome of row ${row.seq} belongs to another row`);
    outcomes.set(outcome.seq, { hash: row.outcome_hash, prev: outcome.prev });
  }
  const broken =
    walk(decisions, heads.head_seq, heads.head_hash, "row") ??
    walk(outcomes, heads.outcome_seq, heads.outcome_hash, "outcome");
  return { rows: rows.length, fault: broken };
}

function walk(
  entries: Map<number, { hash: string; prev: string }>,
  head: number,
  head_hash: string,
  what: string,
): string | undefined {
  let wanted = head_hash;
  for (let seq = head; seq > 0; seq--) {
    const entry = entries.get(seq);
    if (entry === undefined) return `${what} ${seq} is missing`;
    if (entry.hash !== wanted) return `${what} ${seq} is not the one that the next refers to`;
    wanted = entry.prev;
  }
  return wanted === "" ? undefined : `${what} 1 does not begin the chain`;
}

function fault(rows: readonly AuditRow[], text: string): ChainCheck {
  return { rows: rows.length, fault: text };
}
