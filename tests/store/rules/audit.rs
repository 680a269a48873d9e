//! The audit log.

use super::Wall::{Check, PrimaryKey, Trigger, Unique};
use super::{A, B, FRESH, NULL, Shell};

/// Binds: tenant, id, outcome, reason.
const INSERT: &str = "
    INSERT INTO audit_entry (tenant_id, audit_id, at, role, caller, action, outcome, reason)
    VALUES (?1, ?2, 1, 'admin', zeroblob(32), 'user.create', ?3, ?4)";
const ENTRY: &str = "c0000000-0000-7000-8000-000000000001";

pub(crate) async fn an_entry_is_never_changed(shell: &mut Shell) {
    let says = "the audit log is only appended to";
    for sql in [
        "UPDATE audit_entry SET outcome = 'refused', reason = 'ROLE' WHERE audit_id = ?1",
        "UPDATE audit_entry SET at = 2 WHERE audit_id = ?1",
        "UPDATE audit_entry SET audit_id = 'c0000000-0000-7000-8000-000000000002' WHERE audit_id = ?1",
    ] {
        shell.refuses(Trigger, says, sql, &[ENTRY]).await;
    }
}

pub(crate) async fn an_entry_is_never_deleted(shell: &mut Shell) {
    let says = "the audit log is only appended to";
    shell.refuses(Trigger, says, "DELETE FROM audit_entry WHERE audit_id = ?1", &[ENTRY]).await;
    shell.refuses(Trigger, says, "DELETE FROM audit_entry", &[]).await;
}

pub(crate) async fn an_entry_stands_once(shell: &mut Shell) {
    let (wall, says) =
        shell.either((Trigger, "the audit log is only appended to"), (PrimaryKey, "audit_entry.audit_id"));
    shell.refuses(wall, says, INSERT, &[A, ENTRY, "accepted", NULL]).await;
    shell.takes(INSERT, &[A, FRESH, "accepted", NULL]).await;
}

pub(crate) async fn a_refusal_has_a_reason_and_nothing_else_has(shell: &mut Shell) {
    let rule = "(outcome = 'refused') = (reason IS NOT NULL)";
    shell.refuses(Check, rule, INSERT, &[A, FRESH, "refused", NULL]).await;
    shell.refuses(Check, rule, INSERT, &[A, FRESH, "accepted", "ROLE"]).await;
    shell.refuses(Check, "outcome IN", INSERT, &[A, FRESH, "unknown", NULL]).await;
    shell.takes(INSERT, &[A, FRESH, "refused", "ROLE"]).await;
}

pub(crate) async fn a_person_is_never_kept_as_more_than_a_hash(shell: &mut Shell) {
    let insert = "
        INSERT INTO audit_entry (tenant_id, audit_id, at, role, caller, person, action, outcome)
        VALUES (?1, ?2, 1, 'admin', zeroblob(32), x'6d2e6d65696572', 'user.create', 'accepted')";
    shell.refuses(Check, "length(person) = 32", insert, &[A, FRESH]).await;
}

pub(crate) async fn a_person_has_one_salt(shell: &mut Shell) {
    let insert =
        "INSERT INTO person_salt (tenant_id, kind, person_id, salt) VALUES (?1, ?2, 'm.meier', randomblob(32))";
    shell.does(insert, &[A, "broker"]).await;
    shell.refuses(PrimaryKey, "person_salt.person_id", insert, &[A, "broker"]).await;
    shell.refuses(Check, "kind IN", insert, &[A, "friend"]).await;
    shell.takes(insert, &[A, "customer"]).await;
}

/// Seals the entry of the seed. Not part of that, which is put into an earlier schema as well.
pub(super) async fn seal_the_entry(shell: &mut Shell) {
    let seal = "
        INSERT INTO audit_seal (tenant_id, seq, audit_id, prev, hash)
        VALUES (?1, 1, ?2, zeroblob(32), randomblob(32))";
    shell.does(seal, &[A, ENTRY]).await;
}

/// Binds: tenant, place, row. The seal before is that of the entry.
const SEAL: &str = "
    INSERT INTO audit_seal (tenant_id, seq, audit_id, prev, hash)
    SELECT ?1, CAST(?2 AS INTEGER), ?3, hash, zeroblob(32)
    FROM audit_seal
    WHERE seq = 1";
const SEALED: &str = "the chain of seals is only appended to";
const FOLLOWS: &str = "a seal follows the last one";

pub(crate) async fn a_seal_is_never_changed(shell: &mut Shell) {
    seal_the_entry(shell).await;
    for sql in [
        "UPDATE audit_seal SET hash = zeroblob(32)",
        "UPDATE audit_seal SET seq = 2",
        "UPDATE audit_seal SET audit_id = 'c0000000-0000-7000-8000-000000000002'",
    ] {
        shell.refuses(Trigger, SEALED, sql, &[]).await;
    }
}

pub(crate) async fn a_seal_is_never_deleted(shell: &mut Shell) {
    seal_the_entry(shell).await;
    shell.refuses(Trigger, SEALED, "DELETE FROM audit_seal WHERE seq = 1", &[]).await;
    shell.refuses(Trigger, SEALED, "DELETE FROM audit_seal", &[]).await;
}

pub(crate) async fn a_seal_follows_the_last_one(shell: &mut Shell) {
    seal_the_entry(shell).await;
    shell.refuses(Trigger, FOLLOWS, SEAL, &[A, "3", FRESH]).await;
    // Another tenant's chain is another one.
    shell.refuses(Trigger, FOLLOWS, SEAL, &[B, "2", FRESH]).await;
    let first = "
        INSERT INTO audit_seal (tenant_id, seq, audit_id, prev, hash)
        VALUES (?1, 1, ?2, zeroblob(32), randomblob(32))";
    shell.takes(first, &[B, FRESH]).await;
    let first = "
        INSERT INTO audit_seal (tenant_id, seq, audit_id, prev, hash)
        VALUES (?1, 1, ?2, randomblob(32), randomblob(32))";
    shell.refuses(Trigger, FOLLOWS, first, &[B, FRESH]).await;
    let second = "
        INSERT INTO audit_seal (tenant_id, seq, audit_id, prev, hash)
        VALUES (?1, 2, ?2, randomblob(32), randomblob(32))";
    shell.refuses(Trigger, FOLLOWS, second, &[A, FRESH]).await;
    shell.takes(SEAL, &[A, "2", FRESH]).await;
}

pub(crate) async fn a_row_is_sealed_once(shell: &mut Shell) {
    seal_the_entry(shell).await;
    let (wall, says) = shell.either((Trigger, SEALED), (Unique, "audit_seal.audit_id"));
    shell.refuses(wall, says, SEAL, &[A, "2", ENTRY]).await;
}
