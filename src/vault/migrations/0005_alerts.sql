-- What its owner should know. One open alert a kind and subject: what happens again is counted.
CREATE TABLE alert (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  -- The name of the subject when it was raised, and the key that it is about, if any.
  name TEXT,
  key TEXT,
  facts TEXT NOT NULL,
  count INTEGER NOT NULL,
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  -- What the vault did by itself: `subject` or `vault`.
  froze TEXT,
  acknowledged_at INTEGER
) WITHOUT ROWID;

CREATE UNIQUE INDEX alert_open ON alert (kind, subject) WHERE acknowledged_at IS NULL;

-- Kinds that were set otherwise than they are by default.
CREATE TABLE alert_setting (
  kind TEXT PRIMARY KEY,
  enabled INTEGER NOT NULL,
  auto_freeze TEXT NOT NULL
) WITHOUT ROWID;
