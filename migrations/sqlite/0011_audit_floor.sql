-- Up to where the audit log was dropped because its time was over: see docs/audit.md#the-floor.

CREATE TABLE audit_floor (
    tenant_id TEXT NOT NULL PRIMARY KEY CHECK (length(tenant_id) = 36),
    -- The last place of the chain that may go, and the hash of its seal.
    seq INTEGER NOT NULL CHECK (seq >= 1),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    -- Both, signed by the service: who only has the database cannot make it.
    signed TEXT NOT NULL CHECK (length(signed) BETWEEN 1 AND 2048)
) STRICT, WITHOUT ROWID;

-- INSERT OR REPLACE deletes without a word: it would go around the triggers below.
CREATE TRIGGER audit_floor_is_never_replaced
BEFORE INSERT ON audit_floor
WHEN EXISTS (SELECT 1 FROM audit_floor WHERE tenant_id = NEW.tenant_id)
BEGIN
    SELECT RAISE(ABORT, 'the floor of an audit log only rises');
END;

-- The seal behind it stays, so that the chain goes on from there.
CREATE TRIGGER audit_floor_stands_on_a_seal
BEFORE INSERT ON audit_floor
WHEN NOT EXISTS (
    SELECT 1
    FROM audit_seal AS s
    JOIN audit_seal AS kept
        ON kept.tenant_id = s.tenant_id
        AND kept.seq = s.seq + 1
    WHERE s.tenant_id = NEW.tenant_id
      AND s.seq = NEW.seq
      AND s.hash = NEW.hash
)
BEGIN
    SELECT RAISE(ABORT, 'the floor of an audit log stands on a seal that is not the last one');
END;

CREATE TRIGGER audit_floor_rises_to_a_seal
BEFORE UPDATE ON audit_floor
WHEN NOT EXISTS (
    SELECT 1
    FROM audit_seal AS s
    JOIN audit_seal AS kept
        ON kept.tenant_id = s.tenant_id
        AND kept.seq = s.seq + 1
    WHERE s.tenant_id = NEW.tenant_id
      AND s.seq = NEW.seq
      AND s.hash = NEW.hash
)
BEGIN
    SELECT RAISE(ABORT, 'the floor of an audit log stands on a seal that is not the last one');
END;

CREATE TRIGGER audit_floor_only_rises
BEFORE UPDATE ON audit_floor
WHEN NEW.tenant_id IS NOT OLD.tenant_id
OR NEW.seq <= OLD.seq
BEGIN
    SELECT RAISE(ABORT, 'the floor of an audit log only rises');
END;

CREATE TRIGGER audit_floor_is_never_deleted
BEFORE DELETE ON audit_floor
BEGIN
    SELECT RAISE(ABORT, 'the floor of an audit log only rises');
END;

-- What goes is below the floor. Everything else stays, whoever asks.
DROP TRIGGER audit_entry_is_never_deleted;
CREATE TRIGGER audit_entry_is_never_deleted
BEFORE DELETE ON audit_entry
WHEN NOT EXISTS (
    SELECT 1
    FROM audit_seal AS s
    JOIN audit_floor AS f
        ON f.tenant_id = s.tenant_id
        AND f.seq >= s.seq
    WHERE s.tenant_id = OLD.tenant_id
      AND s.audit_id = OLD.audit_id
)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only appended to');
END;

-- A seal goes behind its row, so that none is left without.
DROP TRIGGER audit_seal_is_never_deleted;
CREATE TRIGGER audit_seal_is_never_deleted
BEFORE DELETE ON audit_seal
WHEN NOT EXISTS (SELECT 1 FROM audit_floor WHERE tenant_id = OLD.tenant_id AND seq >= OLD.seq)
OR EXISTS (SELECT 1 FROM audit_entry WHERE tenant_id = OLD.tenant_id AND audit_id = OLD.audit_id)
BEGIN
    SELECT RAISE(ABORT, 'the chain of seals is only appended to');
END;
