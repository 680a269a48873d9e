-- Up to where the audit log was dropped because its time was over: see docs/audit.md#the-floor.

CREATE TABLE audit_floor (
    tenant_id UUID NOT NULL PRIMARY KEY,
    -- The last place of the chain that may go, and the hash of its seal.
    seq BIGINT NOT NULL CHECK (seq >= 1),
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    -- Both, signed by the service: who only has the database cannot make it.
    signed TEXT NOT NULL CHECK (length(signed) BETWEEN 1 AND 2048)
);

ALTER TABLE audit_floor ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenants ON audit_floor USING ((tenant_id = ANY ((SELECT concenter_tenants())::UUID[])) IS TRUE);

-- The seal behind it stays, so that the chain goes on from there.
CREATE FUNCTION concenter_floor_stands_on_a_seal() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1
        FROM audit_seal AS s
        JOIN audit_seal AS kept
            ON kept.tenant_id = s.tenant_id
            AND kept.seq = s.seq + 1
        WHERE s.tenant_id = NEW.tenant_id
          AND s.seq = NEW.seq
          AND s.hash = NEW.hash
    ) THEN
        RAISE EXCEPTION USING
            MESSAGE = 'the floor of an audit log stands on a seal that is not the last one',
            ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER audit_floor_stands_on_a_seal
BEFORE INSERT OR UPDATE ON audit_floor
FOR EACH ROW
EXECUTE FUNCTION concenter_floor_stands_on_a_seal();

CREATE TRIGGER audit_floor_only_rises
BEFORE UPDATE ON audit_floor
FOR EACH ROW
WHEN (NEW.tenant_id <> OLD.tenant_id OR NEW.seq <= OLD.seq)
EXECUTE FUNCTION concenter_refuse('the floor of an audit log only rises');

CREATE TRIGGER audit_floor_is_never_deleted
BEFORE DELETE OR TRUNCATE ON audit_floor
FOR EACH STATEMENT
EXECUTE FUNCTION concenter_refuse('the floor of an audit log only rises');

-- What goes is below the floor. Everything else stays, whoever asks: the statements are refused but within the one function
-- that drops, which says so by a setting of its own; and the rows are looked at one by one even there.
DROP TRIGGER audit_entry_is_never_deleted ON audit_entry;
DROP TRIGGER audit_seal_is_never_deleted ON audit_seal;

CREATE TRIGGER audit_entry_is_never_emptied
BEFORE TRUNCATE ON audit_entry
FOR EACH STATEMENT
EXECUTE FUNCTION concenter_refuse('the audit log is only appended to');

CREATE TRIGGER audit_seal_is_never_emptied
BEFORE TRUNCATE ON audit_seal
FOR EACH STATEMENT
EXECUTE FUNCTION concenter_refuse('the chain of seals is only appended to');

CREATE TRIGGER audit_entry_is_never_deleted
BEFORE DELETE ON audit_entry
FOR EACH STATEMENT
WHEN (current_setting('concenter.dropping', TRUE) IS DISTINCT FROM 'on')
EXECUTE FUNCTION concenter_refuse('the audit log is only appended to');

CREATE TRIGGER audit_seal_is_never_deleted
BEFORE DELETE ON audit_seal
FOR EACH STATEMENT
WHEN (current_setting('concenter.dropping', TRUE) IS DISTINCT FROM 'on')
EXECUTE FUNCTION concenter_refuse('the chain of seals is only appended to');

CREATE FUNCTION concenter_entry_is_below_the_floor() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1
        FROM audit_seal AS s
        JOIN audit_floor AS f
            ON f.tenant_id = s.tenant_id
            AND f.seq >= s.seq
        WHERE s.tenant_id = OLD.tenant_id
          AND s.audit_id = OLD.audit_id
    ) THEN
        RAISE EXCEPTION USING
            MESSAGE = 'the audit log is only appended to',
            ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN OLD;
END;
$$;

CREATE TRIGGER audit_entry_goes_below_the_floor_only
BEFORE DELETE ON audit_entry
FOR EACH ROW
EXECUTE FUNCTION concenter_entry_is_below_the_floor();

-- A seal goes behind its row, so that none is left without.
CREATE FUNCTION concenter_seal_is_below_the_floor() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM audit_floor WHERE tenant_id = OLD.tenant_id AND seq >= OLD.seq)
    OR EXISTS (SELECT 1 FROM audit_entry WHERE tenant_id = OLD.tenant_id AND audit_id = OLD.audit_id)
    THEN
        RAISE EXCEPTION USING
            MESSAGE = 'the chain of seals is only appended to',
            ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN OLD;
END;
$$;

CREATE TRIGGER audit_seal_goes_below_the_floor_only
BEFORE DELETE ON audit_seal
FOR EACH ROW
EXECUTE FUNCTION concenter_seal_is_below_the_floor();

-- Deletes rows of a log that are below its floor, the oldest first, each with its seal; at most so many, and tells how many.
-- As the owner, so that nobody who serves needs a right to delete anything of a log.
CREATE FUNCTION concenter_drop_audit(log UUID, most BIGINT) RETURNS BIGINT
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    -- The last place that goes this time.
    last_place BIGINT;
    dropped BIGINT;
BEGIN
    PERFORM set_config('concenter.dropping', 'on', TRUE);
    SELECT max(below.seq)
    INTO last_place
    FROM (
        SELECT s.seq
        FROM audit_seal AS s
        JOIN audit_floor AS f
            ON f.tenant_id = s.tenant_id
            AND f.seq >= s.seq
        WHERE s.tenant_id = log
        ORDER BY s.seq
        LIMIT most
    ) AS below;

    DELETE FROM audit_entry AS e
    USING audit_seal AS s
    WHERE s.tenant_id = log
      AND s.seq <= last_place
      AND e.tenant_id = log
      AND e.audit_id = s.audit_id;

    DELETE FROM audit_seal AS s
    WHERE s.tenant_id = log
      AND s.seq <= last_place;
    GET DIAGNOSTICS dropped = ROW_COUNT;
    PERFORM set_config('concenter.dropping', 'off', TRUE);
    RETURN dropped;
END;
$$;

REVOKE EXECUTE ON FUNCTION concenter_drop_audit(UUID, BIGINT) FROM PUBLIC;

-- What a service needs is what it needed before, and this; so the function that gives it calls the one from before. A
-- migration that makes a table may put both into one.
ALTER FUNCTION concenter_grant(TEXT) RENAME TO concenter_grant_without_floor;

CREATE FUNCTION concenter_grant(name TEXT) RETURNS VOID
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM concenter_grant_without_floor(name);
    EXECUTE format('REVOKE ALL ON audit_floor FROM %I, %I', name, name || '_worker');
    EXECUTE format('GRANT SELECT, INSERT, UPDATE (seq, hash, signed) ON audit_floor TO %I', name);
    EXECUTE format('GRANT EXECUTE ON FUNCTION concenter_drop_audit(UUID, BIGINT) TO %I', name);
END;
$$;

REVOKE EXECUTE ON FUNCTION concenter_grant(TEXT) FROM PUBLIC;
