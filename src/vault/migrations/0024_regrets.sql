-- What a client has revoked: for seven days its person may take that back (SECURITY S21). `ended` is all that died of it, as JSON.
CREATE TABLE regret (
  id TEXT PRIMARY KEY,
  ended TEXT NOT NULL,
  at INTEGER NOT NULL
) WITHOUT ROWID;
