-- What a database knows of the backup that it comes from, and of the server that it is on.

-- A backup brings its own row along: from it whoever restores learns since when he has to look changes over. Written by the
-- owner; a service has nothing to do with it.
CREATE TABLE backup (
    backup_id UUID NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL
);

-- When the tenant last came back from a backup, and with it whatever was disabled, taken away or erased since.
ALTER TABLE tenant ADD COLUMN restored_at BIGINT;

-- The server's timeline that the epoch belongs to, 8 hexadecimal digits; NULL until a service was there. The server begins
-- another one whenever a standby is promoted or a backup is rolled forward to some instant: what was redeemed last may be
-- open again then, so the epoch moves.
ALTER TABLE service ADD COLUMN timeline TEXT CHECK (timeline ~ '^[0-9A-F]{8}$');

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
