//! What belongs to another tenant looks like what never was: the same code, text, details and trailers.

use concenter_gateway::proto::v1;
use tonic::{Code, Response, Status};

use crate::harness::*;

const NOT_FOUND: (Code, &str) = (Code::NotFound, "NOT_FOUND");

/// Asserts that a change about something of B's and about something that nothing has gets the same bytes, changes nothing
/// and is written down alike.
async fn indistinguishable<T, F>(world: &World, action: &str, foreign: &str, nobody: &str, call: impl Fn(String) -> F)
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let audit = world.service.audit().await;
    let theirs = world.service.refuses(action, NOT_FOUND, call(foreign.to_owned())).await;
    let nobodys = world.service.refuses(action, NOT_FOUND, call(nobody.to_owned())).await;
    same_bytes(&theirs, &nobodys, action);
    for id in [foreign, nobody] {
        assert!(!everything(&theirs).contains(id) && !everything(&nobodys).contains(id), "{action} echoes the id");
    }
    let rows = world.service.audit_since(&audit).await;
    assert!(rows.iter().all(|row| row.tenant == world.a.tenant), "{action} is nothing of B's: {rows:?}");
}

/// T23, A09
#[tokio::test]
async fn changing_or_deleting_a_user_of_another_tenant_looks_like_one_that_never_was() {
    let world = World::example().await;
    // B's own etag, and what is in its way there: none of it shows.
    for foreign in [&world.b.meier, &world.b.standard, &world.b.private] {
        let known = world.b.user(foreign).await;
        for path in ["user_name", "provider_scope", "display_name", "notification_email"] {
            indistinguishable(&world, "user.update", foreign, NOBODY, async |user_id| {
                let user_name = "schulze".to_owned();
                let user = v1::ConcenterUser { user_id, user_name, provider_scope: Some(all()), ..known.clone() };
                world.a.update_user(user, &[path]).await
            })
            .await;
        }
        indistinguishable(&world, "user.delete", foreign, NOBODY, async |user_id| {
            let delete = v1::DeleteUserRequest { request_id: request_id(), user_id, etag: known.etag.clone() };
            world.a.admin.users().delete_user(delete).await
        })
        .await;
    }
}

/// T23, A09
#[tokio::test]
async fn changing_or_deleting_an_activation_of_another_tenant_looks_like_one_that_never_was() {
    let world = World::example().await;
    let known = world.b.activation(&world.b.meiers).await;
    for path in ["display_name", "broker_ids", "user_id", "sharing_reason"] {
        indistinguishable(&world, "activation.update", &world.b.meiers, NOBODY, async |activation_id| {
            world.a.update_activation(v1::BrokerActivation { activation_id, ..known.clone() }, &[path]).await
        })
        .await;
    }
    let own = world.a.activation(&world.a.meiers).await;
    for foreign in [&world.b.schulze, &world.b.standard, &world.b.private] {
        indistinguishable(&world, "activation.update", foreign, NOBODY, async |user_id| {
            world.a.update_activation(v1::BrokerActivation { user_id, ..own.clone() }, &["user_id"]).await
        })
        .await;
    }
    indistinguishable(&world, "activation.delete", &world.b.meiers, NOBODY, async |activation_id| {
        let (request_id, etag) = (request_id(), known.etag.clone());
        let delete = v1::DeleteBrokerActivationRequest { request_id, activation_id, etag };
        world.a.admin.activations().delete_broker_activation(delete).await
    })
    .await;
}

/// T23, A09
#[tokio::test]
async fn erasing_a_customer_of_another_tenant_looks_like_one_that_never_was() {
    let world = World::example().await;
    world.b.put_private(&["nur-bei-b"]).await;
    world.b.jump(X, customer("nur-bei-b")).await.expect("a jump");
    indistinguishable(&world, "customer.erase", "nur-bei-b", "bei-niemand", async |customer| {
        world.a.erase(&customer).await
    })
    .await;
    assert_eq!(world.b.customer("nur-bei-b").await.segment(), v1::Segment::Private);
}

/// T23, A08
#[tokio::test]
async fn a_jump_of_another_tenant_looks_like_one_that_never_was() {
    let world = World::example().await;
    let foreign = world.b.jump(X, customer(C1)).await.expect("a jump").into_inner().jump_id;
    let tenant = &world.a.tenant;
    let callers = [
        world.a.admin.clone(),
        world.a.portal.clone(),
        world.service.customer(tenant, C1, C1),
        world.service.broker(tenant, MEIER, MEIER),
    ];
    for caller in callers {
        indistinguishable(&world, "call", &foreign, NOBODY, async |jump_id| {
            caller.jumps().get_jump(v1::GetJumpRequest { jump_id }).await
        })
        .await;
    }
    indistinguishable(&world, "jump.revoke", &foreign, NOBODY, async |jump_id| {
        world.a.revoke(v1::revoke_jump_request::Jumps::JumpId(jump_id)).await
    })
    .await;
}
