-- Which data key sealed the version's blob, and when: the version itself may be older (SECURITY S19).
ALTER TABLE key_version ADD COLUMN data_key INTEGER NOT NULL DEFAULT 1;
ALTER TABLE key_version ADD COLUMN sealed_at INTEGER;

-- When this vault was last found in step with D1. A restore takes this back with all else (SECURITY S18).
ALTER TABLE vault ADD COLUMN checked_at INTEGER NOT NULL DEFAULT 0;
