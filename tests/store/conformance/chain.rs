//! The chain of seals over the audit log: that it is one, and that whatever somebody changes by hand shows, and where.

use std::time::Duration;

use concenter_gateway::app::audit::verify_log;
use concenter_gateway::app::checkpoints::SignedCheckpoints;
use concenter_gateway::domain::audit::{Action, AuditObject, AuditOutcome, Pseudonym};
use concenter_gateway::domain::audit_log::{
    AuditSeal, ChainHash, Checkpoint, FoundFault, LATEST_ENTRY, LogFault, LogReport, LogSeals, Unsealed, UnsealedQuery,
};
use concenter_gateway::domain::error::Reason;
use concenter_gateway::domain::ids::{AuditId, RequestId, TenantId};
use concenter_gateway::domain::time::Timestamp;
use concenter_gateway::secrets::seal_entry;
use concenter_gateway::store::StoreError;

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

/// The whole log of a tenant.
fn all_of(tenant: TenantId) -> UnsealedQuery {
    UnsealedQuery { tenant, after: AuditId::floor(Timestamp::from_unix_micros(0)) }
}

async fn unsealed(h: &Harness, most: u32) -> Unsealed {
    h.store.unsealed_entries(&[all_of(LOG)], most).await.expect("rows").pop().expect("a log")
}

/// The seals that these rows get.
fn seals(unsealed: &Unsealed) -> LogSeals {
    let mut last = unsealed.last.as_ref().map_or((0, ChainHash::START), |last| (last.seq, last.hash));
    let seal = |entry| {
        let seal = seal_entry(&unsealed.tenant, last.0 + 1, last.1, entry);
        last = (seal.seq, seal.hash);
        seal
    };
    LogSeals { tenant: unsealed.tenant, seals: unsealed.entries.iter().map(seal).collect() }
}

/// Appends seals to one log; tells whether they were taken.
async fn append(h: &Harness, seals: &LogSeals) -> Result<bool, StoreError> {
    let taken = h.store.append_seals(std::slice::from_ref(seals)).await?;
    assert_eq!(taken.len(), 1);
    Ok(taken[0])
}

/// Seals all rows, a few at a time.
pub(super) async fn seal(h: &Harness) {
    loop {
        let seals = seals(&unsealed(h, 3).await);
        if seals.seals.is_empty() {
            return;
        }
        assert!(append(h, &seals).await.expect("an answer"), "nobody else seals");
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
    let none = h.store.unsealed_entries(&[UnsealedQuery { tenant: LOG, after: behind }], 3).await.expect("rows");
    assert_eq!(none[0].entries, [], "behind an id there is nothing before it");
    seal(h).await;
    let expected = LogReport { dropped: 0, sealed: 3, unsealed: 0, checkpoints: 0, fault: None };
    assert_eq!(verified(h, &[]).await, expected);
}

pub(crate) async fn what_does_not_follow_the_last_seal_is_not_appended(h: &Harness) {
    h.service().await;
    write(h, 4).await;
    let stale = seals(&unsealed(h, 2).await);
    assert!(append(h, &stale).await.expect("an answer"));
    // The same again, and more of them: none is taken.
    assert!(!append(h, &stale).await.expect("an answer"));
    let mut more = Unsealed { last: None, ..unsealed(h, 2).await };
    assert!(!append(h, &seals(&more)).await.expect("an answer"));
    // The right place, and another chain.
    more.last = Some(AuditSeal { seq: 2, audit_id: String::new(), prev: ChainHash::START, hash: ChainHash([7; 32]) });
    assert!(append(h, &seals(&more)).await.is_err());
    assert!(
        append(h, &LogSeals { tenant: LOG, seals: Vec::new() }).await.expect("an answer"),
        "nothing always follows"
    );
    seal(h).await;
    assert_eq!(verified(h, &[]).await, LogReport { dropped: 0, sealed: 4, unsealed: 0, checkpoints: 0, fault: None });
}

pub(crate) async fn of_two_who_seal_at_once_one_starts_over(h: &Harness) {
    h.service().await;
    for _ in 0..8 {
        write(h, 6).await;
        let (one, other) = (seals(&unsealed(h, 6).await), seals(&unsealed(h, 3).await));
        let (one, other) = tokio::join!(append(h, &one), append(h, &other));
        assert_eq!([one, other].into_iter().filter(|done| matches!(done, Ok(true))).count(), 1);
        seal(h).await;
    }
    assert_eq!(verified(h, &[]).await, LogReport { dropped: 0, sealed: 48, unsealed: 0, checkpoints: 0, fault: None });
}

pub(crate) async fn many_logs_are_sealed_at_once(h: &Harness) {
    h.service().await;
    let tenants = [LOG, h.example().await.tenant, h.firm().await.tenant, h.id(TenantId::new)];
    let logs = tenants.map(all_of);
    write(h, 5).await;
    let all = h.store.unsealed_entries(&logs, 2).await.expect("rows");
    assert_eq!(all.iter().map(|log| log.tenant).collect::<Vec<_>>(), tenants, "in the order that was asked in");
    assert!(all[..3].iter().all(|log| log.entries.len() == 2), "so many of each");
    assert_eq!((&all[3].last, &all[3].entries[..]), (&None, &[][..]), "nobody wrote a log");
    let all: Vec<_> = all.iter().map(seals).collect();
    assert_eq!(h.store.append_seals(&all).await.expect("an answer"), [true; 4]);
    assert!(h.store.append_seals(&[]).await.expect("an answer").is_empty());

    // Of one log somebody else seals first, of another one nothing is left to be sealed.
    let mut next: Vec<_> = h.store.unsealed_entries(&logs, 9).await.expect("rows").iter().map(seals).collect();
    next[2].seals.clear();
    assert!(append(h, &seals(&unsealed(h, 1).await)).await.expect("an answer"));
    assert_eq!(h.store.append_seals(&next).await.expect("an answer"), [false, true, true, true]);
    seal(h).await;
    for (tenant, left) in tenants.into_iter().zip([false, false, true, false]) {
        let report = verify_log(&*h.store, &tenant, &SignedCheckpoints::default(), &|_| None).await.expect("a report");
        assert_eq!((report.fault, report.unsealed > 0), (None, left));
    }
}

pub(crate) async fn seals_that_do_not_follow_keep_all_logs_as_they_are(h: &Harness) {
    h.service().await;
    let other = h.example().await.tenant;
    let mut all: Vec<_> =
        h.store.unsealed_entries(&[all_of(LOG), all_of(other)], 9).await.expect("rows").iter().map(seals).collect();
    all[1].seals[0].prev = ChainHash([7; 32]);
    h.store.append_seals(&all).await.unwrap_err();
    for log in h.store.unsealed_entries(&[all_of(LOG), all_of(other)], 9).await.expect("rows") {
        assert_eq!(log.last, None);
    }
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
    tenants.reverse();
    let reversed: Vec<_> = all.iter().rev().cloned().collect();
    assert_eq!(h.store.chain_ends(&tenants).await.expect("chains"), reversed, "in the order that was asked in");
    let nobody = h.store.chain_ends(&[h.id(TenantId::new)]).await.expect("chains");
    assert_eq!((&nobody[0].newest_entry, &nobody[0].newest_sealed), (&None, &None));
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
