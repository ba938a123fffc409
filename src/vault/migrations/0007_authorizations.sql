-- Authorization requests that wait for their person's yes. `request` is JSON; only the hash of the one-time handle is kept.
CREATE TABLE consent (
  hash TEXT PRIMARY KEY,
  session_id TEXT NOT NULL,
  request TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Authorization codes, with all that was said yes to. A used one is kept as long as a replay could tell of a theft.
CREATE TABLE authorization_code (
  hash TEXT PRIMARY KEY,
  approved TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER,
  grant_id TEXT
) WITHOUT ROWID;
