-- Set once its owner has deleted the account. From then on nothing is served; what is left is taken down step by step.
ALTER TABLE vault ADD COLUMN deleting_at INTEGER;
