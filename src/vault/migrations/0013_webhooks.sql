-- Where its owner wants to be told. `sealed` is the signing secret under the data key.
CREATE TABLE webhook (
  id TEXT PRIMARY KEY,
  url TEXT NOT NULL,
  -- JSON; null means every event.
  events TEXT,
  sealed BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  -- Since when nothing was taken, how often in a row, and until when it is left alone.
  failing_since INTEGER,
  failures INTEGER NOT NULL DEFAULT 0,
  held_until INTEGER NOT NULL DEFAULT 0,
  dead_at INTEGER,
  last_at INTEGER,
  last_status INTEGER
) WITHOUT ROWID;

-- What is still to be told. `id` is the message's own, the same at every attempt.
CREATE TABLE delivery (
  id TEXT PRIMARY KEY,
  webhook_id TEXT NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
  body TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
