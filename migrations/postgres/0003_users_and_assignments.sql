-- Con:center users and what leads to them. The rules of docs/domain.md#users stand here as rows: a bad one
-- is refused from a SQL shell too. Foreign keys are immediate and carry the user's kind.

CREATE TABLE concenter_user (
    tenant_id UUID NOT NULL REFERENCES tenant (tenant_id),
    user_id UUID NOT NULL,
    user_name TEXT NOT NULL CHECK (length(user_name) BETWEEN 1 AND 256),
    -- NFKC, case-folded, trimmed: the form that is compared.
    user_name_key TEXT COLLATE "C" NOT NULL CHECK (length(user_name_key) >= 1),
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('standard', 'broker', 'end_customer')),
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    -- NULL: all product providers; else a sorted array of 1 to 200 keys. There is no "empty means all".
    providers TEXT[] COLLATE "C" CHECK (
        cardinality(providers) BETWEEN 1 AND 200 AND array_position(providers, NULL) IS NULL
    ),
    display_name TEXT CHECK (length(display_name) BETWEEN 1 AND 200),
    notification_email TEXT CHECK (length(notification_email) BETWEEN 3 AND 254),
    -- What con:center itself reports; NULL: it has not said.
    reported_end_customer BOOLEAN,
    sealed_secret BYTEA,
    secret_version BIGINT NOT NULL CHECK (secret_version >= 0),
    secret_set_at BIGINT,
    version BIGINT NOT NULL CHECK (version >= 1),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, user_id),
    -- What references to a user point at: they carry his kind, so it cannot change under them.
    UNIQUE (tenant_id, user_id, kind),
    UNIQUE (user_name_key, tenant_id),
    CHECK ((sealed_secret IS NULL) = (secret_set_at IS NULL)),
    CHECK (sealed_secret IS NULL OR secret_version >= 1),
    -- An Endkunde user names its product providers.
    CHECK (kind <> 'end_customer' OR providers IS NOT NULL)
);

ALTER TABLE concenter_user ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenants ON concenter_user USING ((tenant_id = ANY ((SELECT concenter_tenants())::UUID[])) IS TRUE);

CREATE UNIQUE INDEX one_standard_user ON concenter_user (tenant_id) WHERE kind = 'standard';

CREATE FUNCTION user_names_known_providers() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    IF EXISTS (
        SELECT 1
        FROM unnest(NEW.providers) AS named (provider_id)
        WHERE NOT EXISTS (SELECT 1 FROM product_provider AS p WHERE p.provider_id = named.provider_id)
    ) THEN
        RAISE EXCEPTION 'a user names an unknown product provider' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER user_names_known_providers
BEFORE INSERT OR UPDATE OF providers ON concenter_user
FOR EACH ROW
WHEN (NEW.providers IS NOT NULL)
EXECUTE FUNCTION user_names_known_providers();

CREATE TABLE broker_activation (
    tenant_id UUID NOT NULL REFERENCES tenant (tenant_id),
    activation_id UUID NOT NULL,
    display_name TEXT CHECK (length(display_name) BETWEEN 1 AND 200),
    user_id UUID NOT NULL,
    user_kind TEXT COLLATE "C" NOT NULL DEFAULT 'broker' CHECK (user_kind = 'broker'),
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    sharing_reason TEXT CHECK (length(sharing_reason) BETWEEN 1 AND 200),
    version BIGINT NOT NULL CHECK (version >= 1),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, activation_id),
    FOREIGN KEY (tenant_id, user_id, user_kind) REFERENCES concenter_user (tenant_id, user_id, kind)
);

ALTER TABLE broker_activation ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenants ON broker_activation USING ((tenant_id = ANY ((SELECT concenter_tenants())::UUID[])) IS TRUE);

CREATE INDEX activation_by_user ON broker_activation (user_id, tenant_id);

-- Of the activations of one user all but one say why he is shared.
CREATE UNIQUE INDEX one_activation_without_sharing_reason
ON broker_activation (user_id, tenant_id) WHERE sharing_reason IS NULL;

CREATE TABLE activation_broker (
    tenant_id UUID NOT NULL,
    broker_id TEXT COLLATE "C" NOT NULL CHECK (length(broker_id) BETWEEN 1 AND 128),
    activation_id UUID NOT NULL,
    PRIMARY KEY (tenant_id, broker_id, activation_id),
    FOREIGN KEY (tenant_id, activation_id) REFERENCES broker_activation (tenant_id, activation_id)
);

ALTER TABLE activation_broker ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenants ON activation_broker USING ((tenant_id = ANY ((SELECT concenter_tenants())::UUID[])) IS TRUE);

CREATE INDEX activation_broker_by_activation ON activation_broker (activation_id, tenant_id, broker_id);

CREATE TABLE customer_access (
    tenant_id UUID NOT NULL PRIMARY KEY REFERENCES tenant (tenant_id),
    private_user_id UUID,
    private_user_kind TEXT COLLATE "C" NOT NULL DEFAULT 'end_customer' CHECK (private_user_kind = 'end_customer'),
    commercial_user_id UUID,
    commercial_user_kind TEXT COLLATE "C" NOT NULL DEFAULT 'end_customer' CHECK (commercial_user_kind = 'end_customer'),
    commercial_falls_back BOOLEAN NOT NULL,
    version BIGINT NOT NULL CHECK (version >= 1),
    FOREIGN KEY (tenant_id, private_user_id, private_user_kind)
    REFERENCES concenter_user (tenant_id, user_id, kind),
    FOREIGN KEY (tenant_id, commercial_user_id, commercial_user_kind)
    REFERENCES concenter_user (tenant_id, user_id, kind)
);

ALTER TABLE customer_access ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenants ON customer_access USING ((tenant_id = ANY ((SELECT concenter_tenants())::UUID[])) IS TRUE);

CREATE TABLE customer (
    tenant_id UUID NOT NULL REFERENCES tenant (tenant_id),
    customer_id TEXT COLLATE "C" NOT NULL CHECK (length(customer_id) BETWEEN 1 AND 128),
    segment TEXT NOT NULL CHECK (segment IN ('private', 'commercial')),
    user_id UUID,
    user_kind TEXT COLLATE "C" NOT NULL DEFAULT 'end_customer' CHECK (user_kind = 'end_customer'),
    -- Moves when the segment or the own user changes; revokes this customer's open jumps only.
    jump_version BIGINT NOT NULL CHECK (jump_version >= 1),
    version BIGINT NOT NULL CHECK (version >= 1),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, customer_id),
    FOREIGN KEY (tenant_id, user_id, user_kind) REFERENCES concenter_user (tenant_id, user_id, kind)
);

ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenants ON customer USING ((tenant_id = ANY ((SELECT concenter_tenants())::UUID[])) IS TRUE);

CREATE TRIGGER jump_version_moves_forward
BEFORE UPDATE OF jump_version ON customer
FOR EACH ROW
WHEN (NEW.jump_version < OLD.jump_version)
EXECUTE FUNCTION concenter_refuse('jump_version moves forward only');

-- The customers of one user by id, and for the check of the foreign key whenever a user is deleted or gets another kind.
CREATE INDEX customer_by_user ON customer (user_id, tenant_id, customer_id) WHERE user_id IS NOT NULL;
