//! Jumps (`docs/adr/0003-the-row-decides-about-a-jump.md`).

use super::Wall::{Check, ForeignKey, Trigger, Type, Unique};
use super::{A, B, FRESH, MEIER, MEIER_OF_B, OPEN_JUMP, OWN, PRIVATE, PRIVATE_OF_B, REDEEMED_JUMP, STANDARD, Shell};

/// Binds: tenant, kind of person, segment (empty for NULL), user, way, life in microseconds.
const INSERT: &str = "
    INSERT INTO jump (
        tenant_id, jump_id, jti_hash, caller, request_id, content, person_kind, person_id, segment, target_id, user_id,
        way, subject, issued_at, expires_at, epoch, config_version, catalog_version
    )
    VALUES (
        ?1, '99999999-0000-7000-8000-000000000009', randomblob(32), randomblob(32),
        '99999999-0000-7000-8000-000000000008', zeroblob(32), ?2, 'somebody', nullif(?3, ''), 'rechner', ?4, ?5,
        'subject-of-43-characters-000000000000000000', 1, 1 + ?6, 5, 5, 5
    )";
/// One minute in microseconds.
const MINUTE: &str = "60000000";
/// Binds: jump, attempt.
const REDEEM: &str = "UPDATE jump SET redeemed_at = 2, redeem_attempt_id = ?2 WHERE jump_id = ?1";
/// Binds: jump.
const REVOKE: &str = "UPDATE jump SET revoked_at = 2 WHERE jump_id = ?1";
/// Takes away what keeps every update of a decision out, for the rules behind it.
const CHANGEABLE: &str = "DROP TRIGGER jump_decision_is_never_changed";
/// Takes away what keeps every update of what leads to people out but forgetting, for the rules behind it.
const PEOPLE_CHANGEABLE: &str = "DROP TRIGGER jump_forgets_a_customer_whole";

#[tokio::test]
async fn a_customers_jump_has_an_endkunde_user() {
    let mut shell = Shell::open().await;
    let says = "the kind of the con:center user does not fit the person";
    for unfit in [STANDARD, MEIER, FRESH] {
        shell.refuses(Trigger, says, INSERT, &[A, "customer", "private", unfit, "shared_private", MINUTE]).await;
    }
    shell.takes(INSERT, &[A, "customer", "private", PRIVATE, "shared_private", MINUTE]).await;
}

#[tokio::test]
async fn a_brokers_jump_has_a_brokers_user() {
    let mut shell = Shell::open().await;
    let says = "the kind of the con:center user does not fit the person";
    for unfit in [STANDARD, PRIVATE, OWN, FRESH] {
        shell.refuses(Trigger, says, INSERT, &[A, "broker", "", unfit, "activation", MINUTE]).await;
    }
    shell.takes(INSERT, &[A, "broker", "", MEIER, "activation", MINUTE]).await;
}

#[tokio::test]
async fn a_jump_has_a_user_of_its_own_tenant() {
    let mut shell = Shell::open().await;
    let says = "the kind of the con:center user does not fit the person";
    shell.refuses(Trigger, says, INSERT, &[A, "broker", "", MEIER_OF_B, "activation", MINUTE]).await;
    shell.refuses(Trigger, says, INSERT, &[A, "customer", "private", PRIVATE_OF_B, "shared_private", MINUTE]).await;
    shell.refuses(Trigger, says, INSERT, &[B, "broker", "", MEIER, "activation", MINUTE]).await;
    shell.takes(INSERT, &[B, "broker", "", MEIER_OF_B, "activation", MINUTE]).await;
}

#[tokio::test]
async fn a_jump_lives_for_120_seconds_at_most() {
    let mut shell = Shell::open().await;
    let rule = "expires_at - issued_at <= 120000000";
    shell.refuses(Check, rule, INSERT, &[A, "broker", "", MEIER, "activation", "120000001"]).await;
    shell.refuses(Check, rule, INSERT, &[A, "broker", "", MEIER, "activation", "0"]).await;
    shell.takes(INSERT, &[A, "broker", "", MEIER, "activation", "120000000"]).await;
}

#[tokio::test]
async fn a_customer_has_a_segment_and_a_broker_has_none() {
    let mut shell = Shell::open().await;
    let rule = "(person_kind = 'customer') = (segment IS NOT NULL)";
    shell.refuses(Check, rule, INSERT, &[A, "customer", "", PRIVATE, "shared_private", MINUTE]).await;
    shell.refuses(Check, rule, INSERT, &[A, "broker", "private", MEIER, "activation", MINUTE]).await;
}

#[tokio::test]
async fn a_broker_goes_by_his_activation_and_nobody_else_does() {
    let mut shell = Shell::open().await;
    let rule = "(person_kind = 'broker') = (way = 'activation')";
    for way in ["own_user", "shared_private", "shared_commercial", "fallback_private"] {
        shell.refuses(Check, rule, INSERT, &[A, "broker", "", MEIER, way, MINUTE]).await;
        shell.takes(INSERT, &[A, "customer", "commercial", PRIVATE, way, MINUTE]).await;
    }
    shell.refuses(Check, rule, INSERT, &[A, "customer", "private", PRIVATE, "activation", MINUTE]).await;
    shell.refuses(Check, "way IN", INSERT, &[A, "customer", "private", PRIVATE, "guess", MINUTE]).await;
}

#[tokio::test]
async fn a_jump_is_redeemed_once() {
    let mut shell = Shell::open().await;
    shell.refuses(Trigger, "a jump is redeemed once", REDEEM, &[REDEEMED_JUMP, FRESH]).await;
    shell.does(REDEEM, &[OPEN_JUMP, FRESH]).await;
    shell.refuses(Trigger, "a jump is redeemed once", REDEEM, &[OPEN_JUMP, FRESH]).await;
}

#[tokio::test]
async fn a_redeemed_jump_stays_redeemed() {
    let mut shell = Shell::open().await;
    let open_again = "UPDATE jump SET redeemed_at = NULL, redeem_attempt_id = NULL WHERE jump_id = ?1";
    shell.refuses(Trigger, "a jump is redeemed once", open_again, &[REDEEMED_JUMP]).await;
    let take_over = "UPDATE jump SET redeem_attempt_id = ?2 WHERE jump_id = ?1";
    shell.refuses(Trigger, "a jump is redeemed once", take_over, &[REDEEMED_JUMP, FRESH]).await;
}

#[tokio::test]
async fn what_was_decided_is_never_changed() {
    let mut shell = Shell::open().await;
    for sql in [
        "UPDATE jump SET user_id = '40000000-0000-7000-8000-00000000000a' WHERE jump_id = ?1",
        "UPDATE jump SET target_id = 'other' WHERE jump_id = ?1",
        "UPDATE jump SET expires_at = 120000001 WHERE jump_id = ?1",
        "UPDATE jump SET config_version = 9, catalog_version = 9, epoch = 9 WHERE jump_id = ?1",
        "UPDATE jump SET jti_hash = randomblob(32) WHERE jump_id = ?1",
    ] {
        shell.refuses(Trigger, "what was decided is never changed", sql, &[OPEN_JUMP]).await;
    }
}

#[tokio::test]
async fn a_redeemed_or_revoked_jump_is_not_replaced_by_an_open_one() {
    let mut shell = Shell::open().await;
    let replace = "
        INSERT OR REPLACE INTO jump (
            tenant_id, jump_id, jti_hash, caller, request_id, content, person_kind, person_id, segment, target_id,
            user_id, way, subject, issued_at, expires_at, epoch, config_version, catalog_version
        )
        SELECT tenant_id, ?2, iif(?2 = ?1, randomblob(32), jti_hash), caller, request_id, content, person_kind,
               person_id, segment, target_id, user_id, way, subject, issued_at, expires_at, 5, 5, 5
        FROM jump
        WHERE jump_id = ?1";
    let says = "a redeemed or revoked jump is not replaced";
    for same_id_or_jti in [REDEEMED_JUMP, FRESH] {
        shell.refuses(Trigger, says, replace, &[REDEEMED_JUMP, same_id_or_jti]).await;
    }
    shell.takes(replace, &[OPEN_JUMP, OPEN_JUMP]).await;
    shell.does(REVOKE, &[OPEN_JUMP]).await;
    for same_id_or_jti in [OPEN_JUMP, FRESH] {
        shell.refuses(Trigger, says, replace, &[OPEN_JUMP, same_id_or_jti]).await;
    }
}

#[tokio::test]
async fn a_redeemed_jump_knows_its_attempt() {
    let mut shell = Shell::open().await;
    let rule = "(redeemed_at IS NULL) = (redeem_attempt_id IS NULL)";
    shell.refuses(Check, rule, "UPDATE jump SET redeemed_at = 2 WHERE jump_id = ?1", &[OPEN_JUMP]).await;
    let attempt_only = "UPDATE jump SET redeem_attempt_id = ?2 WHERE jump_id = ?1";
    shell.refuses(Check, rule, attempt_only, &[OPEN_JUMP, FRESH]).await;
}

#[tokio::test]
async fn only_a_redeemed_jump_has_a_session_to_revoke() {
    let mut shell = Shell::open().await;
    let revoke = "UPDATE jump SET session_revoked_at = 3 WHERE jump_id = ?1";
    shell.refuses(Check, "session_revoked_at IS NULL OR redeemed_at IS NOT NULL", revoke, &[OPEN_JUMP]).await;
    shell.takes(revoke, &[REDEEMED_JUMP]).await;
}

#[tokio::test]
async fn a_jti_a_handle_and_a_request_make_one_jump_each() {
    let mut shell = Shell::open().await;
    shell.without(CHANGEABLE).await;
    shell.without(PEOPLE_CHANGEABLE).await;
    shell.does("UPDATE jump SET handle_hash = randomblob(32) WHERE jump_id = ?1", &[REDEEMED_JUMP]).await;
    for (column, sql) in [
        (
            "jump.jti_hash",
            "UPDATE jump SET jti_hash = (SELECT jti_hash FROM jump WHERE jump_id = ?2) WHERE jump_id = ?1",
        ),
        (
            "jump.handle_hash",
            "UPDATE jump SET handle_hash = (SELECT handle_hash FROM jump WHERE jump_id = ?2) WHERE jump_id = ?1",
        ),
        (
            "jump.tenant_id, jump.caller, jump.request_id",
            "UPDATE jump
             SET (caller, request_id) = (SELECT caller, request_id FROM jump WHERE jump_id = ?2)
             WHERE jump_id = ?1",
        ),
    ] {
        shell.refuses(Unique, column, sql, &[OPEN_JUMP, REDEEMED_JUMP]).await;
    }
}

#[tokio::test]
async fn hashes_and_subjects_have_their_length() {
    let mut shell = Shell::open().await;
    shell.without(CHANGEABLE).await;
    shell.without(PEOPLE_CHANGEABLE).await;
    for (rule, sql) in [
        ("length(jti_hash) = 32", "UPDATE jump SET jti_hash = zeroblob(31) WHERE jump_id = ?1"),
        ("length(handle_hash) = 32", "UPDATE jump SET handle_hash = zeroblob(33) WHERE jump_id = ?1"),
        ("length(caller) = 32", "UPDATE jump SET caller = zeroblob(0) WHERE jump_id = ?1"),
        ("length(content) = 32", "UPDATE jump SET content = zeroblob(31) WHERE jump_id = ?1"),
        ("length(subject) = 43", "UPDATE jump SET subject = 'm.meier' WHERE jump_id = ?1"),
    ] {
        shell.refuses(Check, rule, sql, &[OPEN_JUMP]).await;
    }
}

#[tokio::test]
async fn an_actor_is_whole_or_absent() {
    let mut shell = Shell::open().await;
    shell.without(CHANGEABLE).await;
    shell.without(PEOPLE_CHANGEABLE).await;
    let rule = "(actor_id IS NULL) = (actor_role IS NULL)";
    for part in [
        "UPDATE jump SET actor_id = 'a' WHERE jump_id = ?1",
        "UPDATE jump SET actor_role = 'portal_user' WHERE jump_id = ?1",
        "UPDATE jump SET actor_subject = subject WHERE jump_id = ?1",
        "UPDATE jump SET actor_id = 'a', actor_role = 'portal_user' WHERE jump_id = ?1",
    ] {
        shell.refuses(Check, rule, part, &[OPEN_JUMP]).await;
    }
    let whole =
        "UPDATE jump SET actor_id = 'a', actor_role = 'portal_user', actor_subject = subject WHERE jump_id = ?1";
    shell.takes(whole, &[OPEN_JUMP]).await;
}

#[tokio::test]
async fn a_jump_goes_to_a_target_of_the_catalogue() {
    let mut shell = Shell::open().await;
    shell.without(CHANGEABLE).await;
    shell.refuses(ForeignKey, "", "UPDATE jump SET target_id = 'nowhere' WHERE jump_id = ?1", &[OPEN_JUMP]).await;
}

#[tokio::test]
async fn a_hash_is_not_kept_as_text() {
    let mut shell = Shell::open().await;
    let says = "cannot store TEXT value in BLOB column jump.jti_hash";
    let text = "UPDATE jump SET jti_hash = '00000000000000000000000000000000' WHERE jump_id = ?1";
    shell.refuses(Type, says, text, &[OPEN_JUMP]).await;
}

#[tokio::test]
async fn a_jump_is_redeemed_or_revoked_and_never_both() {
    let mut shell = Shell::open().await;
    let rule = "revoked_at IS NULL OR redeemed_at IS NULL";
    shell.refuses(Check, rule, REVOKE, &[REDEEMED_JUMP]).await;
    shell.does(REVOKE, &[OPEN_JUMP]).await;
    shell.refuses(Check, rule, REDEEM, &[OPEN_JUMP, FRESH]).await;
}

#[tokio::test]
async fn what_was_revoked_stays_revoked() {
    let mut shell = Shell::open().await;
    let says = "what was revoked stays revoked";
    shell.does(REVOKE, &[OPEN_JUMP]).await;
    for sql in
        ["UPDATE jump SET revoked_at = NULL WHERE jump_id = ?1", "UPDATE jump SET revoked_at = 3 WHERE jump_id = ?1"]
    {
        shell.refuses(Trigger, says, sql, &[OPEN_JUMP]).await;
    }
    shell.takes(REVOKE, &[OPEN_JUMP]).await;
    shell.does("UPDATE jump SET session_revoked_at = 3 WHERE jump_id = ?1", &[REDEEMED_JUMP]).await;
    for sql in [
        "UPDATE jump SET session_revoked_at = NULL WHERE jump_id = ?1",
        "UPDATE jump SET session_revoked_at = 4 WHERE jump_id = ?1",
    ] {
        shell.refuses(Trigger, says, sql, &[REDEEMED_JUMP]).await;
    }
}

/// A jump with everything in it that leads to people, not redeemed yet. Binds: kind of person, segment (empty for NULL), user,
/// way.
const FULL: &str = "
    INSERT INTO jump (
        tenant_id, jump_id, jti_hash, caller, request_id, content, person_kind, person_id, segment, target_id, user_id,
        way, subject, issued_at, expires_at, epoch, config_version, catalog_version, actor_role, actor_id,
        actor_subject, customer_context, context, nonce, return_url
    )
    VALUES (
        '00000000-0000-7000-8000-00000000000a', '99999999-0000-7000-8000-000000000009', randomblob(32), randomblob(32),
        '99999999-0000-7000-8000-000000000008', zeroblob(32), ?1, 'k-1', nullif(?2, ''), 'rechner', ?3, ?4,
        'subject-of-43-characters-000000000000000000', 1, 60000001, 5, 5, 5, 'portal_user', 'f.fischer',
        'subject-of-43-characters-000000000000000000', 'k-2', 'Angebot 7', 'n-once', 'https://portal.example/'
    )";

/// Forgets the person. Binds: jump, what is left as it is.
const FORGET_OWN: &str = "
    UPDATE jump
    SET revoked_at = iif(?2 = 'revoked_at', NULL, 3),
        caller = iif(?2 = 'caller', caller, jti_hash),
        content = iif(?2 = 'content', content, jti_hash),
        person_id = iif(?2 = 'person_id', person_id, ''),
        actor_role = iif(?2 = 'actor', actor_role, NULL),
        actor_id = iif(?2 = 'actor', actor_id, NULL),
        actor_subject = iif(?2 = 'actor', actor_subject, NULL),
        subject = iif(?2 = 'subject', subject, printf('%043d', 0)),
        customer_context = iif(?2 = 'customer_context', customer_context, NULL),
        context = iif(?2 = 'context', context, NULL),
        nonce = iif(?2 = 'nonce', nonce, NULL),
        return_url = iif(?2 = 'return_url', return_url, NULL)
    WHERE jump_id = ?1";
/// Forgets the customer that somebody worked for. Binds: jump, what is left as it is, what is lost as well.
const FORGET_CONTEXT: &str = "
    UPDATE jump
    SET revoked_at = iif(?2 = 'revoked_at', NULL, 3),
        content = iif(?2 = 'content', content, jti_hash),
        customer_context = iif(?2 = 'customer_context', customer_context, NULL),
        context = iif(?2 = 'context', context, NULL),
        return_url = iif(?2 = 'return_url', return_url, NULL),
        nonce = iif(?3 = 'nonce', NULL, nonce),
        caller = iif(?3 = 'caller', jti_hash, caller),
        person_id = iif(?3 = 'person_id', '', person_id),
        actor_role = iif(?3 = 'actor', NULL, actor_role),
        actor_id = iif(?3 = 'actor', NULL, actor_id),
        actor_subject = iif(?3 = 'actor', NULL, actor_subject),
        subject = iif(?3 = 'subject', printf('%043d', 0), subject)
    WHERE jump_id = ?1";
const FORGOTTEN_WHOLE: &str = "a customer is forgotten whole";

#[tokio::test]
async fn a_customer_is_forgotten_whole_or_not_at_all() {
    let mut shell = Shell::open().await;
    shell.does(FULL, &["customer", "private", PRIVATE, "shared_private"]).await;
    for left in [
        "revoked_at",
        "caller",
        "content",
        "person_id",
        "actor",
        "subject",
        "customer_context",
        "context",
        "nonce",
        "return_url",
    ] {
        shell.refuses(Trigger, FORGOTTEN_WHOLE, FORGET_OWN, &[FRESH, left]).await;
    }
    shell.takes(FORGET_OWN, &[FRESH, ""]).await;
}

#[tokio::test]
async fn a_redeemed_jump_forgets_its_customer_without_being_revoked() {
    let mut shell = Shell::open().await;
    shell.takes(FORGET_OWN, &[REDEEMED_JUMP, "revoked_at"]).await;
}

#[tokio::test]
async fn a_jump_forgets_whole_whom_it_was_made_for() {
    let mut shell = Shell::open().await;
    shell.does(FULL, &["broker", "", MEIER, "activation"]).await;
    for left in ["revoked_at", "content", "customer_context", "context", "return_url"] {
        shell.refuses(Trigger, FORGOTTEN_WHOLE, FORGET_CONTEXT, &[FRESH, left, ""]).await;
    }
    shell.takes(FORGET_CONTEXT, &[FRESH, "", ""]).await;
}

#[tokio::test]
async fn a_jump_forgets_no_broker() {
    let mut shell = Shell::open().await;
    shell.does(FULL, &["broker", "", MEIER, "activation"]).await;
    for lost in ["caller", "person_id", "actor", "subject", "nonce"] {
        shell.refuses(Trigger, FORGOTTEN_WHOLE, FORGET_CONTEXT, &[FRESH, "", lost]).await;
    }
    // Nor anything, where it was made for nobody else.
    shell.refuses(Trigger, FORGOTTEN_WHOLE, FORGET_OWN, &[OPEN_JUMP, ""]).await;
    shell.refuses(Trigger, FORGOTTEN_WHOLE, FORGET_CONTEXT, &[OPEN_JUMP, "", ""]).await;
}

#[tokio::test]
async fn what_leads_to_a_person_leads_to_no_other() {
    let mut shell = Shell::open().await;
    shell.does(FULL, &["customer", "private", PRIVATE, "shared_private"]).await;
    for sql in [
        "UPDATE jump SET person_id = 'k-9' WHERE jump_id = ?1",
        "UPDATE jump SET subject = 'another-of-43-characters-000000000000000000' WHERE jump_id = ?1",
        "UPDATE jump SET actor_id = 'another' WHERE jump_id = ?1",
        "UPDATE jump SET customer_context = 'k-9' WHERE jump_id = ?1",
        "UPDATE jump SET customer_context = NULL WHERE jump_id = ?1",
        "UPDATE jump SET caller = randomblob(32) WHERE jump_id = ?1",
        "UPDATE jump SET content = randomblob(32) WHERE jump_id = ?1",
        "UPDATE jump SET context = NULL WHERE jump_id = ?1",
        "UPDATE jump SET nonce = 'another' WHERE jump_id = ?1",
        "UPDATE jump SET return_url = 'https://elsewhere.example/' WHERE jump_id = ?1",
    ] {
        shell.refuses(Trigger, FORGOTTEN_WHOLE, sql, &[FRESH]).await;
    }
}
