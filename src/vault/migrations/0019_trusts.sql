-- Whose tokens are taken in exchange for a short-lived one of ours (RFC 8693), and on which conditions.
CREATE TABLE trust (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  issuer TEXT NOT NULL,
  audience TEXT NOT NULL,
  -- Public keys of an issuer that cannot be asked over the network.
  jwks TEXT,
  -- Claims by name, each with the patterns of which one must match.
  claims TEXT NOT NULL,
  single_use INTEGER NOT NULL,
  policy TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  uses INTEGER NOT NULL DEFAULT 0,
  last_used_at INTEGER
) WITHOUT ROWID;

-- Tokens that were exchanged, by hash, until they expire by themselves.
CREATE TABLE exchanged (
  hash TEXT PRIMARY KEY,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
