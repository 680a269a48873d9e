//! One request, one effect: the same again changes nothing and answers with the state now; the same id with another
//! content is refused.

use concenter_gateway::domain::activation::ActivationChange;
use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::change::Change;
use concenter_gateway::domain::customer::{AccessChange, PutCounts, Segment};
use concenter_gateway::domain::error::{Reason, Version};
use concenter_gateway::domain::ids::TenantId;
use concenter_gateway::domain::jump::{JumpSelection, RequestKey};
use concenter_gateway::domain::page::Page;
use concenter_gateway::domain::provider::{ProviderKind, State};
use concenter_gateway::domain::settings::{Percent, SettingsChange};
use concenter_gateway::domain::tenant::TenantState;
use concenter_gateway::domain::user::{EndCustomerChange, SecretChange, UserChange, UserKind};
use concenter_gateway::store::{Effect, Outcome};

use crate::fixture::catalog::{new_calculator, new_provider, new_return_url};
use crate::fixture::firm::entry;
use crate::fixture::jump::for_broker;
use crate::fixture::{
    Harness, STALE, customer, done, first, line, only, provider, reason, refusal, return_url, target,
};

const FIRST: Version = Version::FIRST;

pub(crate) async fn a_repeated_create_tenant_makes_no_second_one(h: &Harness) {
    h.service().await;
    let effect = h.effect(TenantId::SYSTEM, Action::CreateTenant);
    let made = done(h.store.create_tenant(&effect, &h.new_tenant(None)).await);
    let stopped = h.set_tenant_state(&made.tenant_id, TenantState::Stopped).await;
    // Whoever repeats it has made another id for it.
    let again = done(h.store.create_tenant(&h.again(&effect), &h.new_tenant(None)).await);
    assert_eq!(again, stopped);
    let tenants = h.store.list_tenants_all_tenants(&first(10)).await.expect("a page");
    assert_eq!(tenants, Page { rows: vec![stopped], next: None });
}

pub(crate) async fn a_repeated_change_of_a_tenants_state_changes_nothing(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    let effect = h.effect(TenantId::SYSTEM, Action::StopTenant);
    done(h.store.set_tenant_state(&tenant, &effect, FIRST, TenantState::Stopped).await);
    let started = h.set_tenant_state(&tenant, TenantState::Active).await;
    let again = h.store.set_tenant_state(&tenant, &h.again(&effect), FIRST, TenantState::Stopped).await;
    assert_eq!(done(again), started);
    assert_eq!(h.tenant(&tenant).await, started);
}

pub(crate) async fn a_repeated_put_of_the_catalogue_changes_nothing(h: &Harness) {
    h.catalogue().await;
    let effect = h.effect(TenantId::SYSTEM, Action::PutProvider);
    let new = new_provider("neu", ProviderKind::Insurer);
    let made = done(h.store.put_provider(&effect, &new, None).await);
    assert_eq!(done(h.store.put_provider(&h.again(&effect), &new, None).await), made);
    let effect = h.effect(TenantId::SYSTEM, Action::PutTarget);
    let new = new_calculator("neu");
    let made = done(h.store.put_target(&effect, &new, None).await);
    assert_eq!(done(h.store.put_target(&h.again(&effect), &new, None).await), made);
    let effect = h.effect(TenantId::SYSTEM, Action::PutReturnUrl);
    let new = new_return_url("neu", "https://portal.example/neu");
    let made = done(h.store.put_return_url(&effect, &new, None).await);
    assert_eq!(done(h.store.put_return_url(&h.again(&effect), &new, None).await), made);
}

pub(crate) async fn a_repeated_change_of_the_catalogues_states_changes_nothing(h: &Harness) {
    h.catalogue().await;
    h.put_return_url(&new_return_url("zurueck", "https://portal.example/zurueck")).await;
    let off = State::Disabled;
    let effect = h.effect(TenantId::SYSTEM, Action::DisableProvider);
    let disabled = done(h.store.set_provider_state(&effect, &provider("sicher"), FIRST, off).await);
    let again = h.store.set_provider_state(&h.again(&effect), &provider("sicher"), FIRST, off).await;
    assert_eq!(done(again), disabled);
    let effect = h.effect(TenantId::SYSTEM, Action::DisableTarget);
    let disabled = done(h.store.set_target_state(&effect, &target("rechner"), FIRST, off).await);
    let again = h.store.set_target_state(&h.again(&effect), &target("rechner"), FIRST, off).await;
    assert_eq!(done(again), disabled);
    let effect = h.effect(TenantId::SYSTEM, Action::DisableReturnUrl);
    let disabled = done(h.store.set_return_url_state(&effect, &return_url("zurueck"), FIRST, off).await);
    let again = h.store.set_return_url_state(&h.again(&effect), &return_url("zurueck"), FIRST, off).await;
    assert_eq!(done(again), disabled);
}

pub(crate) async fn a_repeated_create_user_makes_no_second_one(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::CreateUser);
    let made = done(h.store.create_user(&firm.tenant, &effect, &h.new_user("neu", UserKind::Broker)).await);
    let disabled = h.set_user_state(&firm, &made.user_id, State::Disabled).await;
    let again = h.store.create_user(&firm.tenant, &h.again(&effect), &h.new_user("neu", UserKind::Broker)).await;
    assert_eq!(done(again), disabled);
    let users = h.store.list_users(&firm.tenant, &first(10)).await.expect("a page");
    assert_eq!(users.rows.len(), 6);
}

pub(crate) async fn a_repeated_secret_is_not_set_again(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::SetUserSecret);
    let sealed = h.sealed();
    let set = done(
        h.store
            .set_user_secret(
                &firm.tenant,
                &effect,
                &firm.meier,
                FIRST,
                &SecretChange { sealed: sealed.clone(), version: 2 },
            )
            .await,
    );
    // Sealed anew, as whoever repeats it does.
    let again = h
        .store
        .set_user_secret(
            &firm.tenant,
            &h.again(&effect),
            &firm.meier,
            FIRST,
            &SecretChange { sealed: h.sealed(), version: 2 },
        )
        .await;
    assert_eq!(done(again), set);
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let inputs = h.redeem_inputs(&firm.tenant, &jump.jti_hash).await.expect("a jump");
    assert_eq!(inputs.user.expect("its user").secret, Some((sealed, 2)));
}

pub(crate) async fn a_repeated_move_of_standard_moves_nothing(h: &Harness) {
    let firm = h.example().await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    let effect = h.effect(firm.tenant, Action::SetStandardUser);
    done(h.store.set_standard_user(&firm.tenant, &effect, &free, FIRST).await);
    let back = h.effect(firm.tenant, Action::SetStandardUser);
    let version = h.user(&firm.tenant, &firm.standard).await.version;
    done(h.store.set_standard_user(&firm.tenant, &back, &firm.standard, version).await);
    let now = h.user(&firm.tenant, &free).await;
    let again = done(h.store.set_standard_user(&firm.tenant, &h.again(&effect), &free, FIRST).await);
    assert_eq!((again.user, now.kind), (now, UserKind::Broker));
    assert_eq!(h.user(&firm.tenant, &firm.standard).await.kind, UserKind::Standard);
}

pub(crate) async fn a_repeated_endkunde_mark_changes_nothing(h: &Harness) {
    let firm = h.example().await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    let scope = only(&["sicher"]);
    let effect = h.effect(firm.tenant, Action::MarkEndCustomer);
    let marked = done(
        h.store
            .set_end_customer(
                &firm.tenant,
                &effect,
                &free,
                FIRST,
                &EndCustomerChange { end_customer: true, scope: Some(scope.clone()) },
            )
            .await,
    );
    let again = h
        .store
        .set_end_customer(
            &firm.tenant,
            &h.again(&effect),
            &free,
            FIRST,
            &EndCustomerChange { end_customer: true, scope: Some(scope.clone()) },
        )
        .await;
    assert_eq!(done(again), marked);
}

pub(crate) async fn a_repeated_disable_does_not_undo_an_enable(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::DisableUser);
    done(h.store.set_user_state(&firm.tenant, &effect, &firm.meier, FIRST, State::Disabled).await);
    let enabled = h.set_user_state(&firm, &firm.meier, State::Active).await;
    let again = h.store.set_user_state(&firm.tenant, &h.again(&effect), &firm.meier, FIRST, State::Disabled).await;
    assert_eq!(done(again), enabled);
    assert_eq!(h.user(&firm.tenant, &firm.meier).await, enabled);
}

pub(crate) async fn a_repeated_create_activation_makes_no_second_one(h: &Harness) {
    let firm = h.example().await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    let effect = h.effect(firm.tenant, Action::CreateActivation);
    let made = done(h.store.create_activation(&firm.tenant, &effect, &h.new_activation(&["n.neu"], free)).await);
    let disabled = h.set_activation_state(&firm, &made.activation_id, State::Disabled).await;
    let again = h.store.create_activation(&firm.tenant, &h.again(&effect), &h.new_activation(&["n.neu"], free)).await;
    assert_eq!(done(again), disabled);
    let all = h.store.list_activations(&firm.tenant, None, &first(10)).await.expect("a page");
    assert_eq!(all.rows.len(), 3);
}

pub(crate) async fn a_repeated_change_of_an_activations_state_changes_nothing(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::DisableActivation);
    done(h.store.set_activation_state(&firm.tenant, &effect, &firm.meiers, FIRST, State::Disabled).await);
    let enabled = h.set_activation_state(&firm, &firm.meiers, State::Active).await;
    let again = h.again(&effect);
    let again = h.store.set_activation_state(&firm.tenant, &again, &firm.meiers, FIRST, State::Disabled).await;
    assert_eq!(done(again), enabled);
}

pub(crate) async fn a_repeated_batch_of_customers_counts_as_it_did(h: &Harness) {
    let firm = h.example().await;
    let entries = [entry("k-1", Segment::Commercial), entry("k-2", Segment::Private), entry("neu", Segment::Private)];
    let effect = h.effect(firm.tenant, Action::PutCustomers);
    let counts = done(h.store.put_customers(&firm.tenant, &effect, &entries).await);
    assert_eq!(counts, PutCounts { created: 1, changed: 1, unchanged: 1 });
    h.put_customers(&firm, &[entry("k-1", Segment::Private)]).await;
    assert_eq!(done(h.store.put_customers(&firm.tenant, &h.again(&effect), &entries).await), counts);
    assert_eq!(h.customer(&firm.tenant, "k-1").await.segment, Segment::Private);
}

pub(crate) async fn a_repeated_assignment_changes_nothing(h: &Harness) {
    let firm = h.example().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    let effect = h.effect(firm.tenant, Action::AssignUser);
    done(h.store.assign_user(&firm.tenant, &effect, &customer("k-1"), FIRST, Some(&own)).await);
    let taken = h.assign(&firm, "k-1", None).await;
    let again = h.store.assign_user(&firm.tenant, &h.again(&effect), &customer("k-1"), FIRST, Some(&own)).await;
    assert_eq!(done(again), taken);
}

pub(crate) async fn a_repeated_change_of_access_changes_nothing(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::UpdateCustomerAccess);
    let version = h.access(&firm.tenant).await.version;
    let switch = |on| AccessChange { commercial_falls_back: Change::Set(on), ..AccessChange::default() };
    done(h.store.update_customer_access(&firm.tenant, &effect, version, &switch(true)).await);
    let back = h.change_access(&firm, switch(false)).await;
    let again = h.store.update_customer_access(&firm.tenant, &h.again(&effect), version, &switch(true)).await;
    assert_eq!(done(again), back);
}

pub(crate) async fn a_repeated_request_is_accepted_in_the_audit_log_once(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::DisableUser);
    for effect in [effect.clone(), h.again(&effect), h.again(&effect)] {
        done(h.store.set_user_state(&firm.tenant, &effect, &firm.meier, FIRST, State::Disabled).await);
    }
    assert_eq!(h.accepted(&firm.tenant, Action::DisableUser).await, 1);
}

pub(crate) async fn a_request_id_with_another_content_is_refused(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::DisableUser);
    done(h.store.set_user_state(&firm.tenant, &effect, &firm.meier, FIRST, State::Disabled).await);
    let other = h.reusing(&effect);
    let outcome = h.store.set_user_state(&firm.tenant, &other, &firm.schulze, FIRST, State::Disabled).await;
    assert_eq!(reason(outcome), Reason::RequestIdReused);
    assert_eq!(h.user(&firm.tenant, &firm.schulze).await.state, State::Active);
    assert_eq!(h.refused(&firm.tenant, Action::DisableUser, Reason::RequestIdReused).await, 1);
}

pub(crate) async fn a_request_id_of_another_method_is_refused_by_every_effect(h: &Harness) {
    let firm = h.example().await;
    h.put_return_url(&new_return_url("zurueck", "https://portal.example/zurueck")).await;
    let s = &h.store;
    let t = &firm.tenant;
    let operators = h.effect(TenantId::SYSTEM, Action::PutProvider);
    done(s.put_provider(&operators, &new_provider("neu", ProviderKind::Insurer), None).await);
    let e = h.reusing(&operators);
    let on = State::Active;
    let reused = [
        reason(s.create_tenant(&e, &h.new_tenant(None)).await),
        reason(s.set_tenant_state(t, &h.again(&e), FIRST, TenantState::Stopped).await),
        reason(s.update_tenant(t, &h.again(&e), FIRST, &line("Neue Firma")).await),
        reason(s.set_tenant_deleted(t, &h.again(&e), FIRST, true).await),
        reason(s.put_provider(&h.again(&e), &new_provider("noch-einer", ProviderKind::Insurer), None).await),
        reason(s.set_provider_state(&h.again(&e), &provider("sicher"), FIRST, on).await),
        reason(s.put_target(&h.again(&e), &new_calculator("neu"), None).await),
        reason(s.set_target_state(&h.again(&e), &target("rechner"), FIRST, on).await),
        reason(s.put_return_url(&h.again(&e), &new_return_url("neu", "https://portal.example/neu"), None).await),
        reason(s.set_return_url_state(&h.again(&e), &return_url("zurueck"), FIRST, on).await),
    ];
    assert_eq!(reused, [Reason::RequestIdReused; 10]);

    let admins = h.effect(firm.tenant, Action::CreateUser);
    done(s.create_user(t, &admins, &h.new_user("neu", UserKind::Broker)).await);
    let e = h.reusing(&admins);
    let change = AccessChange::default();
    let reused = [
        reason(s.create_user(t, &e, &h.new_user("noch-einer", UserKind::Broker)).await),
        reason(
            s.set_user_secret(t, &h.again(&e), &firm.meier, FIRST, &SecretChange { sealed: h.sealed(), version: 2 })
                .await,
        ),
        reason(s.set_standard_user(t, &h.again(&e), &firm.standard, FIRST).await),
        reason(
            s.set_end_customer(
                t,
                &h.again(&e),
                &firm.private,
                FIRST,
                &EndCustomerChange { end_customer: true, scope: None },
            )
            .await,
        ),
        reason(s.set_user_state(t, &h.again(&e), &firm.meier, FIRST, on).await),
        reason(s.create_activation(t, &h.again(&e), &h.new_activation(&["n.neu"], firm.schulze)).await),
        reason(s.set_activation_state(t, &h.again(&e), &firm.meiers, FIRST, on).await),
        reason(s.put_customers(t, &h.again(&e), &[entry("neu", Segment::Private)]).await),
        reason(s.assign_user(t, &h.again(&e), &customer("k-1"), FIRST, None).await),
        reason(s.update_customer_access(t, &h.again(&e), FIRST, &change).await),
        reason(s.update_user(t, &h.again(&e), &firm.meier, FIRST, &UserChange::default()).await),
        reason(s.delete_user(t, &h.again(&e), &firm.meier, FIRST).await),
        reason(s.update_activation(t, &h.again(&e), &firm.meiers, FIRST, &ActivationChange::default()).await),
        reason(s.delete_activation(t, &h.again(&e), &firm.meiers, FIRST).await),
        reason(s.erase_customer(t, &h.again(&e), &customer("k-1")).await),
        reason(s.update_settings(t, &h.again(&e), FIRST, &SettingsChange::default()).await),
        reason(s.revoke_jumps(t, &h.again(&e), &JumpSelection::User(firm.meier)).await),
    ];
    assert_eq!(reused, [Reason::RequestIdReused; 17]);
}

pub(crate) async fn a_request_id_of_a_jump_is_refused_by_other_effects(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let effect = h.effect_of(firm.tenant, Action::DisableUser, jump.request);
    let outcome = h.store.set_user_state(&firm.tenant, &effect, &firm.meier, FIRST, State::Disabled).await;
    assert_eq!(reason(outcome), Reason::RequestIdReused);
}

pub(crate) async fn two_callers_may_use_the_same_request_id(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::DisableUser);
    done(h.store.set_user_state(&firm.tenant, &effect, &firm.meier, FIRST, State::Disabled).await);
    let another = RequestKey { caller: h.bytes(), content: h.bytes(), ..effect.request };
    let effect = h.effect_of(firm.tenant, Action::DisableUser, another);
    let disabled = h.store.set_user_state(&firm.tenant, &effect, &firm.schulze, FIRST, State::Disabled).await;
    assert_eq!(done(disabled).user_id, firm.schulze);
}

pub(crate) async fn requests_are_logged_for_the_callers_tenant(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    let effect = h.effect(firm.tenant, Action::DisableUser);
    done(h.store.set_user_state(&firm.tenant, &effect, &firm.meier, FIRST, State::Disabled).await);
    let there = Effect { scope: other.tenant, ..h.again(&effect) };
    let disabled = h.store.set_user_state(&other.tenant, &there, &other.meier, FIRST, State::Disabled).await;
    assert_eq!(done(disabled).user_id, other.meier);
}

pub(crate) async fn a_refused_request_may_come_again(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::DisableUser);
    let outcome = h.store.set_user_state(&firm.tenant, &effect, &firm.meier, STALE, State::Disabled).await;
    assert_eq!(refusal(outcome).reason, Reason::EtagMismatch);
    let corrected = h.reusing(&effect);
    let disabled = h.store.set_user_state(&firm.tenant, &corrected, &firm.meier, FIRST, State::Disabled).await;
    assert_eq!(done(disabled).state, State::Disabled);
}

pub(crate) async fn a_repeated_change_of_a_tenant_changes_nothing(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    let naming = h.effect(TenantId::SYSTEM, Action::UpdateTenant);
    let named = done(h.store.update_tenant(&tenant, &naming, FIRST, &line("Neue Firma")).await);
    let back = h.effect(TenantId::SYSTEM, Action::UpdateTenant);
    let renamed = done(h.store.update_tenant(&tenant, &back, named.version, &line("Alte Firma")).await);
    let again = h.store.update_tenant(&tenant, &h.again(&naming), FIRST, &line("Neue Firma")).await;
    assert_eq!(done(again), renamed);
    let deleting = h.effect(TenantId::SYSTEM, Action::DeleteTenant);
    done(h.store.set_tenant_deleted(&tenant, &deleting, renamed.version, true).await);
    let undeleted = h.undelete_tenant(&tenant).await;
    let again = h.store.set_tenant_deleted(&tenant, &h.again(&deleting), renamed.version, true).await;
    assert_eq!(done(again), undeleted);
    assert_eq!(h.tenant(&tenant).await, undeleted);
}

pub(crate) async fn a_repeated_change_of_settings_changes_nothing(h: &Harness) {
    let firm = h.example().await;
    let limited = |share| SettingsChange {
        import_change_limit: Change::Set(Percent::parse(share).expect("a share")),
        ..SettingsChange::default()
    };
    let effect = h.effect(firm.tenant, Action::UpdateSettings);
    done(h.store.update_settings(&firm.tenant, &effect, FIRST, &limited(50)).await);
    let back = h.change_settings(&firm, limited(20)).await;
    let again = h.store.update_settings(&firm.tenant, &h.again(&effect), FIRST, &limited(50)).await;
    assert_eq!(done(again), back);
    assert_eq!(h.settings(&firm.tenant).await, back);
}

pub(crate) async fn a_repeated_change_of_a_user_changes_nothing(h: &Harness) {
    let firm = h.example().await;
    let labelled = |label: &str| UserChange { display_name: Change::Set(Some(line(label))), ..UserChange::default() };
    let effect = h.effect(firm.tenant, Action::UpdateUser);
    done(h.store.update_user(&firm.tenant, &effect, &firm.meier, FIRST, &labelled("Herr Meier")).await);
    let back = h.update_user(&firm, &firm.meier, labelled("Frau Meier")).await;
    let again = h.store.update_user(&firm.tenant, &h.again(&effect), &firm.meier, FIRST, &labelled("Herr Meier")).await;
    assert_eq!(done(again), back);
    assert_eq!(h.user(&firm.tenant, &firm.meier).await, back);
}

pub(crate) async fn a_repeated_change_of_an_activation_changes_nothing(h: &Harness) {
    let firm = h.example().await;
    let labelled =
        |label: &str| ActivationChange { display_name: Change::Set(Some(line(label))), ..ActivationChange::default() };
    let effect = h.effect(firm.tenant, Action::UpdateActivation);
    done(h.store.update_activation(&firm.tenant, &effect, &firm.meiers, FIRST, &labelled("Nord")).await);
    let back = h.update_activation(&firm, &firm.meiers, labelled("Süd")).await;
    let again = h.again(&effect);
    let again = h.store.update_activation(&firm.tenant, &again, &firm.meiers, FIRST, &labelled("Nord")).await;
    assert_eq!(done(again), back);
    assert_eq!(h.activation(&firm.tenant, &firm.meiers).await, back);
}

pub(crate) async fn a_repeated_deletion_is_done_and_deletes_nothing_more(h: &Harness) {
    let firm = h.example().await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    let s = &h.store;
    let user = h.effect(firm.tenant, Action::DeleteUser);
    let activation = h.effect(firm.tenant, Action::DeleteActivation);
    let erasure = h.effect(firm.tenant, Action::EraseCustomer);
    done(s.delete_user(&firm.tenant, &user, &free, FIRST).await);
    done(s.delete_activation(&firm.tenant, &activation, &firm.meiers, FIRST).await);
    done(s.erase_customer(&firm.tenant, &erasure, &customer("k-1")).await);
    h.put_customers(&firm, &[entry("k-1", Segment::Private)]).await;
    let new = h.customer(&firm.tenant, "k-1").await;
    let jumps = h.open_jumps(&firm, for_broker("s.schulze")).await;
    assert_eq!(s.delete_user(&firm.tenant, &h.again(&user), &free, FIRST).await.expect("an answer"), Outcome::Done(()));
    let again = s.delete_activation(&firm.tenant, &h.again(&activation), &firm.meiers, FIRST).await;
    assert_eq!(again.expect("an answer"), Outcome::Done(()));
    let again = s.erase_customer(&firm.tenant, &h.again(&erasure), &customer("k-1")).await;
    assert_eq!(again.expect("an answer"), Outcome::Done(()));
    assert_eq!(h.customer(&firm.tenant, "k-1").await, new, "he came after the request");
    for action in [Action::DeleteUser, Action::DeleteActivation, Action::EraseCustomer] {
        assert_eq!(h.accepted(&firm.tenant, action).await, 1, "{action:?}");
    }
    jumps.are_open(h).await;
}

pub(crate) async fn a_repeated_request_whose_user_is_gone_is_refused(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::CreateUser);
    let new = h.new_user("neu", UserKind::Broker);
    done(h.store.create_user(&firm.tenant, &effect, &new).await);
    let label = UserChange { display_name: Change::Set(Some(line("Neu"))), ..UserChange::default() };
    let update = h.effect(firm.tenant, Action::UpdateUser);
    done(h.store.update_user(&firm.tenant, &update, &new.user_id, FIRST, &label).await);
    h.delete_user(&firm, &new.user_id).await;
    let again = h.store.create_user(&firm.tenant, &h.again(&effect), &h.new_user("neu", UserKind::Broker)).await;
    assert_eq!(reason(again), Reason::NotFound);
    let again = h.store.update_user(&firm.tenant, &h.again(&update), &new.user_id, FIRST, &label).await;
    assert_eq!(reason(again), Reason::NotFound);
    assert_eq!(h.refused(&firm.tenant, Action::CreateUser, Reason::NotFound).await, 1);
    assert_eq!(h.refused(&firm.tenant, Action::UpdateUser, Reason::NotFound).await, 1);
    let users = h.store.list_users(&firm.tenant, &first(10)).await.expect("a page");
    assert_eq!(users.rows.len(), 5, "and nobody is made anew");
}

pub(crate) async fn a_repeated_move_of_standard_tells_of_no_deleted_user(h: &Harness) {
    let firm = h.example().await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    let effect = h.effect(firm.tenant, Action::SetStandardUser);
    let moved = done(h.store.set_standard_user(&firm.tenant, &effect, &free, FIRST).await);
    h.delete_user(&firm, &firm.standard).await;
    let again = done(h.store.set_standard_user(&firm.tenant, &h.again(&effect), &free, FIRST).await);
    assert_eq!((again.user, again.previous), (moved.user, None));
}

pub(crate) async fn a_repeated_request_whose_activation_is_gone_is_refused(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::DisableActivation);
    done(h.store.set_activation_state(&firm.tenant, &effect, &firm.meiers, FIRST, State::Disabled).await);
    h.delete_activation(&firm, &firm.meiers).await;
    let again = h.again(&effect);
    let again = h.store.set_activation_state(&firm.tenant, &again, &firm.meiers, FIRST, State::Disabled).await;
    assert_eq!(reason(again), Reason::NotFound);
    assert_eq!(h.refused(&firm.tenant, Action::DisableActivation, Reason::NotFound).await, 1);
}

pub(crate) async fn a_repeated_request_whose_customer_is_gone_is_refused(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::AssignUser);
    done(h.store.assign_user(&firm.tenant, &effect, &customer("k-1"), FIRST, Some(&firm.private)).await);
    h.erase(&firm, "k-1").await;
    let again =
        h.store.assign_user(&firm.tenant, &h.again(&effect), &customer("k-1"), FIRST, Some(&firm.private)).await;
    assert_eq!(reason(again), Reason::NotFound);
    assert_eq!(h.refused(&firm.tenant, Action::AssignUser, Reason::NotFound).await, 1);
}

pub(crate) async fn a_repeated_request_whose_tenant_is_gone_is_refused(h: &Harness) {
    h.service().await;
    let effect = h.effect(TenantId::SYSTEM, Action::CreateTenant);
    let tenant = done(h.store.create_tenant(&effect, &h.new_tenant(None)).await).tenant_id;
    h.delete_tenant(&tenant).await;
    let destroyed = h.audit(Action::DestroyTenant, None);
    h.store.destroy_tenant_keys(&tenant, h.now(), &destroyed).await.expect("an answer");
    h.store.delete_tenant_data(&tenant, 100).await.expect("an answer");
    assert_eq!(h.store.get_tenant(&tenant).await.expect("an answer"), None);
    let again = h.store.create_tenant(&h.again(&effect), &h.new_tenant(None)).await;
    assert_eq!(reason(again), Reason::NotFound);
    assert_eq!(h.refused(&TenantId::SYSTEM, Action::CreateTenant, Reason::NotFound).await, 1);
}
