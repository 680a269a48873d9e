//! The chain of seals over the audit log: that it is one, and that whatever somebody changes by hand shows, and where.

use std::time::Duration;

use concenter_gateway::app::audit::verify_log;
use concenter_gateway::app::checkpoints::SignedCheckpoints;
use concenter_gateway::domain::audit::{Action, AuditObject, AuditOutcome, Pseudonym};
use concenter_gateway::domain::audit_log::{
    AuditSeal, ChainHash, Checkpoint, FoundFault, LATEST_ENTRY, LogFault, LogReport, Unsealed,
};
use concenter_gateway::domain::error::Reason;
use concenter_gateway::domain::ids::{AuditId, RequestId, TenantId};
use concenter_gateway::domain::time::Timestamp;
use concenter_gateway::secrets::seal_entry;

use crate::fixture::{Harness, walks};

pub(super) const LOG: TenantId = TenantId::SYSTEM;

/// Writes so many rows into the log.
pub(super) async fn write(h: &Harness, rows: usize) {
    for row in 0..rows {
        let mut entry = h.audit(Action::PutTarget, Some(h.id(RequestId::new)));
        // Every field has something now and then.
        entry.actor = (row % 2 == 0).then(|| Pseudonym(h.bytes()));
        entry.person = (row % 3 == 0).then(|| Pseudonym(h.bytes()));
        entry.object = (row % 2 == 1).then(|| AuditObject::new(&"rechner"));
        let outcome = if row % 4 == 3 { AuditOutcome::Refused(Reason::NotFound) } else { AuditOutcome::Accepted };
        h.store.record_audit(&LOG, &entry, outcome).await.expect("it is written");
    }
}

fn beginning() -> AuditId {
    AuditId::floor(Timestamp::from_unix_micros(0))
}

async fn unsealed(h: &Harness, most: u32) -> Unsealed {
    h.store.unsealed_entries(&LOG, &beginning(), most).await.expect("rows")
}

/// The seals that these rows get.
fn seals(unsealed: &Unsealed) -> Vec<AuditSeal> {
    let mut last = unsealed.last.as_ref().map_or((0, ChainHash::START), |last| (last.seq, last.hash));
    let seal = |entry| {
        let seal = seal_entry(&LOG, last.0 + 1, last.1, entry);
        last = (seal.seq, seal.hash);
        seal
    };
    unsealed.entries.iter().map(seal).collect()
}

/// Seals all rows, a few at a time.
pub(super) async fn seal(h: &Harness) {
    loop {
        let seals = seals(&unsealed(h, 3).await);
        if seals.is_empty() {
            return;
        }
        assert!(h.store.append_seals(&LOG, &seals).await.expect("an answer"), "nobody else seals");
    }
}

async fn verified(h: &Harness, checkpoints: &[Checkpoint]) -> LogReport {
    let checkpoints = SignedCheckpoints { signed: checkpoints.to_vec(), forged: 0 };
    verify_log(&*h.store, &LOG, &checkpoints, &|_| None).await.expect("a report")
}

/// What a checkpoint says that is made now.
async fn checkpoint(h: &Harness) -> Checkpoint {
    let last = unsealed(h, 1).await.last.expect("a seal");
    Checkpoint { tenant: LOG, seq: last.seq, hash: last.hash, at: h.now() }
}

/// A log of eight sealed rows.
pub(super) async fn sealed(h: &Harness) -> Checkpoint {
    h.service().await;
    write(h, 8).await;
    seal(h).await;
    checkpoint(h).await
}

/// Asserts that, after `changes` by somebody who has the database, the first fault is this one, at this place; that row
/// is named if there is one.
async fn shows(h: &Harness, changes: &[&'static str], fault: LogFault, seq: i64, names_row: bool) {
    let named = h.store.sealed_entries(&LOG, seq - 1, 1).await.expect("seals").pop().expect("a seal").seal.audit_id;
    assert_eq!(verified(h, &[]).await.fault, None);
    for change in changes {
        assert!(h.inspect.forge_log(change).await > 0, "{change}");
    }
    let expected = FoundFault { fault, seq: Some(seq), audit_id: names_row.then_some(named) };
    assert_eq!(verified(h, &[]).await.fault, Some(expected), "{changes:?}");
}

pub(crate) async fn a_log_as_it_was_written_verifies(h: &Harness) {
    let at_the_end = sealed(h).await;
    write(h, 2).await;
    let expected = LogReport { dropped: 0, sealed: 8, unsealed: 2, checkpoints: 1, fault: None };
    assert_eq!(verified(h, &[at_the_end]).await, expected);
    let of_another = Checkpoint { tenant: h.id(TenantId::new), seq: 99, hash: ChainHash::START, at: h.now() };
    assert_eq!(verified(h, &[of_another]).await.checkpoints, 0, "the log of another tenant is another one");
}

pub(crate) async fn a_checkpoint_that_the_service_did_not_sign_shows(h: &Harness) {
    sealed(h).await;
    let forged = SignedCheckpoints { signed: Vec::new(), forged: 1 };
    let report = verify_log(&*h.store, &LOG, &forged, &|_| None).await.expect("a report");
    assert_eq!(report.fault, Some(FoundFault { fault: LogFault::CheckpointForged, seq: None, audit_id: None }));
}

pub(crate) async fn a_log_without_rows_verifies(h: &Harness) {
    h.service().await;
    let nobody = h.id(TenantId::new);
    let report = verify_log(&*h.store, &nobody, &SignedCheckpoints::default(), &|_| None).await.expect("a report");
    assert_eq!(report, LogReport { dropped: 0, sealed: 0, unsealed: 0, checkpoints: 0, fault: None });
}

pub(crate) async fn rows_are_sealed_in_the_order_of_their_ids(h: &Harness) {
    h.service().await;
    write(h, 5).await;
    let first = unsealed(h, 3).await;
    assert_eq!(first.last, None);
    let log: Vec<_> = h.inspect.audit_log(&LOG).await.into_iter().map(|row| row.audit_id).collect();
    assert_eq!(first.entries.iter().map(|entry| entry.audit_id.clone()).collect::<Vec<_>>(), log[..3]);
    seal(h).await;
    let sealed = h.store.sealed_entries(&LOG, 0, 10).await.expect("seals");
    assert_eq!(sealed.iter().map(|one| one.seal.audit_id.clone()).collect::<Vec<_>>(), log);
    assert_eq!(sealed.iter().map(|one| one.seal.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(sealed[0].seal.prev, ChainHash::START);
    assert_eq!(unsealed(h, 3).await.entries, [], "each once");
    assert_eq!(h.store.sealed_entries(&LOG, 3, 1).await.expect("seals").len(), 1);
}

pub(crate) async fn a_row_that_comes_late_is_sealed_too(h: &Harness) {
    h.service().await;
    let late = h.audit(Action::PutTarget, None);
    write(h, 2).await;
    seal(h).await;
    h.store.record_audit(&LOG, &late, AuditOutcome::Accepted).await.expect("it is written");
    assert_eq!(unsealed(h, 3).await.entries.len(), 1);
    let behind = AuditId::floor(h.now());
    let none = h.store.unsealed_entries(&LOG, &behind, 3).await.expect("rows");
    assert_eq!(none.entries, [], "behind an id there is nothing before it");
    seal(h).await;
    let expected = LogReport { dropped: 0, sealed: 3, unsealed: 0, checkpoints: 0, fault: None };
    assert_eq!(verified(h, &[]).await, expected);
}

pub(crate) async fn what_does_not_follow_the_last_seal_is_not_appended(h: &Harness) {
    h.service().await;
    write(h, 4).await;
    let stale = seals(&unsealed(h, 2).await);
    assert!(h.store.append_seals(&LOG, &stale).await.expect("an answer"));
    // The same again, and more of them: none is taken.
    assert!(!h.store.append_seals(&LOG, &stale).await.expect("an answer"));
    let mut more = Unsealed { last: None, ..unsealed(h, 2).await };
    assert!(!h.store.append_seals(&LOG, &seals(&more)).await.expect("an answer"));
    // The right place, and another chain.
    more.last = Some(AuditSeal { seq: 2, audit_id: String::new(), prev: ChainHash::START, hash: ChainHash([7; 32]) });
    assert!(h.store.append_seals(&LOG, &seals(&more)).await.is_err());
    assert!(h.store.append_seals(&LOG, &[]).await.expect("an answer"), "nothing always follows");
    seal(h).await;
    assert_eq!(verified(h, &[]).await, LogReport { dropped: 0, sealed: 4, unsealed: 0, checkpoints: 0, fault: None });
}

pub(crate) async fn of_two_who_seal_at_once_one_starts_over(h: &Harness) {
    h.service().await;
    for _ in 0..8 {
        write(h, 6).await;
        let (one, other) = (seals(&unsealed(h, 6).await), seals(&unsealed(h, 3).await));
        let (one, other) = tokio::join!(h.store.append_seals(&LOG, &one), h.store.append_seals(&LOG, &other));
        assert_eq!([one, other].into_iter().filter(|done| matches!(done, Ok(true))).count(), 1);
        seal(h).await;
    }
    assert_eq!(verified(h, &[]).await, LogReport { dropped: 0, sealed: 48, unsealed: 0, checkpoints: 0, fault: None });
}

pub(crate) async fn the_chains_of_all_logs_are_listed(h: &Harness) {
    h.service().await;
    let firm = h.example().await;
    let other = h.firm().await;
    seal(h).await;
    let pages = async |page| h.store.list_chains_all_tenants(&page).await.expect("a page");
    let all = pages(crate::fixture::first(100)).await.rows;
    let mut tenants = vec![LOG, firm.tenant, other.tenant];
    tenants.sort_unstable();
    assert_eq!(all.iter().map(|chain| chain.tenant).collect::<Vec<_>>(), tenants);
    let newest = h.inspect.audit_log(&LOG).await.pop().map(|row| row.audit_id);
    assert_eq!((&all[0].newest_entry, &all[0].newest_sealed), (&newest, &newest));
    assert!(all[1..].iter().all(|chain| chain.newest_entry.is_some() && chain.newest_sealed.is_none()));
    for chain in &all {
        assert_eq!(h.store.chain_end(&chain.tenant).await.as_ref().ok(), Some(chain));
    }
    for rows in [1, 2, 3] {
        walks(&all, rows, pages).await;
    }
}

pub(crate) async fn a_changed_row_shows(h: &Harness) {
    sealed(h).await;
    let change =
        "UPDATE audit_entry SET role = 'portal' WHERE audit_id = (SELECT audit_id FROM audit_seal WHERE seq = 3)";
    shows(h, &[change], LogFault::RowChanged, 3, true).await;
}

pub(crate) async fn a_row_without_its_reason_shows(h: &Harness) {
    sealed(h).await;
    let change = "UPDATE audit_entry SET outcome = 'accepted', reason = NULL
         WHERE audit_id = (SELECT audit_id FROM audit_seal WHERE seq = 4)";
    shows(h, &[change], LogFault::RowChanged, 4, true).await;
}

pub(crate) async fn swapped_rows_show(h: &Harness) {
    sealed(h).await;
    let change = "
        UPDATE audit_entry
        SET caller = (
            SELECT o.caller
            FROM audit_entry AS o
            JOIN audit_seal AS s ON s.audit_id = o.audit_id
            WHERE s.seq IN (5, 6)
              AND o.audit_id <> audit_entry.audit_id
        )
        WHERE audit_id IN (SELECT audit_id FROM audit_seal WHERE seq IN (5, 6))";
    shows(h, &[change], LogFault::RowChanged, 5, true).await;
}

pub(crate) async fn swapped_seals_show(h: &Harness) {
    sealed(h).await;
    let named = h.store.sealed_entries(&LOG, 2, 1).await.expect("seals").pop().expect("a seal").seal.audit_id;
    for change in [
        "UPDATE audit_seal SET seq = seq + 100 WHERE seq IN (2, 3)",
        "UPDATE audit_seal SET seq = 105 - seq WHERE seq > 100",
    ] {
        assert!(h.inspect.forge_log(change).await > 0, "{change}");
    }
    // What was the third one stands at the second place.
    let expected = FoundFault { fault: LogFault::OrderBroken, seq: Some(2), audit_id: Some(named) };
    assert_eq!(verified(h, &[]).await.fault, Some(expected));
}

pub(crate) async fn a_deleted_row_shows(h: &Harness) {
    sealed(h).await;
    let change = "DELETE FROM audit_entry WHERE audit_id = (SELECT audit_id FROM audit_seal WHERE seq = 8)";
    shows(h, &[change], LogFault::RowMissing, 8, true).await;
}

pub(crate) async fn a_row_that_is_deleted_with_its_seal_shows(h: &Harness) {
    sealed(h).await;
    let changes = [
        "DELETE FROM audit_entry WHERE audit_id = (SELECT audit_id FROM audit_seal WHERE seq = 4)",
        "DELETE FROM audit_seal WHERE seq = 4",
    ];
    shows(h, &changes, LogFault::SealMissing, 4, false).await;
}

pub(crate) async fn an_emptied_log_shows(h: &Harness) {
    sealed(h).await;
    shows(h, &["DELETE FROM audit_entry"], LogFault::RowMissing, 1, true).await;
}

pub(crate) async fn a_row_that_was_put_in_shows(h: &Harness) {
    h.service().await;
    let old = h.audit(Action::PutTarget, None);
    h.advance(LATEST_ENTRY + Duration::from_secs(1));
    write(h, 4).await;
    seal(h).await;
    assert_eq!(verified(h, &[]).await.fault, None);
    h.store.record_audit(&LOG, &old, AuditOutcome::Accepted).await.expect("it is written");
    let audit_id = Some(old.audit_id.to_string());
    let expected = FoundFault { fault: LogFault::RowInserted, seq: None, audit_id };
    let report = verified(h, &[]).await;
    assert_eq!((report.unsealed, report.fault), (1, Some(expected)));
}

pub(crate) async fn a_log_that_lost_its_end_is_shorter_than_its_checkpoint(h: &Harness) {
    let checkpoint = sealed(h).await;
    for change in [
        "DELETE FROM audit_entry WHERE audit_id IN (SELECT audit_id FROM audit_seal WHERE seq > 5)",
        "DELETE FROM audit_seal WHERE seq > 5",
    ] {
        assert!(h.inspect.forge_log(change).await > 0, "{change}");
    }
    assert_eq!(verified(h, &[]).await.fault, None, "in itself it is whole");
    let expected = FoundFault { fault: LogFault::Truncated, seq: Some(6), audit_id: None };
    assert_eq!(verified(h, &[checkpoint]).await.fault, Some(expected));
}

pub(crate) async fn a_log_that_was_replaced_is_not_that_of_its_checkpoint(h: &Harness) {
    let checkpoint = sealed(h).await;
    for change in ["DELETE FROM audit_entry", "DELETE FROM audit_seal"] {
        assert!(h.inspect.forge_log(change).await > 0, "{change}");
    }
    let gone = FoundFault { fault: LogFault::Truncated, seq: Some(1), audit_id: None };
    assert_eq!(verified(h, std::slice::from_ref(&checkpoint)).await.fault, Some(gone));
    write(h, 9).await;
    seal(h).await;
    assert_eq!(verified(h, &[]).await.fault, None, "in itself it is whole");
    let named = h.store.sealed_entries(&LOG, 7, 1).await.expect("seals").pop().expect("a seal").seal.audit_id;
    let expected = FoundFault { fault: LogFault::Replaced, seq: Some(8), audit_id: Some(named) };
    assert_eq!(verified(h, &[checkpoint]).await.fault, Some(expected));
}
