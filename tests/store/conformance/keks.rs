//! Key-encryption keys.

use concenter_gateway::domain::audit::{Action, AuditEntry, AuditedRole};
use concenter_gateway::domain::error::{Reason, Refusal};
use concenter_gateway::domain::ids::TenantId;
use concenter_gateway::domain::kek::{KnownKek, Rewrapped};
use concenter_gateway::domain::service::ServiceState;
use concenter_gateway::domain::tenant::WrappedKeys;
use concenter_gateway::store::StoreError;

use crate::fixture::{Harness, KEK, done, kek_id, reason, refusal};

/// The key after [`KEK`].
const NEXT: &str = "0000000000000002";

async fn state(h: &Harness) -> ServiceState {
    h.store.load_service().await.expect("an answer").expect("a service")
}

async fn add(h: &Harness, id: &str) -> KnownKek {
    done(h.store.add_kek(&h.effect(TenantId::SYSTEM, Action::AddKek), &h.kek(id)).await)
}

async fn activate(h: &Harness, id: &str) -> KnownKek {
    done(h.store.activate_kek(&h.effect(TenantId::SYSTEM, Action::ActivateKek), &kek_id(id)).await)
}

async fn refused_retirement(h: &Harness, id: &str) -> Refusal {
    refusal(h.store.retire_kek(&h.effect(TenantId::SYSTEM, Action::RetireKek), &kek_id(id)).await)
}

async fn retire(h: &Harness, id: &str) -> KnownKek {
    done(h.store.retire_kek(&h.effect(TenantId::SYSTEM, Action::RetireKek), &kek_id(id)).await)
}

async fn count(h: &Harness, id: &str) -> u64 {
    h.store.count_data_keys_all_tenants(&kek_id(id)).await.expect("a number")
}

async fn under(h: &Harness, id: &str) -> Vec<TenantId> {
    h.store.tenants_under_kek_all_tenants(&kek_id(id), None, 100).await.expect("tenants")
}

async fn keys(h: &Harness, tenant: &TenantId) -> WrappedKeys {
    h.store.tenant_keys(tenant).await.expect("an answer").expect("keys")
}

fn entry(h: &Harness) -> AuditEntry {
    AuditEntry { role: AuditedRole::Service, ..h.audit(Action::RewrapKeys, None) }
}

async fn rewrap(h: &Harness, to: &str, keys: &[Rewrapped]) -> u64 {
    h.store.rewrap_keys(&kek_id(to), keys, &entry(h)).await.expect("an answer")
}

/// A tenant's data key as it would be wrapped anew now.
async fn anew(h: &Harness, tenant: TenantId) -> Rewrapped {
    Rewrapped { tenant, from: keys(h, &tenant).await, wrapped_dek: h.bytes::<60>().to_vec() }
}

/// The same of the service's own.
async fn service_anew(h: &Harness) -> Rewrapped {
    Rewrapped { tenant: TenantId::SYSTEM, from: state(h).await.keys, wrapped_dek: h.bytes::<60>().to_vec() }
}

/// A service with a second key that is active, and so many tenants under the first one.
async fn with_next<const TENANTS: usize>(h: &Harness) -> [TenantId; TENANTS] {
    h.service().await;
    let mut tenants = [TenantId::SYSTEM; TENANTS];
    for tenant in &mut tenants {
        *tenant = h.empty_tenant().await;
    }
    add(h, NEXT).await;
    activate(h, NEXT).await;
    tenants
}

pub(crate) async fn a_key_that_is_added_is_known_and_wraps_nothing(h: &Harness) {
    h.service().await;
    let effect = h.effect(TenantId::SYSTEM, Action::AddKek);
    let kek = h.kek(NEXT);
    assert_eq!(done(h.store.add_kek(&effect, &kek).await), kek);
    let state = state(h).await;
    assert_eq!((state.keks.last(), state.active_kek), (Some(&kek), kek_id(KEK)));
    assert_eq!((count(h, KEK).await, count(h, NEXT).await), (1, 0));

    // Again: the same request, and another one, with another canary.
    assert_eq!(done(h.store.add_kek(&h.again(&effect), &kek).await), kek);
    assert_eq!(add(h, NEXT).await, kek, "it stays as it is");
    assert_eq!(h.accepted(&TenantId::SYSTEM, Action::AddKek).await, 2);
}

pub(crate) async fn the_active_key_is_a_row(h: &Harness) {
    h.service().await;
    add(h, NEXT).await;
    let effect = h.effect(TenantId::SYSTEM, Action::ActivateKek);
    let active = done(h.store.activate_kek(&effect, &kek_id(NEXT)).await);
    assert_eq!((active.kek_id, state(h).await.active_kek), (kek_id(NEXT), kek_id(NEXT)));
    assert_eq!(activate(h, KEK).await.kek_id, kek_id(KEK), "there is a way back");
    // The same request does not do it once more.
    done(h.store.activate_kek(&h.again(&effect), &kek_id(NEXT)).await);
    assert_eq!(state(h).await.active_kek, kek_id(KEK));
    assert_eq!(h.accepted(&TenantId::SYSTEM, Action::ActivateKek).await, 2);
}

pub(crate) async fn a_key_that_nobody_knows_is_neither_activated_nor_retired(h: &Harness) {
    h.service().await;
    let effect = h.effect(TenantId::SYSTEM, Action::ActivateKek);
    assert_eq!(reason(h.store.activate_kek(&effect, &kek_id(NEXT)).await), Reason::NotFound);
    let effect = h.effect(TenantId::SYSTEM, Action::RetireKek);
    assert_eq!(reason(h.store.retire_kek(&effect, &kek_id(NEXT)).await), Reason::NotFound);
    assert_eq!(state(h).await.active_kek, kek_id(KEK));
}

pub(crate) async fn a_data_key_is_wrapped_anew_in_the_place_of_the_very_bytes_that_were_opened(h: &Harness) {
    let [tenant, other] = with_next(h).await;
    let before = keys(h, &tenant).await;
    let anew = anew(h, tenant).await;
    for stale in [
        WrappedKeys { wrapped_dek: h.bytes::<60>().to_vec(), ..before.clone() },
        WrappedKeys { dek_version: 2, ..before.clone() },
        WrappedKeys { kek_id: NEXT.to_owned(), ..before.clone() },
    ] {
        assert_eq!(rewrap(h, NEXT, &[Rewrapped { from: stale, ..anew.clone() }]).await, 0);
    }
    assert_eq!(rewrap(h, NEXT, &[Rewrapped { tenant: other, ..anew.clone() }]).await, 0, "another tenant");
    assert_eq!(keys(h, &tenant).await, before);
    assert_eq!(h.accepted(&TenantId::SYSTEM, Action::RewrapKeys).await, 0);

    assert_eq!(rewrap(h, NEXT, std::slice::from_ref(&anew)).await, 1);
    let after = WrappedKeys { kek_id: NEXT.to_owned(), wrapped_dek: anew.wrapped_dek.clone(), ..before };
    assert_eq!(keys(h, &tenant).await, after);
    assert_eq!(rewrap(h, NEXT, &[anew]).await, 0, "once");
    assert_eq!(h.accepted(&TenantId::SYSTEM, Action::RewrapKeys).await, 1);
    assert_eq!((under(h, KEK).await, under(h, NEXT).await), (vec![other], vec![tenant]));
}

pub(crate) async fn a_batch_is_one_row_of_the_audit_log(h: &Harness) {
    let tenants: [TenantId; 3] = with_next(h).await;
    let mut batch = vec![service_anew(h).await];
    for tenant in tenants {
        batch.push(anew(h, tenant).await);
    }
    assert_eq!(rewrap(h, NEXT, &batch).await, 4);
    assert_eq!((count(h, KEK).await, count(h, NEXT).await), (0, 4));
    assert_eq!(h.accepted(&TenantId::SYSTEM, Action::RewrapKeys).await, 1);
    let state = state(h).await;
    assert_eq!((state.keys.kek_id.as_str(), &state.keys.wrapped_dek), (NEXT, &batch[0].wrapped_dek));
    assert_eq!(state.keys.sealed_mac_key, batch[0].from.sealed_mac_key);
}

pub(crate) async fn of_two_who_wrap_the_same_anew_one_does(h: &Harness) {
    let [tenant] = with_next(h).await;
    let (one, other) = ([anew(h, tenant).await], [anew(h, tenant).await]);
    let (first, second) = tokio::join!(rewrap(h, NEXT, &one), rewrap(h, NEXT, &other));
    assert_eq!(first + second, 1);
    let winner = if first == 1 { &one } else { &other };
    assert_eq!(keys(h, &tenant).await.wrapped_dek, winner[0].wrapped_dek);
    assert_eq!(h.accepted(&TenantId::SYSTEM, Action::RewrapKeys).await, 1);
}

pub(crate) async fn who_has_not_heard_of_the_active_key_wraps_nothing_back(h: &Harness) {
    let [tenant] = with_next(h).await;
    let back = [service_anew(h).await, anew(h, tenant).await];
    assert_eq!(rewrap(h, KEK, &back).await, 0);
    assert_eq!(count(h, KEK).await, 2);
    activate(h, KEK).await;
    assert_eq!(rewrap(h, NEXT, &back).await, 0);
}

pub(crate) async fn tenants_under_a_key_are_listed_by_id_behind_one_another(h: &Harness) {
    let mut tenants: [TenantId; 3] = with_next(h).await;
    tenants.sort();
    let page = async |after: Option<&TenantId>| {
        h.store.tenants_under_kek_all_tenants(&kek_id(KEK), after, 2).await.expect("tenants")
    };
    assert_eq!(page(None).await, tenants[..2]);
    assert_eq!(page(Some(&tenants[1])).await, tenants[2..]);
    assert_eq!(page(Some(&tenants[2])).await, []);
    let found = h.store.keys_of_tenants(&tenants[1..]).await.expect("keys");
    assert_eq!(found.iter().map(|(tenant, _)| *tenant).collect::<Vec<_>>(), tenants[1..]);
    assert_eq!(found[0].1, keys(h, &tenants[1]).await);
}

pub(crate) async fn a_key_that_something_is_under_is_not_retired_and_says_how_much(h: &Harness) {
    let [tenant] = with_next(h).await;
    let in_use = |total| Refusal::with_related(Reason::KekInUse, Vec::new(), total);
    assert_eq!(refused_retirement(h, KEK).await, in_use(2));
    assert_eq!(rewrap(h, NEXT, &[anew(h, tenant).await]).await, 1);
    assert_eq!(refused_retirement(h, KEK).await, in_use(1), "the service's own");
    assert_eq!(rewrap(h, NEXT, &[service_anew(h).await]).await, 1);
    activate(h, KEK).await;
    assert_eq!(refused_retirement(h, KEK).await, in_use(1), "it is the active one");
    activate(h, NEXT).await;

    let retired = retire(h, KEK).await;
    assert!(retired.retired_at.is_some());
    assert_eq!(state(h).await.kek(KEK), Some(&retired));
    h.advance(std::time::Duration::from_secs(1));
    assert_eq!(retire(h, KEK).await, retired, "once");
    assert_eq!(h.refused(&TenantId::SYSTEM, Action::RetireKek, Reason::KekInUse).await, 3);
}

pub(crate) async fn a_retired_key_wraps_nothing_ever_again(h: &Harness) {
    h.service().await;
    add(h, NEXT).await;
    retire(h, NEXT).await;
    let effect = h.effect(TenantId::SYSTEM, Action::ActivateKek);
    assert_eq!(reason(h.store.activate_kek(&effect, &kek_id(NEXT)).await), Reason::NotFound);
    assert!(add(h, NEXT).await.retired_at.is_some(), "it does not come back");
    // A replica that took it for the active one a moment ago.
    let mut new = h.new_tenant(None);
    new.keys.kek_id = NEXT.to_owned();
    let refused = h.store.create_tenant(&h.effect(TenantId::SYSTEM, Action::CreateTenant), &new).await;
    assert!(matches!(refused, Err(StoreError::Constraint(_))), "{refused:?}");
    assert_eq!(h.store.get_tenant(&new.tenant_id).await.expect("an answer"), None);
}

pub(crate) async fn what_is_left_of_a_destroyed_tenant_is_under_no_key(h: &Harness) {
    let [tenant] = with_next(h).await;
    let at = h.delete_tenant(&tenant).await.deleted_at.expect("an instant");
    assert_eq!(count(h, KEK).await, 2);
    let audit = AuditEntry { role: AuditedRole::Service, ..h.audit(Action::DestroyTenant, None) };
    h.store.destroy_tenant_keys(&tenant, at, &audit).await.expect("an answer");
    assert_eq!(count(h, KEK).await, 1);
    assert_eq!((under(h, KEK).await, h.store.keys_of_tenants(&[tenant]).await.expect("keys")), (vec![], vec![]));
}
