-- The catalogue: the same for all tenants.

CREATE TABLE product_provider (
    provider_id TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(provider_id) BETWEEN 1 AND 64),
    display_name TEXT NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
    kind TEXT NOT NULL CHECK (kind IN ('insurer', 'comparator')),
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    version BIGINT NOT NULL CHECK (version >= 1)
);

CREATE TABLE target (
    -- Also the audience of its tokens.
    target_id TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(target_id) BETWEEN 1 AND 64),
    provider_id TEXT COLLATE "C" NOT NULL REFERENCES product_provider (provider_id),
    kind TEXT NOT NULL CHECK (kind IN ('tariff_calculator', 'insurer_portal')),
    display_name TEXT NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    url TEXT NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
    delivery TEXT NOT NULL CHECK (delivery IN ('form_post', 'fragment', 'get_handle')),
    accepts_brokers BOOLEAN NOT NULL,
    accepts_customers BOOLEAN NOT NULL,
    -- NULL: every line of business; else a sorted array of 1 to 100 codes.
    lines TEXT[] CHECK (cardinality(lines) BETWEEN 1 AND 100 AND array_position(lines, NULL) IS NULL),
    hands_over_secret BOOLEAN NOT NULL,
    nonce_required BOOLEAN NOT NULL,
    version BIGINT NOT NULL CHECK (version >= 1),
    -- Customers never get an insurer's portal.
    CHECK (kind <> 'insurer_portal' OR NOT accepts_customers)
);

CREATE INDEX target_by_provider ON target (provider_id);

CREATE TABLE return_url (
    return_url_id TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(return_url_id) BETWEEN 1 AND 64),
    url TEXT COLLATE "C" NOT NULL UNIQUE CHECK (length(url) BETWEEN 1 AND 2000),
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    version BIGINT NOT NULL CHECK (version >= 1)
);
