-- Con:center users and what leads to them. The rules of docs/domain.md#users stand here as rows: a bad one
-- is refused from a SQL shell too. Foreign keys are immediate and carry the user's kind.

CREATE TABLE concenter_user (
    tenant_id TEXT NOT NULL REFERENCES tenant (tenant_id),
    user_id TEXT NOT NULL CHECK (length(user_id) = 36),
    user_name TEXT NOT NULL CHECK (length(user_name) BETWEEN 1 AND 256),
    -- NFKC, case-folded, trimmed: the form that is compared.
    user_name_key TEXT NOT NULL CHECK (length(user_name_key) >= 1),
    kind TEXT NOT NULL CHECK (kind IN ('standard', 'broker', 'end_customer')),
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    -- NULL: all product providers; else a sorted JSON array of 1 to 200 keys. There is no "empty means all".
    providers TEXT CHECK (
        providers IS NULL OR (json_type(providers) = 'array' AND json_array_length(providers) BETWEEN 1 AND 200)
    ),
    display_name TEXT CHECK (length(display_name) BETWEEN 1 AND 200),
    notification_email TEXT CHECK (length(notification_email) BETWEEN 3 AND 254),
    -- What con:center itself reports; NULL: it has not said.
    reported_end_customer INTEGER CHECK (reported_end_customer IN (0, 1)),
    sealed_secret BLOB,
    secret_version INTEGER NOT NULL CHECK (secret_version >= 0),
    secret_set_at INTEGER,
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, user_id),
    UNIQUE (tenant_id, user_name_key),
    -- What references to a user point at: they carry his kind, so it cannot change under them.
    UNIQUE (tenant_id, user_id, kind),
    CHECK ((sealed_secret IS NULL) = (secret_set_at IS NULL)),
    CHECK (sealed_secret IS NULL OR secret_version >= 1),
    -- An Endkunde user names its product providers.
    CHECK (kind <> 'end_customer' OR providers IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_standard_user ON concenter_user (tenant_id) WHERE kind = 'standard';

CREATE TRIGGER user_names_known_providers_at_insert
BEFORE INSERT ON concenter_user
WHEN EXISTS (
    SELECT 1
    FROM json_each(NEW.providers) AS named
    WHERE NOT EXISTS (SELECT 1 FROM product_provider WHERE provider_id = named.value)
)
BEGIN
    SELECT RAISE(ABORT, 'a user names an unknown product provider');
END;

CREATE TRIGGER user_names_known_providers_at_update
BEFORE UPDATE OF providers ON concenter_user
WHEN EXISTS (
    SELECT 1
    FROM json_each(NEW.providers) AS named
    WHERE NOT EXISTS (SELECT 1 FROM product_provider WHERE provider_id = named.value)
)
BEGIN
    SELECT RAISE(ABORT, 'a user names an unknown product provider');
END;

CREATE TABLE broker_activation (
    tenant_id TEXT NOT NULL REFERENCES tenant (tenant_id),
    activation_id TEXT NOT NULL CHECK (length(activation_id) = 36),
    display_name TEXT CHECK (length(display_name) BETWEEN 1 AND 200),
    user_id TEXT NOT NULL,
    user_kind TEXT NOT NULL DEFAULT 'broker' CHECK (user_kind = 'broker'),
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    sharing_reason TEXT CHECK (length(sharing_reason) BETWEEN 1 AND 200),
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, activation_id),
    FOREIGN KEY (tenant_id, user_id, user_kind) REFERENCES concenter_user (tenant_id, user_id, kind)
) STRICT, WITHOUT ROWID;

CREATE INDEX activation_by_user ON broker_activation (tenant_id, user_id);

-- Of the activations of one user all but one say why he is shared.
CREATE UNIQUE INDEX one_activation_without_sharing_reason
ON broker_activation (tenant_id, user_id) WHERE sharing_reason IS NULL;

CREATE TABLE activation_broker (
    tenant_id TEXT NOT NULL,
    broker_id TEXT NOT NULL CHECK (length(broker_id) BETWEEN 1 AND 128),
    activation_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, broker_id, activation_id),
    FOREIGN KEY (tenant_id, activation_id) REFERENCES broker_activation (tenant_id, activation_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX activation_broker_by_activation ON activation_broker (tenant_id, activation_id, broker_id);

CREATE TABLE customer_access (
    tenant_id TEXT NOT NULL PRIMARY KEY REFERENCES tenant (tenant_id),
    private_user_id TEXT,
    private_user_kind TEXT NOT NULL DEFAULT 'end_customer' CHECK (private_user_kind = 'end_customer'),
    commercial_user_id TEXT,
    commercial_user_kind TEXT NOT NULL DEFAULT 'end_customer' CHECK (commercial_user_kind = 'end_customer'),
    commercial_falls_back INTEGER NOT NULL CHECK (commercial_falls_back IN (0, 1)),
    version INTEGER NOT NULL CHECK (version >= 1),
    FOREIGN KEY (tenant_id, private_user_id, private_user_kind)
    REFERENCES concenter_user (tenant_id, user_id, kind),
    FOREIGN KEY (tenant_id, commercial_user_id, commercial_user_kind)
    REFERENCES concenter_user (tenant_id, user_id, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE customer (
    tenant_id TEXT NOT NULL REFERENCES tenant (tenant_id),
    customer_id TEXT NOT NULL CHECK (length(customer_id) BETWEEN 1 AND 128),
    segment TEXT NOT NULL CHECK (segment IN ('private', 'commercial')),
    user_id TEXT,
    user_kind TEXT NOT NULL DEFAULT 'end_customer' CHECK (user_kind = 'end_customer'),
    -- Moves when the segment or the own user changes; revokes this customer's open jumps only.
    jump_version INTEGER NOT NULL CHECK (jump_version >= 1),
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, customer_id),
    FOREIGN KEY (tenant_id, user_id, user_kind) REFERENCES concenter_user (tenant_id, user_id, kind)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER jump_version_moves_forward
BEFORE UPDATE OF jump_version ON customer
WHEN NEW.jump_version < OLD.jump_version
BEGIN
    SELECT RAISE(ABORT, 'jump_version moves forward only');
END;

CREATE TRIGGER customer_is_not_replaced
BEFORE INSERT ON customer
WHEN EXISTS (SELECT 1 FROM customer WHERE tenant_id = NEW.tenant_id AND customer_id = NEW.customer_id)
BEGIN
    SELECT RAISE(ABORT, 'a customer is recorded once');
END;

CREATE INDEX customer_by_user ON customer (tenant_id, user_id) WHERE user_id IS NOT NULL;
