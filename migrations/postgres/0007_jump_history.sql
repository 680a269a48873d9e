-- The history of jumps: who looks at it, what revokes one of them, and how it forgets a customer.

-- Revoked by itself, and not by what it rests on. A revoked jump is consumed by nobody, not even by a service of the version
-- before, which does not know the column.
ALTER TABLE jump ADD COLUMN revoked_at BIGINT CHECK (revoked_at IS NULL OR redeemed_at IS NULL);

-- The jumps of one person, in the order of time: an id begins with its instant.
CREATE INDEX jump_by_person ON jump (person_id, person_kind, tenant_id, jump_id);
-- The jumps in which a broker worked for a customer.
CREATE INDEX jump_by_customer_context ON jump (customer_context, tenant_id) WHERE customer_context IS NOT NULL;

-- What was revoked stays revoked, since when it was revoked.
CREATE TRIGGER jump_stays_revoked
BEFORE UPDATE OF revoked_at, session_revoked_at ON jump
FOR EACH ROW
WHEN (
    (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
    OR (OLD.session_revoked_at IS NOT NULL AND NEW.session_revoked_at IS DISTINCT FROM OLD.session_revoked_at)
)
EXECUTE FUNCTION concenter_refuse('what was revoked stays revoked');

-- What was asked and decided stays as it was. What leads to a person is the one exception, and the trigger below says how
-- far it goes.
DROP TRIGGER jump_decision_is_never_changed ON jump;

CREATE TRIGGER jump_decision_is_never_changed
BEFORE UPDATE OF
    tenant_id, jump_id, jti_hash, handle_hash, request_id, person_kind, stated_segment,
    target_id, wanted_kind, activation_id, line_of_business, provider_id,
    user_id, way, segment, issued_at, expires_at, epoch, config_version, customer_version, catalog_version
ON jump
FOR EACH ROW
EXECUTE FUNCTION concenter_refuse('what was decided is never changed');

-- A customer is forgotten whole, or not at all: no id, no code over his id, nothing that a portal wrote of him. In his place
-- stands what leads to the jump alone. Whoever could still redeem it no longer can.
CREATE TRIGGER jump_forgets_a_customer_whole
BEFORE UPDATE OF
    caller, content, person_id, actor_role, actor_id, subject, actor_subject, customer_context, context, nonce, return_url
ON jump
FOR EACH ROW
WHEN (NOT (
    -- The jump was his, or he was its context.
    (
        (OLD.person_kind = 'customer' AND NEW.person_id = '' AND NEW.subject = repeat('0', 43)
            AND NEW.actor_id IS NULL AND NEW.caller = NEW.jti_hash AND NEW.nonce IS NULL)
        OR (OLD.customer_context IS NOT NULL AND NEW.person_id = OLD.person_id
            AND NEW.subject = OLD.subject AND NEW.actor_id IS NOT DISTINCT FROM OLD.actor_id
            AND NEW.actor_role IS NOT DISTINCT FROM OLD.actor_role
            AND NEW.actor_subject IS NOT DISTINCT FROM OLD.actor_subject AND NEW.caller = OLD.caller
            -- The broker's own, and signed into his token.
            AND NEW.nonce IS NOT DISTINCT FROM OLD.nonce)
    )
    AND NEW.customer_context IS NULL
    AND NEW.context IS NULL
    AND NEW.return_url IS NULL
    AND NEW.content = NEW.jti_hash
    AND (NEW.redeemed_at IS NOT NULL OR NEW.revoked_at IS NOT NULL)
))
EXECUTE FUNCTION concenter_refuse('a customer is forgotten whole');

-- Gives a service's role, and the role that its workers cross tenants in (its name and `_worker`), what their statements need
-- and nothing else, however often it is called. Both roles are there; the caller owns the tables. A migration that makes
-- a table replaces it.
CREATE FUNCTION concenter_grant(name TEXT) RETURNS VOID
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
                ('service', 'SELECT, INSERT, UPDATE (epoch, catalog_version)', NULL),
                ('signing_key', 'SELECT, INSERT', NULL),
                -- No keys for workers.
                (
                    'tenant', 'SELECT, INSERT, UPDATE, DELETE',
                    'SELECT (tenant_id, display_name, state, deleted_at, created_at, updated_at, version)'
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

REVOKE EXECUTE ON FUNCTION concenter_grant(TEXT) FROM PUBLIC;
