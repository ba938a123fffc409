-- Keys that an OAuth client has deleted: kept for seven days, in which their owner may have them back (SECURITY S21).
CREATE TABLE trash (
  key_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  content TEXT NOT NULL,
  deleted_at INTEGER NOT NULL
) WITHOUT ROWID;
