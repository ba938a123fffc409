-- Who minted it: a token, a device or a grant. Whatever ends its parent ends it too (SECURITY S3).
ALTER TABLE token ADD COLUMN parent_id TEXT;

CREATE INDEX token_by_parent ON token (parent_id) WHERE parent_id IS NOT NULL;
