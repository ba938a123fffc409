-- While rows are counted anew that is done from the newest back: those beyond this seq are counted too (null: none beyond `tallied_to`).
ALTER TABLE vault ADD COLUMN tallied_beyond INTEGER;
