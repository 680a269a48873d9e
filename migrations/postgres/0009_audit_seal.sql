-- The seals over the audit log, a chain for each tenant: see docs/audit.md.

CREATE TABLE audit_seal (
    -- As of the row that it seals: the nil id for what belongs to no tenant, and the chain outlives its tenant.
    tenant_id UUID NOT NULL,
    -- 1, 2, 3: a gap is a seal that somebody took away.
    seq BIGINT NOT NULL CHECK (seq >= 1),
    audit_id UUID NOT NULL,
    -- The hash of the seal before; 32 zero bytes before the first one.
    prev BYTEA NOT NULL CHECK (length(prev) = 32),
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant_id, seq),
    UNIQUE (tenant_id, audit_id)
);

ALTER TABLE audit_seal ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenants ON audit_seal USING ((tenant_id = ANY ((SELECT concenter_tenants())::UUID[])) IS TRUE);

-- Two who seal at once make one chain: what does not follow the last seal is not taken.
CREATE FUNCTION concenter_seal_follows() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    IF NEW.prev IS DISTINCT FROM (
        CASE
            WHEN NEW.seq = 1 THEN decode(repeat('00', 32), 'hex')
            ELSE (SELECT hash FROM audit_seal WHERE tenant_id = NEW.tenant_id AND seq = NEW.seq - 1)
        END
    ) THEN
        RAISE EXCEPTION USING MESSAGE = 'a seal follows the last one', ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER audit_seal_follows_the_last_one
BEFORE INSERT ON audit_seal
FOR EACH ROW
EXECUTE FUNCTION concenter_seal_follows();

-- For each statement, not each row: one that finds nothing is refused too, and TRUNCATE has no rows.
CREATE TRIGGER audit_seal_is_never_changed
BEFORE UPDATE ON audit_seal
FOR EACH STATEMENT
EXECUTE FUNCTION concenter_refuse('the chain of seals is only appended to');

CREATE TRIGGER audit_seal_is_never_deleted
BEFORE DELETE OR TRUNCATE ON audit_seal
FOR EACH STATEMENT
EXECUTE FUNCTION concenter_refuse('the chain of seals is only appended to');

-- How far log and chain of each tenant reach, in the order of their ids: those after `after`, and that one too if told so.
-- The one thing that is asked across all logs. As the owner, so that nobody who serves needs a right to read the logs of
-- all tenants for it. It steps from tenant to tenant and reads nothing in between.
CREATE FUNCTION concenter_audit_chains(after UUID, itself_too BOOLEAN, most BIGINT)
RETURNS TABLE (tenant_id UUID, newest_entry UUID, newest_sealed UUID)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
    WITH RECURSIVE known (id) AS (
        SELECT after
        UNION ALL
        SELECT least(
            (SELECT e.tenant_id FROM audit_entry AS e WHERE e.tenant_id > known.id ORDER BY e.tenant_id LIMIT 1),
            (SELECT s.tenant_id FROM audit_seal AS s WHERE s.tenant_id > known.id ORDER BY s.tenant_id LIMIT 1)
        )
        FROM known
        WHERE known.id IS NOT NULL
    )
    SELECT
        known.id,
        (SELECT e.audit_id FROM audit_entry AS e WHERE e.tenant_id = known.id ORDER BY e.audit_id DESC LIMIT 1),
        (SELECT s.audit_id FROM audit_seal AS s WHERE s.tenant_id = known.id ORDER BY s.audit_id DESC LIMIT 1)
    FROM known
    WHERE known.id > after
       OR (known.id = after AND itself_too)
    -- Found in their order: to sort them would be to find them all first.
    LIMIT most
$$;

REVOKE EXECUTE ON FUNCTION concenter_audit_chains(UUID, BOOLEAN, BIGINT) FROM PUBLIC;

-- Gives a service's role, and the role that its workers cross tenants in (its name and `_worker`), what their statements need
-- and nothing else, however often it is called. Both roles are there; the caller owns the tables. A migration that makes
-- a table replaces it.
CREATE OR REPLACE FUNCTION concenter_grant(name TEXT) RETURNS VOID
LANGUAGE plpgsql
AS $$
DECLARE
    worker CONSTANT TEXT := name || '_worker';
    all_tenants CONSTANT TEXT := 'all_tenants_of_' || name;
    given RECORD;
BEGIN
    INSERT INTO service_role (role_name)
    VALUES (name)
    ON CONFLICT DO NOTHING;

    -- Databases of PostgreSQL 14 and before let everybody make tables; a temporary one would stand before ours.
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I, %I', current_schema(), name, worker);
    EXECUTE format('GRANT EXECUTE ON FUNCTION concenter_audit_chains(UUID, BOOLEAN, BIGINT) TO %I', worker);

    FOR given IN
        SELECT *
        FROM (
            VALUES
                ('_sqlx_migrations', 'SELECT', NULL),
                ('service', 'SELECT, INSERT, UPDATE (epoch, catalog_version, timeline)', NULL),
                ('signing_key', 'SELECT, INSERT', NULL),
                -- No keys for workers.
                (
                    'tenant', 'SELECT, INSERT, UPDATE, DELETE',
                    'SELECT (tenant_id, display_name, state, deleted_at, restored_at, created_at, updated_at, version)'
                ),
                ('request_log', 'SELECT, INSERT, DELETE', 'SELECT, DELETE'),
                ('product_provider', 'SELECT, INSERT, UPDATE', NULL),
                ('target', 'SELECT, INSERT, UPDATE', NULL),
                ('return_url', 'SELECT, INSERT, UPDATE', NULL),
                ('concenter_user', 'SELECT, INSERT, UPDATE, DELETE', NULL),
                ('broker_activation', 'SELECT, INSERT, UPDATE, DELETE', NULL),
                ('activation_broker', 'SELECT, INSERT, DELETE', NULL),
                ('customer_access', 'SELECT, INSERT, UPDATE, DELETE', NULL),
                ('customer', 'SELECT, INSERT, UPDATE, DELETE', NULL),
                ('jump', 'SELECT, INSERT, UPDATE, DELETE', NULL),
                ('audit_entry', 'SELECT, INSERT', NULL),
                ('audit_seal', 'SELECT, INSERT', NULL),
                ('person_salt', 'SELECT, INSERT, DELETE', NULL),
                ('tenant_settings', 'SELECT, INSERT, UPDATE, DELETE', NULL)
        ) AS rights (on_table, to_service, to_worker)
    LOOP
        EXECUTE format('REVOKE ALL ON %I FROM %I, %I', given.on_table, name, worker);
        EXECUTE format('GRANT %s ON %I TO %I', given.to_service, given.on_table, name);
        CONTINUE WHEN given.to_worker IS NULL;
        EXECUTE format('GRANT %s ON %I TO %I', given.to_worker, given.on_table, worker);
        -- Only once: it waits for whoever uses the table, and everybody waits for it.
        CONTINUE WHEN EXISTS (
            SELECT 1
            FROM pg_policy
            WHERE polrelid = given.on_table::REGCLASS
              AND polname = all_tenants
        );
        EXECUTE format('CREATE POLICY %I ON %I TO %I USING (TRUE)', all_tenants, given.on_table, worker);
    END LOOP;
END;
$$;
