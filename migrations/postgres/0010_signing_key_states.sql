-- The life of signing keys: `next -> current -> retired -> removed`, and the side exit `revoked`.

-- What a key may do at some instant follows from the instants of all keys of its purpose; see docs/operations.md. A state beside
-- them could contradict them, and somebody would have to change it in time.
DROP INDEX one_current_signing_key;
ALTER TABLE signing_key DROP COLUMN state;

-- When it begins to sign, until the next one of its purpose does.
ALTER TABLE signing_key ADD COLUMN activate_at BIGINT;
UPDATE signing_key
SET activate_at = created_at;
ALTER TABLE signing_key ALTER COLUMN activate_at SET NOT NULL;

-- When it was revoked: from then on it is nobody's, and can sign nothing.
ALTER TABLE signing_key ADD COLUMN revoked_at BIGINT
CHECK (revoked_at IS NULL OR length(sealed_private) = 0);

-- When its private half was overwritten because its time was over.
ALTER TABLE signing_key ADD COLUMN removed_at BIGINT
CHECK (removed_at IS NULL OR length(sealed_private) = 0);

-- The public half, sealed, in place of the private one: what it signed for the record can be verified ever after.
ALTER TABLE signing_key ADD COLUMN sealed_public BYTEA
CHECK (sealed_public IS NULL OR (removed_at IS NOT NULL AND revoked_at IS NULL));

-- A key that somebody revoked because others may have it does not come back.
CREATE TRIGGER revoking_a_signing_key_is_final
BEFORE UPDATE OF revoked_at ON signing_key
FOR EACH ROW
WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
EXECUTE FUNCTION concenter_refuse('a revoked signing key stays so');

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
                (
                    'signing_key',
                    'SELECT, INSERT, UPDATE (activate_at, revoked_at, removed_at, sealed_private, sealed_public)', NULL
                ),
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
