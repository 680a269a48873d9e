//! The audit log as administrators see it, its chain of seals, and the checkpoints of that.

use std::path::PathBuf;
use std::time::Duration;

use concenter_gateway::app::sealing::Reach;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::list_audit_entries_request::Person;
use concenter_gateway::proto::v1::{AuditFault, AuditOutcome, UserKind};
use concenter_gateway::worker::{Outcome, sealing};
use tonic::Code;

use crate::harness::*;

/// A page of the log.
async fn page(firm: &Firm, wish: v1::ListAuditEntriesRequest) -> v1::ListAuditEntriesResponse {
    firm.admin.audit().list_audit_entries(wish).await.expect("a page").into_inner()
}

/// The first entries that meet a filter.
async fn entries(firm: &Firm, wish: v1::ListAuditEntriesRequest) -> Vec<v1::AuditEntry> {
    page(firm, wish).await.entries
}

/// The actions of the first entries that meet a filter, each once.
async fn actions(firm: &Firm, wish: v1::ListAuditEntriesRequest) -> Vec<String> {
    let mut actions: Vec<_> = entries(firm, wish).await.into_iter().map(|entry| entry.action).collect();
    actions.sort();
    actions.dedup();
    actions
}

fn about(person: Person) -> v1::ListAuditEntriesRequest {
    v1::ListAuditEntriesRequest { person: Some(person), ..Default::default() }
}

async fn seal(service: &Service) {
    assert!(matches!(sealing::tick(service.app(), Reach::Everybody).await, Outcome::Done(_)));
}

async fn verified(firm: &Firm) -> v1::VerifyAuditLogResponse {
    firm.admin.audit().verify_audit_log(v1::VerifyAuditLogRequest {}).await.expect("a report").into_inner()
}

/// Takes away what guards the log, and changes it.
async fn forge(service: &Service, changes: &[&'static str]) {
    // There the shell has all triggers switched off.
    let no_guard = |sqlite| Sql { sqlite, postgres: "SELECT 1" };
    let mut shell = service.lawless_shell().await;
    for trigger in [
        "DROP TRIGGER IF EXISTS audit_entry_is_never_changed",
        "DROP TRIGGER IF EXISTS audit_entry_is_never_deleted",
        "DROP TRIGGER IF EXISTS audit_seal_is_never_changed",
        "DROP TRIGGER IF EXISTS audit_seal_is_never_deleted",
    ] {
        shell.execute(no_guard(trigger), &[]).await.expect("no trigger");
    }
    for change in changes {
        assert!(shell.execute(*change, &[]).await.expect(change) > 0, "{change}");
    }
}

#[tokio::test]
async fn an_administrator_finds_what_was_done_by_every_filter() {
    let world = World::example().await;
    let firm = &world.a;
    world.arrive(X, customer(C1)).await;
    world.service.clock.advance(60);
    let since = prost_types::Timestamp { seconds: world.service.now(), nanos: 0 };
    let made = user("A", "neu", UserKind::Broker, all());
    let request = made.request_id.clone();
    let made = firm.admin.users().create_user(made).await.expect("a user").into_inner().user.expect("a user");
    // Rows of one millisecond come in any order.
    world.service.clock.advance(1);
    let stale =
        v1::DisableUserRequest { request_id: request_id(), user_id: made.user_id.clone(), etag: "v99".to_owned() };
    assert!(firm.admin.users().disable_user(stale).await.is_err());

    let none = v1::ListAuditEntriesRequest::default;
    let newest = &entries(firm, none()).await[..2];
    assert_eq!((newest[0].action.as_str(), newest[0].reason.as_str()), ("user.disable", "ETAG_MISMATCH"));
    assert_eq!((newest[1].action.as_str(), newest[1].object.as_str()), ("user.create", made.user_id.as_str()));
    assert_eq!((newest[1].outcome(), newest[1].request.as_str()), (AuditOutcome::Accepted, request.as_str()));
    assert_eq!((newest[1].role.as_str(), newest[1].caller.len()), ("admin", 64));
    assert_eq!(newest[0].caller, newest[1].caller, "one caller has one pseudonym");
    assert!(!newest.iter().any(|entry| format!("{entry:?}").contains("neu")), "no names");

    let of_action = v1::ListAuditEntriesRequest { action: Some("jump.redeem".to_owned()), ..none() };
    assert_eq!(entries(firm, of_action).await.len(), 1);
    let refused = v1::ListAuditEntriesRequest { outcome: Some(AuditOutcome::Refused.into()), ..none() };
    assert_eq!(actions(firm, refused).await, ["user.disable"]);
    let for_a_reason = v1::ListAuditEntriesRequest { reason: Some("ETAG_MISMATCH".to_owned()), ..none() };
    assert_eq!(actions(firm, for_a_reason).await, ["user.disable"]);
    let of_request = v1::ListAuditEntriesRequest { request: Some(request), ..none() };
    assert_eq!(actions(firm, of_request).await, ["user.create"]);
    let on_object = v1::ListAuditEntriesRequest { object: Some(made.user_id), ..none() };
    assert_eq!(actions(firm, on_object).await, ["user.create", "user.disable"]);
    let his = about(Person::CustomerId(C1.to_owned()));
    assert_eq!(actions(firm, his).await, ["jump.issue", "jump.redeem"]);
    let late = v1::ListAuditEntriesRequest { not_before: Some(since), ..none() };
    assert_eq!(actions(firm, late).await, ["user.create", "user.disable"]);
    let early = v1::ListAuditEntriesRequest { before: Some(since), ..none() };
    let early = actions(firm, early).await;
    assert!(early.contains(&"jump.redeem".to_owned()) && !early.contains(&"user.disable".to_owned()), "{early:?}");
    let both = v1::ListAuditEntriesRequest { before: Some(since), not_before: Some(since), ..none() };
    assert_eq!(entries(firm, both).await, []);
}

#[tokio::test]
async fn the_log_is_walked_page_by_page_the_newest_first() {
    let world = World::example().await;
    let all: Vec<_> = entries(&world.a, v1::ListAuditEntriesRequest { page_size: 500, ..Default::default() }).await;
    assert!(all.len() > 7 && all.is_sorted_by(|one, next| one.audit_id > next.audit_id), "{all:?}");
    let (mut walked, mut token) = (Vec::new(), String::new());
    loop {
        let wish = v1::ListAuditEntriesRequest { page_size: 3, page_token: token, ..Default::default() };
        let page = page(&world.a, wish).await;
        walked.extend(page.entries);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(walked, all);
    let theirs = entries(&world.b, v1::ListAuditEntriesRequest { page_size: 500, ..Default::default() }).await;
    assert!(theirs.iter().all(|entry| !all.contains(entry)), "each firm has its own");
}

/// T49
#[tokio::test]
async fn nobody_is_made_known_by_being_asked_for_and_who_was_erased_is_not_found() {
    let world = World::example().await;
    world.arrive(X, customer(C1)).await;
    let salts = "SELECT count(*) FROM person_salt";
    let before = world.service.reader().await.integer(salts, &[]).await;
    let stranger = about(Person::BrokerId("niemand".to_owned()));
    assert_eq!(entries(&world.a, stranger).await, []);
    assert_eq!(world.service.reader().await.integer(salts, &[]).await, before);
    let erase = v1::EraseCustomerRequest { request_id: request_id(), customer_id: C1.to_owned() };
    world.a.portal.customers().erase_customer(erase).await.expect("erased");
    assert_eq!(entries(&world.a, about(Person::CustomerId(C1.to_owned()))).await, []);
    seal(&world.service).await;
    assert_eq!(verified(&world.a).await.fault(), AuditFault::Unspecified, "the log is whole");
}

/// T33
#[tokio::test]
async fn what_somebody_changes_in_the_database_is_found_and_placed() {
    let world = World::example().await;
    seal(&world.service).await;
    let whole = verified(&world.a).await;
    let rows = entries(&world.a, v1::ListAuditEntriesRequest { page_size: 500, ..Default::default() }).await.len();
    let expected =
        v1::VerifyAuditLogResponse { sealed_entries: i64::try_from(rows).expect("a count"), ..Default::default() };
    assert_eq!(whole, expected);
    let change = "
        UPDATE audit_entry
        SET at = at + 1
        WHERE audit_id IN (SELECT audit_id FROM audit_seal WHERE seq = 3)
    ";
    forge(&world.service, &[change]).await;
    for firm in [&world.a, &world.b] {
        let report = verified(firm).await;
        assert_eq!((report.fault(), report.fault_seq), (AuditFault::RowChanged, 3));
        let third = "
            SELECT CAST(audit_id AS TEXT)
            FROM audit_seal
            WHERE seq = 3
              AND CAST(tenant_id AS TEXT) = $1
        ";
        assert_eq!(world.service.reader().await.texts(third, &[&firm.tenant]).await, [report.fault_audit_id]);
    }
}

/// T33
#[tokio::test]
async fn a_signed_checkpoint_shows_that_the_end_of_a_log_is_missing() {
    let world = World::example().await;
    let World { service, a, b: _ } = world;
    let directory: PathBuf = service.directory().join("checkpoints");
    let set = directory.clone();
    let service = service.restart(move |settings| settings.audit_checkpoints.audit_checkpoint_dir = Some(set)).await;
    let firm = Firm { admin: service.admin(&a.tenant), portal: service.portal(&a.tenant), ..a };
    seal(&service).await;
    assert!(matches!(sealing::tick_checkpoints(service.app()).await, Outcome::Done(_)));
    assert_eq!(sealing::tick_checkpoints(service.app()).await, Outcome::Done(0), "nothing new, no file");
    let whole = verified(&firm).await;
    assert_eq!(whole.fault(), AuditFault::Unspecified);
    assert!(whole.checkpoints >= 1, "{whole:?}");

    forge(
        &service,
        &[
            "DELETE FROM audit_entry WHERE audit_id IN (SELECT audit_id FROM audit_seal WHERE seq > 5)",
            "DELETE FROM audit_seal WHERE seq > 5",
        ],
    )
    .await;
    let report = verified(&firm).await;
    assert_eq!((report.fault(), report.fault_seq), (AuditFault::Truncated, 6));

    // The checkpoint of another log is none of this one.
    let of_this = directory.join(&firm.tenant);
    for file in std::fs::read_dir(directory.join("00000000-0000-0000-0000-000000000000")).expect("the operator's") {
        let file = file.expect("a file");
        std::fs::remove_dir_all(&of_this).expect("none");
        std::fs::create_dir(&of_this).expect("a folder");
        std::fs::copy(file.path(), of_this.join(file.file_name())).expect("a copy");
    }
    assert_eq!(verified(&firm).await.fault(), AuditFault::CheckpointForged);
}

/// T33
#[tokio::test]
async fn sealers_that_meet_or_are_cut_off_leave_one_chain() {
    let world = World::example().await;
    let app = world.service.app();
    for cut in 0..30_u64 {
        world.a.share(None, None, Some(cut % 2 == 0)).await;
        // Somewhere in the middle, sooner or later; at the end, if the machine is fast.
        let killed = tokio::time::timeout(Duration::from_micros(cut * 150), sealing::tick(app, Reach::Everybody));
        let (_, _, _) = tokio::join!(killed, sealing::tick(app, Reach::Now), sealing::tick(app, Reach::Late));
    }
    seal(&world.service).await;
    let report = verified(&world.a).await;
    assert_eq!((report.fault(), report.unsealed_entries), (AuditFault::Unspecified, 0));
    let rows = entries(&world.a, v1::ListAuditEntriesRequest { page_size: 500, ..Default::default() }).await.len();
    assert_eq!(report.sealed_entries, i64::try_from(rows).expect("a count"), "each row once");
}

#[tokio::test]
async fn a_log_that_cannot_be_sealed_keeps_no_other_from_it() {
    let world = World::example().await;
    seal(&world.service).await;
    // Behind the last place that there is, no seal has one.
    forge(&world.service, &[]).await;
    let last = Sql {
        sqlite: "UPDATE audit_seal SET seq = 9223372036854775807 WHERE tenant_id = ?1 AND seq = 1",
        postgres: "UPDATE audit_seal SET seq = 9223372036854775807 WHERE tenant_id = $1::UUID AND seq = 1",
    };
    let changed = world.service.lawless_shell().await.execute(last, &[&world.a.tenant]).await;
    assert_eq!(changed.expect("a seal"), 1);

    for reach in [Reach::Now, Reach::Everybody] {
        for firm in [&world.a, &world.b] {
            firm.share(None, None, Some(true)).await;
        }
        sealing::tick(world.service.app(), reach).await;
        assert_eq!(verified(&world.b).await.unsealed_entries, 0, "{reach:?}");
    }
    assert!(verified(&world.a).await.unsealed_entries > 0, "this one waits");
}

#[tokio::test]
async fn the_log_of_a_deleted_tenant_is_shown_to_nobody() {
    let world = World::example().await;
    world.delete(&world.a.tenant).await;
    let refused = (Code::PermissionDenied, "TENANT_MISMATCH");
    let list = world.a.admin.audit().list_audit_entries(v1::ListAuditEntriesRequest::default()).await;
    assert_eq!(reason(&status_of(list)), (refused.0, refused.1.to_owned()));
    let verify = world.a.admin.audit().verify_audit_log(v1::VerifyAuditLogRequest {}).await;
    assert_eq!(reason(&status_of(verify)), (refused.0, refused.1.to_owned()));
}
