import type { AuditRow, Decision, Settled } from "./row.ts";
import { GENESIS, type ChainHeads } from "./row.ts";

/** Audit rows packed together, as they are stored once they are older than 30 days. */
export type Segment = { first_seq: number; last_seq: number; last_at: number; subjects: string[]; packed: Uint8Array };

/**
 * Where the chains begin after a purge: the heads of what is gone. Outcomes end in another order than decisions begin, so a
 * few of those that are gone may stand beyond the last gapless one: their hashes are kept, for the chain to pass through.
 */
export type Checkpoint = ChainHeads & { beyond: { seq: number; prev: string; hash: string }[] };

/** A log from which nothing was purged. */
export const BEGINNING: Checkpoint = { ...GENESIS, beyond: [] };

/** Packs rows in order of seq. */
export async function pack(rows: readonly AuditRow[]): Promise<Segment> {
  const [first, last] = [rows[0] as AuditRow, rows.at(-1) as AuditRow];
  const subjects = new Set(rows.flatMap((row) => subjectsOf(JSON.parse(row.decision) as Decision)));
  const gzip = new Blob([JSON.stringify(rows)]).stream().pipeThrough(new CompressionStream("gzip"));
  return {
    first_seq: first.seq,
    last_seq: last.seq,
    last_at: Date.parse((JSON.parse(last.decision) as Decision).at),
    subjects: [...subjects],
    packed: new Uint8Array(await new Response(gzip).arrayBuffer()),
  };
}

export async function unpack(packed: Uint8Array | ArrayBuffer | number[]): Promise<AuditRow[]> {
  // D1 answers blobs as arrays of numbers.
  const gunzip = new Blob([new Uint8Array(packed)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(gunzip).json();
}

/** The checkpoint after these rows, which follow it, are gone. */
export function advance({ beyond, ...from }: Checkpoint, rows: readonly AuditRow[]): Checkpoint {
  const last = rows.at(-1);
  if (last === undefined) return { ...from, beyond };
  const outcomes = rows.flatMap(({ outcome, outcome_hash }) => {
    if (outcome === null || outcome_hash === null) return [];
    const { seq, prev } = JSON.parse(outcome) as Settled;
    return [{ seq, prev, hash: outcome_hash }];
  });
  const waiting = [...beyond, ...outcomes].sort((a, b) => a.seq - b.seq);
  let { outcome_seq, outcome_hash } = from;
  while (waiting[0]?.seq === outcome_seq + 1) {
    ({ seq: outcome_seq, hash: outcome_hash } = waiting.shift() as Checkpoint["beyond"][number]);
  }
  return { head_seq: last.seq, head_hash: last.hash, outcome_seq, outcome_hash, beyond: waiting };
}

function subjectsOf({ actor, token, key, key_name, subject }: Decision): string[] {
  return [actor.id, token, key, key_name, subject].filter((one) => one !== undefined);
}
