-- What we last read at a client's own addresses: its metadata document, and the keys that the document names. A copy outlives its
-- freshness, for when the address cannot be reached and for the token endpoint, which fetches nothing.
CREATE TABLE client_document (
  url TEXT PRIMARY KEY,
  document TEXT NOT NULL,
  etag TEXT,
  fetched_at INTEGER NOT NULL,
  fresh_until INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX client_document_by_age ON client_document (fetched_at);

-- Assertions that clients have shown: each proves its client once (RFC 7523 §3).
CREATE TABLE used_assertion (
  client_id TEXT NOT NULL,
  jti TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (client_id, jti)
) WITHOUT ROWID;

CREATE INDEX used_assertion_by_end ON used_assertion (expires_at);
