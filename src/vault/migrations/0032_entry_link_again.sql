-- What 0030 dropped, empty: releases from before wrote to it where a new data key seals versions anew, and a rollback may reach them.
CREATE TABLE entry_link (
  hash TEXT PRIMARY KEY,
  key_id TEXT NOT NULL REFERENCES api_key (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  asked_by TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
