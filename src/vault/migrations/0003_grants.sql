-- What a person has let an OAuth client do. `client` is how the client presented itself then (JSON): what it says of itself later
-- changes nothing here (SECURITY S11). `keys` lists key ids; null means all, later ones too.
CREATE TABLE grant (
  id TEXT PRIMARY KEY,
  client_id TEXT NOT NULL,
  client TEXT NOT NULL,
  scopes TEXT NOT NULL,
  keys TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  last_used_at INTEGER,
  uses INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0,
  paused_at INTEGER,
  revoked_at INTEGER
) WITHOUT ROWID;
