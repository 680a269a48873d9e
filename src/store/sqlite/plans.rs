//! How SQLite runs the statements of a jump: each row by its key, whatever the size of the tables.
#![cfg(test)]

use sqlx::Row as _;

use super::{audit, audit_chain, hot, jump_history, open, questions};

/// The steps of a statement's plan on an empty database, as it is at the worst: without statistics.
pub(super) async fn plan(statement: &str) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let mut opened = open::for_writing(directory.path()).await.expect("a database");
    #[expect(clippy::disallowed_methods, reason = "a constant of this engine behind three words")]
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let rows = sqlx::query(explain).fetch_all(&mut opened.connection).await;
    rows.expect("a plan").iter().map(|row| row.get("detail")).collect()
}

/// Asserts that a statement walks through `walked` only, in this order, and looks up all else, `jump_by` not least.
pub(super) async fn assert_plan(statement: &str, walked: &[&str], looked_up: &str) {
    let plan = plan(statement).await;
    let scans: Vec<_> = plan.iter().filter(|step| step.starts_with("SCAN")).collect();
    assert_eq!(scans, walked, "{plan:#?}");
    assert!(!plan.iter().any(|step| step.contains("AUTOMATIC")), "an index made for this run only: {plan:#?}");
    assert!(plan.iter().any(|step| step.contains(looked_up)), "{plan:#?}");
}

/// The works, taken apart once, and then the outer loop of all that follows.
const BATCH: [&str; 2] = ["SCAN json_each VIRTUAL TABLE INDEX 1:", "SCAN item"];

#[tokio::test]
async fn redeeming_finds_each_jump_by_its_key() {
    for statement in [hot::REDEEM, hot::REVOKE_SESSIONS] {
        assert_plan(statement, &BATCH, "SEARCH jump USING PRIMARY KEY (tenant_id=? AND jump_id=?)").await;
    }
    assert_plan(hot::LOST_BECAUSE, &BATCH, "SEARCH j USING PRIMARY KEY (tenant_id=? AND jump_id=?)").await;
}

#[tokio::test]
async fn recording_looks_up_whatever_it_compares() {
    assert_plan(hot::RECORD, &BATCH, "SEARCH u USING PRIMARY KEY (tenant_id=? AND user_id=?)").await;
    let of_the_person = "COVERING INDEX jump_by_person (tenant_id=? AND person_kind=? AND person_id=? AND jump_id>?)";
    assert_plan(hot::RECORD, &BATCH, of_the_person).await;
    assert_plan(hot::REPEATED, &BATCH, "(tenant_id=? AND caller=? AND request_id=?)").await;
}

/// A list of keys, each looked up.
const LIST: [&str; 1] = ["SCAN q VIRTUAL TABLE INDEX 1:"];
/// The questions, taken apart and then member by member, and then the outer loop of all that follows.
const QUESTIONS: [&str; 3] = ["SCAN json_each VIRTUAL TABLE INDEX 1:", "SCAN item", "SCAN q"];

#[tokio::test]
async fn what_questions_share_is_found_by_its_key() {
    assert_plan(questions::TENANTS, &LIST, "SEARCH t USING PRIMARY KEY (tenant_id=?)").await;
    assert_plan(questions::TARGETS, &LIST, "SEARCH g USING PRIMARY KEY (target_id=?)").await;
    assert_plan(questions::PROVIDERS, &LIST, "SEARCH p USING PRIMARY KEY (provider_id=?)").await;
    assert_plan(questions::RETURN_URLS, &LIST, "(url=?)").await;
    assert_plan(questions::USERS, &BATCH, "SEARCH u USING PRIMARY KEY (tenant_id=? AND user_id=?)").await;
    let salt = "SEARCH p USING PRIMARY KEY (tenant_id=? AND kind=? AND person_id=?)";
    assert_plan(audit::SALTS, &BATCH, salt).await;
}

#[tokio::test]
async fn a_decision_reads_what_is_the_persons_own() {
    let of_the_person = "COVERING INDEX jump_by_person (tenant_id=? AND person_kind=? AND person_id=? AND jump_id>?)";
    assert_plan(questions::BEFORE, &QUESTIONS, of_the_person).await;
    assert_plan(questions::BEFORE, &QUESTIONS, "(tenant_id=? AND caller=? AND request_id=?)").await;
    assert_plan(questions::OF_BROKERS, &BATCH, "SEARCH b USING PRIMARY KEY (tenant_id=? AND broker_id=?)").await;
    assert_plan(questions::OF_CUSTOMERS, &BATCH, "SEARCH c USING PRIMARY KEY (tenant_id=? AND customer_id=?)").await;
    assert_plan(questions::EARLIER, &BATCH, "SEARCH jump USING PRIMARY KEY (tenant_id=? AND jump_id=?)").await;
}

#[tokio::test]
async fn a_proof_is_found_as_a_jti_and_as_a_handle() {
    assert_plan(questions::OF_PROOFS, &QUESTIONS, "(tenant_id=? AND jti_hash=?)").await;
    assert_plan(questions::OF_PROOFS, &QUESTIONS, "(tenant_id=? AND handle_hash=?)").await;
    let jump = "SEARCH jump USING PRIMARY KEY (tenant_id=? AND jump_id=?)";
    assert_plan(questions::OF_PROOFS, &QUESTIONS, jump).await;
}

#[tokio::test]
async fn a_jump_of_the_history_is_found_by_its_key() {
    assert_plan(jump_history::GET, &[], "SEARCH jump USING PRIMARY KEY (tenant_id=? AND jump_id=?)").await;
}

#[tokio::test]
async fn a_list_of_jumps_walks_through_its_window_only_and_sorts_nothing() {
    let of_the_tenant = "SEARCH jump USING PRIMARY KEY (tenant_id=? AND jump_id<?)";
    let of_the_person = "jump_by_person (tenant_id=? AND person_kind=? AND person_id=? AND jump_id<?)";
    for (list, last_scanned, window) in [
        (jump_history::LIST, jump_history::LAST_SCANNED, of_the_tenant),
        (jump_history::LIST_OF_PERSON, jump_history::LAST_SCANNED_OF_PERSON, of_the_person),
    ] {
        // A routine that gives one row after the other, not a table made before.
        assert_plan(list, &["SCAN j"], "CO-ROUTINE j").await;
        assert_plan(list, &["SCAN j"], window).await;
        assert_plan(last_scanned, &[], window).await;
        assert!(!plan(list).await.iter().any(|step| step.contains("TEMP B-TREE")), "it stops when the page is full");
    }
}

#[tokio::test]
async fn the_audit_log_is_read_sealed_and_verified_by_its_keys() {
    let behind = "SEARCH e USING PRIMARY KEY (tenant_id=? AND audit_id>?)";
    let its_seal = "SEARCH s USING COVERING INDEX sqlite_autoindex_audit_seal_2 (tenant_id=? AND audit_id=?)";
    assert_plan(audit_chain::MARKS, &[], behind).await;
    assert_plan(audit_chain::MARKS, &[], its_seal).await;
    let behind = "SEARCH u USING PRIMARY KEY (tenant_id=? AND audit_id>?)";
    for step in [behind, its_seal, "SEARCH e USING PRIMARY KEY (tenant_id=? AND audit_id=?)"] {
        assert_plan(audit_chain::UNSEALED, &BATCH, step).await;
    }
    assert_plan(audit_chain::SEALED, &[], "SEARCH s USING PRIMARY KEY (tenant_id=? AND seq>?)").await;
    assert_plan(audit_chain::SEALED, &[], "SEARCH e USING PRIMARY KEY (tenant_id=? AND audit_id=?)").await;
    assert_plan(audit_chain::LAST_SEALS, &LIST, "SEARCH s USING PRIMARY KEY (tenant_id=? AND seq=?)").await;
    assert_plan(audit_chain::CHAIN_ENDS, &LIST, "SEARCH e USING PRIMARY KEY (tenant_id=?)").await;
    let window = "SEARCH audit_entry USING PRIMARY KEY (tenant_id=? AND audit_id>? AND audit_id<?)";
    assert_plan(audit_chain::LIST, &["SCAN e"], window).await;
    assert_plan(audit_chain::LAST_SCANNED, &[], window).await;
}

#[tokio::test]
async fn revoking_looks_at_what_is_selected_and_late_enough() {
    assert_plan(jump_history::REVOKE_ONE, &[], "SEARCH jump USING PRIMARY KEY (tenant_id=? AND jump_id=?)").await;
    let of_the_last_minutes = "SEARCH jump USING PRIMARY KEY (tenant_id=? AND jump_id>?)";
    assert_plan(jump_history::REVOKE_OF_USER, &[], of_the_last_minutes).await;
    let of_the_person = "jump_by_person (tenant_id=? AND person_kind=? AND person_id=? AND jump_id>?)";
    assert_plan(jump_history::REVOKE_OF_PERSON, &[], of_the_person).await;
}

#[tokio::test]
async fn forgetting_looks_at_the_customers_own_jumps() {
    let own = "jump_by_person (tenant_id=? AND person_kind=? AND person_id=?)";
    assert_plan(jump_history::FORGET_OWN, &[], own).await;
    let of_others = "jump_by_customer_context (tenant_id=? AND customer_context=?)";
    assert_plan(jump_history::FORGET_CONTEXT, &[], of_others).await;
}
