CREATE TABLE account (
  id TEXT PRIMARY KEY,
  vault_id TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  -- Set once the vault was made. A vault is never made again: gone stays gone (SECURITY S13).
  ready_at INTEGER
) WITHOUT ROWID;

-- A hint that finds the vault; the vault's own list decides (SECURITY S11).
CREATE TABLE identity (
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  account_id TEXT NOT NULL,
  vault_id TEXT NOT NULL,
  email TEXT,
  -- Lower case, and only where the provider has verified it: to tell somebody that they have an account already.
  verified_email TEXT,
  PRIMARY KEY (issuer, subject)
) WITHOUT ROWID;

CREATE INDEX identity_by_email ON identity (verified_email) WHERE verified_email IS NOT NULL;

-- One row written per audited event: the primary key is the table (DESIGN D2, D12).
CREATE TABLE audit (
  vault_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  decision TEXT NOT NULL,
  hash TEXT NOT NULL,
  outcome TEXT,
  outcome_hash TEXT,
  PRIMARY KEY (vault_id, seq)
) WITHOUT ROWID;

-- Rows older than 30 days, packed: gzipped JSON, about 70 bytes a row instead of 600.
CREATE TABLE audit_segment (
  vault_id TEXT NOT NULL,
  first_seq INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  -- Who and what occurs in it, so that a search can pass it by.
  subjects TEXT NOT NULL,
  packed BLOB NOT NULL,
  PRIMARY KEY (vault_id, first_seq)
) WITHOUT ROWID;

-- Where the chains of a vault begin, once rows older than twelve months are gone.
CREATE TABLE audit_checkpoint (
  vault_id TEXT PRIMARY KEY,
  checkpoint TEXT NOT NULL
) WITHOUT ROWID;
