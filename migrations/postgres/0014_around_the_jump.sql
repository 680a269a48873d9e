-- Around the jump: which page it opens, how its login went, what con:center says of a user, and what somebody is to be told.

-- Page of the target to open. Forgotten with the customer.
ALTER TABLE jump ADD COLUMN target_page TEXT CHECK (length(target_page) BETWEEN 1 AND 256);
-- Which password of the user the redeem handed over; NULL where it handed none over, and where nobody noted it yet.
ALTER TABLE jump ADD COLUMN redeemed_secret_version BIGINT
CHECK (redeemed_secret_version IS NULL OR redeemed_at IS NOT NULL);
-- How the login went, as the target tells it.
ALTER TABLE jump ADD COLUMN result TEXT
CHECK (result IN ('login_succeeded', 'login_failed'))
CHECK (result IS NULL OR redeemed_at IS NOT NULL);
-- When that was told.
ALTER TABLE jump ADD COLUMN result_at BIGINT CHECK ((result_at IS NULL) = (result IS NULL));

CREATE TRIGGER jump_has_one_result
BEFORE UPDATE OF result, result_at ON jump
FOR EACH ROW
WHEN (OLD.result IS NOT NULL)
EXECUTE FUNCTION concenter_refuse('a jump has one result');

-- What was consumed stays consumed, by whom and with which password it was consumed.
DROP TRIGGER jump_is_redeemed_once ON jump;

CREATE TRIGGER jump_is_redeemed_once
BEFORE UPDATE OF redeemed_at, redeem_attempt_id, redeemed_secret_version ON jump
FOR EACH ROW
WHEN (OLD.redeemed_at IS NOT NULL)
EXECUTE FUNCTION concenter_refuse('a jump is redeemed once');

-- A customer is forgotten whole, or not at all: no id, no code over his id, nothing that a portal wrote of him. In his place
-- stands what leads to the jump alone. Whoever could still redeem it no longer can.
DROP TRIGGER jump_forgets_a_customer_whole ON jump;

CREATE TRIGGER jump_forgets_a_customer_whole
BEFORE UPDATE OF
    caller, content, person_id, actor_role, actor_id, subject, actor_subject, customer_context, context, nonce, return_url,
    target_page
ON jump
FOR EACH ROW
WHEN (NOT (
    -- The jump was his, or he was its context.
    (
        (OLD.person_kind = 'customer' AND NEW.person_id = '' AND NEW.subject = repeat('0', 43)
            AND NEW.actor_id IS NULL AND NEW.caller = NEW.jti_hash AND NEW.nonce IS NULL)
        OR (OLD.customer_context IS NOT NULL AND NEW.person_id = OLD.person_id
            AND NEW.subject = OLD.subject AND NEW.actor_id IS NOT DISTINCT FROM OLD.actor_id
            AND NEW.actor_role IS NOT DISTINCT FROM OLD.actor_role
            AND NEW.actor_subject IS NOT DISTINCT FROM OLD.actor_subject AND NEW.caller = OLD.caller
            -- The broker's own, and signed into his token.
            AND NEW.nonce IS NOT DISTINCT FROM OLD.nonce)
    )
    AND NEW.customer_context IS NULL
    AND NEW.context IS NULL
    AND NEW.return_url IS NULL
    AND NEW.target_page IS NULL
    AND NEW.content = NEW.jti_hash
    AND (NEW.redeemed_at IS NOT NULL OR NEW.revoked_at IS NOT NULL)
))
EXECUTE FUNCTION concenter_refuse('a customer is forgotten whole');

-- While services are exchanged one after the other, the version before forgets customers too, and knows of no page. Triggers go by
-- their names: this one comes before the one that demands it.
CREATE FUNCTION jump_drops_page() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.target_page := NULL;
    RETURN NEW;
END;
$$;

CREATE TRIGGER jump_drops_the_page_of_whom_it_forgets
BEFORE UPDATE OF person_id, customer_context ON jump
FOR EACH ROW
WHEN (
    (OLD.person_kind = 'customer' AND NEW.person_id = '')
    OR (OLD.customer_context IS NOT NULL AND NEW.customer_context IS NULL)
)
EXECUTE FUNCTION jump_drops_page();

-- When, from where and by whom `reported_end_customer` is known; NULL: nobody ever said it, or before this was noted.
ALTER TABLE concenter_user ADD COLUMN reported_at BIGINT;
ALTER TABLE concenter_user ADD COLUMN reported_source TEXT
CHECK (reported_source IN ('import', 'attestation'))
CHECK ((reported_source IS NULL) = (reported_at IS NULL));
ALTER TABLE concenter_user ADD COLUMN reported_by TEXT
CHECK (length(reported_by) BETWEEN 1 AND 128)
CHECK ((reported_by IS NULL) = (reported_at IS NULL));
-- When and by whom Endkunde was set here; NULL: it is not, or it was before this was noted.
ALTER TABLE concenter_user ADD COLUMN end_customer_at BIGINT;
ALTER TABLE concenter_user ADD COLUMN end_customer_by TEXT
CHECK (length(end_customer_by) BETWEEN 1 AND 128)
CHECK ((end_customer_by IS NULL) = (end_customer_at IS NULL));
-- How logins went with the password and the name that he has now, as targets tell it. A login is when its jump was redeemed.
ALTER TABLE concenter_user ADD COLUMN last_login_succeeded_at BIGINT;
ALTER TABLE concenter_user ADD COLUMN last_login_failed_at BIGINT;
-- In a row, since one succeeded, the password was set or he got another name.
ALTER TABLE concenter_user ADD COLUMN failed_logins BIGINT NOT NULL DEFAULT 0 CHECK (failed_logins >= 0);
-- Since when nobody jumps with him, until the password is set again.
ALTER TABLE concenter_user ADD COLUMN credential_suspect_since BIGINT;

-- What somebody is to be told of, once. No foreign key to the user: what was sent outlives him.
CREATE TABLE notice (
    -- The version before deletes tenants, and knows of no notices.
    tenant_id UUID NOT NULL REFERENCES tenant (tenant_id) ON DELETE CASCADE,
    -- That of the audit row of the user that tells of what gave cause to it.
    notice_id UUID NOT NULL,
    cause TEXT COLLATE "C" NOT NULL CHECK (cause IN ('credential_suspect', 'end_customer_mismatch')),
    user_id UUID NOT NULL,
    created_at BIGINT NOT NULL,
    sent_at BIGINT,
    PRIMARY KEY (tenant_id, notice_id)
);

ALTER TABLE notice ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenants ON notice USING ((tenant_id = ANY ((SELECT concenter_tenants())::UUID[])) IS TRUE);

-- Whoever was not told yet is not told twice.
CREATE UNIQUE INDEX one_unsent_notice ON notice (user_id, cause, tenant_id) WHERE sent_at IS NULL;
CREATE INDEX notice_by_sending ON notice (sent_at) WHERE sent_at IS NOT NULL;

-- While services are exchanged one after the other, the version before changes users too, and knows of nothing of this: what it
-- leaves as it was would be said of another password, of another account, or of a mark that is gone.
CREATE FUNCTION user_drops_what_is_over() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
DECLARE
    has_new_secret CONSTANT BOOLEAN := NEW.secret_version <> OLD.secret_version;
    is_other_account CONSTANT BOOLEAN := NEW.user_name_key <> OLD.user_name_key;
    is_unmarked CONSTANT BOOLEAN := NEW.kind <> 'end_customer';
BEGIN
    IF has_new_secret OR is_other_account THEN
        NEW.last_login_succeeded_at := NULL;
        NEW.last_login_failed_at := NULL;
        NEW.failed_logins := 0;
    END IF;
    IF has_new_secret THEN
        NEW.credential_suspect_since := NULL;
    END IF;
    -- A no stays: it only ever refuses.
    IF is_other_account AND NEW.reported_end_customer IS NOT FALSE THEN
        NEW.reported_end_customer := NULL;
        NEW.reported_at := NULL;
        NEW.reported_source := NULL;
        NEW.reported_by := NULL;
    END IF;
    IF is_unmarked THEN
        NEW.end_customer_at := NULL;
        NEW.end_customer_by := NULL;
    END IF;
    DELETE FROM notice AS n
    WHERE n.tenant_id = OLD.tenant_id
      AND n.user_id = OLD.user_id
      AND n.sent_at IS NULL
      AND ((n.cause = 'credential_suspect' AND has_new_secret) OR (n.cause = 'end_customer_mismatch' AND is_unmarked));
    RETURN NEW;
END;
$$;

CREATE TRIGGER user_drops_what_is_over
BEFORE UPDATE OF secret_version, user_name_key, kind ON concenter_user
FOR EACH ROW
EXECUTE FUNCTION user_drops_what_is_over();

CREATE FUNCTION user_takes_notices_along() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM notice AS n
    WHERE n.tenant_id = OLD.tenant_id
      AND n.user_id = OLD.user_id
      AND n.sent_at IS NULL;
    RETURN OLD;
END;
$$;

CREATE TRIGGER user_takes_notices_along
BEFORE DELETE ON concenter_user
FOR EACH ROW
EXECUTE FUNCTION user_takes_notices_along();

-- What a service needs is what it needed before, and this; so the function that gives it calls the one from before. A
-- migration that makes a table may put both into one.
ALTER FUNCTION concenter_grant(TEXT) RENAME TO concenter_grant_without_notices;

CREATE FUNCTION concenter_grant(name TEXT) RETURNS VOID
LANGUAGE plpgsql
AS $$
DECLARE
    worker CONSTANT TEXT := name || '_worker';
    all_tenants CONSTANT TEXT := 'all_tenants_of_' || name;
BEGIN
    PERFORM concenter_grant_without_notices(name);
    EXECUTE format('REVOKE ALL ON notice FROM %I, %I', name, worker);
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON notice TO %I', name);
    -- What was sent long ago goes, whosesoever it is.
    EXECUTE format('GRANT SELECT, DELETE ON notice TO %I', worker);
    -- Only once: it waits for whoever uses the table, and everybody waits for it.
    IF NOT EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = 'notice'::REGCLASS AND polname = all_tenants) THEN
        EXECUTE format('CREATE POLICY %I ON notice TO %I USING (TRUE)', all_tenants, worker);
    END IF;
END;
$$;

REVOKE EXECUTE ON FUNCTION concenter_grant(TEXT) FROM PUBLIC;

-- Those who have no own user, found by themselves however many others there are.
CREATE INDEX customer_without_user ON customer (tenant_id, segment, customer_id) WHERE user_id IS NULL;
