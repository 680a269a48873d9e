-- The seals over the audit log, a chain for each tenant: see docs/audit.md.

CREATE TABLE audit_seal (
    -- As of the row that it seals: the nil id for what belongs to no tenant, and the chain outlives its tenant.
    tenant_id TEXT NOT NULL CHECK (length(tenant_id) = 36),
    -- 1, 2, 3: a gap is a seal that somebody took away.
    seq INTEGER NOT NULL CHECK (seq >= 1),
    audit_id TEXT NOT NULL CHECK (length(audit_id) = 36),
    -- The hash of the seal before; 32 zero bytes before the first one.
    prev BLOB NOT NULL CHECK (length(prev) = 32),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant_id, seq),
    UNIQUE (tenant_id, audit_id)
) STRICT, WITHOUT ROWID;

-- INSERT OR REPLACE deletes without a word: it would go around the triggers below.
CREATE TRIGGER audit_seal_is_never_replaced
BEFORE INSERT ON audit_seal
WHEN EXISTS (SELECT 1 FROM audit_seal WHERE tenant_id = NEW.tenant_id AND seq = NEW.seq)
OR EXISTS (SELECT 1 FROM audit_seal WHERE tenant_id = NEW.tenant_id AND audit_id = NEW.audit_id)
BEGIN
    SELECT RAISE(ABORT, 'the chain of seals is only appended to');
END;

-- Two who seal at once make one chain: what does not follow the last seal is not taken.
CREATE TRIGGER audit_seal_follows_the_last_one
BEFORE INSERT ON audit_seal
WHEN NEW.prev IS NOT iif(
    NEW.seq = 1,
    zeroblob(32),
    (SELECT hash FROM audit_seal WHERE tenant_id = NEW.tenant_id AND seq = NEW.seq - 1)
)
BEGIN
    SELECT RAISE(ABORT, 'a seal follows the last one');
END;

CREATE TRIGGER audit_seal_is_never_changed
BEFORE UPDATE ON audit_seal
BEGIN
    SELECT RAISE(ABORT, 'the chain of seals is only appended to');
END;

CREATE TRIGGER audit_seal_is_never_deleted
BEFORE DELETE ON audit_seal
BEGIN
    SELECT RAISE(ABORT, 'the chain of seals is only appended to');
END;
