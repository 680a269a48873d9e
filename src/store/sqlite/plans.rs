//! How SQLite runs the statements of a jump: each row by its key, whatever the size of the tables.
#![cfg(test)]

use sqlx::Row as _;

use super::{hot, jumps, open};

/// The steps of a statement's plan on an empty database, as it is at the worst: without statistics.
async fn plan(statement: &str) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let mut opened = open::for_writing(directory.path()).await.expect("a database");
    #[expect(clippy::disallowed_methods, reason = "a constant of this engine behind three words")]
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let rows = sqlx::query(explain).fetch_all(&mut opened.connection).await;
    rows.expect("a plan").iter().map(|row| row.get("detail")).collect()
}

/// Asserts that a statement walks through `walked` only, in this order, and looks up all else, `jump_by` not least.
async fn assert_plan(statement: &str, walked: &[&str], looked_up: &str) {
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
    assert_plan(hot::REPEATED, &BATCH, "(tenant_id=? AND caller=? AND request_id=?)").await;
}

#[tokio::test]
async fn a_decision_reads_what_is_the_persons_own() {
    assert_plan(jumps::FRAME, &[], "SEARCH t USING PRIMARY KEY (tenant_id=?)").await;
    assert_plan(jumps::OF_BROKER, &[], "SEARCH b USING PRIMARY KEY (tenant_id=? AND broker_id=?)").await;
    assert_plan(jumps::OF_CUSTOMER, &[], "SEARCH c USING PRIMARY KEY (tenant_id=? AND customer_id=?)").await;
    assert_plan(jumps::USERS_OF_CUSTOMER, &[], "SEARCH u USING PRIMARY KEY (tenant_id=? AND user_id=?)").await;
    assert_plan(jumps::EARLIER, &[], "(tenant_id=? AND caller=? AND request_id=?)").await;
}

#[tokio::test]
async fn a_proof_is_found_as_a_jti_and_as_a_handle() {
    assert_plan(jumps::REDEEM_INPUTS, &[], "(tenant_id=? AND jti_hash=?)").await;
    assert_plan(jumps::REDEEM_INPUTS, &[], "(tenant_id=? AND handle_hash=?)").await;
    assert_plan(jumps::REDEEM_INPUTS, &[], "SEARCH jump USING PRIMARY KEY (tenant_id=? AND jump_id=?)").await;
}
