-- Calls of rows that have left for D1, by the hour (13 letters of the time) and by how they ended: statistics read no row.
CREATE TABLE tally (
  hour TEXT NOT NULL,
  outcome TEXT NOT NULL,
  calls INTEGER NOT NULL,
  timed INTEGER NOT NULL,
  latency_ms INTEGER NOT NULL,
  PRIMARY KEY (hour, outcome)
) WITHOUT ROWID;

-- How many rows are in them. Together with those still here they are all up to `tallied_to` (null: all there are); where they are
-- not, as in a vault that is older than this table, it is counted anew.
ALTER TABLE vault ADD COLUMN tallied INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vault ADD COLUMN tallied_to INTEGER;
