-- How often each version of a key was used. Versions that are kept no more stay here; `became` is the number under which the
-- same secret was sealed anew, with a new data key.
CREATE TABLE version_use (
  key_id TEXT NOT NULL REFERENCES api_key (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  became INTEGER,
  uses INTEGER NOT NULL DEFAULT 0,
  last_used_at INTEGER,
  PRIMARY KEY (key_id, version)
) WITHOUT ROWID;
