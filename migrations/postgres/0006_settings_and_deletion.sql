-- What an administrator sets for his tenant, and what becomes of tenants and customers that go.

CREATE TABLE tenant_settings (
    tenant_id UUID NOT NULL PRIMARY KEY REFERENCES tenant (tenant_id),
    -- Seconds.
    jump_life BIGINT NOT NULL DEFAULT 60 CHECK (jump_life BETWEEN 10 AND 120),
    -- Minutes, and never more than every tenant has: they may only be shortened.
    customer_idle BIGINT NOT NULL DEFAULT 15 CHECK (customer_idle BETWEEN 1 AND 15),
    customer_absolute BIGINT NOT NULL DEFAULT 30 CHECK (customer_absolute BETWEEN 1 AND 30),
    broker_idle BIGINT NOT NULL DEFAULT 30 CHECK (broker_idle BETWEEN 1 AND 30),
    broker_absolute BIGINT NOT NULL DEFAULT 480 CHECK (broker_absolute BETWEEN 1 AND 480),
    -- Per cent.
    import_change_limit BIGINT NOT NULL DEFAULT 20 CHECK (import_change_limit BETWEEN 1 AND 100),
    default_mvp_user TEXT CHECK (length(default_mvp_user) BETWEEN 1 AND 128),
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1)
);

ALTER TABLE tenant_settings ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenants ON tenant_settings USING ((tenant_id = ANY ((SELECT concenter_tenants())::UUID[])) IS TRUE);

-- A trigger and not the service: a tenant that is made at a SQL shell begins with them too.
CREATE FUNCTION tenant_begins_with_settings() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO tenant_settings (tenant_id)
    VALUES (NEW.tenant_id);
    RETURN NULL;
END;
$$;

CREATE TRIGGER tenant_begins_with_settings
AFTER INSERT ON tenant
FOR EACH ROW
EXECUTE FUNCTION tenant_begins_with_settings();

-- A deleted tenant is a stopped one until its keys are destroyed: whatever refuses the one refuses the other.
-- Destroyed keys are empty ones, both of them, and only a deleted tenant's.
ALTER TABLE tenant ADD COLUMN deleted_at BIGINT
    CHECK (deleted_at IS NULL OR state = 'stopped')
    CHECK (deleted_at IS NOT NULL OR wrapped_dek <> '\x')
    CHECK ((wrapped_dek = '\x') = (sealed_mac_key = '\x'));

-- Other keys would open nothing of it: a tenant that is destroyed stays so, and stays deleted.
CREATE TRIGGER destroyed_keys_stay_destroyed
BEFORE UPDATE OF wrapped_dek, sealed_mac_key ON tenant
FOR EACH ROW
WHEN (OLD.wrapped_dek = '\x' AND NEW.wrapped_dek <> '\x')
EXECUTE FUNCTION concenter_refuse('destroyed keys stay destroyed');

-- The row with the keys before stands there dead until autovacuum comes: soon, however few rows have changed.
ALTER TABLE tenant SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0);

CREATE INDEX tenant_by_deletion ON tenant (deleted_at) WHERE deleted_at IS NOT NULL;

-- The highest jump_version of a customer who was erased. New records begin above it: what was decided on the old record of
-- a customer must not hold for his new one.
ALTER TABLE tenant ADD COLUMN erased_jump_version BIGINT NOT NULL DEFAULT 0 CHECK (erased_jump_version >= 0);

CREATE TRIGGER erased_jump_version_moves_forward
BEFORE UPDATE OF erased_jump_version ON tenant
FOR EACH ROW
WHEN (NEW.erased_jump_version < OLD.erased_jump_version)
EXECUTE FUNCTION concenter_refuse('erased_jump_version moves forward only');

CREATE FUNCTION customer_begins_above_the_erased() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.jump_version := greatest(
        NEW.jump_version,
        (SELECT erased_jump_version + 1 FROM tenant WHERE tenant_id = NEW.tenant_id)
    );
    RETURN NEW;
END;
$$;

CREATE TRIGGER customer_begins_above_the_erased
BEFORE INSERT ON customer
FOR EACH ROW
EXECUTE FUNCTION customer_begins_above_the_erased();
