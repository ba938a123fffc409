-- Device logins that wait for a person (RFC 8628). Codes are kept as hashes only (SECURITY S12); `vault_id` is a hint: the vault
-- itself keeps the yes.
CREATE TABLE device_login (
  code_hash TEXT PRIMARY KEY,
  user_code_hash TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  platform TEXT NOT NULL,
  ip TEXT NOT NULL,
  country TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  interval_ms INTEGER NOT NULL,
  polled_at INTEGER,
  -- How often its user code was shown to somebody.
  shown INTEGER NOT NULL DEFAULT 0,
  answer TEXT,
  vault_id TEXT
) WITHOUT ROWID;

CREATE INDEX device_login_by_expiry ON device_login (expires_at);

-- Tries by whoever may be guessing: exact wherever they come from, unlike a rate limit that each place counts for itself.
CREATE TABLE attempt (
  name TEXT PRIMARY KEY,
  count INTEGER NOT NULL,
  until INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX attempt_by_end ON attempt (until);
