-- The catalogue: the same for all tenants.

CREATE TABLE product_provider (
    provider_id TEXT NOT NULL PRIMARY KEY CHECK (length(provider_id) BETWEEN 1 AND 64),
    display_name TEXT NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
    kind TEXT NOT NULL CHECK (kind IN ('insurer', 'comparator')),
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    version INTEGER NOT NULL CHECK (version >= 1)
) STRICT, WITHOUT ROWID;

CREATE TABLE target (
    -- Also the audience of its tokens.
    target_id TEXT NOT NULL PRIMARY KEY CHECK (length(target_id) BETWEEN 1 AND 64),
    provider_id TEXT NOT NULL REFERENCES product_provider (provider_id),
    kind TEXT NOT NULL CHECK (kind IN ('tariff_calculator', 'insurer_portal')),
    display_name TEXT NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    url TEXT NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
    delivery TEXT NOT NULL CHECK (delivery IN ('form_post', 'fragment', 'get_handle')),
    accepts_brokers INTEGER NOT NULL CHECK (accepts_brokers IN (0, 1)),
    accepts_customers INTEGER NOT NULL CHECK (accepts_customers IN (0, 1)),
    -- NULL: every line of business; else a sorted JSON array of 1 to 100 codes.
    lines TEXT CHECK (lines IS NULL OR (json_type(lines) = 'array' AND json_array_length(lines) BETWEEN 1 AND 100)),
    hands_over_secret INTEGER NOT NULL CHECK (hands_over_secret IN (0, 1)),
    nonce_required INTEGER NOT NULL CHECK (nonce_required IN (0, 1)),
    version INTEGER NOT NULL CHECK (version >= 1),
    -- Customers never get an insurer's portal.
    CHECK (kind <> 'insurer_portal' OR accepts_customers = 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX target_by_provider ON target (provider_id);

CREATE TABLE return_url (
    return_url_id TEXT NOT NULL PRIMARY KEY CHECK (length(return_url_id) BETWEEN 1 AND 64),
    url TEXT NOT NULL UNIQUE CHECK (length(url) BETWEEN 1 AND 2000),
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    version INTEGER NOT NULL CHECK (version >= 1)
) STRICT, WITHOUT ROWID;
