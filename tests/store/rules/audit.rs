//! The audit log.

use super::Wall::{Check, PrimaryKey, Trigger};
use super::{A, FRESH, Shell};

/// Binds: tenant, id, outcome, reason (empty for NULL).
const INSERT: &str = "
    INSERT INTO audit_entry (tenant_id, audit_id, at, role, caller, action, outcome, reason)
    VALUES (?1, ?2, 1, 'admin', zeroblob(32), 'user.create', ?3, nullif(?4, ''))";
const ENTRY: &str = "c0000000-0000-7000-8000-000000000001";

#[tokio::test]
async fn an_entry_is_never_changed() {
    let mut shell = Shell::open().await;
    let says = "the audit log is only appended to";
    for sql in [
        "UPDATE audit_entry SET outcome = 'refused', reason = 'ROLE' WHERE audit_id = ?1",
        "UPDATE audit_entry SET at = 2 WHERE audit_id = ?1",
        "UPDATE audit_entry SET audit_id = 'c0000000-0000-7000-8000-000000000002' WHERE audit_id = ?1",
    ] {
        shell.refuses(Trigger, says, sql, &[ENTRY]).await;
    }
}

#[tokio::test]
async fn an_entry_is_never_deleted() {
    let mut shell = Shell::open().await;
    let says = "the audit log is only appended to";
    shell.refuses(Trigger, says, "DELETE FROM audit_entry WHERE audit_id = ?1", &[ENTRY]).await;
    shell.refuses(Trigger, says, "DELETE FROM audit_entry", &[]).await;
}

#[tokio::test]
async fn an_entry_stands_once() {
    let mut shell = Shell::open().await;
    let says = "the audit log is only appended to";
    shell.refuses(Trigger, says, INSERT, &[A, ENTRY, "accepted", ""]).await;
    let replace = "
        INSERT OR REPLACE INTO audit_entry (tenant_id, audit_id, at, role, caller, action, outcome)
        VALUES (?1, ?2, 1, 'admin', zeroblob(32), 'user.create', 'accepted')";
    shell.refuses(Trigger, says, replace, &[A, ENTRY]).await;
    shell.takes(INSERT, &[A, FRESH, "accepted", ""]).await;
}

#[tokio::test]
async fn a_refusal_has_a_reason_and_nothing_else_has() {
    let mut shell = Shell::open().await;
    let rule = "(outcome = 'refused') = (reason IS NOT NULL)";
    shell.refuses(Check, rule, INSERT, &[A, FRESH, "refused", ""]).await;
    shell.refuses(Check, rule, INSERT, &[A, FRESH, "accepted", "ROLE"]).await;
    shell.refuses(Check, "outcome IN", INSERT, &[A, FRESH, "unknown", ""]).await;
    shell.takes(INSERT, &[A, FRESH, "refused", "ROLE"]).await;
}

#[tokio::test]
async fn a_person_is_never_kept_as_more_than_a_hash() {
    let mut shell = Shell::open().await;
    let insert = "
        INSERT INTO audit_entry (tenant_id, audit_id, at, role, caller, person, action, outcome)
        VALUES (?1, ?2, 1, 'admin', zeroblob(32), CAST('m.meier' AS BLOB), 'user.create', 'accepted')";
    shell.refuses(Check, "length(person) = 32", insert, &[A, FRESH]).await;
}

#[tokio::test]
async fn a_person_has_one_salt() {
    let mut shell = Shell::open().await;
    let insert =
        "INSERT INTO person_salt (tenant_id, kind, person_id, salt) VALUES (?1, ?2, 'm.meier', randomblob(32))";
    shell.does(insert, &[A, "broker"]).await;
    shell.refuses(PrimaryKey, "person_salt.person_id", insert, &[A, "broker"]).await;
    shell.refuses(Check, "kind IN", insert, &[A, "friend"]).await;
    shell.takes(insert, &[A, "customer"]).await;
}
