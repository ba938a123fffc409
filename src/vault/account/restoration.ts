import { Problem } from "../../problem.ts";
import type { Audit } from "../audit/audit.ts";
import { BY_VAULT, chainHash, type AuditRow, type ChainHeads, type Decision, type Settled } from "../audit/row.ts";
import { readRow } from "../audit/uses.ts";
import { cutAll } from "../tokens/ending.ts";
import type { Parts } from "../parts.ts";

/** What looking for a restore has found: nothing, a vault that is behind and has caught up, or one that was deleted since. */
export type Restored = { outcome: "in_step" | "deleted" } | { outcome: "caught_up"; rows: number; replayed: number };

const ROWS_A_READ = 1_000;

/**
 * After a point-in-time restore a vault believes in tokens that were revoked since. D1 was not put back with it: every
 * revocation, pause, freeze and deletion that is recorded there is done again, refresh families that were used since end (their
 * clients hold tokens that this vault has never heard of), and the log goes on where D1 ends (SECURITY S18). Doing it again
 * changes nothing.
 */
export async function restored(parts: Parts): Promise<Restored> {
  const { env, vault_id, audit, tallies, deletion, gate } = parts;
  const buried = await env.DB.prepare("SELECT 1 FROM tombstone WHERE vault_id = ?").bind(vault_id).first();
  if (buried !== null) {
    deletion.begin(Date.now());
    gate.bump();
    return { outcome: "deleted" };
  }
  const lasting = await theseRows(env.DB, vault_id, audit.lasting);
  const archived = [...lasting, ...(await laterRows(env.DB, vault_id, audit.left))];
  // One synchronous step from here: what was written while D1 was read is seen now, and what has left meanwhile is ours.
  const first = archived.find(({ seq, hash }) => !audit.knows(seq, hash));
  if (first === undefined) return { outcome: "in_step" };
  assertChained(archived.filter(({ seq }) => seq >= first.seq));
  const fork = forkBefore(audit, archived, first);
  const lost = archived.filter(({ seq }) => seq >= fork);
  const now = Date.now();
  // What has left in another life leaves now in this one; what this one knows to have left is counted.
  tallies.add(archived.filter(({ seq }) => seq >= fork || audit.hashOf(seq) !== undefined).map(readRow));
  audit.resume(endOf(archived, audit.heads), archived, fork, now);
  tallies.settle();
  const replayed = lost.filter((row) => replay(parts, JSON.parse(row.decision) as Decision, now)).length;
  gate.bump();
  const detail = `${lost.length} rows since ${fork}`;
  audit.append({ ...BY_VAULT, action: "vault.restored", outcome: "ok", subject: detail }, now);
  await cutAll(parts, "restored");
  return { outcome: "caught_up", rows: lost.length, replayed };
}

/**
 * The seq from which on the two lives differ. Calls that were under way in the other one never came to D1, so before the first row
 * that is not ours there may be others that are: as many as its `prev` does not know of. Where none may be, it does not continue this
 * vault's own chain, and is a fault or a forgery by which nothing is done.
 */
function forkBefore(audit: Audit, archived: readonly AuditRow[], first: AuditRow): number {
  if (audit.prevAt(first.seq) === (JSON.parse(first.decision) as Decision).prev) return first.seq;
  const shared = archived.findLast(({ seq }) => seq < first.seq)?.seq ?? 0;
  const fork = Math.max(shared, audit.left) + 1;
  if (fork === first.seq) throw new Problem("conflict", `D1 holds other audit rows under seq ${fork}.`);
  return fork;
}

/** Rows that follow each other, but for those that are missing between them, are one chain. */
function assertChained(rows: readonly AuditRow[]): void {
  let before: AuditRow | undefined;
  for (const row of rows) {
    const decision = JSON.parse(row.decision) as Decision;
    const follows = before?.seq !== row.seq - 1 || decision.prev === before.hash;
    if (decision.seq !== row.seq || !follows || chainHash(row.decision) !== row.hash)
      throw new Problem("conflict", `D1 holds other audit rows under seq ${row.seq}.`);
    before = row;
  }
}

/** Of rows that have not left, those that D1 has all the same. */
async function theseRows(db: D1Database, vault_id: string, seqs: readonly number[]): Promise<AuditRow[]> {
  const { results } = await db
    .prepare(
      `SELECT seq, decision, hash, outcome, outcome_hash FROM audit
       WHERE vault_id = ? AND seq IN (SELECT value FROM json_each(?)) ORDER BY seq`,
    )
    .bind(vault_id, JSON.stringify(seqs))
    .all<AuditRow>();
  return results;
}

/** What D1 has beyond what has left for it, as far as this vault remembers. */
async function laterRows(db: D1Database, vault_id: string, left: number): Promise<AuditRow[]> {
  const all: AuditRow[] = [];
  for (let after = left; ;) {
    const { results } = await db
      .prepare(
        "SELECT seq, decision, hash, outcome, outcome_hash FROM audit WHERE vault_id = ? AND seq > ? ORDER BY seq LIMIT +?",
      )
      .bind(vault_id, after, ROWS_A_READ)
      .all<AuditRow>();
    all.push(...results);
    if (results.length < ROWS_A_READ) return all;
    after = results.at(-1)?.seq ?? after;
  }
}

/** Where the chains end in D1; outcomes end in another order than decisions begin. */
function endOf(rows: readonly AuditRow[], { outcome_seq, outcome_hash }: ChainHeads): ChainHeads {
  const last = rows.at(-1);
  let end = { outcome_seq, outcome_hash };
  for (const { outcome, outcome_hash: hash } of rows) {
    const seq = outcome === null ? 0 : (JSON.parse(outcome) as Settled).seq;
    if (seq > end.outcome_seq && hash !== null) end = { outcome_seq: seq, outcome_hash: hash };
  }
  return { head_seq: last?.seq ?? 0, head_hash: last?.hash ?? "", ...end };
}

/** Takes away again what was taken away. What was given back since stays taken: its owner can give it back once more. */
function replay(parts: Parts, { action, outcome, subject, key, actor }: Decision, now: number): boolean {
  const { tokens, grants, keys, families } = parts;
  const id = subject ?? "";
  switch (action) {
    case "token.revoke":
    case "token.leak":
    case "session.revoke":
    case "device.revoke":
    case "refresh.reuse":
    case "grant.revoke":
      return end(parts, id, now);
    case "session.revoke_all":
      return tokens.list("ses", undefined, ALL).filter((session) => end(parts, session.id, now)).length > 0;
    case "token.refresh":
      return outcome === "ok" && (families.of(id) !== undefined || id.startsWith("grt_")) && end(parts, id, now);
    case "token.pause":
      if (tokens.find(id) !== undefined) tokens.pause(id, now);
      return tokens.find(id) !== undefined;
    case "grant.pause":
      if (grants.find(id) !== undefined) grants.pause(id, now);
      return grants.find(id) !== undefined;
    case "key.pause":
      if (key !== undefined && keys.find(key) !== undefined) keys.pause(key, now);
      return key !== undefined;
    case "key.delete":
      if (key !== undefined && keys.find(key) !== undefined) keys.delete(key);
      return key !== undefined;
    case "vault.freeze":
      tokens.freeze({ at: now, by: actor.id });
      return true;
    default:
      return false;
  }
}

const ALL = 100_000;

function end({ tokens, grants }: Parts, id: string, now: number): boolean {
  if (id.startsWith("grt_")) {
    if (grants.find(id) === undefined) return false;
    grants.revoke(id, now);
    tokens.revokeChildren(id, now);
    return true;
  }
  if (tokens.find(id) === undefined) return false;
  tokens.revoke(id, now);
  return true;
}
