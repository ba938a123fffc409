-- Vaults that are no more: a random id and two times, nothing of whoever they were of. A vault that a restore brings back is
-- deleted again by it (SECURITY S13, S18).
CREATE TABLE tombstone (
  vault_id TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  finished_at INTEGER
) WITHOUT ROWID;
