//! Two administrators at one resource: who comes second learns that it has changed.

use std::sync::Arc;

use concenter_gateway::proto::v1;
use tokio::task::JoinSet;
use tonic::Code;

use super::effects::{self, Effect};
use crate::harness::*;

const STALE: (Code, &str) = (Code::Aborted, "ETAG_MISMATCH");

/// Sends each change twice at once, by two people who know the same version. One gets it; the other is told what there is
/// now. Gives how many changes that were.
async fn one_of_two(world: &World, one: &Client, other: &Client, effects: Vec<Effect>) -> usize {
    let changes: Vec<_> = effects.iter().filter(|effect| effect.wants_etag() && !effect.deletes()).collect();
    for effect in &changes {
        let (first, second) = (request_id(), request_id());
        let (first, second) = tokio::join!(effect.send(one, &first), effect.send(other, &second));
        let (done, status) = match (first, second) {
            (Ok(done), Err(status)) | (Err(status), Ok(done)) => (done.into_inner(), status),
            (Ok(_), Ok(_)) => panic!("{} was done twice under one etag", effect.path),
            (Err(one), Err(other)) => panic!("{} was done by neither: {one:?}, {other:?}", effect.path),
        };
        assert_eq!(reason(&status), (STALE.0, STALE.1.to_owned()), "{}", effect.path);
        assert_eq!(error_metadata(&status).get("etag"), etag_in(&done).as_ref(), "{}", effect.path);
        let state = world.service.state().await;
        let again = status_of(effect.send(other, &request_id()).await);
        assert_eq!(reason(&again), (STALE.0, STALE.1.to_owned()), "{}", effect.path);
        assert_eq!(world.service.state().await, state, "{} changed something", effect.path);
    }
    changes.len()
}

/// T39
#[tokio::test]
async fn of_two_administrators_with_one_etag_one_is_aborted_and_told_the_etag_of_now() {
    let world = World::example().await;
    let effects = effects::of_administrators(&world).await;
    let second = world.service.second_admin(&world.a.tenant);
    assert_eq!(one_of_two(&world, &world.a.admin, &second, effects).await, 13);
}

/// T39
#[tokio::test]
async fn of_two_operators_with_one_etag_one_is_aborted_and_told_the_etag_of_now() {
    let world = World::example().await;
    let effects = effects::of_operators(&world).await;
    let (one, other) = (world.service.operator(), world.service.second_operator());
    assert_eq!(one_of_two(&world, &one, &other, effects).await, 14);
}

/// T39, where nothing is left to tell the etag of.
#[tokio::test]
async fn what_has_changed_meanwhile_is_not_deleted() {
    let world = World::example().await;
    let spare = world.a.new_user(user("A", "neu", v1::UserKind::Broker, all())).await;
    let old = world.a.user(&spare).await;
    world.a.set_secret(&spare, "neu").await;
    let delete = v1::DeleteUserRequest { request_id: request_id(), user_id: spare.clone(), etag: old.etag };
    let status = world.service.refuses("user.delete", STALE, world.a.admin.users().delete_user(delete)).await;
    assert_eq!(error_metadata(&status)["etag"], world.a.user(&spare).await.etag);

    let old = world.a.activation(&world.a.meiers).await;
    let renamed = v1::BrokerActivation { display_name: "Neu".to_owned(), ..old.clone() };
    world.a.update_activation(renamed, &["display_name"]).await.expect("changed");
    let v1::BrokerActivation { activation_id, etag, .. } = old;
    let delete = v1::DeleteBrokerActivationRequest { request_id: request_id(), activation_id, etag };
    let mut activations = world.a.admin.activations();
    let status = world.service.refuses("activation.delete", STALE, activations.delete_broker_activation(delete)).await;
    assert_eq!(error_metadata(&status)["etag"], world.a.activation(&world.a.meiers).await.etag);
}

/// T39
#[tokio::test]
async fn of_16_at_once_under_one_etag_one_gets_through() {
    let world = World::example().await;
    let known = Arc::new(world.a.user(&world.a.meier).await);
    let mut calls = JoinSet::new();
    for n in 0..16 {
        let (admin, known) = (world.a.admin.clone(), Arc::clone(&known));
        calls.spawn(async move {
            let changed = v1::ConcenterUser { display_name: format!("Meier {n}"), ..(*known).clone() };
            let (user, update_mask) = (Some(changed), mask(&["display_name"]));
            admin.users().update_user(v1::UpdateUserRequest { request_id: request_id(), user, update_mask }).await
        });
    }
    let answers = calls.join_all().await;
    let now = world.a.user(&world.a.meier).await;
    let mut done = Vec::new();
    for answer in answers {
        match answer {
            Ok(answer) => done.push(answer.into_inner().user.expect("a user")),
            Err(status) => {
                assert_eq!(reason(&status), (STALE.0, STALE.1.to_owned()));
                assert_eq!(error_metadata(&status)["etag"], now.etag);
            }
        }
    }
    assert_eq!(done, [now]);
}

/// U11
#[tokio::test]
async fn every_change_of_something_known_wants_its_etag() {
    let world = World::example().await;
    let user = v1::ConcenterUser { etag: String::new(), ..world.a.user(&world.a.meier).await };
    world.service.refuses_fields(&["user.etag"], world.a.update_user(user, &["display_name"])).await;
    let activation = v1::BrokerActivation { etag: String::new(), ..world.a.activation(&world.a.meiers).await };
    let call = world.a.update_activation(activation, &["display_name"]);
    world.service.refuses_fields(&["activation.etag"], call).await;
    let settings = v1::Settings { etag: String::new(), ..world.a.settings().await };
    let call = world.a.update_settings(settings, &["import_change_limit_percent"]);
    world.service.refuses_fields(&["settings.etag"], call).await;
    let delete =
        v1::DeleteUserRequest { request_id: request_id(), user_id: world.a.meier.clone(), etag: String::new() };
    world.service.refuses_fields(&["etag"], world.a.admin.users().delete_user(delete)).await;
    let delete = v1::DeleteBrokerActivationRequest {
        request_id: request_id(),
        activation_id: world.a.meiers.clone(),
        etag: String::new(),
    };
    world.service.refuses_fields(&["etag"], world.a.admin.activations().delete_broker_activation(delete)).await;
}
