import type { Identified } from "../auth/caller.ts";
import { archivedRows } from "../directory/audit.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { ActivityFilter } from "../vault/audit/activity_filter.ts";
import { LOOKS } from "../vault/audit/allowance.ts";
import type { AuditRow, ChainHeads } from "../vault/audit/row.ts";

/** A page of what is read as a whole, and where its first one begins. */
export const PAGE_ROWS = 1_000;
export const NEWEST = Number.MAX_SAFE_INTEGER;

export type Page = { rows: AuditRow[]; heads: ChainHeads; resume?: number | undefined };

/**
 * Rows newest first, below `before`: those still in the vault and those in D1. The vault is asked first: a row that is shipped
 * in between is then seen twice, never missed. It is asked again before more of the archive is looked through: a page that may not go
 * further ends there.
 */
export async function activityPage(
  env: Env,
  { vault_id, caller }: Identified,
  before: number,
  limit: number,
  filter: ActivityFilter,
): Promise<Page> {
  const vault = env.USER_VAULT.getByName(vault_id);
  const { rows: held, heads, seen } = await ask(vault.activity(caller, before, limit, filter));
  const further = (rows: number) =>
    ask(vault.lookFurther(caller, rows)).then(
      () => true,
      (refused: unknown) => {
        if (isPause(refused)) return false;
        throw refused;
      },
    );
  const { rows: archived, resume } = await archivedRows(env.DB, vault_id, before, limit, seen, {
    looks: LOOKS,
    further,
  });
  const by_seq = new Map([...archived, ...held].map((row) => [row.seq, row]));
  // What lies beyond is the next page's, also where the vault has it.
  const rows = [...by_seq.values()].filter(({ seq }) => seq >= (resume ?? 0));
  rows.sort((a, b) => b.seq - a.seq).splice(limit);
  return { rows, heads, resume };
}

/** Where the page after this one begins; undefined after the last. */
export function following({ rows, resume }: Page, limit: number): number | undefined {
  return rows.length < limit ? resume : rows.at(-1)?.seq;
}

/** The same reading, which waits where too much was read in the last minute. */
export function patient<T>(read: (before: number) => Promise<T>): (before: number) => Promise<T> {
  return async (before) => {
    for (;;) {
      try {
        return await read(before);
      } catch (refused) {
        if (!isPause(refused)) throw refused;
        await new Promise((resolve) => setTimeout(resolve, (refused.extras.retry_after_s ?? 1) * 1_000));
      }
    }
  };
}

function isPause(refused: unknown): refused is Problem {
  return refused instanceof Problem && refused.extras.rule === "activity_reads";
}
