-- One row: the marker that this vault exists, and what must outlive the outbox (chain heads).
CREATE TABLE vault (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  account_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  head_seq INTEGER NOT NULL,
  head_hash TEXT NOT NULL,
  outcome_seq INTEGER NOT NULL,
  outcome_hash TEXT NOT NULL,
  -- What its owner calls this account.
  name TEXT,
  -- The day (since 1970) of the last use, and the newest row when it began.
  quota_day INTEGER NOT NULL DEFAULT 0,
  quota_seq INTEGER NOT NULL DEFAULT 0
);

-- Who may sign in here. D1 only hints at the vault; this list decides (SECURITY S11).
CREATE TABLE identity (
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  email TEXT,
  name TEXT,
  linked_at INTEGER NOT NULL,
  PRIMARY KEY (issuer, subject)
) WITHOUT ROWID;

CREATE TABLE data_key (
  id INTEGER PRIMARY KEY,
  root_id TEXT NOT NULL,
  wrapped BLOB NOT NULL,
  share_name TEXT NOT NULL,
  created_at INTEGER NOT NULL
);

CREATE TABLE api_key (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  provider TEXT NOT NULL,
  version INTEGER NOT NULL,
  -- Version numbers are handed out before sealing, so that no two writers ever seal under one name in KV.
  last_version INTEGER NOT NULL,
  -- While a rotation overlaps: the version to fall back on when the upstream refuses the new one.
  overlap_version INTEGER,
  overlap_until INTEGER,
  tags TEXT NOT NULL,
  note TEXT,
  scrub INTEGER NOT NULL,
  revealable INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  expires_at INTEGER,
  paused_at INTEGER,
  uses INTEGER NOT NULL DEFAULT 0,
  last_used_at INTEGER
) WITHOUT ROWID;

-- Current and former names; all go on working.
CREATE TABLE key_name (
  name TEXT PRIMARY KEY,
  key_id TEXT NOT NULL REFERENCES api_key (id) ON DELETE CASCADE
) WITHOUT ROWID;

-- Immutable. `destination` is JSON, sealed into the blob's AAD to the letter. `sealed` keeps the blob at hand until KV has surely spread.
CREATE TABLE key_version (
  key_id TEXT NOT NULL REFERENCES api_key (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  destination TEXT NOT NULL,
  sealed BLOB,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (key_id, version)
) WITHOUT ROWID;

-- One-time pages on which a person types a secret. Only the handle's hash is kept. `version` is the one whose destination the
-- page shows: once there is another, the page is void.
CREATE TABLE entry_link (
  hash TEXT PRIMARY KEY,
  key_id TEXT NOT NULL REFERENCES api_key (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  asked_by TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Answers of mutations that may be asked for again under one Idempotency-Key (SECURITY S8). `answer` is sealed where it bears a secret.
CREATE TABLE idempotency (
  caller TEXT NOT NULL,
  key TEXT NOT NULL,
  digest TEXT NOT NULL,
  answer TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (caller, key)
) WITHOUT ROWID;

-- Every token of this vault, of any kind; only its hash. Revoked ones stay, so that their refusals have a name.
CREATE TABLE token (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  policy TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  signed_in_at INTEGER,
  expires_at INTEGER,
  seen_at INTEGER,
  paused_at INTEGER,
  revoked_at INTEGER,
  uses INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0,
  last_used_at INTEGER
) WITHOUT ROWID;

-- The audit outbox: rows leave for D1 once they are whole. No index but the key (DESIGN D2).
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,
  decision TEXT NOT NULL,
  hash TEXT NOT NULL,
  pending INTEGER NOT NULL,
  -- While the row is pending: the hash of the lease that opens the next leash, since when no leash holds the call, and the
  -- path to judge again where the decision records only its beginning.
  lease TEXT,
  unclaimed_at INTEGER,
  path TEXT,
  outcome TEXT,
  outcome_hash TEXT
);

-- Calls that were given up. What their router says after all becomes a row of its own (SECURITY S17).
CREATE TABLE interrupted (
  seq INTEGER PRIMARY KEY,
  decision TEXT NOT NULL,
  at INTEGER NOT NULL
);

-- Counts of refusals that share a row at the end of their minute (SECURITY S14).
CREATE TABLE refusal (
  name TEXT PRIMARY KEY,
  until INTEGER NOT NULL,
  more INTEGER NOT NULL,
  event TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE job (
  name TEXT PRIMARY KEY,
  due_at INTEGER NOT NULL,
  failures INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
