-- Jumps. A row is what makes a token good, once.

CREATE TABLE jump (
    tenant_id TEXT NOT NULL REFERENCES tenant (tenant_id),
    jump_id TEXT NOT NULL CHECK (length(jump_id) = 36),
    -- SHA-256 of the token's jti; of the handle, where the target takes one. Never the token's own hash: a signature
    -- has a twin that verifies too.
    jti_hash BLOB NOT NULL CHECK (length(jti_hash) = 32),
    handle_hash BLOB CHECK (length(handle_hash) = 32),
    -- The request that asked for it.
    caller BLOB NOT NULL CHECK (length(caller) = 32),
    request_id TEXT NOT NULL CHECK (length(request_id) = 36),
    content BLOB NOT NULL CHECK (length(content) = 32),
    -- What was asked for.
    person_kind TEXT NOT NULL CHECK (person_kind IN ('broker', 'customer')),
    person_id TEXT NOT NULL,
    stated_segment TEXT CHECK (stated_segment IN ('private', 'commercial')),
    actor_role TEXT CHECK (actor_role IN ('portal_user', 'customer_staff', 'broker_staff')),
    actor_id TEXT,
    target_id TEXT NOT NULL REFERENCES target (target_id),
    wanted_kind TEXT CHECK (wanted_kind IN ('tariff_calculator', 'insurer_portal')),
    activation_id TEXT,
    customer_context TEXT,
    line_of_business TEXT,
    provider_id TEXT,
    context TEXT,
    nonce TEXT,
    return_url TEXT,
    -- What was decided. No foreign key: the history outlives the user.
    user_id TEXT NOT NULL,
    way TEXT NOT NULL CHECK (way IN ('activation', 'own_user', 'shared_private', 'shared_commercial', 'fallback_private')),
    segment TEXT CHECK (segment IN ('private', 'commercial')),
    subject TEXT NOT NULL CHECK (length(subject) = 43),
    actor_subject TEXT CHECK (length(actor_subject) = 43),
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- What it was decided on.
    epoch INTEGER NOT NULL,
    config_version INTEGER NOT NULL,
    customer_version INTEGER,
    catalog_version INTEGER NOT NULL,
    -- What became of it.
    redeemed_at INTEGER,
    redeem_attempt_id TEXT,
    -- A second redemption was tried: the session that the first one opened is not to be trusted.
    session_revoked_at INTEGER,
    PRIMARY KEY (tenant_id, jump_id),
    UNIQUE (tenant_id, jti_hash),
    UNIQUE (tenant_id, handle_hash),
    UNIQUE (tenant_id, caller, request_id),
    CHECK ((redeemed_at IS NULL) = (redeem_attempt_id IS NULL)),
    CHECK (session_revoked_at IS NULL OR redeemed_at IS NOT NULL),
    CHECK ((actor_id IS NULL) = (actor_role IS NULL) AND (actor_id IS NULL) = (actor_subject IS NULL)),
    -- At most 120 s.
    CHECK (expires_at > issued_at AND expires_at - issued_at <= 120000000),
    -- A broker has no segment, a customer has one; each only by his own ways.
    CHECK ((person_kind = 'customer') = (segment IS NOT NULL)),
    CHECK ((person_kind = 'broker') = (way = 'activation'))
) STRICT, WITHOUT ROWID;

-- Whatever the way, a customer gets a user marked Endkunde, a broker one that is not.
CREATE TRIGGER jump_user_fits_person
BEFORE INSERT ON jump
WHEN NOT EXISTS (
    SELECT 1
    FROM concenter_user AS u
    WHERE u.tenant_id = NEW.tenant_id
      AND u.user_id = NEW.user_id
      AND u.kind = CASE NEW.person_kind WHEN 'customer' THEN 'end_customer' ELSE 'broker' END
)
BEGIN
    SELECT RAISE(ABORT, 'the kind of the con:center user does not fit the person');
END;

-- What was asked and decided stays as it was: of a jump only what becomes of it is written later.
CREATE TRIGGER jump_decision_is_never_changed
BEFORE UPDATE OF
    tenant_id, jump_id, jti_hash, handle_hash, caller, request_id, content, person_kind, person_id, stated_segment,
    actor_role, actor_id, target_id, wanted_kind, activation_id, customer_context, line_of_business, provider_id,
    context, nonce, return_url, user_id, way, segment, subject, actor_subject, issued_at, expires_at, epoch,
    config_version, customer_version, catalog_version
ON jump
BEGIN
    SELECT RAISE(ABORT, 'what was decided is never changed');
END;

-- INSERT OR REPLACE deletes without a word: it would bring a consumed jump back. (A repeated request comes with a new
-- jti; it is for ON CONFLICT to see.)
CREATE TRIGGER redeemed_jump_is_not_replaced
BEFORE INSERT ON jump
WHEN EXISTS (
    SELECT 1
    FROM jump
    WHERE tenant_id = NEW.tenant_id
      AND jump_id = NEW.jump_id
      AND redeemed_at IS NOT NULL
)
OR EXISTS (
    SELECT 1
    FROM jump
    WHERE tenant_id = NEW.tenant_id
      AND jti_hash = NEW.jti_hash
      AND redeemed_at IS NOT NULL
)
OR EXISTS (
    SELECT 1
    FROM jump
    WHERE tenant_id = NEW.tenant_id
      AND handle_hash = NEW.handle_hash
      AND redeemed_at IS NOT NULL
)
BEGIN
    SELECT RAISE(ABORT, 'a redeemed jump is not replaced');
END;

-- What was consumed stays consumed, by whom it was consumed.
CREATE TRIGGER jump_is_redeemed_once
BEFORE UPDATE OF redeemed_at, redeem_attempt_id ON jump
WHEN OLD.redeemed_at IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'a jump is redeemed once');
END;
