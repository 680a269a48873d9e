-- Around the jump: which page it opens, how its login went, what con:center says of a user, and what somebody is to be told.

-- Page of the target to open. Forgotten with the customer.
ALTER TABLE jump ADD COLUMN target_page TEXT CHECK (length(target_page) BETWEEN 1 AND 256);
-- Which password of the user the redeem handed over; NULL where it handed none over, and where nobody noted it yet.
ALTER TABLE jump ADD COLUMN redeemed_secret_version INTEGER
    CHECK (redeemed_secret_version IS NULL OR redeemed_at IS NOT NULL);
-- How the login went, as the target tells it.
ALTER TABLE jump ADD COLUMN result TEXT
    CHECK (result IN ('login_succeeded', 'login_failed'))
    CHECK (result IS NULL OR redeemed_at IS NOT NULL);
-- When that was told.
ALTER TABLE jump ADD COLUMN result_at INTEGER CHECK ((result_at IS NULL) = (result IS NULL));

CREATE TRIGGER jump_has_one_result
BEFORE UPDATE OF result, result_at ON jump
WHEN OLD.result IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'a jump has one result');
END;

-- What was consumed stays consumed, by whom and with which password it was consumed.
DROP TRIGGER jump_is_redeemed_once;

CREATE TRIGGER jump_is_redeemed_once
BEFORE UPDATE OF redeemed_at, redeem_attempt_id, redeemed_secret_version ON jump
WHEN OLD.redeemed_at IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'a jump is redeemed once');
END;

-- A customer is forgotten whole, or not at all: no id, no code over his id, nothing that a portal wrote of him. In his place
-- stands what leads to the jump alone. Whoever could still redeem it no longer can.
DROP TRIGGER jump_forgets_a_customer_whole;

CREATE TRIGGER jump_forgets_a_customer_whole
BEFORE UPDATE OF
    caller, content, person_id, actor_role, actor_id, subject, actor_subject, customer_context, context, nonce, return_url,
    target_page
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
    AND NEW.target_page IS NULL
    AND NEW.content = NEW.jti_hash
    AND (NEW.redeemed_at IS NOT NULL OR NEW.revoked_at IS NOT NULL)
)
BEGIN
    SELECT RAISE(ABORT, 'a customer is forgotten whole');
END;

-- When, from where and by whom `reported_end_customer` is known; NULL: nobody ever said it, or before this was noted.
ALTER TABLE concenter_user ADD COLUMN reported_at INTEGER;
ALTER TABLE concenter_user ADD COLUMN reported_source TEXT
    CHECK (reported_source IN ('import', 'attestation'))
    CHECK ((reported_source IS NULL) = (reported_at IS NULL));
ALTER TABLE concenter_user ADD COLUMN reported_by TEXT
    CHECK (length(reported_by) BETWEEN 1 AND 128)
    CHECK ((reported_by IS NULL) = (reported_at IS NULL));
-- When and by whom Endkunde was set here; NULL: it is not, or it was before this was noted.
ALTER TABLE concenter_user ADD COLUMN end_customer_at INTEGER;
ALTER TABLE concenter_user ADD COLUMN end_customer_by TEXT
    CHECK (length(end_customer_by) BETWEEN 1 AND 128)
    CHECK ((end_customer_by IS NULL) = (end_customer_at IS NULL));
-- How logins went with the password and the name that he has now, as targets tell it. A login is when its jump was redeemed.
ALTER TABLE concenter_user ADD COLUMN last_login_succeeded_at INTEGER;
ALTER TABLE concenter_user ADD COLUMN last_login_failed_at INTEGER;
-- In a row, since one succeeded, the password was set or he got another name.
ALTER TABLE concenter_user ADD COLUMN failed_logins INTEGER NOT NULL DEFAULT 0 CHECK (failed_logins >= 0);
-- Since when nobody jumps with him, until the password is set again.
ALTER TABLE concenter_user ADD COLUMN credential_suspect_since INTEGER;

-- What somebody is to be told of, once. No foreign key to the user: what was sent outlives him.
CREATE TABLE notice (
    tenant_id TEXT NOT NULL REFERENCES tenant (tenant_id),
    -- That of the audit row of the user that tells of what gave cause to it.
    notice_id TEXT NOT NULL CHECK (length(notice_id) = 36),
    cause TEXT NOT NULL CHECK (cause IN ('credential_suspect', 'end_customer_mismatch')),
    user_id TEXT NOT NULL CHECK (length(user_id) = 36),
    created_at INTEGER NOT NULL,
    sent_at INTEGER,
    PRIMARY KEY (tenant_id, notice_id)
) STRICT, WITHOUT ROWID;

-- Whoever was not told yet is not told twice.
CREATE UNIQUE INDEX one_unsent_notice ON notice (tenant_id, cause, user_id) WHERE sent_at IS NULL;
CREATE INDEX notice_by_sending ON notice (sent_at) WHERE sent_at IS NOT NULL;

-- Those who have no own user, counted and found by themselves however many others there are. The user stands in it although he is
-- always NULL there: without him SQLite looks each row up in the table. What follows him is the rest of the key of the
-- table, the customer.
CREATE INDEX customer_without_user ON customer (tenant_id, segment, user_id) WHERE user_id IS NULL;
