-- Calls that wait for a person's yes. `digest` covers who asks, the key with its destination, method, path and content: a changed
-- request is another question. `uses` counts how often a yes for once was taken.
CREATE TABLE question (
  id TEXT PRIMARY KEY,
  digest TEXT NOT NULL,
  -- Who called, and the tokens whose policies ask.
  actor TEXT NOT NULL,
  token_id TEXT NOT NULL,
  asking TEXT NOT NULL,
  token_name TEXT NOT NULL,
  key_id TEXT NOT NULL REFERENCES api_key (id) ON DELETE CASCADE,
  key_name TEXT NOT NULL,
  method TEXT NOT NULL,
  host TEXT NOT NULL,
  -- As it is judged, and as it is shown.
  path TEXT NOT NULL,
  shown_path TEXT NOT NULL,
  ip TEXT NOT NULL,
  country TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  decision TEXT,
  answered_at INTEGER,
  uses INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE INDEX question_by_digest ON question (digest);

-- What may be called without asking again, for a while.
CREATE TABLE allowance (
  actor TEXT NOT NULL,
  key_id TEXT NOT NULL REFERENCES api_key (id) ON DELETE CASCADE,
  origin TEXT NOT NULL,
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  until INTEGER NOT NULL,
  PRIMARY KEY (actor, key_id, origin, method, path)
) WITHOUT ROWID;
