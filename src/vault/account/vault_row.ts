import type { ChainHeads } from "../audit/row.ts";

/** What the one row of table `vault` says when the object wakes. It is read once; each part keeps what is its own, and writes it. */
export type VaultRow = ChainHeads & {
  deleting_at: number | null;
  frozen_at: number | null;
  frozen_by: string | null;
  checked_at: number;
  quota_day: number;
  quota_seq: number;
  tallied: number;
  tallied_to: number | null;
  tallied_beyond: number | null;
};

export function readVault(sql: SqlStorage): VaultRow {
  return sql.exec<VaultRow>("SELECT * FROM vault").one();
}
