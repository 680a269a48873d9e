//! How PostgreSQL runs the statements of a jump: each row by its key, whatever the size of the tables.
#![cfg(test)]

use sqlx::{ConnectOptions as _, Row as _};

use super::{audit_chain, hot, jump_history, open, questions};

#[path = "../../../tests/support/postgres/mod.rs"]
#[expect(dead_code, unreachable_pub, unused_imports, reason = "the tests beside use what is left out here")]
mod support;

/// The plan of a statement on an empty database, as it is at the worst: without statistics, and kept for all values.
/// Nothing where there is no PostgreSQL.
async fn plan(statement: &str) -> Option<Vec<String>> {
    let database = support::database().await?;
    let url = database.service_url().parse().expect("a URL");
    let mut session = open::options_of(&url).expect("options").connect().await.expect("a session");
    #[expect(clippy::disallowed_methods, reason = "a constant of this engine behind three words")]
    let prepare = sqlx::AssertSqlSafe(format!("PREPARE planned AS {statement}"));
    sqlx::raw_sql(prepare).execute(&mut session).await.expect("a statement");
    let binds: i32 =
        sqlx::query_scalar("SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE from_sql")
            .fetch_one(&mut session)
            .await
            .expect("its parameters");
    let nulls: Vec<_> = (0..binds).map(|_| "NULL").collect();
    #[expect(clippy::disallowed_methods, reason = "words and commas")]
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN (COSTS OFF) EXECUTE planned ({})", nulls.join(", ")));
    let rows = sqlx::raw_sql(explain).fetch_all(&mut session).await;
    Some(rows.expect("a plan").iter().map(|row| row.get("QUERY PLAN")).collect())
}

/// The tables that a plan reads, in its order, each with the columns that it finds the rows by, sorted: `jump (jump_id =,
/// tenant_id =)`; without any it walks through the table.
fn reads(plan: &[String]) -> Vec<String> {
    const SCANS: [&str; 5] = ["Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan"];
    let mut reads = Vec::new();
    for (place, line) in plan.iter().enumerate() {
        let node = line.trim_start().trim_start_matches("->  ");
        if SCANS.iter().any(|scan| node.starts_with(scan)) {
            let (_, table) = node.split_once(" on ").expect("a table");
            let found_by = plan.get(place + 1).map_or("", |next| next.trim_start());
            let conditions =
                ["Index Cond: ", "Recheck Cond: ", "TID Cond: "].iter().find_map(|cond| found_by.strip_prefix(cond));
            let mut columns: Vec<_> = conditions.into_iter().flat_map(|all| all.split(" AND ")).map(compared).collect();
            columns.sort();
            reads.push(format!("{} ({})", table.split(' ').next().expect("a name"), columns.join(", ")));
        }
    }
    reads
}

/// What a condition compares, and how: `(jump_id = item.jump_id)`.
fn compared(condition: &str) -> String {
    let words: Vec<_> = condition.trim_start_matches('(').split(' ').take(2).collect();
    words.join(" ")
}

/// Asserts that a statement reads what is named, by these columns, and walks through no table.
pub(super) async fn assert_plan(statement: &str, looked_up: &[&str]) {
    let Some(plan) = plan(statement).await else {
        return;
    };
    let reads = reads(&plan);
    assert!(!reads.iter().any(|read| read.ends_with("()")), "it walks through a table: {reads:?}\n{plan:#?}");
    assert!(!plan.iter().any(|line| line.contains("Hash Join") || line.contains("hashed")), "{plan:#?}");
    for read in looked_up {
        assert!(reads.iter().any(|own| own == read), "{read} is not among {reads:?}\n{plan:#?}");
    }
}

const JUMP: &str = "jump (jump_id =, tenant_id =)";
const JUMP_OF_REQUEST: &str = "jump (caller =, request_id =, tenant_id =)";
const OF_THE_PERSON: &str = "jump (jump_id >=, person_id =, person_kind =, tenant_id =)";
const TENANT: &str = "tenant (tenant_id =)";
const TARGET: &str = "target (target_id =)";
const USER: &str = "concenter_user (tenant_id =, user_id =)";
const CUSTOMER: &str = "customer (customer_id =, tenant_id =)";

#[tokio::test]
async fn redeeming_finds_each_jump_by_its_key() {
    for statement in [hot::HOLD_JUMPS, hot::REVOKE_SESSIONS, hot::LOST_BECAUSE] {
        assert_plan(statement, &[JUMP]).await;
    }
    assert_plan(hot::REDEEM, &[JUMP, TENANT, TARGET, USER, CUSTOMER]).await;
}

#[tokio::test]
async fn recording_looks_up_whatever_it_compares() {
    assert_plan(hot::RECORD, &[TENANT, TARGET, USER, CUSTOMER, OF_THE_PERSON]).await;
    assert_plan(hot::RECORD, &["request_log (caller =, request_id =, tenant_id =)"]).await;
    assert_plan(hot::REPEATED, &[JUMP_OF_REQUEST]).await;
    assert_plan(hot::HOLD_TENANTS, &[TENANT]).await;
}

#[tokio::test]
async fn a_decision_reads_what_is_the_persons_own() {
    assert_plan(questions::FRAME, &[TENANT, TARGET, OF_THE_PERSON]).await;
    assert_plan(questions::OF_BROKERS, &["activation_broker (broker_id =, tenant_id =)", USER]).await;
    assert_plan(questions::OF_CUSTOMERS, &[CUSTOMER]).await;
    assert_plan(questions::USERS, &[USER]).await;
    assert_plan(questions::EARLIER, &[JUMP_OF_REQUEST]).await;
    assert_plan(questions::SALTS, &["person_salt (kind =, person_id =, tenant_id =)"]).await;
}

#[tokio::test]
async fn a_proof_is_found_as_a_jti_and_as_a_handle() {
    let found = ["jump (jti_hash =, tenant_id =)", "jump (handle_hash =, tenant_id =)", JUMP, USER];
    assert_plan(questions::REDEEM_INPUTS, &found).await;
}

#[tokio::test]
async fn a_jump_of_the_history_is_found_by_its_key() {
    assert_plan(jump_history::GET, &[JUMP]).await;
}

#[tokio::test]
async fn the_audit_log_is_read_sealed_and_verified_by_its_keys() {
    let (behind, its_seal) = ("audit_entry (audit_id >, tenant_id =)", "audit_seal (audit_id =, tenant_id =)");
    for statement in [audit_chain::UNSEALED, audit_chain::MARKS] {
        assert_plan(statement, &[behind, its_seal]).await;
    }
    let sealed = ["audit_seal (seq >, tenant_id =)", "audit_entry (audit_id =, tenant_id =)"];
    assert_plan(audit_chain::SEALED, &sealed).await;
    assert_plan(audit_chain::LAST_SEALS, &["audit_seal (tenant_id =)"]).await;
    assert_plan(audit_chain::CHAIN_ENDS, &["audit_entry (tenant_id =)", "audit_seal (tenant_id =)"]).await;
}

#[tokio::test]
async fn a_list_of_jumps_walks_through_its_window_only_and_sorts_nothing() {
    let of_the_tenant = "jump (jump_id <, tenant_id =)";
    let of_the_person = "jump (jump_id <, person_id =, person_kind =, tenant_id =)";
    for (list, last_scanned, window) in [
        (jump_history::LIST, jump_history::LAST_SCANNED, of_the_tenant),
        (jump_history::LIST_OF_PERSON, jump_history::LAST_SCANNED_OF_PERSON, of_the_person),
    ] {
        for statement in [list, last_scanned] {
            assert_plan(statement, &[window]).await;
            let plan = plan(statement).await.unwrap_or_default();
            assert!(!plan.iter().any(|line| line.contains("Sort")), "it stops when the page is full: {plan:#?}");
        }
    }
}

#[tokio::test]
async fn revoking_looks_at_what_is_selected_and_late_enough() {
    assert_plan(jump_history::REVOKE_ONE, &[JUMP]).await;
    assert_plan(jump_history::REVOKE_OF_USER, &["jump (jump_id >=, tenant_id =)"]).await;
    assert_plan(jump_history::REVOKE_OF_PERSON, &[OF_THE_PERSON]).await;
}

#[tokio::test]
async fn forgetting_looks_at_the_customers_own_jumps() {
    assert_plan(jump_history::FORGET_OWN, &["jump (person_id =, person_kind =, tenant_id =)"]).await;
    assert_plan(jump_history::FORGET_CONTEXT, &["jump (customer_context =, tenant_id =)"]).await;
}
