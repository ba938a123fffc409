-- What tokens with a budget have spent, in millionths of a dollar. `estimated` counts calls whose answers did not say.
CREATE TABLE spend (
  token_id TEXT NOT NULL,
  day INTEGER NOT NULL,
  key_id TEXT NOT NULL,
  model TEXT NOT NULL,
  calls INTEGER NOT NULL,
  estimated INTEGER NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cached_input INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  PRIMARY KEY (token_id, day, key_id, model)
) WITHOUT ROWID;

-- Calls under way that a budget pays for, and the most that each may come to; null where nobody can tell.
CREATE TABLE spend_open (
  seq INTEGER PRIMARY KEY,
  token_ids TEXT NOT NULL,
  day INTEGER NOT NULL,
  key_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  estimate TEXT NOT NULL,
  most INTEGER
);

-- Prices of the person's own, in dollars a million tokens.
CREATE TABLE price (
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  input REAL NOT NULL,
  output REAL NOT NULL,
  cached_input REAL,
  cache_write REAL,
  at INTEGER NOT NULL,
  PRIMARY KEY (provider, model)
) WITHOUT ROWID;
