//! What takes open jumps away and what leaves them alone (`docs/domain.md#open-jumps`).
//!
//! The three versions are not to be seen from outside; what they do is.

use concenter_gateway::domain::audit::{Action, AuditOutcome};
use concenter_gateway::domain::change::Change;
use concenter_gateway::domain::customer::{AccessChange, Segment};
use concenter_gateway::domain::error::{Reason, Version};
use concenter_gateway::domain::ids::TenantId;
use concenter_gateway::domain::provider::{ProductProvider, ProviderKind, State};
use concenter_gateway::domain::tenant::TenantState;
use concenter_gateway::domain::user::{EndCustomerChange, SecretChange, UserKind};

use crate::fixture::catalog::{new_calculator, new_provider, new_return_url};
use crate::fixture::firm::entry;
use crate::fixture::jump::{for_broker, for_customer, for_stranger};
use crate::fixture::{Harness, STALE, customer, done, line, only, provider, reason, refusal, return_url, target};

pub(crate) async fn a_disabled_user_revokes_open_jumps(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    h.set_user_state(&firm, &firm.meier, State::Disabled).await;
    jumps.are_revoked(h).await;
}

pub(crate) async fn a_change_that_is_taken_back_revokes_all_the_same(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    h.set_user_state(&firm, &firm.meier, State::Disabled).await;
    h.set_user_state(&firm, &firm.meier, State::Active).await;
    jumps.are_revoked(h).await;
}

pub(crate) async fn an_enabled_user_revokes_open_jumps(h: &Harness) {
    let firm = h.example().await;
    h.set_user_state(&firm, &firm.schulze, State::Disabled).await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    h.set_user_state(&firm, &firm.schulze, State::Active).await;
    jumps.are_revoked(h).await;
}

pub(crate) async fn a_new_secret_revokes_open_jumps(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    let effect = h.effect(firm.tenant, Action::SetUserSecret);
    done(
        h.store
            .set_user_secret(
                &firm.tenant,
                &effect,
                &firm.meier,
                Version::FIRST,
                &SecretChange { sealed: h.sealed(), version: 2 },
            )
            .await,
    );
    jumps.are_revoked(h).await;
}

pub(crate) async fn a_moved_standard_revokes_open_jumps(h: &Harness) {
    let firm = h.example().await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    let effect = h.effect(firm.tenant, Action::SetStandardUser);
    done(h.store.set_standard_user(&firm.tenant, &effect, &free, Version::FIRST).await);
    jumps.are_revoked(h).await;
}

pub(crate) async fn an_endkunde_mark_revokes_open_jumps(h: &Harness) {
    let firm = h.example().await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    let jumps = h.open_jumps(&firm, for_customer("k-1")).await;
    let effect = h.effect(firm.tenant, Action::MarkEndCustomer);
    let scope = only(&["sicher"]);
    done(
        h.store
            .set_end_customer(
                &firm.tenant,
                &effect,
                &free,
                Version::FIRST,
                &EndCustomerChange { end_customer: true, scope: Some(scope.clone()) },
            )
            .await,
    );
    jumps.are_revoked(h).await;
}

pub(crate) async fn another_scope_revokes_open_jumps(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_customer("k-1")).await;
    let effect = h.effect(firm.tenant, Action::MarkEndCustomer);
    let scope = only(&["vergleich"]);
    done(
        h.store
            .set_end_customer(
                &firm.tenant,
                &effect,
                &firm.private,
                Version::FIRST,
                &EndCustomerChange { end_customer: true, scope: Some(scope.clone()) },
            )
            .await,
    );
    jumps.are_revoked(h).await;
}

pub(crate) async fn a_new_activation_revokes_open_jumps(h: &Harness) {
    let firm = h.example().await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    h.activate(&firm.tenant, "m.meier", free).await;
    jumps.are_revoked(h).await;
}

pub(crate) async fn a_disabled_activation_revokes_open_jumps(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    h.set_activation_state(&firm, &firm.meiers, State::Disabled).await;
    jumps.are_revoked(h).await;
}

pub(crate) async fn an_enabled_activation_revokes_open_jumps(h: &Harness) {
    let firm = h.example().await;
    h.set_activation_state(&firm, &firm.schulzes, State::Disabled).await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    h.set_activation_state(&firm, &firm.schulzes, State::Active).await;
    jumps.are_revoked(h).await;
}

pub(crate) async fn a_changed_customer_access_revokes_open_jumps(h: &Harness) {
    let firm = h.example().await;
    for change in [
        AccessChange { commercial_falls_back: Change::Set(true), ..AccessChange::default() },
        AccessChange { commercial_user_id: Change::Set(None), ..AccessChange::default() },
        AccessChange { private_user_id: Change::Set(Some(firm.commercial)), ..AccessChange::default() },
    ] {
        let jumps = h.open_jumps(&firm, for_customer("k-1")).await;
        h.change_access(&firm, change).await;
        jumps.are_revoked(h).await;
    }
}

pub(crate) async fn a_stopped_tenant_revokes_open_jumps(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    h.set_tenant_state(&firm.tenant, TenantState::Stopped).await;
    jumps.are_revoked(h).await;
}

pub(crate) async fn a_tenant_that_was_stopped_meanwhile_revokes_open_jumps(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    h.set_tenant_state(&firm.tenant, TenantState::Stopped).await;
    h.set_tenant_state(&firm.tenant, TenantState::Active).await;
    jumps.are_revoked(h).await;
}

pub(crate) async fn another_segment_revokes_the_customers_own_jumps_only(h: &Harness) {
    let firm = h.example().await;
    let his = h.open_jumps(&firm, for_customer("k-1")).await;
    let anothers = h.open_jumps(&firm, for_customer("k-2")).await;
    let brokers = h.open_jumps(&firm, for_broker("m.meier")).await;
    h.put_customers(&firm, &[entry("k-1", Segment::Commercial), entry("k-2", Segment::Private)]).await;
    his.are_revoked(h).await;
    anothers.are_open(h).await;
    brokers.are_open(h).await;
}

pub(crate) async fn an_own_user_revokes_the_customers_own_jumps_only(h: &Harness) {
    let firm = h.example().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    let his = h.open_jumps(&firm, for_customer("k-1")).await;
    let anothers = h.open_jumps(&firm, for_customer("k-2")).await;
    h.assign(&firm, "k-1", Some(&own)).await;
    his.are_revoked(h).await;
    anothers.are_open(h).await;
    let with_own = h.open_jumps(&firm, for_customer("k-1")).await;
    h.assign(&firm, "k-1", None).await;
    with_own.are_revoked(h).await;
}

pub(crate) async fn a_first_record_revokes_the_jumps_decided_without_one(h: &Harness) {
    let firm = h.example().await;
    let his = h.open_jumps(&firm, for_stranger("neu", Segment::Private)).await;
    let anothers = h.open_jumps(&firm, for_stranger("noch-einer", Segment::Private)).await;
    h.put_customers(&firm, &[entry("neu", Segment::Private)]).await;
    his.are_revoked(h).await;
    anothers.are_open(h).await;
}

pub(crate) async fn a_customer_who_stays_the_same_keeps_his_jumps(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_customer("k-1")).await;
    h.put_customers(&firm, &[entry("k-1", Segment::Private)]).await;
    h.assign(&firm, "k-1", None).await;
    jumps.are_open(h).await;
}

pub(crate) async fn a_changed_catalogue_revokes_the_jumps_of_all_tenants(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    let operator = |action| h.effect(TenantId::SYSTEM, action);
    let both =
        async || [h.open_jumps(&firm, for_broker("m.meier")).await, h.open_jumps(&other, for_customer("k-1")).await];
    let first = Version::FIRST;

    let jumps = both().await;
    h.put_provider(&new_provider("dritter", ProviderKind::Insurer)).await;
    for open in jumps {
        open.are_revoked(h).await;
    }
    let jumps = both().await;
    let renamed = ProductProvider { display_name: line("Sicher SE"), ..new_provider("sicher", ProviderKind::Insurer) };
    done(h.store.put_provider(&operator(Action::PutProvider), &renamed, Some(first)).await);
    for open in jumps {
        open.are_revoked(h).await;
    }
    let jumps = both().await;
    let effect = operator(Action::DisableProvider);
    done(h.store.set_provider_state(&effect, &provider("dritter"), first, State::Disabled).await);
    for open in jumps {
        open.are_revoked(h).await;
    }
    let jumps = both().await;
    h.put_target(&new_calculator("neu")).await;
    for open in jumps {
        open.are_revoked(h).await;
    }
    let jumps = both().await;
    let effect = operator(Action::DisableTarget);
    done(h.store.set_target_state(&effect, &target("neu"), first, State::Disabled).await);
    for open in jumps {
        open.are_revoked(h).await;
    }
    let jumps = both().await;
    h.put_return_url(&new_return_url("zurueck", "https://portal.example/zurueck")).await;
    for open in jumps {
        open.are_revoked(h).await;
    }
    let jumps = both().await;
    let effect = operator(Action::DisableReturnUrl);
    done(h.store.set_return_url_state(&effect, &return_url("zurueck"), first, State::Disabled).await);
    for open in jumps {
        open.are_revoked(h).await;
    }
}

pub(crate) async fn a_disabled_target_revokes_its_open_jumps(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    let effect = h.effect(TenantId::SYSTEM, Action::DisableTarget);
    done(h.store.set_target_state(&effect, &target("rechner"), Version::FIRST, State::Disabled).await);
    jumps.are_revoked(h).await;
}

pub(crate) async fn a_disabled_provider_revokes_the_open_jumps_to_its_targets(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    let effect = h.effect(TenantId::SYSTEM, Action::DisableProvider);
    done(h.store.set_provider_state(&effect, &provider("vergleich"), Version::FIRST, State::Disabled).await);
    jumps.are_revoked(h).await;
}

pub(crate) async fn a_change_in_one_tenant_leaves_the_jumps_of_others_open(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    let brokers = h.open_jumps(&other, for_broker("m.meier")).await;
    let customers = h.open_jumps(&other, for_customer("k-1")).await;
    h.set_user_state(&firm, &firm.meier, State::Disabled).await;
    h.set_activation_state(&firm, &firm.schulzes, State::Disabled).await;
    let slot = AccessChange { private_user_id: Change::Set(None), ..AccessChange::default() };
    h.change_access(&firm, slot).await;
    h.put_customers(&firm, &[entry("k-1", Segment::Commercial)]).await;
    h.set_tenant_state(&firm.tenant, TenantState::Stopped).await;
    h.empty_tenant().await;
    brokers.are_open(h).await;
    customers.are_open(h).await;
}

pub(crate) async fn what_changes_nothing_leaves_open_jumps_alone(h: &Harness) {
    let firm = h.example().await;
    let brokers = h.open_jumps(&firm, for_broker("m.meier")).await;
    let customers = h.open_jumps(&firm, for_customer("k-1")).await;
    h.set_user_state(&firm, &firm.meier, State::Active).await;
    h.set_activation_state(&firm, &firm.meiers, State::Active).await;
    h.set_tenant_state(&firm.tenant, TenantState::Active).await;
    h.change_access(&firm, AccessChange::default()).await;
    let effect = h.effect(firm.tenant, Action::SetStandardUser);
    done(h.store.set_standard_user(&firm.tenant, &effect, &firm.standard, Version::FIRST).await);
    let effect = h.effect(firm.tenant, Action::MarkEndCustomer);
    done(
        h.store
            .set_end_customer(
                &firm.tenant,
                &effect,
                &firm.private,
                Version::FIRST,
                &EndCustomerChange { end_customer: true, scope: None },
            )
            .await,
    );
    let effect = h.effect(TenantId::SYSTEM, Action::EnableTarget);
    done(h.store.set_target_state(&effect, &target("rechner"), Version::FIRST, State::Active).await);
    let effect = h.effect(TenantId::SYSTEM, Action::EnableProvider);
    done(h.store.set_provider_state(&effect, &provider("sicher"), Version::FIRST, State::Active).await);
    brokers.are_open(h).await;
    customers.are_open(h).await;
}

pub(crate) async fn a_refused_change_leaves_open_jumps_alone(h: &Harness) {
    let firm = h.example().await;
    let brokers = h.open_jumps(&firm, for_broker("m.meier")).await;
    let customers = h.open_jumps(&firm, for_customer("k-1")).await;
    let effect = h.effect(firm.tenant, Action::DisableUser);
    let outcome = h.store.set_user_state(&firm.tenant, &effect, &firm.meier, STALE, State::Disabled).await;
    assert_eq!(refusal(outcome).reason, Reason::EtagMismatch);
    let effect = h.effect(firm.tenant, Action::AssignUser);
    let outcome = h.store.assign_user(&firm.tenant, &effect, &customer("k-1"), Version::FIRST, Some(&firm.meier)).await;
    assert_eq!(reason(outcome), Reason::EndkundeRequired);
    let effect = h.effect(TenantId::SYSTEM, Action::PutProvider);
    let outcome = h.store.put_provider(&effect, &new_provider("sicher", ProviderKind::Insurer), None).await;
    assert_eq!(refusal(outcome).reason, Reason::EtagMismatch);
    brokers.are_open(h).await;
    customers.are_open(h).await;
}

pub(crate) async fn a_repeated_request_leaves_open_jumps_alone(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::DisableUser);
    let version = h.user(&firm.tenant, &firm.schulze).await.version;
    done(h.store.set_user_state(&firm.tenant, &effect, &firm.schulze, version, State::Disabled).await);
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    let again = h.again(&effect);
    done(h.store.set_user_state(&firm.tenant, &again, &firm.schulze, version, State::Disabled).await);
    jumps.are_open(h).await;
}

pub(crate) async fn an_audit_row_leaves_open_jumps_alone(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    let explained = h.audit(Action::ExplainJump, None);
    h.store.record_audit(&firm.tenant, &explained, AuditOutcome::Accepted).await.expect("it is written");
    jumps.are_open(h).await;
}
