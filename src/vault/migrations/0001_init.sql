-- One row: the marker that this vault exists, and what must outlive the outbox (chain heads).
CREATE TABLE vault (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  account_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  head_seq INTEGER NOT NULL,
  head_hash TEXT NOT NULL,
  outcome_seq INTEGER NOT NULL,
  outcome_hash TEXT NOT NULL
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
  lease TEXT,
  outcome TEXT,
  outcome_hash TEXT
);

CREATE TABLE job (
  name TEXT PRIMARY KEY,
  due_at INTEGER NOT NULL,
  failures INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
