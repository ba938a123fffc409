-- While the vault is frozen: since when, and the id of whoever froze it (SECURITY S15).
ALTER TABLE vault ADD COLUMN frozen_at INTEGER;
ALTER TABLE vault ADD COLUMN frozen_by TEXT;
