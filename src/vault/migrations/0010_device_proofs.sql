-- A sign-in that came back through a redirect: what must be shown besides the code (RFC 7636), and the device that came of it,
-- which ends should the code be shown again.
ALTER TABLE device_approval ADD COLUMN proof TEXT;
ALTER TABLE device_approval ADD COLUMN device_id TEXT;
