//! Tenants.

use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::customer::CustomerAccess;
use concenter_gateway::domain::error::{Reason, Refusal, Version};
use concenter_gateway::domain::ids::TenantId;
use concenter_gateway::domain::tenant::{Tenant, TenantState};
use concenter_gateway::domain::user::UserKind;
use concenter_gateway::store::Outcome;

use crate::fixture::{Harness, STALE, done, first, next, reason, walks};

pub(crate) async fn a_new_tenant_reads_back(h: &Harness) {
    h.service().await;
    let new = h.new_tenant(None);
    let effect = h.effect(TenantId::SYSTEM, Action::CreateTenant);
    let made = done(h.store.create_tenant(&effect, &new).await);
    let expected = Tenant {
        tenant_id: new.tenant_id,
        display_name: new.display_name,
        state: TenantState::Active,
        created_at: effect.at,
        updated_at: effect.at,
        version: Version::FIRST,
    };
    assert_eq!(made, expected);
    assert_eq!(h.tenant(&new.tenant_id).await, expected);
}

pub(crate) async fn a_new_tenant_has_its_standard_user(h: &Harness) {
    h.service().await;
    let standard = h.new_user("cloudtransfer", UserKind::Standard);
    let new = h.new_tenant(Some(standard.clone()));
    let effect = h.effect(TenantId::SYSTEM, Action::CreateTenant);
    done(h.store.create_tenant(&effect, &new).await);
    let users = h.store.list_users(&new.tenant_id, &first(10)).await.expect("an answer").rows;
    let [user] = users.as_slice() else { panic!("one user, not {users:?}") };
    assert_eq!((user.user_id, &user.name, user.kind), (standard.user_id, &standard.name, UserKind::Standard));
}

pub(crate) async fn a_tenant_may_start_without_a_user(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    let users = h.store.list_users(&tenant, &first(10)).await.expect("an answer");
    assert_eq!((users.rows, users.next), (Vec::new(), None));
}

pub(crate) async fn a_new_tenant_has_an_empty_customer_access(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    let empty = CustomerAccess {
        private_user_id: None,
        commercial_user_id: None,
        commercial_falls_back: false,
        version: Version::FIRST,
    };
    assert_eq!(h.access(&tenant).await, empty);
}

pub(crate) async fn the_keys_of_a_tenant_read_back(h: &Harness) {
    h.service().await;
    let new = h.new_tenant(None);
    done(h.store.create_tenant(&h.effect(TenantId::SYSTEM, Action::CreateTenant), &new).await);
    assert_eq!(h.store.tenant_keys(&new.tenant_id).await.expect("an answer"), Some(new.keys));
}

pub(crate) async fn an_unknown_tenant_is_absent(h: &Harness) {
    h.service().await;
    let nobody = h.id(TenantId::new);
    assert_eq!(h.store.get_tenant(&nobody).await.expect("an answer"), None);
    assert_eq!(h.store.tenant_keys(&nobody).await.expect("an answer"), None);
    assert_eq!(h.store.get_customer_access(&nobody).await.expect("an answer"), None);
    let users = h.store.list_users(&nobody, &first(10)).await.expect("an answer");
    assert_eq!((users.rows, users.next), (Vec::new(), None));
}

pub(crate) async fn tenants_are_listed_by_id_page_by_page(h: &Harness) {
    h.service().await;
    let mut tenants = Vec::new();
    for _ in 0..7 {
        let tenant = h.empty_tenant().await;
        tenants.push(h.tenant(&tenant).await);
    }
    for rows in [1, 3, 7, 8] {
        walks(&tenants, rows, async |page| h.store.list_tenants_all_tenants(&page).await.expect("a page")).await;
    }
}

pub(crate) async fn a_stopped_tenant_can_be_started_again(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    let stopped = h.set_tenant_state(&tenant, TenantState::Stopped).await;
    assert_eq!((stopped.state, stopped.version), (TenantState::Stopped, next(Version::FIRST)));
    assert!(stopped.updated_at > stopped.created_at);
    let started = h.set_tenant_state(&tenant, TenantState::Active).await;
    assert_eq!((started.state, started.version), (TenantState::Active, next(stopped.version)));
    assert_eq!(h.tenant(&tenant).await, started);
}

pub(crate) async fn starting_an_active_tenant_changes_nothing(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    let before = h.tenant(&tenant).await;
    assert_eq!(h.set_tenant_state(&tenant, TenantState::Active).await, before);
    assert_eq!(h.tenant(&tenant).await, before);
}

pub(crate) async fn stopping_a_tenant_that_changed_is_refused(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    let effect = h.effect(TenantId::SYSTEM, Action::StopTenant);
    let outcome = h.store.set_tenant_state(&tenant, &effect, STALE, TenantState::Stopped).await.expect("an answer");
    assert_eq!(outcome, Outcome::Refused(Refusal::etag_mismatch(Version::FIRST)));
    assert_eq!(h.tenant(&tenant).await.state, TenantState::Active);
}

pub(crate) async fn stopping_an_unknown_tenant_is_refused(h: &Harness) {
    h.service().await;
    let effect = h.effect(TenantId::SYSTEM, Action::StopTenant);
    let nobody = h.id(TenantId::new);
    let outcome = h.store.set_tenant_state(&nobody, &effect, Version::FIRST, TenantState::Stopped).await;
    assert_eq!(reason(outcome), Reason::NotFound);
}
