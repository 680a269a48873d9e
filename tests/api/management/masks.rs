//! Masks: what an update never changes, whatever it is asked.

use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::v1;

use crate::harness::*;

/// No field of anything that can be updated, or no path at all.
const NOWHERE: [&str; 10] =
    ["*", "", " ", "tenant_id.x", "request_id", "nobody", "user.user_name", "displayName", "' OR 1=1 --", "\u{1b}[2J"];

/// U12
#[tokio::test]
async fn a_mask_never_reaches_what_of_a_user_has_an_rpc_of_its_own_or_is_the_services() {
    let world = World::example().await;
    let known = world.a.user(&world.a.meier).await;
    let user = v1::ConcenterUser {
        kind: v1::UserKind::EndCustomer.into(),
        state: v1::State::Disabled.into(),
        display_name: "Neu".to_owned(),
        secret_version: 77,
        ..known
    };
    let own = [
        "secret",
        "password",
        "tenant_id",
        "user_id",
        "kind",
        "state",
        "standard",
        "end_customer",
        "secret_version",
        "secret_set_at",
        "created_at",
        "updated_at",
        "etag",
    ];
    for path in own.into_iter().chain(NOWHERE) {
        let paths = ["display_name", path];
        let call = world.a.update_user(user.clone(), &paths);
        let status = world.service.refuses_fields(&["update_mask.paths[1]"], call).await;
        assert!(path.len() < 9 || !everything(&status).contains(path), "{path} is echoed");
    }
    // Sent along and not named, it is ignored.
    world.a.update_user(user, &["display_name", "display_name"]).await.expect("a path twice counts once");
    let now = world.a.user(&world.a.meier).await;
    assert_eq!((now.kind(), now.state(), now.secret_version), (v1::UserKind::Broker, v1::State::Active, 1));
}

/// U12
#[tokio::test]
async fn a_mask_never_reaches_the_state_of_an_activation() {
    let world = World::example().await;
    let known = world.a.activation(&world.a.meiers).await;
    let activation =
        v1::BrokerActivation { state: v1::State::Disabled.into(), display_name: "Neu".to_owned(), ..known };
    let own = ["activation_id", "state", "tenant_id", "created_at", "updated_at", "etag", "broker_ids[0]"];
    for path in own.into_iter().chain(NOWHERE) {
        let paths = ["display_name", path];
        let call = world.a.update_activation(activation.clone(), &paths);
        world.service.refuses_fields(&["update_mask.paths[1]"], call).await;
    }
    world.a.update_activation(activation, &["display_name"]).await.expect("changed");
    assert_eq!(world.a.activation(&world.a.meiers).await.state(), v1::State::Active);
}

/// U12
#[tokio::test]
async fn a_mask_of_settings_names_settings() {
    let world = World::example().await;
    let settings = v1::Settings { import_change_limit_percent: 30, ..world.a.settings().await };
    for path in ["etag", "tenant_id", "version", "customer_session", "jump_ttl.seconds"].into_iter().chain(NOWHERE) {
        let paths = ["import_change_limit_percent", path];
        let call = world.a.update_settings(settings.clone(), &paths);
        world.service.refuses_fields(&["update_mask.paths[1]"], call).await;
    }
}

/// U12
#[tokio::test]
async fn a_mask_never_reaches_the_state_of_a_tenant() {
    let world = World::example().await;
    let known = world.tenant(&world.a.tenant).await;
    let tenant = admin::Tenant {
        state: admin::TenantState::Stopped.into(),
        display_name: "Neu".to_owned(),
        destroyed_after: Some(prost_types::Timestamp::default()),
        restored_at: Some(prost_types::Timestamp::default()),
        ..known
    };
    let update = |path: &str| admin::UpdateTenantRequest {
        request_id: request_id(),
        tenant: Some(tenant.clone()),
        update_mask: mask(&["display_name", path]),
    };
    let operator = world.service.operator();
    let own = ["tenant_id", "state", "destroyed_after", "restored_at", "created_at", "updated_at", "etag"];
    for path in own.into_iter().chain(NOWHERE) {
        let mut tenants = operator.tenants();
        world.service.refuses_fields(&["update_mask.paths[1]"], tenants.update_tenant(update(path))).await;
    }
    operator.tenants().update_tenant(update("display_name")).await.expect("changed");
    let now = world.tenant(&world.a.tenant).await;
    assert_eq!((now.state(), now.display_name.as_str()), (admin::TenantState::Active, "Neu"));
    assert_eq!((now.destroyed_after, now.restored_at), (None, None));
}
