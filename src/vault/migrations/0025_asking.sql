-- How a provider's token endpoint was last asked: 0 it has answered, 1 it is being asked, 2 an answer was lost: it may have moved on
-- to a refresh token that never arrived here.
ALTER TABLE connection ADD COLUMN asking INTEGER NOT NULL DEFAULT 0;
ALTER TABLE connection ADD COLUMN asked_at INTEGER NOT NULL DEFAULT 0;
