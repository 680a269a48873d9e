-- The history of jumps: who looks at it, what revokes one of them, and how it forgets a customer.

-- Revoked by itself, and not by what it rests on. A revoked jump is consumed by nobody, not even by a service of the version
-- before, which does not know the column.
ALTER TABLE jump ADD COLUMN revoked_at INTEGER CHECK (revoked_at IS NULL OR redeemed_at IS NULL);

-- The jumps of one person, in the order of time: an id begins with its instant.
CREATE INDEX jump_by_person ON jump (tenant_id, person_kind, person_id, jump_id);
-- The jumps in which a broker worked for a customer.
CREATE INDEX jump_by_customer_context ON jump (tenant_id, customer_context) WHERE customer_context IS NOT NULL;

-- What was revoked stays revoked, since when it was revoked.
CREATE TRIGGER jump_stays_revoked
BEFORE UPDATE OF revoked_at, session_revoked_at ON jump
WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NOT OLD.revoked_at)
OR (OLD.session_revoked_at IS NOT NULL AND NEW.session_revoked_at IS NOT OLD.session_revoked_at)
BEGIN
    SELECT RAISE(ABORT, 'what was revoked stays revoked');
END;

-- INSERT OR REPLACE deletes without a word: it would bring a consumed or a revoked jump back. (A repeated request comes with
-- a new jti; it is for ON CONFLICT to see.)
DROP TRIGGER redeemed_jump_is_not_replaced;

CREATE TRIGGER spent_jump_is_not_replaced
BEFORE INSERT ON jump
WHEN EXISTS (
    SELECT 1
    FROM jump
    WHERE tenant_id = NEW.tenant_id
      AND jump_id = NEW.jump_id
      AND (redeemed_at IS NOT NULL OR revoked_at IS NOT NULL)
)
OR EXISTS (
    SELECT 1
    FROM jump
    WHERE tenant_id = NEW.tenant_id
      AND jti_hash = NEW.jti_hash
      AND (redeemed_at IS NOT NULL OR revoked_at IS NOT NULL)
)
OR EXISTS (
    SELECT 1
    FROM jump
    WHERE tenant_id = NEW.tenant_id
      AND handle_hash = NEW.handle_hash
      AND (redeemed_at IS NOT NULL OR revoked_at IS NOT NULL)
)
BEGIN
    SELECT RAISE(ABORT, 'a redeemed or revoked jump is not replaced');
END;

-- What was asked and decided stays as it was. What leads to a person is the one exception, and the trigger below says how
-- far it goes.
DROP TRIGGER jump_decision_is_never_changed;

CREATE TRIGGER jump_decision_is_never_changed
BEFORE UPDATE OF
    tenant_id, jump_id, jti_hash, handle_hash, request_id, person_kind, stated_segment,
    target_id, wanted_kind, activation_id, line_of_business, provider_id,
    user_id, way, segment, issued_at, expires_at, epoch, config_version, customer_version, catalog_version
ON jump
BEGIN
    SELECT RAISE(ABORT, 'what was decided is never changed');
END;

-- A customer is forgotten whole, or not at all: no id, no code over his id, nothing that a portal wrote of him. In his place
-- stands what leads to the jump alone. Whoever could still redeem it no longer can.
CREATE TRIGGER jump_forgets_a_customer_whole
BEFORE UPDATE OF
    caller, content, person_id, actor_role, actor_id, subject, actor_subject, customer_context, context, nonce, return_url
ON jump
WHEN NOT (
    -- The jump was his, or he was its context.
    (
        (OLD.person_kind = 'customer' AND NEW.person_id = '' AND NEW.subject = printf('%043d', 0)
            AND NEW.actor_id IS NULL AND NEW.caller = NEW.jti_hash AND NEW.nonce IS NULL)
        OR (OLD.customer_context IS NOT NULL AND NEW.person_id = OLD.person_id
            AND NEW.subject = OLD.subject AND NEW.actor_id IS OLD.actor_id AND NEW.actor_role IS OLD.actor_role
            AND NEW.actor_subject IS OLD.actor_subject AND NEW.caller = OLD.caller
            -- The broker's own, and signed into his token.
            AND NEW.nonce IS OLD.nonce)
    )
    AND NEW.customer_context IS NULL
    AND NEW.context IS NULL
    AND NEW.return_url IS NULL
    AND NEW.content = NEW.jti_hash
    AND (NEW.redeemed_at IS NOT NULL OR NEW.revoked_at IS NOT NULL)
)
BEGIN
    SELECT RAISE(ABORT, 'a customer is forgotten whole');
END;
