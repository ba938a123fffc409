-- How the last attempt at a message that still waits ended.
ALTER TABLE delivery ADD COLUMN last_at INTEGER;
ALTER TABLE delivery ADD COLUMN last_status INTEGER;
ALTER TABLE delivery ADD COLUMN latency_ms INTEGER;
ALTER TABLE delivery ADD COLUMN detail TEXT;

-- Messages that wait no more, so that their owner sees what became of them and can send them again. They are not among those that
-- wait: a release that knows nothing of this table would send them all anew.
CREATE TABLE past_delivery (
  id TEXT PRIMARY KEY,
  webhook_id TEXT NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
  body TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  taken INTEGER NOT NULL,
  last_at INTEGER,
  last_status INTEGER,
  latency_ms INTEGER,
  detail TEXT
) WITHOUT ROWID;
CREATE INDEX past_delivery_by_webhook ON past_delivery (webhook_id, id);
