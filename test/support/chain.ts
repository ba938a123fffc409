import { ChainCheck, type Checked } from "../../src/vault/audit/chain.ts";
import type { AuditRow, ChainHeads } from "../../src/vault/audit/row.ts";
import type { Checkpoint } from "../../src/vault/audit/segments.ts";

/** Checks a log of which all rows are at hand, in whatever order. `page_rows`: how many of them are read at once. */
export function checkChain(
  rows: readonly AuditRow[],
  heads: ChainHeads,
  { latest, from, page_rows = 4 }: { latest?: ChainHeads; from?: Checkpoint; page_rows?: number } = {},
): Checked {
  const check = new ChainCheck(heads, from);
  const sorted = rows.toSorted((a, b) => b.seq - a.seq);
  for (let at = 0; at < sorted.length; at += page_rows) check.read(sorted.slice(at, at + page_rows));
  return check.end(latest);
}
