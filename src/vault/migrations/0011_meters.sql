-- What has been used of tokens whose policy counts (CONTRACT §3). The row of a meter's highest slot says how it stands; the
-- times of its uses, where a rate needs them, are spread over slots so that a use writes one short row.
CREATE TABLE meter (
  name TEXT NOT NULL,
  slot INTEGER NOT NULL,
  used INTEGER NOT NULL,
  day INTEGER NOT NULL,
  day_used INTEGER NOT NULL,
  times BLOB NOT NULL,
  PRIMARY KEY (name, slot)
) WITHOUT ROWID;
