-- The audit log: appended in the transaction of the effect that it tells of, never changed.

CREATE TABLE audit_entry (
    -- The nil id for what belongs to no tenant: hence no foreign key. The log outlives its tenant.
    tenant_id TEXT NOT NULL CHECK (length(tenant_id) = 36),
    audit_id TEXT NOT NULL CHECK (length(audit_id) = 36),
    at INTEGER NOT NULL,
    role TEXT NOT NULL,
    -- People stand here as HMAC(salt, id).
    caller BLOB NOT NULL CHECK (length(caller) = 32),
    actor BLOB CHECK (length(actor) = 32),
    person BLOB CHECK (length(person) = 32),
    action TEXT NOT NULL,
    object TEXT,
    outcome TEXT NOT NULL CHECK (outcome IN ('accepted', 'refused')),
    reason TEXT,
    request_id TEXT CHECK (length(request_id) = 36),
    PRIMARY KEY (tenant_id, audit_id),
    CHECK ((outcome = 'refused') = (reason IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- INSERT OR REPLACE deletes without a word: it would go around the triggers below.
CREATE TRIGGER audit_entry_is_never_replaced
BEFORE INSERT ON audit_entry
WHEN EXISTS (SELECT 1 FROM audit_entry WHERE tenant_id = NEW.tenant_id AND audit_id = NEW.audit_id)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only appended to');
END;

CREATE TRIGGER audit_entry_is_never_changed
BEFORE UPDATE ON audit_entry
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only appended to');
END;

CREATE TRIGGER audit_entry_is_never_deleted
BEFORE DELETE ON audit_entry
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only appended to');
END;

-- The only link from a pseudonym to a person. Deleting a row forgets him and leaves the log whole.
CREATE TABLE person_salt (
    tenant_id TEXT NOT NULL CHECK (length(tenant_id) = 36),
    kind TEXT NOT NULL CHECK (kind IN ('broker', 'customer', 'subject')),
    person_id TEXT NOT NULL CHECK (length(person_id) BETWEEN 1 AND 128),
    salt BLOB NOT NULL CHECK (length(salt) = 32),
    PRIMARY KEY (tenant_id, kind, person_id)
) STRICT, WITHOUT ROWID;
