//! What goes because its time is over (`docs/domain.md#retention`).

use std::time::Duration;

use concenter_gateway::domain::audit::{Action, AuditEntry, AuditedKind, AuditedPerson, AuditedRole, Salt};
use concenter_gateway::domain::customer::Segment;
use concenter_gateway::domain::error::{Reason, Version};
use concenter_gateway::domain::ids::TenantId;
use concenter_gateway::domain::jump::RedeemOutcome;
use concenter_gateway::domain::provider::State;
use concenter_gateway::domain::time::Timestamp;

use crate::fixture::firm::{Firm, entry};
use crate::fixture::jump::{for_broker, for_customer};
use crate::fixture::{Harness, customer, done, first, reason, walks};

const HOUR: Duration = Duration::from_secs(60 * 60);
/// More rows than any of these cases has.
const ALL: u32 = 10_000;

fn just_after(at: Timestamp) -> Timestamp {
    at.plus(Duration::from_micros(1))
}

fn destruction(h: &Harness) -> AuditEntry {
    AuditEntry { role: AuditedRole::Service, ..h.audit(Action::DestroyTenant, None) }
}

/// Destroys the keys of a tenant that was deleted until now.
async fn destroy(h: &Harness, tenant: &TenantId) {
    h.store.destroy_tenant_keys(tenant, h.now(), &destruction(h)).await.expect("an answer");
}

/// Bytes as [`crate::fixture::Inspect::tables_with`] takes them.
fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    digits.map(|digit| char::from_digit(u32::from(digit), 16).expect("a digit").to_ascii_uppercase()).collect()
}

async fn keys_of(h: &Harness, tenant: &TenantId) -> bool {
    h.store.tenant_keys(tenant).await.expect("an answer").is_some()
}

pub(crate) async fn requests_are_deleted_by_their_age(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    let old = h.effect(firm.tenant, Action::DisableUser);
    done(h.store.set_user_state(&firm.tenant, &old, &firm.meier, Version::FIRST, State::Disabled).await);
    let before = h.inspect.count_requests().await;
    h.advance(HOUR);
    let young = h.effect(other.tenant, Action::DisableUser);
    let disabled = h.store.set_user_state(&other.tenant, &young, &other.meier, Version::FIRST, State::Disabled).await;
    let disabled = done(disabled);
    let deleted = h.store.delete_requests_all_tenants(young.at, ALL).await.expect("a number");
    assert_eq!((i64::try_from(deleted).expect("a small number"), h.inspect.count_requests().await), (before, 1));
    // The young one is still the same request, the old one a new one.
    let again = h.again(&young);
    let again = h.store.set_user_state(&other.tenant, &again, &other.meier, Version::FIRST, State::Disabled).await;
    assert_eq!(done(again), disabled);
    let again =
        h.store.set_user_state(&firm.tenant, &h.again(&old), &firm.meier, Version::FIRST, State::Disabled).await;
    assert_eq!(h.refused(&firm.tenant, Action::DisableUser, Reason::EtagMismatch).await, 1, "{again:?}");
    assert_eq!(h.store.delete_requests_all_tenants(young.at, ALL).await.expect("a number"), 0);
    assert_eq!(h.store.delete_requests_all_tenants(just_after(young.at), ALL).await.expect("a number"), 1);
}

pub(crate) async fn only_so_many_requests_are_deleted_at_once_and_the_oldest_first(h: &Harness) {
    let firm = h.example().await;
    let old = h.inspect.count_requests().await;
    let youngest = h.effect(firm.tenant, Action::DisableUser);
    let disabled =
        done(h.store.set_user_state(&firm.tenant, &youngest, &firm.meier, Version::FIRST, State::Disabled).await);
    let end = just_after(youngest.at);
    let step = u32::try_from(old).expect("a small number") - 1;
    assert_eq!(h.store.delete_requests_all_tenants(end, 1).await.expect("a number"), 1);
    assert_eq!(h.store.delete_requests_all_tenants(end, step).await.expect("a number"), u64::from(step));
    let again = h.again(&youngest);
    let again = h.store.set_user_state(&firm.tenant, &again, &firm.meier, Version::FIRST, State::Disabled).await;
    assert_eq!(done(again), disabled, "the youngest is there");
    assert_eq!(h.store.delete_requests_all_tenants(end, step).await.expect("a number"), 1);
}

pub(crate) async fn the_ids_of_all_tenants_are_listed(h: &Harness) {
    h.service().await;
    let mut tenants = Vec::new();
    for _ in 0..3 {
        tenants.push(h.empty_tenant().await);
    }
    h.delete_tenant(&tenants[1]).await;
    for rows in [1, 2, 3, 10] {
        let list = async |page| h.store.list_tenant_ids_all_tenants(&page).await.expect("a page");
        walks(&tenants, rows, list).await;
    }
}

pub(crate) async fn jumps_of_one_tenant_are_deleted_by_their_age(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    h.issue(&other.tenant, for_broker("m.meier")).await;
    for _ in 0..3 {
        h.issue(&firm.tenant, for_broker("m.meier")).await;
    }
    let redeemed = h.issue(&firm.tenant, for_customer("k-1")).await;
    assert_eq!(h.redeem(&firm.tenant, &redeemed).await, RedeemOutcome::Redeemed);
    h.advance(HOUR);
    let young = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let before = young.jump_id.made_at();
    assert_eq!(h.store.delete_jumps(&firm.tenant, before, 3).await.expect("a number"), 3);
    assert_eq!(h.inspect.count_jumps(&firm.tenant).await, 2);
    assert!(h.redeem_inputs(&firm.tenant, &redeemed.jti_hash).await.is_some(), "the oldest go first");
    assert_eq!(h.store.delete_jumps(&firm.tenant, before, 3).await.expect("a number"), 1);
    assert_eq!(h.store.delete_jumps(&firm.tenant, before, 3).await.expect("a number"), 0);
    assert_eq!(h.redeem(&firm.tenant, &young).await, RedeemOutcome::Redeemed, "it is not that old");
    assert_eq!((h.inspect.count_jumps(&firm.tenant).await, h.inspect.count_jumps(&other.tenant).await), (1, 1));
}

pub(crate) async fn tenants_are_listed_that_were_deleted_long_enough_ago(h: &Harness) {
    h.service().await;
    let list = async |before, most| h.store.deleted_tenants_all_tenants(before, most).await.expect("a list");
    let mut tenants = Vec::new();
    for _ in 0..4 {
        tenants.push(h.empty_tenant().await);
    }
    assert_eq!(list(h.now(), 10).await, []);
    // Neither in the order of their ids, nor all of them.
    for tenant in [tenants[2], tenants[0], tenants[1]] {
        h.delete_tenant(&tenant).await;
        h.advance(HOUR);
    }
    let middle = h.tenant(&tenants[0]).await.deleted_at.expect("an instant");
    assert_eq!(list(middle, 10).await, [tenants[0], tenants[2]]);
    assert_eq!(list(h.now(), 10).await, [tenants[0], tenants[1], tenants[2]]);
    assert_eq!(list(h.now(), 2).await, [tenants[0], tenants[1]]);
    h.undelete_tenant(&tenants[0]).await;
    assert_eq!(list(h.now(), 10).await, [tenants[1], tenants[2]]);
}

pub(crate) async fn the_keys_of_a_deleted_tenant_are_destroyed_once(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    let keys = h.store.tenant_keys(&firm.tenant).await.expect("an answer").expect("keys");
    let blobs = [hex(&keys.wrapped_dek), hex(&keys.sealed_mac_key)];
    let deleted = h.delete_tenant(&firm.tenant).await;
    for blob in &blobs {
        assert_eq!(h.inspect.tables_with(blob).await, ["tenant"]);
    }
    let at = deleted.deleted_at.expect("an instant");
    let audit = destruction(h);
    h.store.destroy_tenant_keys(&firm.tenant, at, &audit).await.expect("an answer");
    h.store.destroy_tenant_keys(&firm.tenant, at, &destruction(h)).await.expect("an answer");
    for blob in &blobs {
        assert!(h.inspect.tables_with(blob).await.is_empty(), "it is gone");
    }
    assert!(!keys_of(h, &firm.tenant).await);
    assert!(keys_of(h, &other.tenant).await);
    assert_eq!(h.tenant(&firm.tenant).await, deleted, "it is listed as before");
    assert_eq!(h.accepted(&TenantId::SYSTEM, Action::DestroyTenant).await, 1);
    let row = h.inspect.audit_log(&TenantId::SYSTEM).await.pop().expect("a row");
    assert_eq!((row.audit_id, row.role.as_str()), (audit.audit_id.to_string(), "service"));
}

pub(crate) async fn the_keys_of_a_tenant_that_may_come_back_stay(h: &Harness) {
    h.service().await;
    let there = h.empty_tenant().await;
    let deleted = h.empty_tenant().await;
    let at = h.delete_tenant(&deleted).await.deleted_at.expect("an instant");
    let too_early = Timestamp::from_unix_micros(at.unix_micros() - 1);
    h.store.destroy_tenant_keys(&deleted, too_early, &destruction(h)).await.expect("an answer");
    destroy(h, &there).await;
    destroy(h, &h.id(TenantId::new)).await;
    assert!(keys_of(h, &there).await && keys_of(h, &deleted).await);
    assert_eq!(h.accepted(&TenantId::SYSTEM, Action::DestroyTenant).await, 0);
    // Nor does any of its data go.
    assert_eq!(h.store.delete_tenant_data(&deleted, ALL).await.expect("a number"), 0);
    h.undelete_tenant(&deleted).await;
    assert_eq!(h.store.delete_tenant_data(&deleted, ALL).await.expect("a number"), 0);
    destroy(h, &deleted).await;
    assert!(keys_of(h, &deleted).await);
}

pub(crate) async fn a_destroyed_tenant_does_not_come_back(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    let deleted = h.delete_tenant(&tenant).await;
    destroy(h, &tenant).await;
    let effect = h.effect(TenantId::SYSTEM, Action::UndeleteTenant);
    let outcome = h.store.set_tenant_deleted(&tenant, &effect, deleted.version, false).await;
    assert_eq!(reason(outcome), Reason::NotFound);
    assert_eq!(h.tenant(&tenant).await, deleted);
    assert_eq!(h.delete_tenant(&tenant).await, deleted, "deleted it is");
}

/// A firm with a row in every table.
async fn full(h: &Harness) -> Firm {
    let firm = h.firm().await;
    h.put_customers(&firm, &[entry("k-3", Segment::Private)]).await;
    h.assign(&firm, "k-3", Some(&firm.private)).await;
    h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.issue(&firm.tenant, for_customer("k-1")).await;
    for kind in [AuditedKind::Broker, AuditedKind::Customer, AuditedKind::Subject] {
        let person = AuditedPerson { kind, id: "somebody".to_owned() };
        h.store.ensure_salts(&firm.tenant, &[(person, Salt(h.bytes()))]).await.expect("salts");
    }
    firm
}

pub(crate) async fn the_data_of_a_destroyed_tenant_goes_step_by_step(h: &Harness) {
    h.catalogue().await;
    let firm = full(h).await;
    let other = full(h).await;
    let log = h.inspect.audit_log(&firm.tenant).await;
    h.delete_tenant(&firm.tenant).await;
    destroy(h, &firm.tenant).await;
    let mut total = 0;
    loop {
        let deleted = h.store.delete_tenant_data(&firm.tenant, 3).await.expect("a number");
        assert!(deleted <= 3, "{deleted}");
        total += deleted;
        if deleted < 3 {
            break;
        }
    }
    // Two activations with a broker each, four customers, five users, two jumps, three salts; access, settings, tenant;
    // and its own requests: four users, two activations, access, two batches, an assignment.
    assert_eq!(total, 4 + 4 + 5 + 2 + 3 + 3 + 10);
    assert_eq!(h.store.get_tenant(&firm.tenant).await.expect("an answer"), None);
    assert_eq!(h.store.deleted_tenants_all_tenants(h.now(), 10).await.expect("a list"), []);
    assert_eq!(h.store.delete_tenant_data(&firm.tenant, 3).await.expect("a number"), 0, "there is no more");
    // That an operator asked for it is remembered for a while; the log for good.
    h.store.delete_requests_all_tenants(just_after(h.now()), ALL).await.expect("a number");
    assert_eq!(h.inspect.tables_with(&firm.tenant.to_string()).await, ["audit_entry"]);
    assert_eq!(h.inspect.audit_log(&firm.tenant).await[..log.len()], log);
    // Nobody else lost anything.
    assert_eq!(h.store.list_users(&other.tenant, &first(10)).await.expect("a page").rows.len(), 5);
    assert_eq!(h.store.list_customers(&other.tenant, None, &first(10)).await.expect("a page").rows.len(), 4);
    assert_eq!(h.inspect.count_jumps(&other.tenant).await, 2);
    let somebody = AuditedPerson { kind: AuditedKind::Customer, id: "somebody".to_owned() };
    let salts = h.store.known_salts(&other.tenant, &[somebody]).await.expect("salts");
    assert!(salts.iter().all(Option::is_some), "his salt is there");
    assert!(keys_of(h, &other.tenant).await);
    h.open_jumps(&other, for_broker("m.meier")).await.are_open(h).await;
}

pub(crate) async fn a_tenant_half_of_which_is_gone_answers_as_one_that_is_not_there(h: &Harness) {
    h.catalogue().await;
    let firm = full(h).await;
    let customers = h.store.list_customers(&firm.tenant, None, &first(10)).await.expect("a page").rows.len();
    h.delete_tenant(&firm.tenant).await;
    destroy(h, &firm.tenant).await;
    // Activations and customers, and the access.
    let step = u32::try_from(4 + customers + 1).expect("a small number");
    assert_eq!(h.store.delete_tenant_data(&firm.tenant, step).await.expect("a number"), u64::from(step));
    assert_eq!(h.store.get_customer_access(&firm.tenant).await.expect("an answer"), None);
    let effect = h.effect(firm.tenant, Action::AssignUser);
    let outcome = h.store.assign_user(&firm.tenant, &effect, &customer("k-1"), Version::FIRST, None).await;
    assert_eq!(reason(outcome), Reason::NotFound);
    assert!(h.store.get_tenant(&firm.tenant).await.expect("an answer").is_some());
    assert!(h.store.delete_tenant_data(&firm.tenant, ALL).await.expect("a number") < u64::from(ALL));
    assert_eq!(h.store.get_tenant(&firm.tenant).await.expect("an answer"), None);
}
