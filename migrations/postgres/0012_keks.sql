-- Several key-encryption keys: one wraps what is new, others still open what they wrapped. See docs/operations.md.

CREATE TABLE kek (
    kek_id TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(kek_id) BETWEEN 1 AND 64),
    -- A known text under this key.
    canary BYTEA NOT NULL,
    added_at BIGINT NOT NULL,
    -- From then on it wraps nothing, and nobody needs it.
    retired_at BIGINT
);

-- The one from before was there when the first signing key was made.
INSERT INTO kek (kek_id, canary, added_at)
SELECT kek_id, kek_canary, coalesce((SELECT min(created_at) FROM signing_key), 0)
FROM service;

-- Which one wraps what is new; NULL until it was chosen: the one that wraps the service's own key. `kek_canary` beside it is of
-- that last one.
ALTER TABLE service ADD COLUMN active_kek_id TEXT COLLATE "C" REFERENCES kek (kek_id);
UPDATE service
SET active_kek_id = kek_id;

-- A tenant whose keys are destroyed is under none.
UPDATE tenant
SET kek_id = ''
WHERE wrapped_dek = '';

CREATE INDEX tenant_by_kek ON tenant (kek_id COLLATE "C", tenant_id);

-- A replica that has not heard of it yet must not wrap with a key that is thrown away. Whoever retires the key waits for those
-- who wrap with it, and they for him. As the owner: a service has no right to lock these rows.
CREATE FUNCTION concenter_kek_is_not_retired() RETURNS TRIGGER
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM 1
    FROM kek
    WHERE kek_id = NEW.kek_id
      AND retired_at IS NULL
    FOR KEY SHARE;
    IF NOT FOUND AND EXISTS (SELECT 1 FROM kek WHERE kek_id = NEW.kek_id) THEN
        RAISE EXCEPTION USING
            MESSAGE = 'a retired key-encryption key wraps nothing',
            ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER a_retired_kek_wraps_no_tenant
BEFORE INSERT OR UPDATE OF kek_id ON tenant
FOR EACH ROW
EXECUTE FUNCTION concenter_kek_is_not_retired();

CREATE TRIGGER a_retired_kek_wraps_no_service
BEFORE UPDATE OF kek_id ON service
FOR EACH ROW
EXECUTE FUNCTION concenter_kek_is_not_retired();

-- As the owner, to whom row level security shows the rows of all tenants.
CREATE FUNCTION concenter_kek_is_not_in_use() RETURNS TRIGGER
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM tenant WHERE kek_id COLLATE "C" = NEW.kek_id)
    OR EXISTS (SELECT 1 FROM service WHERE NEW.kek_id IN (kek_id, active_kek_id))
    THEN
        RAISE EXCEPTION USING
            MESSAGE = 'a key-encryption key that wraps something is not retired',
            ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER a_kek_that_wraps_something_is_not_retired
BEFORE UPDATE OF retired_at ON kek
FOR EACH ROW
WHEN (NEW.retired_at IS NOT NULL)
EXECUTE FUNCTION concenter_kek_is_not_in_use();

CREATE TRIGGER retiring_a_kek_is_final
BEFORE UPDATE ON kek
FOR EACH ROW
WHEN (OLD.retired_at IS NOT NULL OR NEW.kek_id <> OLD.kek_id)
EXECUTE FUNCTION concenter_refuse('a key-encryption key keeps its id, and a retired one stays so');

CREATE TRIGGER kek_is_never_deleted
BEFORE DELETE OR TRUNCATE ON kek
FOR EACH STATEMENT
EXECUTE FUNCTION concenter_refuse('a key-encryption key is retired, not deleted');

-- How many data keys, the service's own included, a key wraps.
CREATE FUNCTION concenter_kek_use(id TEXT) RETURNS BIGINT
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
    SELECT (SELECT count(*) FROM tenant WHERE kek_id COLLATE "C" = id) + (SELECT count(*) FROM service WHERE kek_id = id)
$$;

-- Makes a key the one that wraps what is new; tells whether there is such a key that is not retired. Waits for whoever retires it.
CREATE FUNCTION concenter_activate_kek(id TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM 1
    FROM kek
    WHERE kek_id = id
      AND retired_at IS NULL
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    UPDATE service
    SET active_kek_id = id
    WHERE active_kek_id IS DISTINCT FROM id;
    RETURN TRUE;
END;
$$;

-- Retires a key that wraps nothing any more, and is not to wrap what is new; tells how many data keys it wraps, the choice for what
-- is new counted as one, and does nothing unless that is 0. Waits for whoever wraps with it, and he for this.
CREATE FUNCTION concenter_retire_kek(id TEXT, at BIGINT) RETURNS BIGINT
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    in_use BIGINT;
BEGIN
    PERFORM 1
    FROM kek
    WHERE kek_id = id
    FOR UPDATE;
    SELECT concenter_kek_use(id) + (SELECT count(*) FROM service WHERE active_kek_id = id AND kek_id <> id)
    INTO in_use;
    IF in_use = 0 THEN
        UPDATE kek
        SET retired_at = at
        WHERE kek_id = id
          AND retired_at IS NULL;
    END IF;
    RETURN in_use;
END;
$$;

REVOKE EXECUTE ON FUNCTION concenter_kek_use(TEXT) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION concenter_activate_kek(TEXT) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION concenter_retire_kek(TEXT, BIGINT) FROM PUBLIC;

-- What a service needs is what it needed before, and this; so the function that gives it calls the one from before. A
-- migration that makes a table may put both into one.
ALTER FUNCTION concenter_grant(TEXT) RENAME TO concenter_grant_without_keks;

CREATE FUNCTION concenter_grant(name TEXT) RETURNS VOID
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM concenter_grant_without_keks(name);
    EXECUTE format('REVOKE ALL ON kek FROM %I, %I', name, name || '_worker');
    EXECUTE format('GRANT SELECT, INSERT (kek_id, canary, added_at) ON kek TO %I', name);
    -- What re-wrapping the service's own key changes. Which key is active and which is retired the functions decide.
    EXECUTE format('GRANT UPDATE (kek_id, kek_canary, wrapped_dek) ON service TO %I', name);
    -- Under which key, never what it wraps.
    EXECUTE format('GRANT SELECT (kek_id) ON tenant TO %I', name || '_worker');
    EXECUTE format('GRANT EXECUTE ON FUNCTION concenter_kek_use(TEXT) TO %I', name);
    EXECUTE format('GRANT EXECUTE ON FUNCTION concenter_activate_kek(TEXT) TO %I', name);
    EXECUTE format('GRANT EXECUTE ON FUNCTION concenter_retire_kek(TEXT, BIGINT) TO %I', name);
END;
$$;

REVOKE EXECUTE ON FUNCTION concenter_grant(TEXT) FROM PUBLIC;
