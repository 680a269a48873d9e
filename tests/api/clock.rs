//! A clock that goes wrong: nothing that is over becomes good again.

use std::time::Duration;

use concenter_gateway::proto::v1;
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::harness::*;

/// Ten minutes.
const WRONG_BY: i64 = 600;
const REGRESSION: (Code, &str) = (Code::Unavailable, "CLOCK_REGRESSION");

/// Asserts that nobody gets anything but public keys, and is told until when.
async fn nothing_is_done(world: &World, open: &v1::JumpToTarifResponse, wait: u64) {
    let jump = status_of(world.a.jump(X, customer(C1)).await);
    let redeem = status_of(world.redeem(X, proof(open)).await);
    let list = status_of(world.a.admin.users().list_users(v1::ListUsersRequest::default()).await);
    for status in [jump, redeem, list] {
        assert_eq!(reason(&status), (REGRESSION.0, REGRESSION.1.to_owned()));
        assert_eq!(retry_after(&status), Some(Duration::from_secs(wait)), "told when to try again");
    }
    let keys = world.service.anonymous().jumps().get_jwks(v1::GetJwksRequest {}).await;
    assert!(keys.is_ok(), "public keys are as good as ever");
}

/// T12: a jump is good for as long as its clock says, and not once more.
#[tokio::test]
async fn a_clock_that_goes_back_stops_the_service_until_it_has_caught_up() {
    let world = World::example().await;
    let open = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    world.service.clock.advance(WRONG_BY);
    let expired = status_of(world.redeem(X, proof(&open)).await);
    assert_eq!(reason(&expired), (Code::FailedPrecondition, "JUMP_EXPIRED".to_owned()));

    world.service.clock.advance(-WRONG_BY);
    nothing_is_done(&world, &open, 600).await;
    world.service.clock.advance(WRONG_BY - 6);
    nothing_is_done(&world, &open, 6).await;

    world.service.clock.advance(1);
    world.arrive(X, customer(C1)).await;
    let expired = status_of(world.redeem(X, proof(&open)).await);
    assert_eq!(reason(&expired), (Code::FailedPrecondition, "JUMP_EXPIRED".to_owned()));
}

/// T12: what the service before it saw stands in the audit log.
#[tokio::test]
async fn a_clock_that_went_back_while_nobody_looked_stops_the_next_service() {
    let world = World::example().await;
    world.a.jump(X, customer(C1)).await.expect("a jump");
    let World { service, a, b } = world;
    // An open connection would hold up the end.
    drop((a, b));
    service.clock.advance(-WRONG_BY);
    let service = service.restart(|_| {}).await;
    // As soon as it has looked through the logs.
    let refused = timeout(Duration::from_secs(30), async {
        loop {
            let status = refused(&service).await;
            if status.code() == Code::Unavailable {
                return status;
            }
        }
    });
    let refused = refused.await.expect("it looks through the logs");
    assert_eq!(reason(&refused), (REGRESSION.0, REGRESSION.1.to_owned()));

    let service = service.restart(|settings| settings.accept_clock = true).await;
    assert_eq!(self::refused(&service).await.code(), Code::PermissionDenied, "the clock is taken for right");
}

/// What somebody is told whose tenant is not there.
async fn refused(service: &Service) -> Status {
    status_of(service.portal(NOBODY).catalog().list_targets(v1::ListTargetsRequest::default()).await)
}
