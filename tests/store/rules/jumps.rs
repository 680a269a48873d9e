//! Jumps (`docs/adr/0003-the-row-decides-about-a-jump.md`).

use super::Wall::{Check, ForeignKey, Trigger, Unique};
use super::{
    A, B, FRESH, MEIER, MEIER_OF_B, NULL, OPEN_JUMP, OWN, PRIVATE, PRIVATE_OF_B, REDEEMED_JUMP, STANDARD, Shell,
};

/// Binds: tenant, kind of person, segment, user, way, life in microseconds.
const INSERT: &str = "
    INSERT INTO jump (
        tenant_id, jump_id, jti_hash, caller, request_id, content, person_kind, person_id, segment, target_id, user_id,
        way, subject, issued_at, expires_at, epoch, config_version, catalog_version
    )
    VALUES (
        ?1, '99999999-0000-7000-8000-000000000009', randomblob(32), randomblob(32),
        '99999999-0000-7000-8000-000000000008', zeroblob(32), ?2, 'somebody', ?3, 'rechner', ?4, ?5,
        'subject-of-43-characters-000000000000000000', 1, 1 + ?6, 5, 5, 5
    )";
/// One minute in microseconds.
const MINUTE: &str = "60000000";
/// Binds: jump, attempt.
const REDEEM: &str = "UPDATE jump SET redeemed_at = 2, redeem_attempt_id = ?2 WHERE jump_id = ?1";
/// Binds: jump.
const REVOKE: &str = "UPDATE jump SET revoked_at = 2 WHERE jump_id = ?1";
/// Keeps every update of a decision out, and the rules behind it unseen.
const DECISION_STAYS: &str = "jump_decision_is_never_changed";
/// Keeps every update of what leads to people out but forgetting, and the rules behind it unseen.
const PEOPLE_STAY: &str = "jump_forgets_a_customer_whole";

pub(crate) async fn a_customers_jump_has_an_endkunde_user(shell: &mut Shell) {
    let says = "the kind of the con:center user does not fit the person";
    for unfit in [STANDARD, MEIER, FRESH] {
        shell.refuses(Trigger, says, INSERT, &[A, "customer", "private", unfit, "shared_private", MINUTE]).await;
    }
    shell.takes(INSERT, &[A, "customer", "private", PRIVATE, "shared_private", MINUTE]).await;
}

pub(crate) async fn a_brokers_jump_has_a_brokers_user(shell: &mut Shell) {
    let says = "the kind of the con:center user does not fit the person";
    for unfit in [STANDARD, PRIVATE, OWN, FRESH] {
        shell.refuses(Trigger, says, INSERT, &[A, "broker", NULL, unfit, "activation", MINUTE]).await;
    }
    shell.takes(INSERT, &[A, "broker", NULL, MEIER, "activation", MINUTE]).await;
}

pub(crate) async fn a_jump_has_a_user_of_its_own_tenant(shell: &mut Shell) {
    let says = "the kind of the con:center user does not fit the person";
    shell.refuses(Trigger, says, INSERT, &[A, "broker", NULL, MEIER_OF_B, "activation", MINUTE]).await;
    shell.refuses(Trigger, says, INSERT, &[A, "customer", "private", PRIVATE_OF_B, "shared_private", MINUTE]).await;
    shell.refuses(Trigger, says, INSERT, &[B, "broker", NULL, MEIER, "activation", MINUTE]).await;
    shell.takes(INSERT, &[B, "broker", NULL, MEIER_OF_B, "activation", MINUTE]).await;
}

pub(crate) async fn a_jump_lives_for_120_seconds_at_most(shell: &mut Shell) {
    let rule = "expires_at - issued_at <= 120000000";
    shell.refuses(Check, rule, INSERT, &[A, "broker", NULL, MEIER, "activation", "120000001"]).await;
    shell.refuses(Check, rule, INSERT, &[A, "broker", NULL, MEIER, "activation", "0"]).await;
    shell.takes(INSERT, &[A, "broker", NULL, MEIER, "activation", "120000000"]).await;
}

pub(crate) async fn a_customer_has_a_segment_and_a_broker_has_none(shell: &mut Shell) {
    let rule = "(person_kind = 'customer') = (segment IS NOT NULL)";
    shell.refuses(Check, rule, INSERT, &[A, "customer", NULL, PRIVATE, "shared_private", MINUTE]).await;
    shell.refuses(Check, rule, INSERT, &[A, "broker", "private", MEIER, "activation", MINUTE]).await;
}

pub(crate) async fn a_broker_goes_by_his_activation_and_nobody_else_does(shell: &mut Shell) {
    let rule = "(person_kind = 'broker') = (way = 'activation')";
    for way in ["own_user", "shared_private", "shared_commercial", "fallback_private"] {
        shell.refuses(Check, rule, INSERT, &[A, "broker", NULL, MEIER, way, MINUTE]).await;
        shell.takes(INSERT, &[A, "customer", "commercial", PRIVATE, way, MINUTE]).await;
    }
    shell.refuses(Check, rule, INSERT, &[A, "customer", "private", PRIVATE, "activation", MINUTE]).await;
    shell.refuses(Check, "way IN", INSERT, &[A, "customer", "private", PRIVATE, "guess", MINUTE]).await;
}

pub(crate) async fn a_jump_is_redeemed_once(shell: &mut Shell) {
    shell.refuses(Trigger, "a jump is redeemed once", REDEEM, &[REDEEMED_JUMP, FRESH]).await;
    shell.does(REDEEM, &[OPEN_JUMP, FRESH]).await;
    shell.refuses(Trigger, "a jump is redeemed once", REDEEM, &[OPEN_JUMP, FRESH]).await;
}

pub(crate) async fn a_redeemed_jump_stays_redeemed(shell: &mut Shell) {
    let open_again = "UPDATE jump SET redeemed_at = NULL, redeem_attempt_id = NULL WHERE jump_id = ?1";
    shell.refuses(Trigger, "a jump is redeemed once", open_again, &[REDEEMED_JUMP]).await;
    let take_over = "UPDATE jump SET redeem_attempt_id = ?2 WHERE jump_id = ?1";
    shell.refuses(Trigger, "a jump is redeemed once", take_over, &[REDEEMED_JUMP, FRESH]).await;
    let other_password = "UPDATE jump SET redeemed_secret_version = 9 WHERE jump_id = ?1";
    shell.refuses(Trigger, "a jump is redeemed once", other_password, &[REDEEMED_JUMP]).await;
}

pub(crate) async fn what_was_decided_is_never_changed(shell: &mut Shell) {
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

pub(crate) async fn a_redeemed_jump_knows_its_attempt(shell: &mut Shell) {
    let rule = "(redeemed_at IS NULL) = (redeem_attempt_id IS NULL)";
    shell.refuses(Check, rule, "UPDATE jump SET redeemed_at = 2 WHERE jump_id = ?1", &[OPEN_JUMP]).await;
    let attempt_only = "UPDATE jump SET redeem_attempt_id = ?2 WHERE jump_id = ?1";
    shell.refuses(Check, rule, attempt_only, &[OPEN_JUMP, FRESH]).await;
}

pub(crate) async fn only_a_redeemed_jump_has_a_session_to_revoke(shell: &mut Shell) {
    let revoke = "UPDATE jump SET session_revoked_at = 3 WHERE jump_id = ?1";
    shell.refuses(Check, "session_revoked_at IS NULL OR redeemed_at IS NOT NULL", revoke, &[OPEN_JUMP]).await;
    shell.takes(revoke, &[REDEEMED_JUMP]).await;
}

pub(crate) async fn a_redeemed_jump_has_one_result_and_no_other_has_one(shell: &mut Shell) {
    let set = "UPDATE jump SET result = ?2, result_at = 4 WHERE jump_id = ?1";
    let never = "UPDATE jump SET result = ?2 WHERE jump_id = ?1";
    shell.refuses(Check, "(result_at IS NULL) = (result IS NULL)", never, &[REDEEMED_JUMP, "login_failed"]).await;
    shell.refuses(Check, "result IS NULL OR redeemed_at IS NOT NULL", set, &[OPEN_JUMP, "login_failed"]).await;
    shell.refuses(Check, "result IN", set, &[REDEEMED_JUMP, "guess"]).await;
    shell.does(set, &[REDEEMED_JUMP, "login_failed"]).await;
    for other in ["login_succeeded", NULL] {
        shell.refuses(Trigger, "a jump has one result", set, &[REDEEMED_JUMP, other]).await;
    }
    let later = "UPDATE jump SET result_at = 5 WHERE jump_id = ?1";
    shell.refuses(Trigger, "a jump has one result", later, &[REDEEMED_JUMP]).await;
    let password = "UPDATE jump SET redeemed_secret_version = 1 WHERE jump_id = ?1";
    let rule = "redeemed_secret_version IS NULL OR redeemed_at IS NOT NULL";
    shell.refuses(Check, rule, password, &[OPEN_JUMP]).await;
}

pub(crate) async fn a_jti_a_handle_and_a_request_make_one_jump_each(shell: &mut Shell) {
    shell.without_trigger(DECISION_STAYS, "jump").await;
    shell.without_trigger(PEOPLE_STAY, "jump").await;
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

pub(crate) async fn hashes_and_subjects_have_their_length(shell: &mut Shell) {
    shell.without_trigger(DECISION_STAYS, "jump").await;
    shell.without_trigger(PEOPLE_STAY, "jump").await;
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

pub(crate) async fn an_actor_is_whole_or_absent(shell: &mut Shell) {
    shell.without_trigger(DECISION_STAYS, "jump").await;
    shell.without_trigger(PEOPLE_STAY, "jump").await;
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

pub(crate) async fn a_jump_goes_to_a_target_of_the_catalogue(shell: &mut Shell) {
    shell.without_trigger(DECISION_STAYS, "jump").await;
    shell.refuses(ForeignKey, "", "UPDATE jump SET target_id = 'nowhere' WHERE jump_id = ?1", &[OPEN_JUMP]).await;
}

pub(crate) async fn a_jump_is_redeemed_or_revoked_and_never_both(shell: &mut Shell) {
    let rule = "revoked_at IS NULL OR redeemed_at IS NULL";
    shell.refuses(Check, rule, REVOKE, &[REDEEMED_JUMP]).await;
    shell.does(REVOKE, &[OPEN_JUMP]).await;
    shell.refuses(Check, rule, REDEEM, &[OPEN_JUMP, FRESH]).await;
}

pub(crate) async fn what_was_revoked_stays_revoked(shell: &mut Shell) {
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

/// A jump with everything in it that leads to people, not redeemed yet. Binds: kind of person, segment, user,
/// way.
pub(super) const FULL: &str = "
    INSERT INTO jump (
        tenant_id, jump_id, jti_hash, caller, request_id, content, person_kind, person_id, segment, target_id, user_id,
        way, subject, issued_at, expires_at, epoch, config_version, catalog_version, actor_role, actor_id,
        actor_subject, customer_context, context, nonce, return_url, target_page
    )
    VALUES (
        '00000000-0000-7000-8000-00000000000a', '99999999-0000-7000-8000-000000000009', randomblob(32), randomblob(32),
        '99999999-0000-7000-8000-000000000008', zeroblob(32), ?1, 'k-1', ?2, 'rechner', ?3, ?4,
        'subject-of-43-characters-000000000000000000', 1, 60000001, 5, 5, 5, 'portal_user', 'f.fischer',
        'subject-of-43-characters-000000000000000000', 'k-2', 'Angebot 7', 'n-once', 'https://portal.example/',
        'kfz/k-1'
    )";

/// Forgets the person. Binds: jump, what is left as it is.
pub(super) const FORGET_OWN: &str = "
    UPDATE jump
    SET revoked_at = CASE WHEN ?2 = 'revoked_at' THEN NULL ELSE 3 END,
        caller = CASE WHEN ?2 = 'caller' THEN caller ELSE jti_hash END,
        content = CASE WHEN ?2 = 'content' THEN content ELSE jti_hash END,
        person_id = CASE WHEN ?2 = 'person_id' THEN person_id ELSE '' END,
        actor_role = CASE WHEN ?2 = 'actor' THEN actor_role ELSE NULL END,
        actor_id = CASE WHEN ?2 = 'actor' THEN actor_id ELSE NULL END,
        actor_subject = CASE WHEN ?2 = 'actor' THEN actor_subject ELSE NULL END,
        subject = CASE WHEN ?2 = 'subject' THEN subject ELSE '0000000000000000000000000000000000000000000' END,
        customer_context = CASE WHEN ?2 = 'customer_context' THEN customer_context ELSE NULL END,
        context = CASE WHEN ?2 = 'context' THEN context ELSE NULL END,
        nonce = CASE WHEN ?2 = 'nonce' THEN nonce ELSE NULL END,
        return_url = CASE WHEN ?2 = 'return_url' THEN return_url ELSE NULL END,
        target_page = CASE WHEN ?2 = 'target_page' THEN target_page ELSE NULL END
    WHERE jump_id = ?1";
/// Forgets the customer that somebody worked for. Binds: jump, what is left as it is, what is lost as well.
pub(super) const FORGET_CONTEXT: &str = "
    UPDATE jump
    SET revoked_at = CASE WHEN ?2 = 'revoked_at' THEN NULL ELSE 3 END,
        content = CASE WHEN ?2 = 'content' THEN content ELSE jti_hash END,
        customer_context = CASE WHEN ?2 = 'customer_context' THEN customer_context ELSE NULL END,
        context = CASE WHEN ?2 = 'context' THEN context ELSE NULL END,
        return_url = CASE WHEN ?2 = 'return_url' THEN return_url ELSE NULL END,
        target_page = CASE WHEN ?2 = 'target_page' THEN target_page ELSE NULL END,
        nonce = CASE WHEN ?3 = 'nonce' THEN NULL ELSE nonce END,
        caller = CASE WHEN ?3 = 'caller' THEN jti_hash ELSE caller END,
        person_id = CASE WHEN ?3 = 'person_id' THEN '' ELSE person_id END,
        actor_role = CASE WHEN ?3 = 'actor' THEN NULL ELSE actor_role END,
        actor_id = CASE WHEN ?3 = 'actor' THEN NULL ELSE actor_id END,
        actor_subject = CASE WHEN ?3 = 'actor' THEN NULL ELSE actor_subject END,
        subject = CASE WHEN ?3 = 'subject' THEN '0000000000000000000000000000000000000000000' ELSE subject END
    WHERE jump_id = ?1";
pub(super) const FORGOTTEN_WHOLE: &str = "a customer is forgotten whole";

pub(crate) async fn a_customer_is_forgotten_whole_or_not_at_all(shell: &mut Shell) {
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

pub(crate) async fn a_redeemed_jump_forgets_its_customer_without_being_revoked(shell: &mut Shell) {
    shell.takes(FORGET_OWN, &[REDEEMED_JUMP, "revoked_at"]).await;
}

pub(crate) async fn a_jump_forgets_whole_whom_it_was_made_for(shell: &mut Shell) {
    shell.does(FULL, &["broker", NULL, MEIER, "activation"]).await;
    for left in ["revoked_at", "content", "customer_context", "context", "return_url"] {
        shell.refuses(Trigger, FORGOTTEN_WHOLE, FORGET_CONTEXT, &[FRESH, left, ""]).await;
    }
    shell.takes(FORGET_CONTEXT, &[FRESH, "", ""]).await;
}

pub(crate) async fn a_jump_forgets_no_broker(shell: &mut Shell) {
    shell.does(FULL, &["broker", NULL, MEIER, "activation"]).await;
    for lost in ["caller", "person_id", "actor", "subject", "nonce"] {
        shell.refuses(Trigger, FORGOTTEN_WHOLE, FORGET_CONTEXT, &[FRESH, "", lost]).await;
    }
    // Nor anything, where it was made for nobody else.
    shell.refuses(Trigger, FORGOTTEN_WHOLE, FORGET_OWN, &[OPEN_JUMP, ""]).await;
    shell.refuses(Trigger, FORGOTTEN_WHOLE, FORGET_CONTEXT, &[OPEN_JUMP, "", ""]).await;
}

pub(crate) async fn what_leads_to_a_person_leads_to_no_other(shell: &mut Shell) {
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
        "UPDATE jump SET target_page = 'elsewhere' WHERE jump_id = ?1",
    ] {
        shell.refuses(Trigger, FORGOTTEN_WHOLE, sql, &[FRESH]).await;
    }
}
