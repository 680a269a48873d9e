-- The service itself and its tenants. See docs/adr/0001-rules-as-rows.md.

-- Here and in all that follow: a text that is a key or stands in an index is compared by its bytes (COLLATE "C"). The order of
-- a language changes with the system's libraries, and leaves an index behind that finds nothing.
--
-- And an index beside the primary key begins with what it is for, and the tenant follows: of a table that is still empty
-- PostgreSQL believes that the tenant alone leads to the row. Any index that begins with the tenant would look as good as the
-- right one, and a plan that is kept would go on with it while the table grows.

-- Other encodings do not have all characters.
DO $$
BEGIN
    IF getdatabaseencoding() <> 'UTF8' THEN
        RAISE EXCEPTION 'the encoding of the database is %, not UTF8', getdatabaseencoding()
        USING HINT = 'Make the database with CREATE DATABASE .. TEMPLATE template0 ENCODING ''UTF8''.';
    END IF;
END;
$$;

-- Refuses what a trigger is about; its argument says why. The code tells it from a CHECK.
CREATE FUNCTION concenter_refuse() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation';
END;
$$;

-- The tenants that the transaction is about, as it said with SET LOCAL concenter.tenants; NULL if it said nothing: then the
-- policies show no row.
CREATE FUNCTION concenter_tenants() RETURNS UUID[]
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $$
    SELECT string_to_array(nullif(current_setting('concenter.tenants', TRUE), ''), ',')::UUID[]
$$;

-- The roles that services log in as, so that a later migration gives them what it adds.
CREATE TABLE service_role (
    -- Other names are made of it, and a name has at most 63 bytes.
    role_name TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (octet_length(role_name) BETWEEN 1 AND 48)
);

CREATE TABLE service (
    -- One row, ever.
    singleton BIGINT NOT NULL PRIMARY KEY CHECK (singleton = 1),
    -- Moves when every open jump must die.
    epoch BIGINT NOT NULL CHECK (epoch >= 1),
    -- Moves on every change of providers, targets and return URLs.
    catalog_version BIGINT NOT NULL CHECK (catalog_version >= 1),
    -- A known text under the key-encryption key.
    kek_canary BYTEA NOT NULL,
    kek_id TEXT NOT NULL,
    dek_version BIGINT NOT NULL CHECK (dek_version >= 1),
    wrapped_dek BYTEA NOT NULL,
    sealed_mac_key BYTEA NOT NULL
);

CREATE TABLE signing_key (
    kid TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(kid) = 43),
    purpose TEXT COLLATE "C" NOT NULL CHECK (purpose IN ('jump', 'caller')),
    state TEXT NOT NULL CHECK (state IN ('next', 'current', 'retired', 'removed', 'revoked')),
    sealed_private BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX one_current_signing_key ON signing_key (purpose) WHERE state = 'current';

CREATE TABLE tenant (
    tenant_id UUID NOT NULL PRIMARY KEY,
    display_name TEXT NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
    state TEXT NOT NULL CHECK (state IN ('active', 'stopped')),
    -- Moves on whatever a decision may rest on; never back.
    config_version BIGINT NOT NULL CHECK (config_version >= 1),
    kek_id TEXT NOT NULL,
    dek_version BIGINT NOT NULL CHECK (dek_version >= 1),
    wrapped_dek BYTEA NOT NULL,
    sealed_mac_key BYTEA NOT NULL,
    version BIGINT NOT NULL CHECK (version >= 1),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- The second lock, behind the WHERE of every statement: of each table that has tenants a transaction reads and writes only the
-- rows of those that it is about. The owner of the tables, who migrates, backs up and restores, passes.
--
-- A subquery: the list is read once in a statement, not once in a row. IS TRUE: no index is chosen by the list; walking
-- along one costs a search for each of its tenants, for every single row of a batch.
ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenants ON tenant USING ((tenant_id = ANY ((SELECT concenter_tenants())::UUID[])) IS TRUE);

-- Taking a change back does not bring revoked jumps to life.
CREATE TRIGGER config_version_moves_forward
BEFORE UPDATE OF config_version ON tenant
FOR EACH ROW
WHEN (NEW.config_version < OLD.config_version)
EXECUTE FUNCTION concenter_refuse('config_version moves forward only');

-- Without it the next start would take the database for an empty one.
CREATE TRIGGER service_is_never_deleted
BEFORE DELETE OR TRUNCATE ON service
FOR EACH STATEMENT
EXECUTE FUNCTION concenter_refuse('there is one service');

CREATE TRIGGER service_versions_move_forward
BEFORE UPDATE OF epoch, catalog_version ON service
FOR EACH ROW
WHEN (NEW.epoch < OLD.epoch OR NEW.catalog_version < OLD.catalog_version)
EXECUTE FUNCTION concenter_refuse('epoch and catalog_version move forward only');

-- Requests that had an effect other than a jump, so that a repeated one has none.
CREATE TABLE request_log (
    -- The caller's tenant, the nil id for operators: hence no foreign key.
    tenant_id UUID NOT NULL,
    caller BYTEA NOT NULL CHECK (length(caller) = 32),
    request_id UUID NOT NULL,
    -- HMAC of method and content.
    content BYTEA NOT NULL CHECK (length(content) = 32),
    -- What the effect was on, so that a repeated request is answered with its state now.
    resource TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, caller, request_id)
);

ALTER TABLE request_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenants ON request_log USING ((tenant_id = ANY ((SELECT concenter_tenants())::UUID[])) IS TRUE);

CREATE INDEX request_log_by_age ON request_log (created_at);
