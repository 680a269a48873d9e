//! Standard and Endkunde: what excludes what, and what is listed in the way.

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::UserKind;
use tonic::{Code, Response, Status};

use crate::harness::*;

const fn refused(reason: &str) -> (Code, &str) {
    (Code::FailedPrecondition, reason)
}

async fn set_standard(firm: &Firm, user: &str) -> Result<Response<v1::SetStandardUserResponse>, Status> {
    let (user_id, etag) = (user.to_owned(), firm.user(user).await.etag);
    let set = v1::SetStandardUserRequest { request_id: request_id(), user_id, etag };
    firm.admin.users().set_standard_user(set).await
}

async fn set_end_customer(
    firm: &Firm,
    user: &str,
    end_customer: Option<bool>,
    provider_scope: Option<v1::ProviderScope>,
) -> Result<Response<v1::SetEndCustomerResponse>, Status> {
    let (user_id, etag) = (user.to_owned(), firm.user(user).await.etag);
    let set = v1::SetEndCustomerRequest { request_id: request_id(), user_id, etag, end_customer, provider_scope };
    firm.admin.users().set_end_customer(set).await
}

/// I3
#[tokio::test]
async fn standard_moves_in_one_step_and_there_is_always_one() {
    let world = World::example().await;
    let spare = world.a.new_user(user("A", "neu", UserKind::Broker, all())).await;
    let moved = set_standard(&world.a, &spare).await.expect("moved").into_inner();
    assert_eq!(
        moved.user.as_ref().map(|user| (user.user_id.as_str(), user.kind())),
        Some((spare.as_str(), UserKind::Standard))
    );
    let previous = moved.previous.expect("the one before");
    assert_eq!((previous.user_id.as_str(), previous.kind()), (world.a.standard.as_str(), UserKind::Broker));
    assert_eq!(world.a.user(&spare).await, moved.user.expect("the one now"));
    assert_eq!(world.a.user(&world.a.standard).await, previous);

    // Moving it to where it is takes it away from nobody.
    let again = set_standard(&world.a, &spare).await.expect("moved").into_inner();
    assert_eq!(again.previous, None);
    let count = "SELECT count(*) FROM concenter_user WHERE kind = 'standard'";
    assert_eq!(world.service.reader().await.integer(count, &[]).await, 2, "one in each tenant");
}

/// U05, I3
#[tokio::test]
async fn standard_does_not_move_onto_an_endkunde_user() {
    let world = World::example().await;
    let spare = world.a.new_user(user("A", "neu", UserKind::EndCustomer, only(&[COMPARATOR]))).await;
    for user in [&spare, &world.a.private] {
        let call = set_standard(&world.a, user);
        world.service.refuses("user.set_standard", refused("ENDKUNDE_CONFLICT"), call).await;
    }
}

/// U05
#[tokio::test]
async fn standard_does_not_move_onto_the_user_of_an_activation_which_is_listed() {
    let world = World::example().await;
    let call = set_standard(&world.a, &world.a.meier);
    let status = world.service.refuses("user.set_standard", refused("ASSIGNED"), call).await;
    assert_eq!(dependents(&status), [world.a.meiers.as_str()]);
}

#[tokio::test]
async fn at_most_20_dependents_are_listed() {
    let world = World::example().await;
    for n in 0..24 {
        world.a.activate(&format!("b-{n}"), &world.a.meier).await;
    }
    let status = status_of(set_standard(&world.a, &world.a.meier).await);
    assert_eq!(reason(&status), (Code::FailedPrecondition, "ASSIGNED".to_owned()));
    assert_eq!(dependents(&status).len(), 20);
    assert!(everything(&status).contains("25"), "and their number");
}

/// U06, I3
#[tokio::test]
async fn the_standard_user_never_becomes_endkunde() {
    let world = World::example().await;
    let call = set_end_customer(&world.a, &world.a.standard, Some(true), Some(only(&[COMPARATOR])));
    world.service.refuses("user.mark_end_customer", refused("ENDKUNDE_CONFLICT"), call).await;
}

/// U07
#[tokio::test]
async fn a_user_that_customers_share_keeps_endkunde_and_says_who() {
    let world = World::example().await;
    for (user, segment) in [(&world.a.private, "PRIVATE"), (&world.a.commercial, "COMMERCIAL")] {
        let call = set_end_customer(&world.a, user, Some(false), None);
        let status = world.service.refuses("user.unmark_end_customer", refused("SLOT_IN_USE"), call).await;
        assert_eq!(dependents(&status), [segment]);
    }
}

/// U07
#[tokio::test]
async fn a_customers_own_user_keeps_endkunde_and_says_whose() {
    let world = World::example().await;
    let own = world.a.new_user(user("A", "eigener", UserKind::EndCustomer, only(&[COMPARATOR]))).await;
    world.a.assign(C2, Some(&own)).await;
    let call = set_end_customer(&world.a, &own, Some(false), None);
    let status = world.service.refuses("user.unmark_end_customer", refused("ASSIGNED"), call).await;
    assert_eq!(dependents(&status), [C2]);
    world.a.assign(C2, None).await;
    let cleared = set_end_customer(&world.a, &own, Some(false), None).await.expect("cleared").into_inner();
    assert_eq!(cleared.user.map(|user| user.kind()), Some(UserKind::Broker));
}

#[tokio::test]
async fn the_user_of_an_activation_does_not_become_endkunde() {
    let world = World::example().await;
    let call = set_end_customer(&world.a, &world.a.meier, Some(true), Some(only(&[COMPARATOR])));
    let status = world.service.refuses("user.mark_end_customer", refused("ASSIGNED"), call).await;
    assert_eq!(dependents(&status), [world.a.meiers.as_str()]);
}

#[tokio::test]
async fn endkunde_needs_a_list_of_providers() {
    let world = World::example().await;
    let spare = world.a.new_user(user("A", "neu", UserKind::Broker, all())).await;
    let call = set_end_customer(&world.a, &spare, Some(true), None);
    world.service.refuses("user.mark_end_customer", refused("PROVIDER_SCOPE_REQUIRED"), call).await;
    let marked = set_end_customer(&world.a, &spare, Some(true), Some(only(&[INSURER, COMPARATOR, INSURER]))).await;
    let marked = marked.expect("marked").into_inner().user.expect("a user");
    assert_eq!(marked.kind(), UserKind::EndCustomer);
    assert_eq!(marked.provider_scope, Some(only(&[INSURER, COMPARATOR])), "sorted, each once");
}

/// A flag that is not said is never false.
#[tokio::test]
async fn an_absent_endkunde_is_refused_and_clears_nothing() {
    let world = World::example().await;
    let call = set_end_customer(&world.a, &world.a.private, None, None);
    world.service.refuses_fields(&["end_customer"], call).await;
    assert_eq!(world.a.user(&world.a.private).await.kind(), UserKind::EndCustomer);
}
