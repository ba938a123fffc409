-- The part of a row that derived tokens spent which have a budget, and so a row, of their own.
ALTER TABLE spend ADD COLUMN derived_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spend ADD COLUMN derived_estimated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spend ADD COLUMN derived_cost INTEGER NOT NULL DEFAULT 0;
