-- MCP sessions of clients of 2025 and before. The vault's list is what makes an id a session (SECURITY S23): `holder_id` is the
-- grant or the device that opened it. An ended one stays until its object has said that it is gone.
CREATE TABLE mcp_session (
  id TEXT PRIMARY KEY,
  holder_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  ended_at INTEGER
) WITHOUT ROWID;

-- Answers that a client has brought back once (SECURITY S21); kept until they would be too old anyway.
CREATE TABLE spent (
  nonce TEXT PRIMARY KEY,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
