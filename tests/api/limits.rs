//! How much of the service somebody may take: sizes, time, calls at once, calls a second.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::body::Body as Bytes;
use concenter_gateway::proto::admin::v1 as operators;
use concenter_gateway::proto::v1;
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::ServiceExt as _;

use crate::harness::*;

const LIST_USERS: &str = "/concenter.v1.UserService/ListUsers";
const CREATE_USER: &str = "/concenter.v1.UserService/CreateUser";
const LIST_TENANTS: &str = "/concenter.admin.v1.TenantService/ListTenants";
/// In which everything is over that has an end.
const AT_MOST: Duration = Duration::from_secs(120);

/// Begins a call whose message never comes; gives the status that ends it.
async fn never_ending(client: Client, path: &'static str) -> Status {
    let silence = Bytes::from_stream(tokio_stream::pending::<Result<Vec<u8>, Infallible>>());
    let request = http::Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(tonic::body::Body::new(silence))
        .expect("a request");
    let answer = client.wire().oneshot(request).await.expect("an answer");
    Status::from_header_map(answer.headers()).unwrap_or_else(|| panic!("no status in {:?}", answer.headers()))
}

async fn list_tenants(client: &Client) -> Result<(), Status> {
    client.tenants().list_tenants(operators::ListTenantsRequest::default()).await.map(drop)
}

async fn list_users(client: &Client) -> Result<(), Status> {
    client.users().list_users(v1::ListUsersRequest::default()).await.map(drop)
}

/// The service of the example, and its tenants. Nobody is connected.
async fn firms() -> (Service, [String; 2]) {
    let World { service, a, b } = World::example().await;
    (service, [a.tenant, b.tenant])
}

/// Calls until it is refused, which it must be after 2 calls and a few that come in meanwhile; gives how.
async fn until_refused(mut call: impl AsyncFnMut() -> Result<(), Status>) -> Status {
    for number in 0..1_000 {
        if let Err(status) = call().await {
            assert!(number >= 2, "refused after {number} calls: {status:?}");
            return status;
        }
    }
    panic!("it was never refused");
}

/// Asserts that a status says: too often.
fn assert_too_often(status: &Status) {
    assert_eq!(reason(status), (Code::ResourceExhausted, "RATE_LIMITED".to_owned()));
    assert_eq!(retry_after(status), Some(Duration::from_secs(1)));
}

/// One call a second, of whatever kind.
const ONE: NonZeroU32 = NonZeroU32::MIN;

/// T27
#[tokio::test]
async fn a_message_of_5_mib_is_out_of_range() {
    let world = World::example().await;
    let state = world.service.state().await;
    let large = vec![b'x'; 5 * 1024 * 1024];
    for path in [CREATE_USER, LIST_USERS, "/concenter.v1.CustomerService/PutCustomers"] {
        let status = world.a.admin.send(path, large.clone()).await.expect_err("too large");
        assert_eq!(status.code(), Code::OutOfRange, "{path}: {status:?}");
        assert!(!everything(&status).contains("xxx"), "{path}: {status:?}");
    }
    assert_eq!(world.service.state().await, state);
    assert_eq!(world.a.user(&world.a.meier).await.user_name, "meier", "the connection goes on");
}

/// T29
#[tokio::test]
async fn a_call_whose_message_does_not_come_ends_at_the_deadline() {
    let service = Service::start().await;
    let begun = Instant::now();
    let call = never_ending(service.operator(), LIST_TENANTS);
    let status = timeout(AT_MOST, call).await.expect("it ends");
    assert_eq!(reason(&status), (Code::DeadlineExceeded, "DEADLINE".to_owned()));
    assert!(begun.elapsed() >= Duration::from_secs(10), "{:?}", begun.elapsed());
    list_tenants(&service.operator()).await.expect("the connection goes on");
}

/// D09
#[tokio::test]
async fn one_call_more_than_the_service_takes_is_turned_away_until_another_has_ended() {
    let service = Service::start_with(|settings| {
        settings.limits.calls = 1;
        settings.limits.rates.reads = NonZeroU32::new(1_000_000).expect("a rate");
    })
    .await;
    let audit = service.audit().await;
    let operator = service.operator();
    list_tenants(&operator).await.expect("a list");
    let holder = operator.clone();
    let holds = tokio::spawn(async move {
        // It may come while another is under way, and be turned away itself.
        while never_ending(holder.clone(), LIST_TENANTS).await.code() == Code::Unavailable {}
    });
    let turned_away = async {
        loop {
            if let Err(status) = list_tenants(&operator).await {
                return status;
            }
            tokio::task::yield_now().await;
        }
    };
    let status = timeout(AT_MOST, turned_away).await.expect("it is full");
    assert_eq!(reason(&status), (Code::Unavailable, "OVERLOADED".to_owned()));
    assert_eq!(retry_after(&status), Some(Duration::from_secs(1)));
    let health = HealthClient::new(service.anonymous().wire()).check(HealthCheckRequest::default()).await;
    assert!(health.is_ok(), "{health:?}");

    holds.abort();
    let taken_again = async {
        while list_tenants(&operator).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(AT_MOST, taken_again).await.expect("there is room again");
    assert_eq!(service.audit().await, audit, "nobody is written down for it");
}

/// T32
#[tokio::test]
async fn a_tenant_that_calls_too_often_takes_from_itself_alone() {
    let (service, [a, b]) = firms().await;
    let service = service.restart(|settings| settings.limits.rates.jumps = ONE).await;
    let jump = async |client: &Client| client.jumps().jump_to_tarif(to(X, Some(customer(C1)))).await.map(drop);
    let (of_a, of_b) = (service.portal(&a), service.portal(&b));
    let audit = service.audit().await;
    assert_too_often(&until_refused(async || jump(&of_a).await).await);
    let rows = service.audit_since(&audit).await;
    assert!(rows.iter().all(|row| row.reason.is_none()), "a refusal is no row: {rows:?}");

    jump(&of_b).await.expect("a jump of the other tenant");
    list_users(&service.admin(&a)).await.expect("another method");
}

/// T32
#[tokio::test]
async fn an_operator_who_calls_too_often_is_told_to_wait() {
    let service = Service::start_with(|settings| settings.limits.rates.reads = ONE).await;
    let (one, other) = (service.operator(), service.second_operator());
    assert_too_often(&until_refused(async || list_tenants(&one).await).await);
    // Of two calls at once at most one has come in meanwhile.
    let refused = [list_tenants(&other).await, list_tenants(&other).await].into_iter().find_map(Result::err);
    assert_too_often(&refused.expect("operators share"));
    let list = operators::ListTargetsRequest::default();
    one.catalog_admin().list_targets(list).await.expect("another method");
}

/// T32: who may not call at all fills the audit log no faster than he may call.
#[tokio::test]
async fn who_is_refused_by_role_is_refused_for_calling_too_often_as_well() {
    let (service, [tenant, _]) = firms().await;
    let service = service.restart(|settings| settings.limits.rates.reads = ONE).await;
    let (portal, audit) = (service.portal(&tenant), service.audit().await);
    let mut by_role = 0;
    let too_often = async {
        loop {
            let status = list_users(&portal).await.expect_err("not for a portal");
            if status.code() == Code::ResourceExhausted {
                return status;
            }
            assert_eq!(reason(&status), (Code::PermissionDenied, "ROLE".to_owned()));
            by_role += 1;
        }
    };
    assert_too_often(&timeout(AT_MOST, too_often).await.expect("it is too often"));
    assert_eq!(service.audit_since(&audit).await.len(), by_role);
}

/// T32
#[tokio::test]
async fn nobody_in_particular_is_not_counted() {
    let service = Service::start_with(|settings| {
        let rates = &mut settings.limits.rates;
        (rates.jumps, rates.redeems, rates.reads, rates.changes, rates.batches) = (ONE, ONE, ONE, ONE, ONE);
    })
    .await;
    for _ in 0..50 {
        service.anonymous().jumps().get_jwks(v1::GetJwksRequest {}).await.expect("keys");
    }
}
