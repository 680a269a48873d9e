-- What an administrator sets for his tenant, and what becomes of tenants and customers that go.

CREATE TABLE tenant_settings (
    tenant_id TEXT NOT NULL PRIMARY KEY REFERENCES tenant (tenant_id),
    -- Seconds.
    jump_life INTEGER NOT NULL DEFAULT 60 CHECK (jump_life BETWEEN 10 AND 120),
    -- Minutes, and never more than every tenant has: they may only be shortened.
    customer_idle INTEGER NOT NULL DEFAULT 15 CHECK (customer_idle BETWEEN 1 AND 15),
    customer_absolute INTEGER NOT NULL DEFAULT 30 CHECK (customer_absolute BETWEEN 1 AND 30),
    broker_idle INTEGER NOT NULL DEFAULT 30 CHECK (broker_idle BETWEEN 1 AND 30),
    broker_absolute INTEGER NOT NULL DEFAULT 480 CHECK (broker_absolute BETWEEN 1 AND 480),
    -- Per cent.
    import_change_limit INTEGER NOT NULL DEFAULT 20 CHECK (import_change_limit BETWEEN 1 AND 100),
    default_mvp_user TEXT CHECK (length(default_mvp_user) BETWEEN 1 AND 128),
    version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1)
) STRICT, WITHOUT ROWID;

INSERT INTO tenant_settings (tenant_id)
SELECT tenant_id
FROM tenant;

-- INSERT OR REPLACE deletes without a word: it would lengthen life and sessions behind the version's back.
CREATE TRIGGER tenant_settings_are_not_replaced
BEFORE INSERT ON tenant_settings
WHEN EXISTS (SELECT 1 FROM tenant_settings WHERE tenant_id = NEW.tenant_id)
BEGIN
    SELECT RAISE(ABORT, 'a tenant has its settings once');
END;

-- A trigger and not the service: one of the version before knows nothing of settings.
CREATE TRIGGER tenant_begins_with_settings
AFTER INSERT ON tenant
BEGIN
    INSERT INTO tenant_settings (tenant_id)
    VALUES (NEW.tenant_id);
END;

-- A deleted tenant is a stopped one until its keys are destroyed: whatever refuses the one refuses the other.
-- Destroyed keys are empty ones, both of them, and only a deleted tenant's.
ALTER TABLE tenant ADD COLUMN deleted_at INTEGER
    CHECK (deleted_at IS NULL OR state = 'stopped')
    CHECK (deleted_at IS NOT NULL OR wrapped_dek <> x'')
    CHECK ((wrapped_dek = x'') = (sealed_mac_key = x''));

-- Other keys would open nothing of it: a tenant that is destroyed stays so, and stays deleted.
CREATE TRIGGER destroyed_keys_stay_destroyed
BEFORE UPDATE OF wrapped_dek, sealed_mac_key ON tenant
WHEN OLD.wrapped_dek = x'' AND NEW.wrapped_dek <> x''
BEGIN
    SELECT RAISE(ABORT, 'destroyed keys stay destroyed');
END;

CREATE INDEX tenant_by_deletion ON tenant (deleted_at) WHERE deleted_at IS NOT NULL;

-- The highest jump_version of a customer who was erased. New records begin above it: what was decided on the old record of
-- a customer must not hold for his new one.
ALTER TABLE tenant ADD COLUMN erased_jump_version INTEGER NOT NULL DEFAULT 0 CHECK (erased_jump_version >= 0);

CREATE TRIGGER erased_jump_version_moves_forward
BEFORE UPDATE OF erased_jump_version ON tenant
WHEN NEW.erased_jump_version < OLD.erased_jump_version
BEGIN
    SELECT RAISE(ABORT, 'erased_jump_version moves forward only');
END;

CREATE TRIGGER customer_begins_above_the_erased
AFTER INSERT ON customer
WHEN NEW.jump_version <= (SELECT erased_jump_version FROM tenant WHERE tenant_id = NEW.tenant_id)
BEGIN
    UPDATE customer
    SET jump_version = (SELECT erased_jump_version + 1 FROM tenant WHERE tenant_id = NEW.tenant_id)
    WHERE tenant_id = NEW.tenant_id
      AND customer_id = NEW.customer_id;
END;

-- For the check of the foreign key, whenever a user is deleted or gets another kind: it took no partial index, and no index that
-- begins with the tenant seems to it better than to walk through all customers of the tenant. What follows the kind here
-- is the key of the table: the tenant and the customer.
DROP INDEX customer_by_user;
CREATE INDEX customer_by_user ON customer (user_id, user_kind);

-- The log of requests kept the id of a customer who was assigned a user. No longer: erasing him would leave it there.
UPDATE request_log
SET resource = ''
WHERE EXISTS (
    SELECT 1
    FROM customer AS c
    WHERE c.tenant_id = request_log.tenant_id
      AND c.customer_id = request_log.resource
);
