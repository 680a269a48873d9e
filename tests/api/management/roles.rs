//! Who may manage: roles that may not are refused and written down, and what a client says of himself beside his credential
//! counts for nothing.

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::UserKind;
use tonic::Code;

use crate::harness::*;

const ROLE: (Code, &str) = (Code::PermissionDenied, "ROLE");

/// Calls every method that an administrator of A alone may call, with what would be good of him.
async fn refused_everywhere(world: &World, caller: &Client) {
    let open = "/concenter.v1.CatalogService/";
    let methods: Vec<_> = methods().map(|method| path_of(&method)).collect();
    let management = [
        "UserService",
        "BrokerActivationService",
        "CustomerService",
        "SettingsService",
        "AuditService",
        "TenantService",
        "CatalogAdminService",
    ];
    let of = |path: &&String| !path.starts_with(open) && management.iter().any(|name| path.contains(name));
    let mut refused = 0;
    for path in methods.iter().filter(of) {
        // Without a role, nobody looks at the message.
        world.service.refuses("call", ROLE, caller.send(path, Vec::new())).await;
        refused += 1;
    }
    assert!(refused > 40, "{refused} methods");
}

/// A10
#[tokio::test]
async fn a_broker_manages_nothing() {
    let world = World::example().await;
    let broker = world.service.broker(&world.a.tenant, MEIER, MEIER);
    refused_everywhere(&world, &broker).await;
    let new = user("A", "neu", UserKind::Broker, all());
    world.service.refuses("call", ROLE, broker.users().create_user(new)).await;
    let revoke = v1::RevokeJumpRequest {
        request_id: request_id(),
        jumps: Some(v1::revoke_jump_request::Jumps::BrokerId(MEIER.to_owned())),
    };
    world.service.refuses("call", ROLE, broker.jumps().revoke_jump(revoke)).await;
}

/// A11
#[tokio::test]
async fn a_customer_manages_nothing_and_asks_for_nobody_else() {
    let world = World::example().await;
    let himself = world.service.customer(&world.a.tenant, C1, C1);
    refused_everywhere(&world, &himself).await;
    for person in [customer(C1), customer(C2), broker(MEIER)] {
        let explain = v1::ExplainJumpRequest { target_id: X.to_owned(), person: Some(person), ..Default::default() };
        world.service.refuses("call", ROLE, himself.jumps().explain_jump(explain)).await;
    }
}

/// A12
#[tokio::test]
async fn a_target_redeems_and_nothing_else() {
    let world = World::example().await;
    let target = world.service.target(X);
    refused_everywhere(&world, &target).await;
    for person in [None, Some(customer(C1))] {
        world.service.refuses("call", ROLE, target.jumps().jump_to_tarif(to(X, person))).await;
    }
    let jump = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    let get = v1::GetJumpRequest { jump_id: jump.jump_id };
    world.service.refuses("call", ROLE, target.jumps().get_jump(get)).await;
    world.service.refuses("call", ROLE, target.jumps().list_jumps(v1::ListJumpsRequest::default())).await;
}

/// A14
#[tokio::test]
async fn what_a_client_says_of_himself_in_metadata_changes_nothing() {
    let world = World::example().await;
    let claims = |client: Client| {
        client
            .with("x-tenant-id", &world.b.tenant)
            .with("concenter-role", "operator")
            .with("x-forwarded-client-cert", "URI=spiffe://concenter/operator")
            .with("x-actor", "somebody")
            .with("x-forwarded-for", "127.0.0.1")
    };
    let admin = claims(world.a.admin.clone());
    let made = admin.users().create_user(user("A", "neu", UserKind::Broker, all())).await.expect("a user");
    let made = made.into_inner().user.expect("a user");
    assert_eq!(world.a.user(&made.user_id).await, made, "it is A's");
    let theirs = world.b.admin.users().list_users(v1::ListUsersRequest::default()).await.expect("a list").into_inner();
    assert_eq!(theirs.users.len(), 5, "B has what it had");
    let erase = v1::EraseCustomerRequest { request_id: request_id(), customer_id: C1.to_owned() };
    claims(world.a.portal.clone()).customers().erase_customer(erase).await.expect("erased");
    assert_eq!(world.b.customer(C1).await.customer_id, C1, "B's own is as he was");

    let broker = claims(world.service.broker(&world.a.tenant, MEIER, MEIER));
    let list = v1::ListUsersRequest::default();
    world.service.refuses("call", ROLE, broker.users().list_users(list)).await;
    let stop = concenter_gateway::proto::admin::v1::StopTenantRequest::default();
    world.service.refuses("call", ROLE, admin.tenants().stop_tenant(stop)).await;
}
