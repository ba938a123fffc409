-- Which calls of a client need its person's yes first, as JSON; none where it is null.
ALTER TABLE grant ADD COLUMN ask TEXT;

-- Whose asking a page stands by: it is void once they are gone.
ALTER TABLE connect_link ADD COLUMN asked_by_id TEXT;
