-- What a key that renews itself was granted. `sealed` holds the access token and the refresh token, bound to `binding`: where
-- they may be sent. No row: nobody has connected it yet.
CREATE TABLE connection (
  key_id TEXT PRIMARY KEY REFERENCES api_key (id) ON DELETE CASCADE,
  state TEXT NOT NULL,
  binding TEXT NOT NULL,
  -- Counts token pairs; part of the seal.
  serial INTEGER NOT NULL,
  sealed BLOB,
  obtained_at INTEGER NOT NULL,
  expires_at INTEGER,
  -- Is there anything to have a new token by?
  renewable INTEGER NOT NULL,
  scopes TEXT,
  connected_at INTEGER NOT NULL,
  renewals INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  retry_at INTEGER NOT NULL DEFAULT 0,
  -- The last error code of the token endpoint.
  trouble TEXT
) WITHOUT ROWID;

-- The last things that happened to each connection.
CREATE TABLE connection_event (
  id INTEGER PRIMARY KEY,
  key_id TEXT NOT NULL REFERENCES api_key (id) ON DELETE CASCADE,
  at INTEGER NOT NULL,
  what TEXT NOT NULL,
  detail TEXT
);

-- One-time pages from which a person sets out to the provider. Only the handle's hash is kept.
CREATE TABLE connect_link (
  hash TEXT PRIMARY KEY,
  key_id TEXT NOT NULL REFERENCES api_key (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  asked_by TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
