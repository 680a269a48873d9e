//! Changes of broker activations, and their end.

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::UserKind;
use tonic::Code;

use crate::harness::*;

const REVOKED: (Code, &str) = (Code::FailedPrecondition, "JUMP_REVOKED");
const NOT_FOUND: (Code, &str) = (Code::NotFound, "NOT_FOUND");

const fn refused(reason: &str) -> (Code, &str) {
    (Code::FailedPrecondition, reason)
}

/// B01
#[tokio::test]
async fn a_change_of_an_activation_changes_the_fields_of_the_mask_and_no_others() {
    let world = World::example().await;
    let spare = world.a.new_user(user("A", "neu", UserKind::Broker, all())).await;
    let known = world.a.activation(&world.a.meiers).await;
    let wish = v1::BrokerActivation {
        display_name: "Meiers".to_owned(),
        broker_ids: ["b-2", "b-1", "b-2"].map(str::to_owned).to_vec(),
        user_id: spare.clone(),
        sharing_reason: "Vertretung".to_owned(),
        ..known.clone()
    };
    let mut expected = known;
    for path in ["display_name", "broker_ids", "user_id", "sharing_reason"] {
        world.service.clock.advance(1);
        let all = v1::BrokerActivation { etag: expected.etag.clone(), ..wish.clone() };
        let after = world.a.update_activation(all, &[path]).await.expect("changed").into_inner();
        let after = after.activation.expect("an activation");
        match path {
            "display_name" => expected.display_name = "Meiers".to_owned(),
            "broker_ids" => expected.broker_ids = ["b-1", "b-2"].map(str::to_owned).to_vec(),
            "user_id" => expected.user_id = spare.clone(),
            _ => expected.sharing_reason = "Vertretung".to_owned(),
        }
        assert_ne!(after.etag, expected.etag, "{path}");
        (expected.etag, expected.updated_at) = (after.etag.clone(), after.updated_at);
        assert_eq!(after, expected, "{path}");
        assert_eq!(world.a.activation(&world.a.meiers).await, expected, "{path}");
    }
    assert_eq!(world.arrive(X, broker("b-1")).await.concenter_user_name, "neu");
    world.service.refuses("jump.issue", refused("NO_USER_ASSIGNED"), world.a.jump(X, broker(MEIER))).await;
}

/// B01
#[tokio::test]
async fn what_an_activation_cannot_do_without_is_not_cleared() {
    let world = World::example().await;
    let known = world.a.activation(&world.a.meiers).await;
    let empty = v1::BrokerActivation { activation_id: known.activation_id, etag: known.etag, ..Default::default() };
    let call = world.a.update_activation(empty.clone(), &["broker_ids", "user_id"]);
    world.service.refuses_fields(&["activation.broker_ids", "activation.user_id"], call).await;
    let bad = v1::BrokerActivation { broker_ids: vec!["gut".to_owned(), "nicht gut".to_owned()], ..empty.clone() };
    let status = world
        .service
        .refuses_fields(&["activation.broker_ids[1]"], world.a.update_activation(bad, &["broker_ids"]))
        .await;
    assert!(!everything(&status).contains("nicht gut"));
    let cleared = world.a.update_activation(empty.clone(), &["display_name", "sharing_reason"]).await.expect("cleared");
    let cleared = cleared.into_inner().activation.expect("an activation");
    assert_eq!((cleared.display_name.as_str(), cleared.sharing_reason.as_str()), ("", ""));
    let update =
        v1::UpdateBrokerActivationRequest { request_id: request_id(), activation: Some(empty), update_mask: None };
    let mut activations = world.a.admin.activations();
    world.service.refuses_fields(&["update_mask"], activations.update_broker_activation(update)).await;
}

/// B02, R05
#[tokio::test]
async fn an_activation_does_not_change_to_a_user_that_it_could_not_begin_with() {
    let world = World::example().await;
    let known = world.a.activation(&world.a.meiers).await;
    let to = |user: &str| v1::BrokerActivation { user_id: user.to_owned(), ..known.clone() };
    for (user, expected) in [
        (world.a.private.as_str(), refused("ENDKUNDE_CONFLICT")),
        (world.a.schulze.as_str(), refused("USER_ALREADY_ASSIGNED")),
        (NOBODY, NOT_FOUND),
        (world.b.meier.as_str(), NOT_FOUND),
    ] {
        world.service.refuses("activation.update", expected, world.a.update_activation(to(user), &["user_id"])).await;
    }
    let call = world.a.update_activation(to(&world.a.standard), &["user_id"]);
    world.service.refuses("activation.update", refused("STANDARD_NOT_FOR_JUMPS"), call).await;
    let shared = v1::BrokerActivation { sharing_reason: "Vertretung".to_owned(), ..to(&world.a.schulze) };
    world.a.update_activation(shared, &["user_id", "sharing_reason"]).await.expect("shared for a reason");
    assert_eq!(world.arrive(X, broker(MEIER)).await.concenter_user_name, "schulze");
}

/// B02
#[tokio::test]
async fn a_reason_for_sharing_stays_while_the_user_is_shared() {
    let world = World::example().await;
    let second = world.a.activate("n.neu", &world.a.meier).await;
    let known = world.a.activation(&second).await;
    let unsaid = v1::BrokerActivation { sharing_reason: String::new(), ..known };
    let call = world.a.update_activation(unsaid, &["sharing_reason"]);
    world.service.refuses("activation.update", refused("USER_ALREADY_ASSIGNED"), call).await;
}

/// B03
#[tokio::test]
async fn other_brokers_or_another_user_revoke_the_tenants_open_jumps_and_a_display_name_does_not() {
    let world = World::example().await;
    let spare = world.a.new_user(user("A", "neu", UserKind::Broker, all())).await;
    for path in ["broker_ids", "user_id"] {
        let jump = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
        let known = world.a.activation(&world.a.meiers).await;
        let wish = v1::BrokerActivation {
            broker_ids: vec![MEIER.to_owned(), "n.neu".to_owned()],
            user_id: spare.clone(),
            ..known
        };
        world.a.update_activation(wish, &[path]).await.expect("changed");
        world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&jump))).await;
    }
    let jump = world.a.jump(X, broker(MEIER)).await.expect("a jump").into_inner();
    let known = world.a.activation(&world.a.meiers).await;
    let wish = v1::BrokerActivation { display_name: "Neu".to_owned(), sharing_reason: "Neu".to_owned(), ..known };
    let same = ["display_name", "sharing_reason", "broker_ids", "user_id"];
    world.a.update_activation(wish, &same).await.expect("changed");
    assert!(world.redeem(X, proof(&jump)).await.is_ok());
}

/// B04, J15
#[tokio::test]
async fn a_deleted_activation_is_gone_and_its_jumps_are_dead() {
    let world = World::example().await;
    let jump = world.a.jump(X, broker(MEIER)).await.expect("a jump").into_inner();
    world.a.delete_activation(&world.a.meiers).await.expect("deleted");
    world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&jump))).await;
    world.service.refuses("jump.issue", refused("NO_USER_ASSIGNED"), world.a.jump(X, broker(MEIER))).await;
    let get = v1::GetBrokerActivationRequest { activation_id: world.a.meiers.clone() };
    let status = status_of(world.a.admin.activations().get_broker_activation(get).await);
    assert_eq!(reason(&status), (NOT_FOUND.0, NOT_FOUND.1.to_owned()));
    let list = v1::ListBrokerActivationsRequest { broker_id: Some(MEIER.to_owned()), ..Default::default() };
    let listed = world.a.admin.activations().list_broker_activations(list).await.expect("a list").into_inner();
    assert_eq!(listed.activations, []);
    let brokers = "SELECT count(*) FROM activation_broker WHERE broker_id = 'm.meier'";
    assert_eq!(world.service.reader().await.integer(brokers, &[]).await, 1, "B's own");

    // The user is free again, and nothing of the old one comes back with a new activation.
    let again = world.a.admin.activations().create_broker_activation(activation(MEIER, &world.a.meier)).await;
    let again = again.expect("an activation").into_inner().activation.expect("an activation");
    assert_ne!(again.activation_id, world.a.meiers);
    world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&jump))).await;
    assert_eq!(world.arrive(X, broker(MEIER)).await.concenter_user_name, "meier");
}
