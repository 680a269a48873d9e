//! The same request again: one effect, whoever lost the answer.

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::UserKind;
use tonic::Code;

use super::effects::{self, Effect};
use crate::harness::*;

const NOT_FOUND: (Code, &str) = (Code::NotFound, "NOT_FOUND");
const REUSED: (Code, &str) = (Code::InvalidArgument, "REQUEST_ID_REUSED");

/// Sends each change, and again; then something else under its request id; then the same as somebody else.
async fn one_effect_each(world: &World, one: &Client, other: &Client, effects: Vec<Effect>) {
    let mut last_id: Option<String> = None;
    for effect in &effects {
        if let Some(last_id) = &last_id {
            // Whatever it is: the id is taken.
            world.service.refuses(effect.action, REUSED, effect.send(one, last_id)).await;
        }
        let id = request_id();
        let first = effect.send(one, &id).await.unwrap_or_else(|status| panic!("{}: {status:?}", effect.path));
        let (state, audit) = (world.service.state().await, world.service.audit().await);
        let again = effect.send(one, &id).await.unwrap_or_else(|status| panic!("{} again: {status:?}", effect.path));
        assert_eq!(again.into_inner(), first.into_inner(), "{} again", effect.path);
        assert_eq!(world.service.state().await, state, "{} again changed something", effect.path);
        assert_eq!(world.service.audit().await, audit, "{} again was written down", effect.path);

        world.service.refuses(effect.altered_action, REUSED, effect.send_altered(one, &id)).await;
        if let Err(status) = effect.send(other, &id).await {
            assert_ne!(reason(&status), (REUSED.0, REUSED.1.to_owned()), "{} by somebody else", effect.path);
        }
        last_id = Some(id);
    }
}

/// T40
#[tokio::test]
async fn a_request_of_an_administrator_has_one_effect_under_its_id() {
    let world = World::example().await;
    world.a.jump(X, customer(K1)).await.expect("a jump");
    let effects = effects::of_administrators(&world).await;
    let other = world.service.second_admin(&world.a.tenant);
    one_effect_each(&world, &world.a.admin, &other, effects).await;
}

/// T40
#[tokio::test]
async fn a_request_of_a_target_has_one_effect_under_its_id() {
    let world = World::example().await;
    let effects = effects::of_target_x(&world).await;
    one_effect_each(&world, &world.service.target(X), &world.service.target(Y), effects).await;
}

/// T40
#[tokio::test]
async fn a_request_of_an_operator_has_one_effect_under_its_id() {
    let world = World::example().await;
    let effects = effects::of_operators(&world).await;
    one_effect_each(&world, &world.service.operator(), &world.service.second_operator(), effects).await;
}

/// T40
#[tokio::test]
async fn a_request_id_of_another_tenant_means_nothing_here() {
    let world = World::example().await;
    let id = request_id();
    for firm in [&world.a, &world.b] {
        let known = firm.user(&firm.meier).await;
        let user = Some(v1::ConcenterUser { display_name: "Neu".to_owned(), ..known });
        let update = v1::UpdateUserRequest { request_id: id.clone(), user, update_mask: mask(&["display_name"]) };
        firm.admin.users().update_user(update).await.expect("changed");
    }
}

/// T40
#[tokio::test]
async fn a_repeated_request_whose_user_is_gone_is_not_found() {
    let world = World::example().await;
    let admin = &world.a.admin;
    let new = user("A", "neu", UserKind::Broker, all());
    let made = admin.users().create_user(new.clone()).await.expect("a user").into_inner().user.expect("a user");
    let user = Some(v1::ConcenterUser { display_name: "Neu".to_owned(), ..made.clone() });
    let update = v1::UpdateUserRequest { request_id: request_id(), user, update_mask: mask(&["display_name"]) };
    admin.users().update_user(update.clone()).await.expect("changed");
    let v1::ConcenterUser { user_id, etag, .. } = world.a.user(&made.user_id).await;
    let delete = v1::DeleteUserRequest { request_id: request_id(), user_id, etag };
    admin.users().delete_user(delete.clone()).await.expect("deleted");

    world.service.refuses("user.create", NOT_FOUND, admin.users().create_user(new)).await;
    world.service.refuses("user.update", NOT_FOUND, admin.users().update_user(update)).await;
    let (state, audit) = (world.service.state().await, world.service.audit().await);
    admin.users().delete_user(delete.clone()).await.expect("deleted, as it was asked for");
    assert_eq!((world.service.state().await, world.service.audit().await), (state, audit));
    let anew = v1::DeleteUserRequest { request_id: request_id(), ..delete };
    world.service.refuses("user.delete", NOT_FOUND, admin.users().delete_user(anew)).await;
}

/// T40
#[tokio::test]
async fn a_repeated_request_whose_activation_is_gone_is_not_found() {
    let world = World::example().await;
    let admin = &world.a.admin;
    let spare = world.a.new_user(user("A", "neu", UserKind::Broker, all())).await;
    let new = activation("n.neu", &spare);
    let made = admin.activations().create_broker_activation(new.clone()).await.expect("an activation").into_inner();
    let v1::BrokerActivation { activation_id, etag, .. } = made.activation.expect("an activation");
    let disable = v1::DisableBrokerActivationRequest { request_id: request_id(), activation_id, etag };
    let disabled = admin.activations().disable_broker_activation(disable.clone()).await.expect("disabled");
    world.a.delete_activation(&disabled.into_inner().activation.expect("one").activation_id).await.expect("deleted");
    let mut activations = admin.activations();
    world.service.refuses("activation.create", NOT_FOUND, activations.create_broker_activation(new)).await;
    world.service.refuses("activation.disable", NOT_FOUND, activations.disable_broker_activation(disable)).await;
}

/// T40
#[tokio::test]
async fn a_repeated_request_whose_customer_is_erased_is_not_found() {
    let world = World::example().await;
    let assign = v1::AssignUserRequest {
        request_id: request_id(),
        customer_id: C1.to_owned(),
        etag: world.a.customer(C1).await.etag,
        user_id: Some(world.a.private.clone()),
    };
    world.a.admin.customers().assign_user(assign.clone()).await.expect("assigned");
    world.a.erase(C1).await.expect("erased");
    world.service.refuses("customer.assign_user", NOT_FOUND, world.a.admin.customers().assign_user(assign)).await;
}
