/** How much is measured. Rounds are interleaved: each asks every target in turn. */
export type Plan = {
  name: "full" | "quick";
  limit_ms: number;
  warmup_ms: number;
  vaults: number;
  latency: { rounds: number; calls: number };
  throughput: { rounds: number; window_ms: number; connections: readonly number[] };
  stream: { rounds: number; chunks: number; gap_ms: number };
  big: { bytes: number };
  revocation: { rounds: number; streams: number };
  vault_size: { rounds: number; calls: number; keys: number; rows: number };
};

const GB = 1e9;
const MINUTE_MS = 60_000;

const FULL: Plan = {
  name: "full",
  limit_ms: 6 * MINUTE_MS,
  warmup_ms: 2_000,
  vaults: 64,
  latency: { rounds: 25, calls: 100 },
  throughput: { rounds: 3, window_ms: 1_500, connections: [1, 16, 64] },
  stream: { rounds: 9, chunks: 40, gap_ms: 5 },
  big: { bytes: GB },
  revocation: { rounds: 5, streams: 32 },
  vault_size: { rounds: 10, calls: 100, keys: 1_000, rows: 1_000 },
};

const QUICK: Plan = {
  ...FULL,
  name: "quick",
  limit_ms: 2 * MINUTE_MS,
  warmup_ms: 500,
  latency: { rounds: 6, calls: 50 },
  throughput: { ...FULL.throughput, rounds: 1, window_ms: 400 },
  stream: { rounds: 3, chunks: 20, gap_ms: 5 },
  big: { bytes: GB / 4 },
  revocation: { rounds: 1, streams: 16 },
  vault_size: { rounds: 3, calls: 50, keys: 1_000, rows: 1_000 },
};

/** What the command line asks for. */
export function planFor({ quick, long }: { quick: boolean; long: boolean }): Plan {
  const plan = quick ? QUICK : FULL;
  if (!long) return plan;
  return { ...plan, limit_ms: plan.limit_ms + 20 * MINUTE_MS, vault_size: { ...plan.vault_size, rows: 100_000 } };
}
