-- What rotates: one family for each token that is refreshed. `number` and the generation are spelled in every refresh token.
CREATE TABLE family (
  number INTEGER PRIMARY KEY,
  token_id TEXT NOT NULL UNIQUE,
  refresh_kind TEXT NOT NULL,
  -- The OAuth client that alone may refresh it.
  client_id TEXT,
  -- How its owner called the rhythm; null where a protocol sets it.
  cadence TEXT,
  access_ms INTEGER NOT NULL,
  idle_ms INTEGER NOT NULL,
  -- The key that derives successors, sealed with the data key.
  sealed BLOB NOT NULL,
  head INTEGER NOT NULL,
  answered_at INTEGER NOT NULL
);

-- The last hundred generations of a family, and every 256th for ever, so that a token of any age can be proven. Only the
-- hash of a refresh token is stored.
CREATE TABLE generation (
  family INTEGER NOT NULL,
  n INTEGER NOT NULL,
  hash TEXT NOT NULL,
  issued_at INTEGER NOT NULL,
  superseded_at INTEGER,
  ip TEXT NOT NULL,
  country TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  -- How often it was given again, in all and in one minute of its life; and how often for sharing.
  repeats INTEGER NOT NULL DEFAULT 0,
  minute INTEGER NOT NULL DEFAULT 0,
  repeats_in_minute INTEGER NOT NULL DEFAULT 0,
  shared INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (family, n)
) WITHOUT ROWID;

-- Where a family was refreshed from lately.
CREATE TABLE family_place (
  family INTEGER NOT NULL,
  network TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (family, network, user_agent)
) WITHOUT ROWID;

-- Access tokens of a family: other hashes of the token that it belongs to.
CREATE TABLE access (
  hash TEXT PRIMARY KEY,
  token_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  -- JSON, where an OAuth client asked for fewer than its grant has.
  scopes TEXT,
  used INTEGER NOT NULL DEFAULT 0,
  superseded INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE INDEX access_by_token ON access (token_id, generation);
