//! Con:center users (`docs/domain.md#users`).

use std::time::Duration;

use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::change::Change;
use concenter_gateway::domain::customer::{AccessChange, Segment};
use concenter_gateway::domain::error::{RELATED_SHOWN, Reason, Refusal, Related, Version};
use concenter_gateway::domain::ids::UserId;
use concenter_gateway::domain::provider::{ProviderScope, State};
use concenter_gateway::domain::resolve::resolve;
use concenter_gateway::domain::text::EmailAddress;
use concenter_gateway::domain::user::{
    ConcenterUser, EndCustomerChange, EndCustomerMark, LoginHealth, NewUser, Report, ReportSource, SecretChange,
    SecretState, UserChange, UserKind,
};
use concenter_gateway::store::{MOST_USERS, Outcome, StandardMoved, StoreError};

use crate::fixture::firm::{Firm, entry};
use crate::fixture::jump::{for_broker, for_customer};
use crate::fixture::{
    Harness, STALE, admin, customer, done, first, line, next, only, reason, refusal, user_name, walks,
};

/// Marks a user Endkunde or not, with the etag that it has.
async fn mark(
    h: &Harness,
    firm: &Firm,
    user: &UserId,
    end_customer: bool,
    scope: Option<ProviderScope>,
) -> Result<Outcome<ConcenterUser>, StoreError> {
    let version = h.user(&firm.tenant, user).await.version;
    let effect = h.effect(firm.tenant, Action::MarkEndCustomer);
    h.store.set_end_customer(&firm.tenant, &effect, user, version, &EndCustomerChange { end_customer, scope }).await
}

/// Moves Standard, with the etag that the user has.
async fn move_standard(h: &Harness, firm: &Firm, user: &UserId) -> Result<Outcome<StandardMoved>, StoreError> {
    let version = h.user(&firm.tenant, user).await.version;
    let effect = h.effect(firm.tenant, Action::SetStandardUser);
    h.store.set_standard_user(&firm.tenant, &effect, user, version).await
}

async fn create(h: &Harness, firm: &Firm, new: &NewUser) -> Result<Outcome<ConcenterUser>, StoreError> {
    h.store.create_user(&firm.tenant, &h.effect(firm.tenant, Action::CreateUser), new).await
}

pub(crate) async fn a_new_user_reads_back(h: &Harness) {
    let firm = h.example().await;
    let new = NewUser {
        scope: only(&["vergleich", "sicher"]),
        display_name: Some(line("Frau Müller")),
        notification_email: Some(EmailAddress::parse("buero@firma.example").expect("an address")),
        ..h.new_user("Müller", UserKind::EndCustomer)
    };
    let effect = h.effect(firm.tenant, Action::CreateUser);
    let made = done(h.store.create_user(&firm.tenant, &effect, &new).await);
    let expected = ConcenterUser {
        user_id: new.user_id,
        name: new.name,
        kind: UserKind::EndCustomer,
        state: State::Active,
        scope: new.scope,
        display_name: new.display_name,
        notification_email: new.notification_email,
        reported_end_customer: None,
        report: None,
        end_customer_mark: Some(EndCustomerMark { at: effect.at, by: admin() }),
        logins: LoginHealth::default(),
        secret: SecretState { version: 1, set_at: Some(effect.at) },
        created_at: effect.at,
        updated_at: effect.at,
        version: Version::FIRST,
    };
    assert_eq!(made, expected);
    assert_eq!(h.user(&firm.tenant, &new.user_id).await, expected);
}

pub(crate) async fn a_user_may_start_without_a_secret(h: &Harness) {
    let firm = h.example().await;
    let new = NewUser { sealed_secret: None, ..h.new_user("neu", UserKind::Broker) };
    assert_eq!(done(create(h, &firm, &new).await).secret, SecretState::NONE);
}

pub(crate) async fn a_name_that_looks_the_same_is_taken(h: &Harness) {
    let firm = h.example().await;
    let new = h.new_user(" ＭEIER ", UserKind::Broker);
    assert_eq!(reason(create(h, &firm, &new).await), Reason::AlreadyExists);
    assert_eq!(h.store.get_user(&firm.tenant, &new.user_id).await.expect("an answer"), None);
}

pub(crate) async fn a_new_user_names_known_providers_only(h: &Harness) {
    let firm = h.example().await;
    let new = NewUser { scope: only(&["sicher", "nobody"]), ..h.new_user("neu", UserKind::Broker) };
    assert_eq!(reason(create(h, &firm, &new).await), Reason::NotFound);
}

pub(crate) async fn a_new_endkunde_user_with_all_providers_never_gets_in(h: &Harness) {
    let firm = h.example().await;
    let new = NewUser { scope: ProviderScope::All, ..h.new_user("neu", UserKind::EndCustomer) };
    let outcome = create(h, &firm, &new).await;
    assert!(matches!(outcome, Err(StoreError::Constraint(_))), "{outcome:?}");
    assert_eq!(h.store.get_user(&firm.tenant, &new.user_id).await.expect("an answer"), None);
}

pub(crate) async fn a_tenant_has_a_limited_number_of_users(h: &Harness) {
    let firm = h.example().await;
    h.inspect.add_users(&firm.tenant, MOST_USERS - 6).await;
    done(create(h, &firm, &h.new_user("letzter", UserKind::Broker)).await);
    assert_eq!(reason(create(h, &firm, &h.new_user("einer-zu-viel", UserKind::Broker)).await), Reason::LimitReached);
}

pub(crate) async fn an_unknown_user_is_absent(h: &Harness) {
    let firm = h.example().await;
    assert_eq!(h.store.get_user(&firm.tenant, &h.id(UserId::new)).await.expect("an answer"), None);
}

pub(crate) async fn users_are_listed_from_the_oldest_page_by_page(h: &Harness) {
    let firm = h.example().await;
    let mut users = Vec::new();
    for id in [firm.standard, firm.meier, firm.schulze, firm.private, firm.commercial] {
        users.push(h.user(&firm.tenant, &id).await);
    }
    for rows in [1, 2, 5] {
        walks(&users, rows, async |page| h.store.list_users(&firm.tenant, &page).await.expect("a page")).await;
    }
}

pub(crate) async fn a_secret_is_replaced(h: &Harness) {
    let firm = h.example().await;
    let before = h.user(&firm.tenant, &firm.meier).await;
    let effect = h.effect(firm.tenant, Action::SetUserSecret);
    let set = h
        .store
        .set_user_secret(
            &firm.tenant,
            &effect,
            &firm.meier,
            before.version,
            &SecretChange { sealed: h.sealed(), version: 2 },
        )
        .await;
    let expected = ConcenterUser {
        secret: SecretState { version: 2, set_at: Some(effect.at) },
        updated_at: effect.at,
        version: next(before.version),
        ..before
    };
    assert_eq!(done(set), expected);
    assert_eq!(h.user(&firm.tenant, &firm.meier).await, expected);
}

pub(crate) async fn a_secret_sealed_for_another_version_is_refused(h: &Harness) {
    let firm = h.example().await;
    let before = h.user(&firm.tenant, &firm.meier).await;
    for wrong in [0, 1, 3] {
        let effect = h.effect(firm.tenant, Action::SetUserSecret);
        let set = h
            .store
            .set_user_secret(
                &firm.tenant,
                &effect,
                &firm.meier,
                before.version,
                &SecretChange { sealed: h.sealed(), version: wrong },
            )
            .await;
        assert_eq!(refusal(set), Refusal::etag_mismatch(before.version), "{wrong}");
    }
    assert_eq!(h.user(&firm.tenant, &firm.meier).await, before);
}

pub(crate) async fn a_secret_needs_its_users_etag(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::SetUserSecret);
    let set = h
        .store
        .set_user_secret(&firm.tenant, &effect, &firm.meier, STALE, &SecretChange { sealed: h.sealed(), version: 2 })
        .await;
    assert_eq!(refusal(set), Refusal::etag_mismatch(Version::FIRST));
    let effect = h.effect(firm.tenant, Action::SetUserSecret);
    let nobody = h.id(UserId::new);
    let set = h
        .store
        .set_user_secret(
            &firm.tenant,
            &effect,
            &nobody,
            Version::FIRST,
            &SecretChange { sealed: h.sealed(), version: 1 },
        )
        .await;
    assert_eq!(reason(set), Reason::NotFound);
}

pub(crate) async fn standard_is_moved(h: &Harness) {
    let firm = h.example().await;
    let before = h.user(&firm.tenant, &firm.standard).await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    let moved = done(move_standard(h, &firm, &free).await);
    assert_eq!((moved.user.user_id, moved.user.kind), (free, UserKind::Standard));
    assert_eq!(moved.user.version, next(Version::FIRST));
    let previous = moved.previous.expect("there was one before");
    assert_eq!((previous.user_id, previous.kind), (firm.standard, UserKind::Broker));
    assert_eq!(previous.version, next(before.version));
    assert_eq!(h.user(&firm.tenant, &free).await, moved.user);
    assert_eq!(h.user(&firm.tenant, &firm.standard).await, previous);
}

pub(crate) async fn the_first_standard_user_has_no_previous_one(h: &Harness) {
    h.catalogue().await;
    let tenant = h.empty_tenant().await;
    let user = h.create_user(&tenant, "erster", UserKind::Broker).await;
    let effect = h.effect(tenant, Action::SetStandardUser);
    let moved = done(h.store.set_standard_user(&tenant, &effect, &user, Version::FIRST).await);
    assert_eq!((moved.user.kind, moved.previous), (UserKind::Standard, None));
}

pub(crate) async fn moving_standard_to_where_it_is_changes_nothing(h: &Harness) {
    let firm = h.example().await;
    let before = h.user(&firm.tenant, &firm.standard).await;
    let moved = done(move_standard(h, &firm, &firm.standard).await);
    assert_eq!(moved, StandardMoved { user: before.clone(), previous: None });
    assert_eq!(h.user(&firm.tenant, &firm.standard).await, before);
}

pub(crate) async fn a_disabled_user_can_become_standard(h: &Harness) {
    let firm = h.example().await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    h.set_user_state(&firm, &free, State::Disabled).await;
    assert_eq!(done(move_standard(h, &firm, &free).await).user.kind, UserKind::Standard);
}

pub(crate) async fn an_endkunde_user_does_not_become_standard(h: &Harness) {
    let firm = h.example().await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::EndCustomer).await;
    assert_eq!(reason(move_standard(h, &firm, &free).await), Reason::EndkundeConflict);
    assert_eq!(h.user(&firm.tenant, &firm.standard).await.kind, UserKind::Standard);
}

pub(crate) async fn an_assigned_user_does_not_become_standard(h: &Harness) {
    let firm = h.example().await;
    let refused = refusal(move_standard(h, &firm, &firm.meier).await);
    assert_eq!(refused, Refusal::with_related(Reason::Assigned, vec![Related::Activation(firm.meiers)], 1));
    assert_eq!(h.user(&firm.tenant, &firm.standard).await.kind, UserKind::Standard);
}

pub(crate) async fn moving_standard_needs_the_users_etag(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::SetStandardUser);
    let moved = h.store.set_standard_user(&firm.tenant, &effect, &firm.schulze, STALE).await;
    assert_eq!(refusal(moved), Refusal::etag_mismatch(Version::FIRST));
    let effect = h.effect(firm.tenant, Action::SetStandardUser);
    let moved = h.store.set_standard_user(&firm.tenant, &effect, &h.id(UserId::new), Version::FIRST).await;
    assert_eq!(reason(moved), Reason::NotFound);
}

pub(crate) async fn a_user_is_marked_endkunde_and_back(h: &Harness) {
    let firm = h.example().await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    let marked = done(mark(h, &firm, &free, true, Some(only(&["sicher"]))).await);
    assert_eq!((marked.kind, &marked.scope), (UserKind::EndCustomer, &only(&["sicher"])));
    assert_eq!(marked.version, next(Version::FIRST));
    let unmarked = done(mark(h, &firm, &free, false, None).await);
    assert_eq!((unmarked.kind, &unmarked.scope), (UserKind::Broker, &only(&["sicher"])));
    assert_eq!(h.user(&firm.tenant, &free).await, unmarked);
}

pub(crate) async fn endkunde_needs_a_list_of_providers(h: &Harness) {
    let firm = h.example().await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    assert_eq!(reason(mark(h, &firm, &free, true, None).await), Reason::ProviderScopeRequired);
    let all = Some(ProviderScope::All);
    assert_eq!(reason(mark(h, &firm, &free, true, all.clone()).await), Reason::ProviderScopeRequired);
    assert_eq!(reason(mark(h, &firm, &firm.private, true, all).await), Reason::ProviderScopeRequired);
}

pub(crate) async fn the_scope_of_an_assigned_endkunde_user_can_change(h: &Harness) {
    let firm = h.example().await;
    let changed = done(mark(h, &firm, &firm.private, true, Some(only(&["sicher"]))).await);
    assert_eq!((changed.kind, &changed.scope), (UserKind::EndCustomer, &only(&["sicher"])));
    assert_eq!(changed.version, next(Version::FIRST));
}

pub(crate) async fn marking_what_is_marked_changes_nothing(h: &Harness) {
    let firm = h.example().await;
    let before = h.user(&firm.tenant, &firm.private).await;
    assert_eq!(done(mark(h, &firm, &firm.private, true, None).await), before);
    assert_eq!(done(mark(h, &firm, &firm.private, true, Some(before.scope.clone())).await), before);
    assert_eq!(h.user(&firm.tenant, &firm.private).await, before);
}

pub(crate) async fn marking_names_known_providers_only(h: &Harness) {
    let firm = h.example().await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    assert_eq!(reason(mark(h, &firm, &free, true, Some(only(&["nobody"]))).await), Reason::NotFound);
}

pub(crate) async fn the_standard_user_is_not_marked_endkunde(h: &Harness) {
    let firm = h.example().await;
    let outcome = mark(h, &firm, &firm.standard, true, Some(only(&["sicher"]))).await;
    assert_eq!(reason(outcome), Reason::EndkundeConflict);
}

pub(crate) async fn a_user_of_an_activation_is_not_marked_endkunde(h: &Harness) {
    let firm = h.example().await;
    let refused = refusal(mark(h, &firm, &firm.meier, true, Some(only(&["sicher"]))).await);
    assert_eq!(refused, Refusal::with_related(Reason::Assigned, vec![Related::Activation(firm.meiers)], 1));
}

pub(crate) async fn a_shared_user_does_not_lose_endkunde(h: &Harness) {
    let firm = h.example().await;
    for (user, segment) in [(firm.private, Segment::Private), (firm.commercial, Segment::Commercial)] {
        let refused = refusal(mark(h, &firm, &user, false, None).await);
        assert_eq!(refused, Refusal::with_related(Reason::SlotInUse, vec![Related::SharedUser(segment)], 1));
        assert_eq!(h.user(&firm.tenant, &user).await.kind, UserKind::EndCustomer);
    }
}

pub(crate) async fn a_customers_own_user_does_not_lose_endkunde(h: &Harness) {
    let firm = h.example().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    h.assign(&firm, "k-1", Some(&own)).await;
    let refused = refusal(mark(h, &firm, &own, false, None).await);
    assert_eq!(refused, Refusal::with_related(Reason::Assigned, vec![Related::Customer(customer("k-1"))], 1));
}

pub(crate) async fn a_user_that_nothing_uses_any_more_loses_endkunde(h: &Harness) {
    let firm = h.example().await;
    let take_out = AccessChange { private_user_id: Change::Set(None), ..AccessChange::default() };
    h.change_access(&firm, take_out).await;
    assert_eq!(done(mark(h, &firm, &firm.private, false, None).await).kind, UserKind::Broker);
}

pub(crate) async fn a_refusal_lists_20_dependents_and_counts_all(h: &Harness) {
    let firm = h.example().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    let entries: Vec<_> = (0..23).map(|n| entry(&format!("viele-{n:02}"), Segment::Private)).collect();
    h.put_customers(&firm, &entries).await;
    for one in &entries {
        h.assign(&firm, one.customer_id.as_str(), Some(&own)).await;
    }
    let refused = refusal(mark(h, &firm, &own, false, None).await);
    assert_eq!((refused.reason, refused.related_total), (Reason::Assigned, 23));
    assert_eq!(refused.related.len(), RELATED_SHOWN);
    let mut listed = refused.related.clone();
    listed.dedup();
    assert_eq!(listed.len(), RELATED_SHOWN, "each once");
    let known = |one: &Related| entries.iter().any(|entry| *one == Related::Customer(entry.customer_id.clone()));
    assert!(refused.related.iter().all(known), "{:?}", refused.related);
}

pub(crate) async fn marking_needs_the_users_etag(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::MarkEndCustomer);
    let marked = h
        .store
        .set_end_customer(
            &firm.tenant,
            &effect,
            &firm.private,
            STALE,
            &EndCustomerChange { end_customer: false, scope: None },
        )
        .await;
    assert_eq!(refusal(marked), Refusal::etag_mismatch(Version::FIRST));
    let effect = h.effect(firm.tenant, Action::MarkEndCustomer);
    let nobody = h.id(UserId::new);
    let marked = h
        .store
        .set_end_customer(
            &firm.tenant,
            &effect,
            &nobody,
            Version::FIRST,
            &EndCustomerChange { end_customer: false, scope: None },
        )
        .await;
    assert_eq!(reason(marked), Reason::NotFound);
}

pub(crate) async fn a_user_is_disabled_and_enabled(h: &Harness) {
    let firm = h.example().await;
    let before = h.user(&firm.tenant, &firm.meier).await;
    let disabled = h.set_user_state(&firm, &firm.meier, State::Disabled).await;
    assert_eq!((disabled.state, disabled.version), (State::Disabled, next(before.version)));
    assert!(disabled.updated_at > before.updated_at);
    assert_eq!(h.set_user_state(&firm, &firm.meier, State::Disabled).await, disabled, "no change, no version");
    let enabled = h.set_user_state(&firm, &firm.meier, State::Active).await;
    assert_eq!((enabled.state, enabled.version), (State::Active, next(disabled.version)));
    assert_eq!(h.user(&firm.tenant, &firm.meier).await, enabled);
}

pub(crate) async fn the_standard_user_can_be_disabled(h: &Harness) {
    let firm = h.example().await;
    let disabled = h.set_user_state(&firm, &firm.standard, State::Disabled).await;
    assert_eq!((disabled.kind, disabled.state), (UserKind::Standard, State::Disabled));
}

pub(crate) async fn the_state_of_a_user_needs_its_etag(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::DisableUser);
    let set = h.store.set_user_state(&firm.tenant, &effect, &firm.meier, STALE, State::Disabled).await;
    assert_eq!(refusal(set), Refusal::etag_mismatch(Version::FIRST));
    let effect = h.effect(firm.tenant, Action::DisableUser);
    let nobody = h.id(UserId::new);
    let set = h.store.set_user_state(&firm.tenant, &effect, &nobody, Version::FIRST, State::Disabled).await;
    assert_eq!(reason(set), Reason::NotFound);
}

pub(crate) async fn a_name_is_kept_as_it_was_typed(h: &Harness) {
    let firm = h.example().await;
    let user = h.create_user(&firm.tenant, "Straße ﬁrma", UserKind::Broker).await;
    assert_eq!(h.user(&firm.tenant, &user).await.name, user_name("Straße ﬁrma"));
}

/// Changes a user, with the etag that it has.
async fn update(
    h: &Harness,
    firm: &Firm,
    user: &UserId,
    change: UserChange,
) -> Result<Outcome<ConcenterUser>, StoreError> {
    let version = h.user(&firm.tenant, user).await.version;
    h.store.update_user(&firm.tenant, &h.effect(firm.tenant, Action::UpdateUser), user, version, &change).await
}

/// Deletes a user, with the etag that it has.
async fn delete(h: &Harness, firm: &Firm, user: &UserId) -> Result<Outcome<()>, StoreError> {
    let version = h.user(&firm.tenant, user).await.version;
    h.store.delete_user(&firm.tenant, &h.effect(firm.tenant, Action::DeleteUser), user, version).await
}

fn named(name: &str) -> UserChange {
    UserChange { name: Change::Set(user_name(name)), ..UserChange::default() }
}

fn scoped(scope: ProviderScope) -> UserChange {
    UserChange { scope: Change::Set(scope), ..UserChange::default() }
}

/// An edit that no decision rests on.
fn relabelled() -> UserChange {
    UserChange {
        display_name: Change::Set(Some(line("Herr Meier"))),
        notification_email: Change::Set(Some(EmailAddress::parse("meier@firma.example").expect("an address"))),
        ..UserChange::default()
    }
}

pub(crate) async fn a_user_is_changed(h: &Harness) {
    let firm = h.example().await;
    let before = h.user(&firm.tenant, &firm.meier).await;
    let change =
        UserChange { name: Change::Set(user_name("M. Maier")), scope: Change::Set(only(&["sicher"])), ..relabelled() };
    let effect = h.effect(firm.tenant, Action::UpdateUser);
    let changed = done(h.store.update_user(&firm.tenant, &effect, &firm.meier, before.version, &change).await);
    let expected = ConcenterUser {
        name: user_name("M. Maier"),
        scope: only(&["sicher"]),
        display_name: Some(line("Herr Meier")),
        notification_email: Some(EmailAddress::parse("meier@firma.example").expect("an address")),
        updated_at: effect.at,
        version: next(before.version),
        ..before
    };
    assert_eq!(changed, expected);
    assert_eq!(h.user(&firm.tenant, &firm.meier).await, expected);
    assert_eq!(h.accepted(&firm.tenant, Action::UpdateUser).await, 1);
}

pub(crate) async fn a_change_keeps_what_it_does_not_name_and_empties_what_it_does(h: &Harness) {
    let firm = h.example().await;
    let labelled = h.update_user(&firm, &firm.meier, relabelled()).await;
    let no_address = UserChange { notification_email: Change::Set(None), ..UserChange::default() };
    let changed = h.update_user(&firm, &firm.meier, no_address).await;
    assert_eq!((&changed.display_name, &changed.notification_email), (&labelled.display_name, &None));
    assert_eq!((&changed.name, &changed.scope), (&labelled.name, &labelled.scope));
    let nameless = UserChange { display_name: Change::Set(None), ..UserChange::default() };
    assert_eq!(h.update_user(&firm, &firm.meier, nameless).await.display_name, None);
}

pub(crate) async fn a_change_of_a_user_that_changes_nothing_moves_nothing(h: &Harness) {
    let firm = h.example().await;
    let before = h.update_user(&firm, &firm.meier, relabelled()).await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    let same =
        UserChange { name: Change::Set(before.name.clone()), scope: Change::Set(before.scope.clone()), ..relabelled() };
    assert_eq!(h.update_user(&firm, &firm.meier, same).await, before);
    assert_eq!(h.update_user(&firm, &firm.meier, UserChange::default()).await, before);
    assert_eq!(h.user(&firm.tenant, &firm.meier).await, before);
    jumps.are_open(h).await;
}

pub(crate) async fn a_user_may_spell_its_own_name_differently(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    assert_eq!(h.update_user(&firm, &firm.meier, named("MEIER")).await.name, user_name("MEIER"));
    // It is handed over as it is spelled.
    jumps.are_revoked(h).await;
}

pub(crate) async fn a_changed_name_is_not_another_users(h: &Harness) {
    let firm = h.example().await;
    let before = h.user(&firm.tenant, &firm.meier).await;
    for taken in ["schulze", " ＳCHULZE ", "cloudtransfer"] {
        assert_eq!(reason(update(h, &firm, &firm.meier, named(taken)).await), Reason::AlreadyExists, "{taken}");
    }
    assert_eq!(h.user(&firm.tenant, &firm.meier).await, before);
    assert_eq!(h.refused(&firm.tenant, Action::UpdateUser, Reason::AlreadyExists).await, 3);
    h.update_user(&firm, &firm.schulze, named("scholz")).await;
    assert_eq!(h.update_user(&firm, &firm.meier, named("schulze")).await.name, user_name("schulze"), "it is free now");
}

pub(crate) async fn a_changed_scope_names_known_providers_only(h: &Harness) {
    let firm = h.example().await;
    let before = h.user(&firm.tenant, &firm.meier).await;
    let outcome = update(h, &firm, &firm.meier, scoped(only(&["sicher", "nobody"]))).await;
    assert_eq!(reason(outcome), Reason::NotFound);
    assert_eq!(h.user(&firm.tenant, &firm.meier).await, before);
}

pub(crate) async fn a_changed_endkunde_user_keeps_a_list_of_providers(h: &Harness) {
    let firm = h.example().await;
    let outcome = update(h, &firm, &firm.private, scoped(ProviderScope::All)).await;
    assert_eq!(reason(outcome), Reason::ProviderScopeRequired);
    let changed = h.update_user(&firm, &firm.private, scoped(only(&["sicher"]))).await;
    assert_eq!((changed.kind, changed.scope), (UserKind::EndCustomer, only(&["sicher"])));
    let brokers = h.update_user(&firm, &firm.meier, scoped(only(&["sicher"]))).await;
    assert_eq!(h.update_user(&firm, &firm.meier, scoped(ProviderScope::All)).await.version, next(brokers.version));
}

pub(crate) async fn changing_a_user_needs_it_and_its_etag(h: &Harness) {
    let firm = h.example().await;
    // Taken and unknown, too: whoever does not know the user as it is learns that first.
    let change = UserChange { scope: Change::Set(only(&["nobody"])), ..named("schulze") };
    let effect = h.effect(firm.tenant, Action::UpdateUser);
    let outcome = h.store.update_user(&firm.tenant, &effect, &firm.meier, STALE, &change).await;
    assert_eq!(refusal(outcome), Refusal::etag_mismatch(Version::FIRST));
    let effect = h.effect(firm.tenant, Action::UpdateUser);
    let nobody = h.id(UserId::new);
    let outcome = h.store.update_user(&firm.tenant, &effect, &nobody, Version::FIRST, &change).await;
    assert_eq!(reason(outcome), Reason::NotFound);
}

pub(crate) async fn another_name_and_another_scope_revoke_open_jumps(h: &Harness) {
    let firm = h.example().await;
    for change in [named("maier"), scoped(only(&["vergleich", "sicher"]))] {
        let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
        h.update_user(&firm, &firm.meier, change).await;
        jumps.are_revoked(h).await;
    }
}

pub(crate) async fn another_label_of_a_user_leaves_open_jumps_alone(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    assert_eq!(h.update_user(&firm, &firm.meier, relabelled()).await.version, next(Version::FIRST));
    jumps.are_open(h).await;
}

pub(crate) async fn a_user_is_deleted(h: &Harness) {
    let firm = h.example().await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    let jumps = h.open_jumps(&firm, for_customer("k-1")).await;
    assert_eq!(delete(h, &firm, &free).await.expect("an answer"), Outcome::Done(()));
    assert_eq!(h.store.get_user(&firm.tenant, &free).await.expect("an answer"), None);
    let users = h.store.list_users(&firm.tenant, &first(10)).await.expect("a page").rows;
    let ids: Vec<_> = users.iter().map(|user| user.user_id).collect();
    assert_eq!(ids, [firm.standard, firm.meier, firm.schulze, firm.private, firm.commercial]);
    assert_eq!(h.accepted(&firm.tenant, Action::DeleteUser).await, 1);
    jumps.are_revoked(h).await;
}

pub(crate) async fn a_deleted_users_name_is_free_for_another_one(h: &Harness) {
    let firm = h.example().await;
    let before = h.create_user(&firm.tenant, "neu", UserKind::EndCustomer).await;
    h.assign(&firm, "k-1", Some(&before)).await;
    h.assign(&firm, "k-1", None).await;
    h.delete_user(&firm, &before).await;
    let after = h.create_user(&firm.tenant, "neu", UserKind::EndCustomer).await;
    assert_ne!(after, before);
    assert_eq!(h.customer(&firm.tenant, "k-1").await.user_id, None, "nothing re-attaches");
}

pub(crate) async fn the_standard_user_is_not_deleted(h: &Harness) {
    let firm = h.example().await;
    assert_eq!(reason(delete(h, &firm, &firm.standard).await), Reason::StandardRequired);
    h.set_user_state(&firm, &firm.standard, State::Disabled).await;
    assert_eq!(reason(delete(h, &firm, &firm.standard).await), Reason::StandardRequired);
    assert_eq!(h.user(&firm.tenant, &firm.standard).await.kind, UserKind::Standard);
    assert_eq!(h.refused(&firm.tenant, Action::DeleteUser, Reason::StandardRequired).await, 2);
    // Once another one is, it can go.
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    done(move_standard(h, &firm, &free).await);
    h.delete_user(&firm, &firm.standard).await;
}

pub(crate) async fn a_user_that_something_depends_on_is_not_deleted(h: &Harness) {
    let firm = h.example().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    h.assign(&firm, "k-1", Some(&own)).await;
    for (user, dependent) in [
        (firm.meier, Related::Activation(firm.meiers)),
        (own, Related::Customer(customer("k-1"))),
        (firm.private, Related::SharedUser(Segment::Private)),
        (firm.commercial, Related::SharedUser(Segment::Commercial)),
    ] {
        let refused = refusal(delete(h, &firm, &user).await);
        assert_eq!(refused, Refusal::with_related(Reason::Assigned, vec![dependent], 1));
        assert_eq!(h.user(&firm.tenant, &user).await.user_id, user);
    }
    h.delete_activation(&firm, &firm.meiers).await;
    h.delete_user(&firm, &firm.meier).await;
}

pub(crate) async fn what_depends_on_a_user_is_listed_together(h: &Harness) {
    let firm = h.example().await;
    let both = AccessChange { commercial_user_id: Change::Set(Some(firm.private)), ..AccessChange::default() };
    h.change_access(&firm, both).await;
    for id in ["k-2", "k-1"] {
        h.assign(&firm, id, Some(&firm.private)).await;
    }
    let all = vec![
        Related::Customer(customer("k-1")),
        Related::Customer(customer("k-2")),
        Related::SharedUser(Segment::Private),
        Related::SharedUser(Segment::Commercial),
    ];
    assert_eq!(refusal(delete(h, &firm, &firm.private).await), Refusal::with_related(Reason::Assigned, all, 4));
    let entries: Vec<_> = (0..23).map(|n| entry(&format!("viele-{n:02}"), Segment::Private)).collect();
    h.put_customers(&firm, &entries).await;
    for one in &entries {
        h.assign(&firm, one.customer_id.as_str(), Some(&firm.private)).await;
    }
    let refused = refusal(delete(h, &firm, &firm.private).await);
    assert_eq!((refused.related.len(), refused.related_total), (RELATED_SHOWN, 27));
    assert!(refused.related.iter().all(|one| matches!(one, Related::Customer(_))), "{:?}", refused.related);
}

pub(crate) async fn deleting_a_user_needs_it_and_its_etag(h: &Harness) {
    let firm = h.example().await;
    for user in [firm.standard, firm.meier] {
        let effect = h.effect(firm.tenant, Action::DeleteUser);
        let outcome = h.store.delete_user(&firm.tenant, &effect, &user, STALE).await;
        assert_eq!(refusal(outcome), Refusal::etag_mismatch(Version::FIRST));
    }
    let effect = h.effect(firm.tenant, Action::DeleteUser);
    let outcome = h.store.delete_user(&firm.tenant, &effect, &h.id(UserId::new), Version::FIRST).await;
    assert_eq!(reason(outcome), Reason::NotFound);
}

pub(crate) async fn a_deleted_user_makes_room_for_another_one(h: &Harness) {
    let firm = h.example().await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    h.inspect.add_users(&firm.tenant, MOST_USERS - 6).await;
    assert_eq!(reason(create(h, &firm, &h.new_user("einer-zu-viel", UserKind::Broker)).await), Reason::LimitReached);
    h.delete_user(&firm, &free).await;
    done(create(h, &firm, &h.new_user("wieder-einer", UserKind::Broker)).await);
}

pub(crate) async fn what_con_center_says_is_noted_with_who_said_it(h: &Harness) {
    let firm = h.example().await;
    for reported in [Some(true), Some(true), Some(false), None] {
        let before = h.user(&firm.tenant, &firm.private).await;
        h.advance(Duration::from_secs(1));
        let (effect, noted) = h.attest(&firm, &firm.private, reported).await;
        let expected = ConcenterUser {
            reported_end_customer: reported,
            report: Some(Report { at: effect.at, source: ReportSource::Attestation, by: admin() }),
            updated_at: effect.at,
            version: next(before.version),
            ..before
        };
        assert_eq!(noted, expected);
    }
    for (action, count) in
        [(Action::AttestEndCustomerYes, 2), (Action::AttestEndCustomerNo, 1), (Action::AttestEndCustomerUnknown, 1)]
    {
        assert_eq!(h.accepted(&firm.tenant, action).await, count, "{action:?}");
    }
    let effect = h.effect(firm.tenant, Action::AttestEndCustomerUnknown);
    let stale = h.store.attest_end_customer(&firm.tenant, &effect, &firm.private, STALE, None).await;
    assert_eq!(refusal(stale).reason, Reason::EtagMismatch);
    let effect = h.effect(firm.tenant, Action::AttestEndCustomerUnknown);
    let nobody = h.store.attest_end_customer(&firm.tenant, &effect, &h.id(UserId::new), STALE, None).await;
    assert_eq!(reason(nobody), Reason::NotFound);
}

pub(crate) async fn another_answer_of_con_centers_revokes_and_the_same_one_does_not(h: &Harness) {
    let firm = h.example().await;
    for (reported, revokes) in [(Some(true), true), (Some(true), false), (None, true), (None, false)] {
        let open = h.open_jumps(&firm, for_customer("k-1")).await;
        h.attest(&firm, &firm.private, reported).await;
        if revokes {
            open.are_revoked(h).await;
        } else {
            open.are_open(h).await;
        }
    }
}

pub(crate) async fn whoever_is_endkunde_here_and_not_there_gets_no_jump_and_is_told_of_once(h: &Harness) {
    let firm = h.example().await;
    let told = |user: &UserId| ("end_customer_mismatch".to_owned(), user.to_string());
    let open = h.open_jumps(&firm, for_customer("k-1")).await;
    h.attest(&firm, &firm.private, Some(false)).await;
    open.are_revoked(h).await;
    let order = for_customer("k-1");
    let inputs = h.inputs(&firm.tenant, &order).await;
    let refused = resolve(&order, &inputs.candidates).outcome.expect_err("a refusal");
    assert_eq!(refused.reason, Reason::EndkundeRemoteMismatch);
    assert_eq!(h.inspect.notices(&firm.tenant).await, [told(&firm.private)]);
    h.attest(&firm, &firm.private, Some(false)).await;
    assert_eq!(h.inspect.notices(&firm.tenant).await, [told(&firm.private)], "it waits to be sent");

    // The other way round: it is known already, and then he is marked.
    let broker = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    h.attest(&firm, &broker, Some(false)).await;
    assert_eq!(h.inspect.notices(&firm.tenant).await.len(), 1, "a broker's user need not be Endkunde");
    done(mark(h, &firm, &broker, true, Some(only(&["sicher"]))).await);
    let mut both = vec![told(&firm.private), told(&broker)];
    both.sort();
    assert_eq!(h.inspect.notices(&firm.tenant).await, both);
}

pub(crate) async fn nobody_is_told_of_a_mismatch_that_is_over(h: &Harness) {
    let firm = h.example().await;
    let told = [("end_customer_mismatch".to_owned(), firm.private.to_string())];
    for said in [Some(true), None] {
        h.attest(&firm, &firm.private, Some(false)).await;
        assert_eq!(h.inspect.notices(&firm.tenant).await, told);
        h.attest(&firm, &firm.private, said).await;
        assert!(h.inspect.notices(&firm.tenant).await.is_empty(), "{said:?}");
    }
    h.attest(&firm, &firm.private, Some(false)).await;
    let none = AccessChange { private_user_id: Change::Set(None), ..AccessChange::default() };
    h.change_access(&firm, none).await;
    h.mark_end_customer(&firm, &firm.private, false).await;
    assert!(h.inspect.notices(&firm.tenant).await.is_empty(), "a broker's user need not be Endkunde");
    h.mark_end_customer(&firm, &firm.private, true).await;
    assert_eq!(h.inspect.notices(&firm.tenant).await, told, "it is news again");
    // What was sent is a matter of record, and the next one is told besides.
    assert_eq!(h.inspect.change_by_hand("UPDATE notice SET sent_at = created_at").await, 1);
    for said in [Some(true), Some(false)] {
        h.attest(&firm, &firm.private, said).await;
    }
    assert_eq!(h.inspect.notices(&firm.tenant).await, told);
    assert_eq!(h.inspect.change_by_hand("UPDATE notice SET created_at = created_at").await, 2);
    h.delete_user(&firm, &firm.private).await;
    assert!(h.inspect.notices(&firm.tenant).await.is_empty(), "he is gone");
    assert_eq!(h.inspect.change_by_hand("UPDATE notice SET created_at = created_at").await, 1);
}

pub(crate) async fn under_another_name_nobody_knows_what_con_center_says_unless_it_said_no(h: &Harness) {
    let firm = h.example().await;
    h.attest(&firm, &firm.private, Some(true)).await;
    let renamed = done(update(h, &firm, &firm.private, named("privat-neu")).await);
    assert_eq!((renamed.reported_end_customer, renamed.report), (None, None));

    let (_, noted) = h.attest(&firm, &firm.private, Some(true)).await;
    let respelled = done(update(h, &firm, &firm.private, named("Privat-NEU")).await);
    assert_eq!((respelled.reported_end_customer, respelled.report), (Some(true), noted.report));

    let (_, denied) = h.attest(&firm, &firm.private, Some(false)).await;
    let renamed = done(update(h, &firm, &firm.private, named("privat-2")).await);
    assert_eq!((renamed.reported_end_customer, renamed.report), (Some(false), denied.report));
}

pub(crate) async fn who_marked_a_user_endkunde_is_known_while_he_is(h: &Harness) {
    let firm = h.example().await;
    let user = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    assert_eq!(h.user(&firm.tenant, &user).await.end_customer_mark, None);
    let marked = done(mark(h, &firm, &user, true, Some(only(&["sicher"]))).await);
    let expected = Some(EndCustomerMark { at: marked.updated_at, by: admin() });
    assert_eq!(marked.end_customer_mark, expected);
    h.advance(Duration::from_secs(1));
    let widened = done(mark(h, &firm, &user, true, Some(only(&["sicher", "vergleich"]))).await);
    assert_eq!(widened.end_customer_mark, expected, "he was marked before");
    assert_eq!(done(mark(h, &firm, &user, false, None).await).end_customer_mark, None);
}
