-- OAuth clients that registered themselves (RFC 7591). `metadata` is JSON as we accepted it; secrets are kept as hashes only.
-- One that nobody uses expires; every use moves that on.
CREATE TABLE oauth_client (
  id TEXT PRIMARY KEY,
  metadata TEXT NOT NULL,
  secret_hash TEXT,
  registration_hash TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  used_at INTEGER,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX oauth_client_by_expiry ON oauth_client (expires_at);
