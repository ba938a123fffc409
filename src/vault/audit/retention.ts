import type { AuditRow } from "./row.ts";
import { advance, BEGINNING, pack, unpack, type Checkpoint } from "./segments.ts";

const DAY_MS = 86_400_000;
/** Segments that are made or forgotten in one go, each with three or four questions to D1, of which one invocation may ask 1,000. */
const A_GO = 100;
/** Rows stay as they are for 30 days, then in segments for twelve months (DESIGN D2). */
export const PACK_AFTER_MS = 30 * DAY_MS;
export const KEEP_MS = 365 * DAY_MS;
const SEGMENT_ROWS = 500;
/** A segment that is not full waits for company, but not for ever. */
const LONELY_MS = 60 * DAY_MS;

/**
 * Packs a vault's rows that are older than 30 days and forgets those older than twelve months, leaving a checkpoint from which
 * the chains can still be checked. Each step is one transaction of D1, so that a crash leaves every row in exactly one place.
 * Answers when there will be something to do again, which is at once where one go was not enough; null where nothing is left.
 */
export async function retain(db: D1Database, vault_id: string, now: number): Promise<number | null> {
  let steps = 0;
  for (const step of [packSome, purgeOne]) while (await step(db, vault_id, now)) if (++steps === A_GO) return now;
  // By number, which is by age too: a search by time alone would read every row there is.
  const oldest = await db
    .prepare("SELECT at FROM audit WHERE vault_id = ? ORDER BY seq LIMIT 1")
    .bind(vault_id)
    .first<{ at: number }>();
  const segment = await db
    .prepare("SELECT min(last_at) AS at FROM audit_segment WHERE vault_id = ?")
    .bind(vault_id)
    .first<{ at: number | null }>();
  const due = [rowsDue(oldest?.at ?? null, now), segment?.at == null ? Infinity : segment.at + KEEP_MS];
  return Number.isFinite(Math.min(...due)) ? Math.min(...due) : null;
}

/** When rows will be worth packing: those that are old enough but too few wait until they are really old. */
function rowsDue(oldest_at: number | null, now: number): number {
  if (oldest_at === null) return Infinity;
  if (oldest_at < now - PACK_AFTER_MS) return oldest_at + LONELY_MS;
  return Math.max(oldest_at + PACK_AFTER_MS, now + DAY_MS);
}

async function packSome(db: D1Database, vault_id: string, now: number): Promise<boolean> {
  const { results } = await db
    .prepare("SELECT seq, decision, hash, outcome, outcome_hash FROM audit WHERE vault_id = ? ORDER BY seq LIMIT +?")
    .bind(vault_id, SEGMENT_ROWS)
    .all<AuditRow>();
  const young = results.findIndex((row) => atOf(row) >= now - PACK_AFTER_MS);
  const rows = young < 0 ? results : results.slice(0, young);
  const [first] = rows;
  if (first === undefined) return false;
  const lonely = rows.length < SEGMENT_ROWS && atOf(first) > now - LONELY_MS;
  if (lonely) return false;
  const { first_seq, last_seq, last_at, subjects, packed } = await pack(rows);
  await db.batch([
    db
      .prepare(
        `INSERT INTO audit_segment (vault_id, first_seq, last_seq, last_at, subjects, packed) SELECT ?1, ?2, ?3, ?4, ?5, ?6
         WHERE NOT EXISTS (SELECT 1 FROM tombstone WHERE vault_id = ?1)`,
      )
      .bind(vault_id, first_seq, last_seq, last_at, JSON.stringify(subjects), packed),
    db
      .prepare("DELETE FROM audit WHERE vault_id = ? AND seq IN (SELECT value FROM json_each(?))")
      .bind(vault_id, JSON.stringify(rows.map(({ seq }) => seq))),
  ]);
  return rows.length === SEGMENT_ROWS;
}

async function purgeOne(db: D1Database, vault_id: string, now: number): Promise<boolean> {
  const oldest = await db
    .prepare("SELECT first_seq, last_at, packed FROM audit_segment WHERE vault_id = ? ORDER BY first_seq LIMIT 1")
    .bind(vault_id)
    .first<{ first_seq: number; last_at: number; packed: number[] }>();
  if (oldest === null || oldest.last_at > now - KEEP_MS) return false;
  const checkpoint = advance(await checkpointOf(db, vault_id), await unpack(oldest.packed));
  await db.batch([
    db
      .prepare(
        "INSERT INTO audit_checkpoint (vault_id, checkpoint) VALUES (?, ?) ON CONFLICT DO UPDATE SET checkpoint = excluded.checkpoint",
      )
      .bind(vault_id, JSON.stringify(checkpoint)),
    db.prepare("DELETE FROM audit_segment WHERE vault_id = ? AND first_seq = ?").bind(vault_id, oldest.first_seq),
  ]);
  return true;
}

/** Where this vault's chains begin. */
export async function checkpointOf(db: D1Database, vault_id: string): Promise<Checkpoint> {
  const row = await db
    .prepare("SELECT checkpoint FROM audit_checkpoint WHERE vault_id = ?")
    .bind(vault_id)
    .first<{ checkpoint: string }>();
  return row === null ? BEGINNING : (JSON.parse(row.checkpoint) as Checkpoint);
}

function atOf(row: AuditRow): number {
  return Date.parse((JSON.parse(row.decision) as { at: string }).at);
}
