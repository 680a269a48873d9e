//! The floor of the audit log: what was kept long enough goes below it, and nothing else does.

use std::time::Duration;

use concenter_gateway::app::audit::verify_log;
use concenter_gateway::app::checkpoints::SignedCheckpoints;
use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::audit_log::{AuditFloor, ChainHash, Checkpoint, FoundFault, LogFault, LogReport};
use concenter_gateway::domain::ids::{AuditId, TenantId};
use concenter_gateway::domain::time::Timestamp;

use super::chain::{LOG, seal, sealed, write};
use crate::fixture::Harness;

const ALL: u32 = 10_000;

/// What stands for a signature here: who signs is not the store's to know.
const SIGNED: &str = "signed";

/// The floor of a place whose seal is there.
async fn floor_at(h: &Harness, seq: i64) -> AuditFloor {
    let at = h.store.sealed_entries(&LOG, seq - 1, 1).await.expect("seals").pop().expect("a seal").seal;
    AuditFloor { seq, hash: at.hash, signed: SIGNED.to_owned() }
}

async fn raise(h: &Harness, floor: &AuditFloor) -> bool {
    h.store.raise_audit_floor(&LOG, floor, &h.audit(Action::DropAuditEntries, None)).await.expect("an answer")
}

async fn drop_entries(h: &Harness, most: u32) -> u64 {
    h.store.delete_dropped_entries(&LOG, most).await.expect("a number")
}

/// What verifying finds where `floor` is the one that was signed.
async fn verified(h: &Harness, floor: &AuditFloor, checkpoints: &[Checkpoint]) -> LogReport {
    let (tenant, at) = (LOG, h.now());
    let floor = Checkpoint { tenant, seq: floor.seq, hash: floor.hash, at };
    let open = |signed: &str| (signed == SIGNED).then(|| floor.clone());
    let checkpoints = SignedCheckpoints { signed: checkpoints.to_vec(), forged: 0 };
    verify_log(&*h.store, &LOG, &checkpoints, &open).await.expect("a report")
}

fn fault(fault: LogFault, seq: i64) -> FoundFault {
    FoundFault { fault, seq: Some(seq), audit_id: None }
}

pub(crate) async fn a_log_goes_up_to_its_floor_and_verifies_from_there(h: &Harness) {
    sealed(h).await;
    assert_eq!(h.store.audit_floor(&LOG).await.expect("an answer"), None);
    let (below, rows) = (floor_at(h, 3).await, h.inspect.audit_log(&LOG).await);
    assert!(raise(h, &below).await);
    assert_eq!(h.store.audit_floor(&LOG).await.expect("an answer"), Some(below.clone()));
    assert_eq!(h.accepted(&LOG, Action::DropAuditEntries).await, 1);
    // What is below it may be there or not, and is verified as long as it is.
    for (dropped, left) in [(2, 6), (1, 5), (0, 5)] {
        assert_eq!(drop_entries(h, 2).await, dropped);
        let expected = LogReport { dropped: 3, sealed: left, unsealed: 1, checkpoints: 0, fault: None };
        assert_eq!(verified(h, &below, &[]).await, expected);
    }
    let log = h.inspect.audit_log(&LOG).await;
    assert_eq!(log[..5], rows[3..], "all that is above the floor, as it was");
    assert_eq!(h.store.sealed_entries(&LOG, 0, 1).await.expect("seals")[0].seal.seq, 4);
    // The chain goes on.
    write(h, 1).await;
    seal(h).await;
    let higher = floor_at(h, 8).await;
    assert!(raise(h, &higher).await);
    assert_eq!(drop_entries(h, ALL).await, 5);
    let expected = LogReport { dropped: 8, sealed: 2, unsealed: 1, checkpoints: 0, fault: None };
    assert_eq!(verified(h, &higher, &[]).await, expected);
}

pub(crate) async fn without_a_floor_nothing_goes(h: &Harness) {
    sealed(h).await;
    let rows = h.inspect.audit_log(&LOG).await;
    assert_eq!(drop_entries(h, ALL).await, 0);
    assert_eq!(h.inspect.audit_log(&LOG).await, rows);
    let nobody = h.id(TenantId::new);
    assert_eq!(h.store.delete_dropped_entries(&nobody, ALL).await.expect("a number"), 0);
    assert_eq!(h.store.first_sealed_since(&nobody, &AuditId::floor(h.now())).await.expect("an answer"), None);
}

pub(crate) async fn a_floor_only_rises(h: &Harness) {
    sealed(h).await;
    let (lower, floor) = (floor_at(h, 2).await, floor_at(h, 4).await);
    assert!(raise(h, &floor).await);
    for other in [&floor, &lower] {
        assert!(!raise(h, other).await, "{}", other.seq);
    }
    assert_eq!(h.store.audit_floor(&LOG).await.expect("an answer"), Some(floor));
    assert_eq!(h.accepted(&LOG, Action::DropAuditEntries).await, 1, "what was not done is not told");
}

pub(crate) async fn a_floor_stands_on_a_seal_that_is_not_the_last(h: &Harness) {
    sealed(h).await;
    let another = AuditFloor { hash: ChainHash([7; 32]), ..floor_at(h, 3).await };
    let beyond = AuditFloor { seq: 9, ..floor_at(h, 8).await };
    for floor in [another, floor_at(h, 8).await, beyond] {
        let raised = h.store.raise_audit_floor(&LOG, &floor, &h.audit(Action::DropAuditEntries, None)).await;
        assert!(raised.is_err(), "{floor:?}");
    }
    assert_eq!(h.store.audit_floor(&LOG).await.expect("an answer"), None);
    assert_eq!(h.accepted(&LOG, Action::DropAuditEntries).await, 0);
}

pub(crate) async fn a_floor_that_nobody_signed_shows(h: &Harness) {
    sealed(h).await;
    let by_hand = AuditFloor { signed: "by hand".to_owned(), ..floor_at(h, 3).await };
    assert!(raise(h, &by_hand).await);
    assert_eq!(verified(h, &by_hand, &[]).await.fault, Some(fault(LogFault::FloorForged, 3)));
    drop_entries(h, ALL).await;
    assert_eq!(verified(h, &by_hand, &[]).await.fault, Some(fault(LogFault::FloorForged, 3)));
}

pub(crate) async fn a_floor_that_was_signed_for_another_place_shows(h: &Harness) {
    sealed(h).await;
    let (signed, raised) = (floor_at(h, 3).await, floor_at(h, 4).await);
    assert!(raise(h, &raised).await);
    assert_eq!(verified(h, &signed, &[]).await.fault, Some(fault(LogFault::FloorForged, 4)));
}

pub(crate) async fn a_floor_that_is_gone_shows(h: &Harness) {
    sealed(h).await;
    let floor = floor_at(h, 3).await;
    assert!(raise(h, &floor).await);
    drop_entries(h, ALL).await;
    assert_eq!(h.inspect.forge_log("DELETE FROM audit_floor").await, 1);
    assert_eq!(verified(h, &floor, &[]).await.fault, Some(fault(LogFault::SealMissing, 1)));
}

pub(crate) async fn what_is_changed_or_taken_out_above_the_floor_shows(h: &Harness) {
    sealed(h).await;
    let floor = floor_at(h, 3).await;
    assert!(raise(h, &floor).await);
    drop_entries(h, ALL).await;
    for change in [
        "DELETE FROM audit_entry WHERE audit_id = (SELECT audit_id FROM audit_seal WHERE seq = 4)",
        "DELETE FROM audit_seal WHERE seq = 4",
    ] {
        assert!(h.inspect.forge_log(change).await > 0, "{change}");
    }
    assert_eq!(verified(h, &floor, &[]).await.fault, Some(fault(LogFault::SealMissing, 4)));
}

pub(crate) async fn a_row_that_was_put_in_below_the_floor_shows(h: &Harness) {
    sealed(h).await;
    let floor = floor_at(h, 3).await;
    assert!(raise(h, &floor).await);
    drop_entries(h, ALL).await;
    let copy = "INSERT INTO audit_seal (tenant_id, seq, audit_id, prev, hash)
        SELECT tenant_id, 1, '018bcfe5-687b-7fff-bfff-ffffffffffff', prev, hash FROM audit_seal WHERE seq = 4";
    assert_eq!(h.inspect.forge_log(copy).await, 1);
    assert!(verified(h, &floor, &[]).await.fault.is_some());
}

pub(crate) async fn a_checkpoint_is_compared_with_the_floor(h: &Harness) {
    let at_the_end = sealed(h).await;
    let floor = floor_at(h, 3).await;
    let at = |seq, hash| Checkpoint { tenant: LOG, seq, hash, at: h.now() };
    assert!(raise(h, &floor).await);
    drop_entries(h, ALL).await;
    // Of what is below nothing is left to compare.
    let checkpoints = [at(1, ChainHash([7; 32])), at(3, floor.hash), at_the_end];
    let report = verified(h, &floor, &checkpoints).await;
    assert_eq!((report.checkpoints, report.fault), (2, None));
    let other = [at(3, ChainHash([7; 32]))];
    assert_eq!(verified(h, &floor, &other).await.fault, Some(fault(LogFault::Replaced, 3)));
}

pub(crate) async fn the_first_place_of_a_time_is_found(h: &Harness) {
    h.service().await;
    write(h, 3).await;
    let late = h.audit(Action::PutTarget, None);
    h.advance(Duration::from_secs(60));
    let since = AuditId::floor(h.now());
    write(h, 2).await;
    seal(h).await;
    let first = async |since| h.store.first_sealed_since(&LOG, &since).await.expect("an answer");
    assert_eq!(first(AuditId::floor(Timestamp::from_unix_micros(0))).await, Some(1));
    assert_eq!(first(since).await, Some(4));
    // One that comes later to the log than those that were made after it.
    let of_late = late.audit_id;
    let accepted = concenter_gateway::domain::audit::AuditOutcome::Accepted;
    h.store.record_audit(&LOG, &late, accepted).await.expect("it is written");
    seal(h).await;
    assert_eq!(first(of_late).await, Some(4), "it has the sixth place, and one of those after it the fourth");
    h.advance(Duration::from_secs(3_600));
    assert_eq!(first(AuditId::floor(h.now())).await, None);
}
