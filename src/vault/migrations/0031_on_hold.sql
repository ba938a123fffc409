-- Keys, tokens and grants that a restore has paused: nobody knows how they were changed in the time that was lost, so a person looks at
-- them before they are used again (SECURITY S18).
CREATE TABLE on_hold (
  id TEXT PRIMARY KEY
) WITHOUT ROWID;

-- Since when nothing counts any more that was offered before: a freeze or a restore has made it void.
ALTER TABLE vault ADD COLUMN offers_void_at INTEGER NOT NULL DEFAULT 0;
