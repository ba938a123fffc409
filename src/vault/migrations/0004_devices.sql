-- What a device's token does not say. `reveal_until`: until when it may be shown secrets; the past, or nothing, is not at all.
-- `asked_*`: it asks for that, now, from there.
CREATE TABLE device (
  id TEXT PRIMARY KEY REFERENCES token (id),
  platform TEXT NOT NULL,
  reveal_until INTEGER,
  asked_at INTEGER,
  asked_ip TEXT,
  asked_country TEXT
) WITHOUT ROWID;

-- A person's yes to a device that has not fetched its token yet. `code_hash`: of the code that it will show, once.
CREATE TABLE device_approval (
  code_hash TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  platform TEXT NOT NULL,
  policy TEXT NOT NULL,
  reveal TEXT NOT NULL,
  approved_by TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
