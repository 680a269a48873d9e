-- The life of signing keys: `next -> current -> retired -> removed`, and the side exit `revoked`.

-- What a key may do at some instant follows from the instants of all keys of its purpose; see docs/operations.md. A state beside
-- them could contradict them, and somebody would have to change it in time.
DROP INDEX one_current_signing_key;
ALTER TABLE signing_key DROP COLUMN state;

-- When it begins to sign, until the next one of its purpose does.
ALTER TABLE signing_key ADD COLUMN activate_at INTEGER NOT NULL DEFAULT 0;
UPDATE signing_key
SET activate_at = created_at;

-- When it was revoked: from then on it is nobody's, and can sign nothing.
ALTER TABLE signing_key ADD COLUMN revoked_at INTEGER
CHECK (revoked_at IS NULL OR length(sealed_private) = 0);

-- When its private half was overwritten because its time was over.
ALTER TABLE signing_key ADD COLUMN removed_at INTEGER
CHECK (removed_at IS NULL OR length(sealed_private) = 0);

-- The public half, sealed, in place of the private one: what it signed for the record can be verified ever after.
ALTER TABLE signing_key ADD COLUMN sealed_public BLOB
CHECK (sealed_public IS NULL OR (removed_at IS NOT NULL AND revoked_at IS NULL));

-- A key that somebody revoked because others may have it does not come back.
CREATE TRIGGER revoking_a_signing_key_is_final
BEFORE UPDATE OF revoked_at ON signing_key
WHEN OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NOT OLD.revoked_at
BEGIN
    SELECT RAISE(ABORT, 'a revoked signing key stays so');
END;
