//! Tenants.

use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::customer::CustomerAccess;
use concenter_gateway::domain::error::{Reason, Refusal, Version};
use concenter_gateway::domain::ids::TenantId;
use concenter_gateway::domain::tenant::{Tenant, TenantState};
use concenter_gateway::domain::user::UserKind;
use concenter_gateway::store::Outcome;

use crate::fixture::jump::for_broker;
use crate::fixture::{Harness, STALE, done, first, line, next, reason, refusal, walks};

pub(crate) async fn a_new_tenant_reads_back(h: &Harness) {
    h.service().await;
    let new = h.new_tenant(None);
    let effect = h.effect(TenantId::SYSTEM, Action::CreateTenant);
    let made = done(h.store.create_tenant(&effect, &new).await);
    let expected = Tenant {
        tenant_id: new.tenant_id,
        display_name: new.display_name,
        state: TenantState::Active,
        deleted_at: None,
        restored_at: None,
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

pub(crate) async fn a_tenant_gets_another_name(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    let before = h.tenant(&tenant).await;
    let effect = h.effect(TenantId::SYSTEM, Action::UpdateTenant);
    let named = done(h.store.update_tenant(&tenant, &effect, before.version, &line("Neue Firma")).await);
    let expected =
        Tenant { display_name: line("Neue Firma"), updated_at: effect.at, version: next(before.version), ..before };
    assert_eq!(named, expected);
    assert_eq!(h.tenant(&tenant).await, expected);
    assert_eq!(h.accepted(&tenant, Action::UpdateTenant).await, 1);
}

pub(crate) async fn the_same_name_changes_nothing(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    let before = h.tenant(&tenant).await;
    let effect = h.effect(TenantId::SYSTEM, Action::UpdateTenant);
    assert_eq!(done(h.store.update_tenant(&tenant, &effect, before.version, &before.display_name).await), before);
    assert_eq!(h.tenant(&tenant).await, before);
}

pub(crate) async fn another_name_needs_its_tenant_and_its_etag(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    let before = h.tenant(&tenant).await;
    let effect = h.effect(TenantId::SYSTEM, Action::UpdateTenant);
    let outcome = h.store.update_tenant(&tenant, &effect, STALE, &line("Neue Firma")).await;
    assert_eq!(refusal(outcome), Refusal::etag_mismatch(before.version));
    let effect = h.effect(TenantId::SYSTEM, Action::UpdateTenant);
    let outcome = h.store.update_tenant(&h.id(TenantId::new), &effect, Version::FIRST, &line("Neue Firma")).await;
    assert_eq!(reason(outcome), Reason::NotFound);
    assert_eq!(h.tenant(&tenant).await, before);
    assert_eq!(h.refused(&TenantId::SYSTEM, Action::UpdateTenant, Reason::NotFound).await, 1);
}

pub(crate) async fn another_name_leaves_open_jumps_alone(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    let effect = h.effect(TenantId::SYSTEM, Action::UpdateTenant);
    done(h.store.update_tenant(&firm.tenant, &effect, Version::FIRST, &line("Neue Firma")).await);
    jumps.are_open(h).await;
}

pub(crate) async fn a_deleted_tenant_is_stopped_and_stays_so_when_that_is_taken_back(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    let before = h.tenant(&tenant).await;
    let effect = h.effect(TenantId::SYSTEM, Action::DeleteTenant);
    let deleted = done(h.store.set_tenant_deleted(&tenant, &effect, before.version, true).await);
    let expected = Tenant {
        state: TenantState::Stopped,
        deleted_at: Some(effect.at),
        updated_at: effect.at,
        version: next(before.version),
        ..before.clone()
    };
    assert_eq!(deleted, expected);
    assert_eq!(h.tenant(&tenant).await, expected);
    assert_eq!(h.store.list_tenants_all_tenants(&first(10)).await.expect("a page").rows, [expected]);
    let back = h.undelete_tenant(&tenant).await;
    let expected = Tenant {
        state: TenantState::Stopped,
        deleted_at: None,
        updated_at: back.updated_at,
        version: next(deleted.version),
        ..before
    };
    assert_eq!(back, expected);
    assert!(back.updated_at > deleted.updated_at);
    assert_eq!(h.set_tenant_state(&tenant, TenantState::Active).await.state, TenantState::Active);
    for action in [Action::DeleteTenant, Action::UndeleteTenant] {
        assert_eq!(h.accepted(&tenant, action).await, 1, "{action:?}");
    }
}

pub(crate) async fn deleting_what_is_deleted_changes_nothing(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    let before = h.tenant(&tenant).await;
    assert_eq!(h.undelete_tenant(&tenant).await, before, "it is not deleted");
    let deleted = h.delete_tenant(&tenant).await;
    assert_eq!(h.delete_tenant(&tenant).await, deleted);
    assert_eq!(h.tenant(&tenant).await, deleted);
}

pub(crate) async fn a_stopped_tenant_can_be_deleted(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    let stopped = h.set_tenant_state(&tenant, TenantState::Stopped).await;
    let deleted = h.delete_tenant(&tenant).await;
    assert_eq!((deleted.state, deleted.version), (TenantState::Stopped, next(stopped.version)));
    assert_eq!(deleted.deleted_at, Some(deleted.updated_at));
}

pub(crate) async fn a_deleted_tenant_is_not_started(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    let deleted = h.delete_tenant(&tenant).await;
    let effect = h.effect(TenantId::SYSTEM, Action::StartTenant);
    let outcome = h.store.set_tenant_state(&tenant, &effect, deleted.version, TenantState::Active).await;
    assert_eq!(reason(outcome), Reason::TenantDeleted);
    assert_eq!(h.refused(&TenantId::SYSTEM, Action::StartTenant, Reason::TenantDeleted).await, 1);
    assert_eq!(h.set_tenant_state(&tenant, TenantState::Stopped).await, deleted, "it is stopped already");
    assert_eq!(h.tenant(&tenant).await, deleted);
}

pub(crate) async fn deleting_needs_its_tenant_and_its_etag(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    let before = h.tenant(&tenant).await;
    for deleted in [true, false] {
        let effect = h.effect(TenantId::SYSTEM, Action::DeleteTenant);
        let outcome = h.store.set_tenant_deleted(&tenant, &effect, STALE, deleted).await;
        assert_eq!(refusal(outcome), Refusal::etag_mismatch(before.version));
        let effect = h.effect(TenantId::SYSTEM, Action::DeleteTenant);
        let outcome = h.store.set_tenant_deleted(&h.id(TenantId::new), &effect, Version::FIRST, deleted).await;
        assert_eq!(reason(outcome), Reason::NotFound);
    }
    assert_eq!(h.tenant(&tenant).await, before);
}

pub(crate) async fn a_deletion_that_is_taken_back_revokes_open_jumps(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    let others = h.open_jumps(&other, for_broker("m.meier")).await;
    h.delete_tenant(&firm.tenant).await;
    h.undelete_tenant(&firm.tenant).await;
    h.set_tenant_state(&firm.tenant, TenantState::Active).await;
    jumps.are_revoked(h).await;
    others.are_open(h).await;
}
