//! The isolation report: whom it is about, and what it finds.

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::{FindingCode, FindingSeverity, RemoteEndCustomer, ResolutionWay};
use tonic::Code;

use crate::harness::*;

/// The whole report of A; it changes nothing and leaves one audit row.
async fn report(world: &World) -> v1::GetIsolationReportResponse {
    let (state, audit) = (world.service.state().await, world.service.audit().await);
    let ask = v1::GetIsolationReportRequest::default();
    let report = world.a.admin.jumps().get_isolation_report(ask).await.expect("a report").into_inner();
    assert_eq!(world.service.state().await, state, "a report changed something");
    let rows = world.service.audit_since(&audit).await;
    let seen: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.reason.as_deref())).collect();
    assert_eq!(seen, [("tenant.report_isolation", None)]);
    report
}

/// Says for A what con:center says of a user.
async fn attest(world: &World, user: &str, says: RemoteEndCustomer) {
    let attest = v1::AttestEndCustomerRequest {
        request_id: request_id(),
        user_id: user.to_owned(),
        etag: world.a.user(user).await.etag,
        remote_end_customer: says.into(),
    };
    world.a.admin.users().attest_end_customer(attest).await.expect("an attestation");
}

fn row<'r>(report: &'r v1::GetIsolationReportResponse, user: &str) -> &'r v1::IsolationUser {
    let is_it = |row: &&v1::IsolationUser| row.user.as_ref().is_some_and(|one| one.user_id == user);
    report.users.iter().find(is_it).expect("a user of the report")
}

fn findings(report: &v1::GetIsolationReportResponse, user: &str) -> Vec<(FindingCode, FindingSeverity)> {
    let row = row(report, user);
    assert!(row.findings.iter().all(|finding| finding.advice.len() > 10), "what can be done");
    row.findings.iter().map(|finding| (finding.code(), finding.severity())).collect()
}

/// W05: a firm like that of the example, attested, has no findings; the report says whom each user serves.
#[tokio::test]
async fn the_example_is_isolated_once_it_is_attested() {
    let world = World::example().await;
    let before = report(&world).await;
    let summary = before.summary.expect("the first page");
    assert_eq!((summary.users, summary.critical, summary.high, summary.medium, summary.low), (2, 0, 0, 2, 0));
    let unknown = [(FindingCode::RemoteUnknown, FindingSeverity::Medium)];
    assert_eq!(
        (findings(&before, &world.a.private), findings(&before, &world.a.commercial)),
        (unknown.to_vec(), unknown.to_vec())
    );

    for user in [&world.a.private, &world.a.commercial] {
        attest(&world, user, RemoteEndCustomer::Yes).await;
    }
    for customer_id in [C1, C2] {
        world.arrive(X, customer(customer_id)).await;
    }
    let after = report(&world).await;
    assert!(after.users.iter().all(|row| row.findings.is_empty()));
    let row = row(&after, &world.a.private);
    let ways: Vec<_> = row.ways.iter().map(|way| (way.way(), way.customers)).collect();
    assert_eq!(ways, [(ResolutionWay::SharedPrivate, 2)]);
    let targets: Vec<_> = row
        .targets
        .iter()
        .map(|target| (target.target_id.as_str(), target.open, target.customers, target.subjects))
        .collect();
    assert_eq!(targets, [(X, true, 2, 2), (Y, true, 0, 0)], "what the scope of the shared user opens");
    let user = row.user.as_ref().expect("a user");
    assert_eq!((user.end_customer_by.as_str(), user.remote_end_customer_by.as_str()), ("admin", "admin"));
}

/// W06: each thing that is wrong is found, with its severity.
#[tokio::test]
async fn what_is_wrong_is_found() {
    let world = World::example().await;
    let own = v1::CreateUserRequest {
        password: None,
        ..user("A", "eigener", v1::UserKind::EndCustomer, only(&[COMPARATOR]))
    };
    let own = world.a.new_user(own).await;
    world.a.assign(C2, Some(&own)).await;
    attest(&world, &own, RemoteEndCustomer::Yes).await;
    attest(&world, &world.a.private, RemoteEndCustomer::No).await;
    world.a.disable(&world.a.commercial).await;
    world.a.activate("v.tretung", &world.a.meier).await;
    let told = report(&world).await;
    assert_eq!(findings(&told, &own), [(FindingCode::SecretMissing, FindingSeverity::Medium)]);
    let denied = [(FindingCode::RemoteNotEndCustomer, FindingSeverity::High)];
    assert_eq!(findings(&told, &world.a.private), denied);
    let disabled =
        [(FindingCode::RemoteUnknown, FindingSeverity::Medium), (FindingCode::UserDisabled, FindingSeverity::Medium)];
    assert_eq!(findings(&told, &world.a.commercial), disabled);
    assert_eq!(findings(&told, &world.a.meier), [(FindingCode::SharedWithReason, FindingSeverity::Low)]);
    let shared = row(&told, &world.a.meier);
    assert_eq!((shared.activations, shared.brokers, shared.ways.len()), (2, 2, 0));
    let summary = told.summary.expect("the first page");
    assert_eq!((summary.users, summary.critical, summary.high, summary.medium, summary.low), (4, 0, 1, 3, 1));
}

/// W07: pages by user; the tenant's own alone; for administrators alone.
#[tokio::test]
async fn a_report_is_paged_and_of_one_tenant() {
    let world = World::example().await;
    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let ask = v1::GetIsolationReportRequest { page_size: 1, page_token: page_token.clone() };
        let page = world.a.admin.jumps().get_isolation_report(ask).await.expect("a page").into_inner();
        assert_eq!(page.summary.is_some(), page_token.is_empty());
        seen.extend(page.users.into_iter().map(|row| row.user.expect("a user").user_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let mut expected = vec![world.a.private.clone(), world.a.commercial.clone()];
    expected.sort();
    assert_eq!(seen, expected);
    let role = (Code::PermissionDenied, "ROLE");
    let ask = v1::GetIsolationReportRequest::default();
    world.service.refuses("call", role, world.a.portal.jumps().get_isolation_report(ask)).await;
}
