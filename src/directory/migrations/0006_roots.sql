-- Under which root key the account's vault is wrapped, as far as a sweep has seen it (SECURITY S19). Null: not seen yet.
ALTER TABLE account ADD COLUMN root_id TEXT;

CREATE INDEX account_by_root ON account (root_id) WHERE ready_at IS NOT NULL;
