import { ChainCheck, type Checked, type CheckSoFar } from "../../src/vault/audit/chain.ts";
import type { AuditRow, ChainHeads } from "../../src/vault/audit/row.ts";
import type { Checkpoint } from "../../src/vault/audit/segments.ts";

/** Checks a log of which all rows are at hand, in whatever order. `page_rows`: how many of them are read at once, by one request each. */
export function checkChain(
  rows: readonly AuditRow[],
  heads: ChainHeads,
  { latest, from, page_rows = 4 }: { latest?: ChainHeads; from?: Checkpoint; page_rows?: number } = {},
): Checked {
  let check = ChainCheck.from(heads, from);
  const sorted = rows.toSorted((a, b) => b.seq - a.seq);
  for (let at = 0; at < sorted.length && check.fault === undefined; at += page_rows) {
    check.read(sorted.slice(at, at + page_rows));
    if (check.fault === undefined) check = new ChainCheck(JSON.parse(JSON.stringify(check.soFar)) as CheckSoFar);
  }
  return check.end(latest);
}
