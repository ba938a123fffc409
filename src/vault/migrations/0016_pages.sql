-- One-time pages of ours that a person was sent to (SECURITY S21): what is to be done there, and at whose asking. Only the
-- handle's hash is kept. A used one stays until it would be too old, so that whoever asked can be told.
CREATE TABLE page_link (
  hash TEXT PRIMARY KEY,
  errand TEXT NOT NULL,
  asked_by TEXT NOT NULL,
  asked_by_id TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) WITHOUT ROWID;
