-- Jumps. A row is what makes a token good, once.

CREATE TABLE jump (
    tenant_id UUID NOT NULL REFERENCES tenant (tenant_id),
    jump_id UUID NOT NULL,
    -- SHA-256 of the token's jti; of the handle, where the target takes one. Never the token's own hash: a signature
    -- has a twin that verifies too.
    jti_hash BYTEA NOT NULL CHECK (length(jti_hash) = 32),
    handle_hash BYTEA CHECK (length(handle_hash) = 32),
    -- The request that asked for it.
    caller BYTEA NOT NULL CHECK (length(caller) = 32),
    request_id UUID NOT NULL,
    content BYTEA NOT NULL CHECK (length(content) = 32),
    -- What was asked for.
    person_kind TEXT COLLATE "C" NOT NULL CHECK (person_kind IN ('broker', 'customer')),
    person_id TEXT COLLATE "C" NOT NULL,
    stated_segment TEXT CHECK (stated_segment IN ('private', 'commercial')),
    actor_role TEXT CHECK (actor_role IN ('portal_user', 'customer_staff', 'broker_staff')),
    actor_id TEXT,
    target_id TEXT COLLATE "C" NOT NULL REFERENCES target (target_id),
    wanted_kind TEXT CHECK (wanted_kind IN ('tariff_calculator', 'insurer_portal')),
    activation_id UUID,
    customer_context TEXT COLLATE "C",
    line_of_business TEXT,
    provider_id TEXT COLLATE "C",
    context TEXT,
    nonce TEXT,
    return_url TEXT,
    -- What was decided. No foreign key: the history outlives the user.
    user_id UUID NOT NULL,
    way TEXT NOT NULL CHECK (way IN ('activation', 'own_user', 'shared_private', 'shared_commercial', 'fallback_private')),
    segment TEXT CHECK (segment IN ('private', 'commercial')),
    subject TEXT NOT NULL CHECK (length(subject) = 43),
    actor_subject TEXT CHECK (length(actor_subject) = 43),
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- What it was decided on.
    epoch BIGINT NOT NULL,
    config_version BIGINT NOT NULL,
    customer_version BIGINT,
    catalog_version BIGINT NOT NULL,
    -- What became of it.
    redeemed_at BIGINT,
    redeem_attempt_id UUID,
    -- A second redemption was tried: the session that the first one opened is not to be trusted.
    session_revoked_at BIGINT,
    PRIMARY KEY (tenant_id, jump_id),
    UNIQUE (jti_hash, tenant_id),
    UNIQUE (handle_hash, tenant_id),
    UNIQUE (request_id, caller, tenant_id),
    CHECK ((redeemed_at IS NULL) = (redeem_attempt_id IS NULL)),
    CHECK (session_revoked_at IS NULL OR redeemed_at IS NOT NULL),
    CHECK ((actor_id IS NULL) = (actor_role IS NULL) AND (actor_id IS NULL) = (actor_subject IS NULL)),
    -- At most 120 s.
    CHECK (expires_at > issued_at AND expires_at - issued_at <= 120000000),
    -- A broker has no segment, a customer has one; each only by his own ways.
    CHECK ((person_kind = 'customer') = (segment IS NOT NULL)),
    CHECK ((person_kind = 'broker') = (way = 'activation'))
);

ALTER TABLE jump ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenants ON jump USING ((tenant_id = ANY ((SELECT concenter_tenants())::UUID[])) IS TRUE);

-- Whatever the way, a customer gets a user marked Endkunde, a broker one that is not. Once for all jumps of a statement: they
-- come in batches.
CREATE FUNCTION jump_user_fits_person() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    IF EXISTS (
        SELECT 1
        FROM added AS j
        -- A subquery and no join: each user is looked up by his key.
        WHERE CASE j.person_kind WHEN 'customer' THEN 'end_customer' ELSE 'broker' END IS DISTINCT FROM (
            SELECT u.kind
            FROM concenter_user AS u
            WHERE u.tenant_id = j.tenant_id
              AND u.user_id = j.user_id
        )
    ) THEN
        RAISE EXCEPTION 'the kind of the con:center user does not fit the person'
        USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END;
$$;

CREATE TRIGGER jump_user_fits_person
AFTER INSERT ON jump
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT
EXECUTE FUNCTION jump_user_fits_person();

-- What was asked and decided stays as it was: of a jump only what becomes of it is written later.
CREATE TRIGGER jump_decision_is_never_changed
BEFORE UPDATE OF
    tenant_id, jump_id, jti_hash, handle_hash, caller, request_id, content, person_kind, person_id, stated_segment,
    actor_role, actor_id, target_id, wanted_kind, activation_id, customer_context, line_of_business, provider_id,
    context, nonce, return_url, user_id, way, segment, subject, actor_subject, issued_at, expires_at, epoch,
    config_version, customer_version, catalog_version
ON jump
FOR EACH ROW
EXECUTE FUNCTION concenter_refuse('what was decided is never changed');

-- What was consumed stays consumed, by whom it was consumed.
CREATE TRIGGER jump_is_redeemed_once
BEFORE UPDATE OF redeemed_at, redeem_attempt_id ON jump
FOR EACH ROW
WHEN (OLD.redeemed_at IS NOT NULL)
EXECUTE FUNCTION concenter_refuse('a jump is redeemed once');
