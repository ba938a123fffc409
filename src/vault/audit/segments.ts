import type { AuditRow, Decision, Settled } from "./row.ts";
import type { Gap } from "./spans.ts";
import { GENESIS, type ChainHeads } from "./row.ts";

/** Audit rows packed together, as they are stored once they are older than 30 days. */
export type Segment = { first_seq: number; last_seq: number; last_at: number; subjects: string[]; packed: Uint8Array };

/**
 * Where the chains begin after a purge: the heads of what is gone. Outcomes end in another order than decisions begin, so a
 * few of those that are gone may stand beyond the last gapless one: their hashes are kept, for the chain to pass through.
 */
export type Checkpoint = ChainHeads & {
  beyond: { seq: number; prev: string; hash: string }[];
  /** Outcomes beyond it that a restore has lost. */
  lost?: Gap[] | undefined;
};

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
export function advance({ beyond, lost = [], ...from }: Checkpoint, rows: readonly AuditRow[]): Checkpoint {
  const last = rows.at(-1);
  if (last === undefined) return { ...from, beyond, lost };
  const outcomes = rows.flatMap(({ outcome, outcome_hash }) => {
    if (outcome === null || outcome_hash === null) return [];
    const { seq, prev } = JSON.parse(outcome) as Settled;
    return [{ seq, prev, hash: outcome_hash }];
  });
  const waiting = [...beyond, ...outcomes].sort((a, b) => a.seq - b.seq);
  const gaps = [...lost, ...rows.flatMap(({ decision }) => (JSON.parse(decision) as Decision).lost?.outcomes ?? [])];
  let { outcome_seq, outcome_hash } = from;
  const next = () => (gaps.find(({ first }) => first === outcome_seq + 1)?.last ?? outcome_seq) + 1;
  while (waiting[0]?.seq === next()) {
    ({ seq: outcome_seq, hash: outcome_hash } = waiting.shift() as Checkpoint["beyond"][number]);
  }
  const head = { head_seq: last.seq, head_hash: last.hash, outcome_seq, outcome_hash };
  return { ...head, beyond: waiting, lost: gaps.filter((gap) => gap.last > outcome_seq) };
}

function subjectsOf({ actor, token, key, key_name, subject }: Decision): string[] {
  return [actor.id, token, key, key_name, subject].filter((one) => one !== undefined);
}
