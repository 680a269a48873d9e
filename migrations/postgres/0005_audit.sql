-- The audit log: appended in the transaction of the effect that it tells of, never changed.

CREATE TABLE audit_entry (
    -- The nil id for what belongs to no tenant: hence no foreign key. The log outlives its tenant.
    tenant_id UUID NOT NULL,
    audit_id UUID NOT NULL,
    at BIGINT NOT NULL,
    role TEXT NOT NULL,
    -- People stand here as HMAC(salt, id).
    caller BYTEA NOT NULL CHECK (length(caller) = 32),
    actor BYTEA CHECK (length(actor) = 32),
    person BYTEA CHECK (length(person) = 32),
    action TEXT NOT NULL,
    object TEXT,
    outcome TEXT NOT NULL CHECK (outcome IN ('accepted', 'refused')),
    reason TEXT,
    request_id UUID,
    PRIMARY KEY (tenant_id, audit_id),
    CHECK ((outcome = 'refused') = (reason IS NOT NULL))
);

ALTER TABLE audit_entry ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenants ON audit_entry USING ((tenant_id = ANY ((SELECT concenter_tenants())::UUID[])) IS TRUE);

-- For each statement, not each row: one that finds nothing is refused too, and TRUNCATE has no rows.
CREATE TRIGGER audit_entry_is_never_changed
BEFORE UPDATE ON audit_entry
FOR EACH STATEMENT
EXECUTE FUNCTION concenter_refuse('the audit log is only appended to');

CREATE TRIGGER audit_entry_is_never_deleted
BEFORE DELETE OR TRUNCATE ON audit_entry
FOR EACH STATEMENT
EXECUTE FUNCTION concenter_refuse('the audit log is only appended to');

-- The only link from a pseudonym to a person. Deleting a row forgets him and leaves the log whole.
CREATE TABLE person_salt (
    tenant_id UUID NOT NULL,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('broker', 'customer', 'subject')),
    person_id TEXT COLLATE "C" NOT NULL CHECK (length(person_id) BETWEEN 1 AND 128),
    salt BYTEA NOT NULL CHECK (length(salt) = 32),
    PRIMARY KEY (tenant_id, kind, person_id)
);

ALTER TABLE person_salt ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenants ON person_salt USING ((tenant_id = ANY ((SELECT concenter_tenants())::UUID[])) IS TRUE);
