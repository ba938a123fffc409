import { archivedRows } from "../directory/audit.ts";
import { ask } from "../vault/answer.ts";
import type { AuditRow, ChainHeads } from "../vault/audit.ts";
import { checkChain, type ChainCheck } from "../vault/chain.ts";
import type { Identified } from "../auth/caller.ts";

const VERIFY_PAGE = 1_000;

/**
 * Rows newest first, below `before`: those still in the vault and those in D1. The vault is asked first: a row that is shipped
 * in between is then seen twice, never missed.
 */
export async function activityPage(
  env: Env,
  { vault_id, caller }: Identified,
  before: number,
  limit: number,
): Promise<{ rows: AuditRow[]; heads: ChainHeads }> {
  const { rows: held, heads } = await ask(env.USER_VAULT.getByName(vault_id).activity(caller, before, limit));
  const archived = await archivedRows(env.DB, vault_id, before, limit);
  const by_seq = new Map([...archived, ...held].map((row) => [row.seq, row]));
  const rows = [...by_seq.values()].sort((a, b) => b.seq - a.seq).slice(0, limit);
  return { rows, heads };
}

/** Walks the whole log and checks both chains against the heads that the vault holds. */
export async function verifyActivity(env: Env, who: Identified): Promise<ChainCheck & { heads: ChainHeads }> {
  const all: AuditRow[] = [];
  const first = await activityPage(env, who, Number.MAX_SAFE_INTEGER, VERIFY_PAGE);
  for (let page = first.rows; page.length > 0;) {
    all.push(...page);
    const last = page.at(-1) as AuditRow;
    if (page.length < VERIFY_PAGE) break;
    page = (await activityPage(env, who, last.seq, VERIFY_PAGE)).rows;
  }
  return { ...checkChain(all, first.heads), heads: first.heads };
}
