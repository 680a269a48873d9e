-- The service itself and its tenants. See docs/adr/0001-rules-as-rows.md.

CREATE TABLE service (
    -- One row, ever.
    singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    -- Moves when every open jump must die.
    epoch INTEGER NOT NULL CHECK (epoch >= 1),
    -- Moves on every change of providers, targets and return URLs.
    catalog_version INTEGER NOT NULL CHECK (catalog_version >= 1),
    -- A known text under the key-encryption key.
    kek_canary BLOB NOT NULL,
    kek_id TEXT NOT NULL,
    dek_version INTEGER NOT NULL CHECK (dek_version >= 1),
    wrapped_dek BLOB NOT NULL,
    sealed_mac_key BLOB NOT NULL
) STRICT;

CREATE TABLE signing_key (
    kid TEXT NOT NULL PRIMARY KEY CHECK (length(kid) = 43),
    purpose TEXT NOT NULL CHECK (purpose IN ('jump', 'caller')),
    state TEXT NOT NULL CHECK (state IN ('next', 'current', 'retired', 'removed', 'revoked')),
    sealed_private BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_current_signing_key ON signing_key (purpose) WHERE state = 'current';

CREATE TABLE tenant (
    tenant_id TEXT NOT NULL PRIMARY KEY CHECK (length(tenant_id) = 36),
    display_name TEXT NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
    state TEXT NOT NULL CHECK (state IN ('active', 'stopped')),
    -- Moves on whatever a decision may rest on; never back.
    config_version INTEGER NOT NULL CHECK (config_version >= 1),
    kek_id TEXT NOT NULL,
    dek_version INTEGER NOT NULL CHECK (dek_version >= 1),
    wrapped_dek BLOB NOT NULL,
    sealed_mac_key BLOB NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Taking a change back does not bring revoked jumps to life.
CREATE TRIGGER config_version_moves_forward
BEFORE UPDATE OF config_version ON tenant
WHEN NEW.config_version < OLD.config_version
BEGIN
    SELECT RAISE(ABORT, 'config_version moves forward only');
END;

-- INSERT OR REPLACE deletes without a word: it would go around the triggers on UPDATE.
CREATE TRIGGER tenant_is_not_replaced
BEFORE INSERT ON tenant
WHEN EXISTS (SELECT 1 FROM tenant WHERE tenant_id = NEW.tenant_id)
BEGIN
    SELECT RAISE(ABORT, 'a tenant is made once');
END;

CREATE TRIGGER service_is_not_replaced
BEFORE INSERT ON service
WHEN EXISTS (SELECT 1 FROM service)
BEGIN
    SELECT RAISE(ABORT, 'there is one service');
END;

-- Without it the next start would take the database for an empty one.
CREATE TRIGGER service_is_never_deleted
BEFORE DELETE ON service
BEGIN
    SELECT RAISE(ABORT, 'there is one service');
END;

CREATE TRIGGER service_versions_move_forward
BEFORE UPDATE OF epoch, catalog_version ON service
WHEN NEW.epoch < OLD.epoch OR NEW.catalog_version < OLD.catalog_version
BEGIN
    SELECT RAISE(ABORT, 'epoch and catalog_version move forward only');
END;

-- Requests that had an effect other than a jump, so that a repeated one has none.
CREATE TABLE request_log (
    -- The caller's tenant, the nil id for operators: hence no foreign key.
    tenant_id TEXT NOT NULL,
    caller BLOB NOT NULL CHECK (length(caller) = 32),
    request_id TEXT NOT NULL CHECK (length(request_id) = 36),
    -- HMAC of method and content.
    content BLOB NOT NULL CHECK (length(content) = 32),
    -- What the effect was on, so that a repeated request is answered with its state now.
    resource TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, caller, request_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX request_log_by_age ON request_log (created_at);
