//! The life of a tenant, as operators lead it: renamed, stopped, started, deleted, taken back.

use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::admin::v1::TenantState;
use concenter_gateway::proto::v1;
use tonic::Code;

use crate::harness::*;

const REVOKED: (Code, &str) = (Code::FailedPrecondition, "JUMP_REVOKED");
const MISMATCH: (Code, &str) = (Code::PermissionDenied, "TENANT_MISMATCH");
const STOPPED: (Code, &str) = (Code::FailedPrecondition, "TENANT_STOPPED");
/// Seconds of the 30 days that a deleted tenant is kept.
const MONTH: i64 = 30 * 86_400;

/// What the tenant has, without its own row: nothing of it may change while the tenant rests.
async fn possessions(world: &World, tenant: &str) -> Vec<String> {
    let state = world.service.state().await;
    let kept = ["concenter_user", "broker_activation", "activation_broker", "customer", "tenant_settings", "jump"];
    let of = |row: &&String| row.contains(tenant) && kept.iter().any(|table| row.starts_with(table));
    state.iter().filter(of).cloned().collect()
}

/// N01
#[tokio::test]
async fn a_tenant_gets_another_name_and_nothing_else() {
    let world = World::example().await;
    let jump = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    let known = world.tenant(&world.a.tenant).await;
    let renamed = admin::Tenant { display_name: "Firma A & Söhne".to_owned(), ..known.clone() };
    world.service.clock.advance(1);
    let update = |tenant: Option<admin::Tenant>, paths: &[&str]| admin::UpdateTenantRequest {
        request_id: request_id(),
        tenant,
        update_mask: mask(paths),
    };
    let operator = world.service.operator();
    let answer = operator.tenants().update_tenant(update(Some(renamed.clone()), &[])).await.expect("renamed");
    let now = answer.into_inner().tenant.expect("a tenant");
    let expected = admin::Tenant { etag: now.etag.clone(), updated_at: now.updated_at, ..renamed };
    assert_eq!(now, expected);
    assert_ne!((&now.etag, now.updated_at), (&known.etag, known.updated_at));
    assert!(world.redeem(X, proof(&jump)).await.is_ok(), "no decision rests on a name");

    for name in ["", " ", "a\0b", "a\r\nb", &"x".repeat(201)] {
        let bad = admin::Tenant { display_name: name.to_owned(), ..now.clone() };
        let mut tenants = operator.tenants();
        let call = tenants.update_tenant(update(Some(bad), &["display_name"]));
        world.service.refuses_fields(&["tenant.display_name"], call).await;
    }
    let mut tenants = operator.tenants();
    world.service.refuses_fields(&["tenant"], tenants.update_tenant(update(None, &["display_name"]))).await;
    let nobody = admin::Tenant { tenant_id: NOBODY.to_owned(), ..now };
    let call = tenants.update_tenant(update(Some(nobody), &["display_name"]));
    world.service.refuses("tenant.update", (Code::NotFound, "NOT_FOUND"), call).await;
}

/// J17
#[tokio::test]
async fn a_tenant_that_is_stopped_between_issue_and_redeem_revokes_its_jumps() {
    let world = World::example().await;
    let jump = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    let others = world.b.jump(X, customer(C1)).await.expect("a jump").into_inner();
    world.stop(&world.a.tenant).await;
    let status = world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&jump))).await;
    assert!(!everything(&status).contains("geheim"));
    world.service.refuses("jump.issue", STOPPED, world.a.jump(X, customer(C1))).await;
    world.start(&world.a.tenant).await.expect("started");
    world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&jump))).await;
    assert!(world.redeem(X, proof(&others)).await.is_ok(), "a change of A revoked a jump of B");
    assert!(world.a.jump(X, customer(C1)).await.is_ok(), "started again");
}

/// N02
#[tokio::test]
async fn a_deleted_tenant_makes_and_redeems_no_jump_and_its_callers_are_turned_away() {
    let world = World::example().await;
    let jump = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    let others = world.b.jump(X, customer(C1)).await.expect("a jump").into_inner();
    let deleted = world.delete(&world.a.tenant).await;
    assert_eq!(deleted.state(), TenantState::Deleted);
    assert_eq!(deleted.destroyed_after.map(|at| at.seconds), Some(world.service.now() + MONTH));
    assert_eq!(world.tenant(&world.a.tenant).await, deleted);

    world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&jump))).await;
    world.service.refuses("call", MISMATCH, world.a.jump(X, customer(C1))).await;
    let himself = world.service.customer(&world.a.tenant, C1, C1);
    world.service.refuses("call", MISMATCH, himself.jumps().jump_to_tarif(to(X, None))).await;
    let list = v1::ListUsersRequest::default();
    let gone = world.service.refuses("call", MISMATCH, world.a.admin.users().list_users(list)).await;
    let new = user("A", "neu", v1::UserKind::Broker, all());
    world.service.refuses("call", MISMATCH, world.a.admin.users().create_user(new)).await;
    world.service.refuses("call", MISMATCH, world.a.erase(C1)).await;
    let get = v1::GetJumpRequest { jump_id: jump.jump_id.clone() };
    world.service.refuses("call", MISMATCH, world.a.portal.jumps().get_jump(get)).await;
    let targets = v1::ListTargetsRequest::default();
    world.service.refuses("call", MISMATCH, world.a.portal.catalog().list_targets(targets)).await;
    let revoke = v1::revoke_jump_request::Jumps::JumpId(jump.jump_id);
    world.service.refuses("call", MISMATCH, world.a.revoke(revoke)).await;

    // As if it were not there.
    let never = world.service.admin(NOBODY);
    let nobodys = status_of(never.users().list_users(v1::ListUsersRequest::default()).await);
    same_bytes(&gone, &nobodys, "ListUsers");
    assert!(world.redeem(X, proof(&others)).await.is_ok(), "B goes on");
}

/// N03
#[tokio::test]
async fn a_deletion_that_is_taken_back_brings_everything_back_but_open_jumps() {
    let world = World::example().await;
    let jump = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    let before = possessions(&world, &world.a.tenant).await;
    assert!(before.len() > 10);
    world.delete(&world.a.tenant).await;
    assert_eq!(possessions(&world, &world.a.tenant).await, before, "its data is kept");
    world.service.clock.advance(3_600);
    let back = world.undelete(&world.a.tenant).await;
    assert_eq!((back.state(), back.destroyed_after), (TenantState::Stopped, None));
    assert_eq!(possessions(&world, &world.a.tenant).await, before);

    world.service.refuses("jump.issue", STOPPED, world.a.jump(X, customer(C1))).await;
    world.start(&world.a.tenant).await.expect("started");
    assert_eq!(world.arrive(X, customer(C1)).await.password, Some(password("A", "privatkunden")));
    let status = status_of(world.redeem(X, proof(&jump)).await);
    assert_eq!(status.code(), Code::FailedPrecondition);
}

/// N03
#[tokio::test]
async fn a_deleted_tenant_is_not_started_until_that_is_taken_back() {
    let world = World::example().await;
    let deleted = world.delete(&world.a.tenant).await;
    let refused = (Code::FailedPrecondition, "TENANT_DELETED");
    world.service.refuses("tenant.start", refused, world.start(&world.a.tenant)).await;
    // What is so already does not move.
    assert_eq!(world.stop(&world.a.tenant).await, deleted);
    world.service.clock.advance(60);
    assert_eq!(world.delete(&world.a.tenant).await, deleted, "its time does not begin anew");
    let back = world.undelete(&world.a.tenant).await;
    assert_eq!(world.undelete(&world.a.tenant).await, back);
    world.start(&world.a.tenant).await.expect("started");
    // Of a tenant that works, taking back is nothing.
    assert_eq!(world.undelete(&world.a.tenant).await.state(), TenantState::Active);
}

/// N02
#[tokio::test]
async fn tenants_in_every_state_are_listed() {
    let world = World::example().await;
    let stopped = world.stop(&world.b.tenant).await;
    let deleted = world.delete(&world.a.tenant).await;
    let list = admin::ListTenantsRequest::default();
    let listed = world.service.operator().tenants().list_tenants(list).await.expect("a list").into_inner();
    let mut expected = vec![deleted, stopped];
    expected.sort_by(|one, other| one.tenant_id.cmp(&other.tenant_id));
    assert_eq!(listed.tenants, expected);
}
