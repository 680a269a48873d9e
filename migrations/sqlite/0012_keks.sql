-- Several key-encryption keys: one wraps what is new, others still open what they wrapped. See docs/operations.md.

CREATE TABLE kek (
    kek_id TEXT NOT NULL PRIMARY KEY CHECK (length(kek_id) BETWEEN 1 AND 64),
    -- A known text under this key.
    canary BLOB NOT NULL,
    added_at INTEGER NOT NULL,
    -- From then on it wraps nothing, and nobody needs it.
    retired_at INTEGER
) STRICT, WITHOUT ROWID;

-- The one from before was there when the first signing key was made.
INSERT INTO kek (kek_id, canary, added_at)
SELECT kek_id, kek_canary, coalesce((SELECT min(created_at) FROM signing_key), 0)
FROM service;

-- Which one wraps what is new; NULL until it was chosen: the one that wraps the service's own key. `kek_canary` beside it is of
-- that last one.
ALTER TABLE service ADD COLUMN active_kek_id TEXT REFERENCES kek (kek_id);
UPDATE service
SET active_kek_id = kek_id;

-- A tenant whose keys are destroyed is under none.
UPDATE tenant
SET kek_id = ''
WHERE wrapped_dek = x'';

CREATE INDEX tenant_by_kek ON tenant (kek_id, tenant_id);

-- A replica that has not heard of it yet must not wrap with a key that is thrown away.
CREATE TRIGGER a_retired_kek_wraps_no_new_tenant
BEFORE INSERT ON tenant
WHEN EXISTS (SELECT 1 FROM kek WHERE kek_id = NEW.kek_id AND retired_at IS NOT NULL)
BEGIN
    SELECT RAISE(ABORT, 'a retired key-encryption key wraps nothing');
END;

CREATE TRIGGER a_retired_kek_wraps_no_tenant
BEFORE UPDATE OF kek_id ON tenant
WHEN EXISTS (SELECT 1 FROM kek WHERE kek_id = NEW.kek_id AND retired_at IS NOT NULL)
BEGIN
    SELECT RAISE(ABORT, 'a retired key-encryption key wraps nothing');
END;

CREATE TRIGGER a_retired_kek_wraps_no_service
BEFORE UPDATE OF kek_id, active_kek_id ON service
WHEN EXISTS (SELECT 1 FROM kek WHERE kek_id IN (NEW.kek_id, NEW.active_kek_id) AND retired_at IS NOT NULL)
BEGIN
    SELECT RAISE(ABORT, 'a retired key-encryption key wraps nothing');
END;

CREATE TRIGGER a_kek_that_wraps_something_is_not_retired
BEFORE UPDATE OF retired_at ON kek
WHEN NEW.retired_at IS NOT NULL
 AND (
    EXISTS (SELECT 1 FROM tenant WHERE kek_id = NEW.kek_id)
    OR EXISTS (SELECT 1 FROM service WHERE NEW.kek_id IN (kek_id, active_kek_id))
)
BEGIN
    SELECT RAISE(ABORT, 'a key-encryption key that wraps something is not retired');
END;

CREATE TRIGGER retiring_a_kek_is_final
BEFORE UPDATE ON kek
WHEN OLD.retired_at IS NOT NULL
  OR NEW.kek_id <> OLD.kek_id
BEGIN
    SELECT RAISE(ABORT, 'a key-encryption key keeps its id, and a retired one stays so');
END;

CREATE TRIGGER kek_is_not_replaced
BEFORE INSERT ON kek
WHEN EXISTS (SELECT 1 FROM kek WHERE kek_id = NEW.kek_id)
BEGIN
    SELECT RAISE(ABORT, 'a key-encryption key is added once');
END;

CREATE TRIGGER kek_is_never_deleted
BEFORE DELETE ON kek
BEGIN
    SELECT RAISE(ABORT, 'a key-encryption key is retired, not deleted');
END;
