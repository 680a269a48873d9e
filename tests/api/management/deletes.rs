//! The end of con:center users: what stands in its way, and that nothing comes back under the same name.

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::UserKind;
use tonic::Code;

use crate::harness::*;

const REVOKED: (Code, &str) = (Code::FailedPrecondition, "JUMP_REVOKED");
const ASSIGNED: (Code, &str) = (Code::FailedPrecondition, "ASSIGNED");
/// The second redemption changes one thing: it marks the session of the first revoked.
const ALREADY_REDEEMED: (Code, &str) = (Code::FailedPrecondition, "JUMP_ALREADY_REDEEMED");
const NOT_FOUND: (Code, &str) = (Code::NotFound, "NOT_FOUND");

/// How many things stand in the way, listed or not.
fn related_total(status: &tonic::Status) -> String {
    error_metadata(status)["related_total"].clone()
}

/// U08, I3
#[tokio::test]
async fn the_standard_user_is_not_deleted_disabled_or_not() {
    let world = World::example().await;
    let required = (Code::FailedPrecondition, "STANDARD_REQUIRED");
    world.service.refuses("user.delete", required, world.a.delete_user(&world.a.standard)).await;
    world.a.disable(&world.a.standard).await;
    world.service.refuses("user.delete", required, world.a.delete_user(&world.a.standard)).await;

    // Once another one is, it is a user like any other.
    let spare = world.a.new_user(user("A", "neu", UserKind::Broker, all())).await;
    let (user_id, etag) = (spare.clone(), world.a.user(&spare).await.etag);
    let set = v1::SetStandardUserRequest { request_id: request_id(), user_id, etag };
    world.a.admin.users().set_standard_user(set).await.expect("moved");
    world.a.delete_user(&world.a.standard).await.expect("deleted");
    let count = "SELECT count(*) FROM concenter_user WHERE kind = 'standard'";
    assert_eq!(world.service.reader().await.integer(count, &[]).await, 2, "one in each tenant");
}

/// U09
#[tokio::test]
async fn a_user_of_activations_is_not_deleted_and_they_are_listed() {
    let world = World::example().await;
    let second = world.a.activate("n.neu", &world.a.meier).await;
    let status = world.service.refuses("user.delete", ASSIGNED, world.a.delete_user(&world.a.meier)).await;
    let mut expected = [world.a.meiers.clone(), second];
    expected.sort();
    assert_eq!(dependents(&status), expected);
    assert_eq!(related_total(&status), "2");
    assert!(world.a.jump(X, broker(MEIER)).await.is_ok(), "it works on");
}

/// U09: disabled, it is assigned as before.
#[tokio::test]
async fn a_user_that_customers_have_is_not_deleted_and_all_kinds_are_listed() {
    let world = World::example().await;
    world.a.assign(C1, Some(&world.a.private)).await;
    world.a.assign(K1, Some(&world.a.private)).await;
    world.a.disable(&world.a.private).await;
    let status = world.service.refuses("user.delete", ASSIGNED, world.a.delete_user(&world.a.private)).await;
    assert_eq!(dependents(&status), ["PRIVATE", C1, K1]);
    assert_eq!(related_total(&status), "3");
    let status = world.service.refuses("user.delete", ASSIGNED, world.a.delete_user(&world.a.commercial)).await;
    assert_eq!(dependents(&status), ["COMMERCIAL"]);

    // Without dependents it goes, one kind after the other.
    world.a.share(Some(""), None, None).await;
    world.a.assign(C1, None).await;
    let status = world.service.refuses("user.delete", ASSIGNED, world.a.delete_user(&world.a.private)).await;
    assert_eq!(dependents(&status), [K1]);
    world.a.assign(K1, None).await;
    world.a.delete_user(&world.a.private).await.expect("deleted");
}

/// U09
#[tokio::test]
async fn at_most_20_dependents_are_listed_and_the_whole_number_is_told() {
    let world = World::example().await;
    let customers: Vec<_> = (0..30).map(|n| format!("n-{n}")).collect();
    world.a.put_private(&customers.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for customer in &customers {
        world.a.assign(customer, Some(&world.a.private)).await;
    }
    let status = world.service.refuses("user.delete", ASSIGNED, world.a.delete_user(&world.a.private)).await;
    assert_eq!(dependents(&status).len(), 20);
    assert_eq!(related_total(&status), "31", "30 customers and a segment");
}

/// U10
#[tokio::test]
async fn a_deleted_user_is_gone_with_its_password_and_its_open_jumps() {
    let world = World::example().await;
    let spare = world.a.new_user(user("A", "neu", UserKind::Broker, all())).await;
    let activation = world.a.activate("n.neu", &spare).await;
    let jump = world.a.jump(X, broker("n.neu")).await.expect("a jump").into_inner();
    let others = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    world.a.delete_activation(&activation).await.expect("deleted");
    world.a.delete_user(&spare).await.expect("deleted");
    for jump in [&jump, &others] {
        let status = world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(jump))).await;
        assert!(!everything(&status).contains("geheim"));
    }
    let get = v1::GetUserRequest { user_id: spare.clone() };
    let status = status_of(world.a.admin.users().get_user(get).await);
    assert_eq!(reason(&status), (NOT_FOUND.0, NOT_FOUND.1.to_owned()));
    let listed = world.a.admin.users().list_users(v1::ListUsersRequest::default()).await.expect("a list").into_inner();
    assert!(listed.users.iter().all(|user| user.user_id != spare));
    let state = world.service.state().await;
    let rows = state.iter().filter(|row| row.starts_with("concenter_user") && row.contains(&spare));
    assert_eq!(rows.count(), 0, "with the row goes the password");
}

/// U10
#[tokio::test]
async fn a_user_made_again_under_the_same_name_is_another_one() {
    let world = World::example().await;
    let old = world.a.new_user(user("A", "neu", UserKind::Broker, all())).await;
    let activation = world.a.activate("n.neu", &old).await;
    let (open, used) = (world.a.jump(X, broker("n.neu")).await, world.a.jump(X, broker("n.neu")).await);
    let (open, used) = (open.expect("a jump").into_inner(), used.expect("a jump").into_inner());
    world.redeem(X, proof(&used)).await.expect("a redemption");
    world.a.delete_activation(&activation).await.expect("deleted");
    world.a.delete_user(&old).await.expect("deleted");

    let new = world.a.new_user(user("A", "neu", UserKind::Broker, all())).await;
    assert_ne!(new, old);
    let refused = (Code::FailedPrecondition, "NO_USER_ASSIGNED");
    world.service.refuses("jump.issue", refused, world.a.jump(X, broker("n.neu"))).await;
    world.a.activate("n.neu", &new).await;
    world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&open))).await;
    let again = status_of(world.redeem(X, proof(&used)).await);
    assert_eq!(reason(&again), (ALREADY_REDEEMED.0, ALREADY_REDEEMED.1.to_owned()));
    assert_eq!(world.a.jump_record(&open.jump_id).await.user_id, old, "the history tells of the old one");
    let list = v1::ListJumpsRequest { user_id: Some(new), ..Default::default() };
    let listed = world.a.admin.jumps().list_jumps(list).await.expect("a list").into_inner();
    assert_eq!(listed.jumps, []);
}

/// U10
#[tokio::test]
async fn a_jump_of_a_deleted_user_that_was_redeemed_says_that_and_not_that_it_is_gone() {
    let world = World::example().await;
    let own = world.a.new_user(user("A", "eigener", UserKind::EndCustomer, only(&[COMPARATOR]))).await;
    world.a.assign(C1, Some(&own)).await;
    let wish = to(X, Some(customer(C1)));
    let jump = world.a.portal.jumps().jump_to_tarif(wish.clone()).await.expect("a jump").into_inner();
    world.redeem(X, proof(&jump)).await.expect("a redemption");
    world.a.assign(C1, None).await;
    world.a.delete_user(&own).await.expect("deleted");
    let again = status_of(world.redeem(X, proof(&jump)).await);
    assert_eq!(reason(&again), (ALREADY_REDEEMED.0, ALREADY_REDEEMED.1.to_owned()));
    world.service.refuses("jump.issue", ALREADY_REDEEMED, world.a.portal.jumps().jump_to_tarif(wish)).await;
}
