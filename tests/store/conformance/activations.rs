//! Broker activations (`docs/domain.md#broker-jump`).

use concenter_gateway::domain::activation::{ActivationChange, BrokerActivation, BrokerList, NewActivation};
use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::change::Change;
use concenter_gateway::domain::error::{Reason, Refusal, Related, Version};
use concenter_gateway::domain::ids::{ActivationId, UserId};
use concenter_gateway::domain::provider::State;
use concenter_gateway::domain::user::UserKind;
use concenter_gateway::store::{MOST_ACTIVATIONS_OF_BROKER, Outcome, StoreError};

use crate::fixture::firm::Firm;
use crate::fixture::jump::{for_broker, for_customer};
use crate::fixture::{Harness, STALE, broker, done, first, line, next, reason, refusal, walks};

async fn create(h: &Harness, firm: &Firm, new: &NewActivation) -> Result<Outcome<BrokerActivation>, StoreError> {
    h.store.create_activation(&firm.tenant, &h.effect(firm.tenant, Action::CreateActivation), new).await
}

pub(crate) async fn a_new_activation_reads_back(h: &Harness) {
    let firm = h.example().await;
    let user = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    let new = NewActivation {
        display_name: Some(line("Außendienst")),
        sharing_reason: Some(line("Urlaubsvertretung")),
        ..h.new_activation(&["z.zander", "a.adler", "m.meier"], user)
    };
    let effect = h.effect(firm.tenant, Action::CreateActivation);
    let made = done(h.store.create_activation(&firm.tenant, &effect, &new).await);
    let expected = BrokerActivation {
        activation_id: new.activation_id,
        display_name: new.display_name,
        brokers: new.brokers,
        user_id: user,
        state: State::Active,
        sharing_reason: new.sharing_reason,
        created_at: effect.at,
        updated_at: effect.at,
        version: Version::FIRST,
    };
    assert_eq!(made, expected);
    assert_eq!(h.activation(&firm.tenant, &new.activation_id).await, expected);
}

pub(crate) async fn an_unknown_activation_is_absent(h: &Harness) {
    let firm = h.example().await;
    let nobody = h.id(ActivationId::new);
    assert_eq!(h.store.get_activation(&firm.tenant, &nobody).await.expect("an answer"), None);
}

pub(crate) async fn an_activation_needs_a_user(h: &Harness) {
    let firm = h.example().await;
    let new = h.new_activation(&["m.meier"], h.id(UserId::new));
    assert_eq!(reason(create(h, &firm, &new).await), Reason::NotFound);
    assert_eq!(h.store.get_activation(&firm.tenant, &new.activation_id).await.expect("an answer"), None);
}

pub(crate) async fn an_endkunde_user_is_not_activated(h: &Harness) {
    let firm = h.example().await;
    let outcome = create(h, &firm, &h.new_activation(&["m.meier"], firm.private)).await;
    assert_eq!(reason(outcome), Reason::EndkundeConflict);
}

pub(crate) async fn the_standard_user_is_not_activated(h: &Harness) {
    let firm = h.example().await;
    let outcome = create(h, &firm, &h.new_activation(&["m.meier"], firm.standard)).await;
    assert_eq!(reason(outcome), Reason::StandardNotForJumps);
}

pub(crate) async fn a_disabled_user_can_be_activated(h: &Harness) {
    let firm = h.example().await;
    let user = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    h.set_user_state(&firm, &user, State::Disabled).await;
    assert_eq!(done(create(h, &firm, &h.new_activation(&["m.meier"], user)).await).user_id, user);
}

pub(crate) async fn a_user_is_not_shared_without_a_reason(h: &Harness) {
    let firm = h.example().await;
    let outcome = create(h, &firm, &h.new_activation(&["neu"], firm.meier)).await;
    let related = vec![Related::Activation(firm.meiers)];
    assert_eq!(refusal(outcome), Refusal::with_related(Reason::UserAlreadyAssigned, related, 1));
}

pub(crate) async fn a_broker_has_a_limited_number_of_activations(h: &Harness) {
    let firm = h.example().await;
    let one_more = |brokers: &[&str]| NewActivation {
        sharing_reason: Some(line("Vertretung")),
        ..h.new_activation(brokers, firm.meier)
    };
    for _ in 0..MOST_ACTIVATIONS_OF_BROKER {
        done(create(h, &firm, &one_more(&["v.viele"])).await);
    }
    assert_eq!(reason(create(h, &firm, &one_more(&["a.anderer", "v.viele"])).await), Reason::LimitReached);
    done(create(h, &firm, &one_more(&["a.anderer"])).await);
}

pub(crate) async fn a_user_is_shared_with_a_reason(h: &Harness) {
    let firm = h.example().await;
    let reasoned = NewActivation { sharing_reason: Some(line("Vertretung")), ..h.new_activation(&["neu"], firm.meier) };
    let shared = done(create(h, &firm, &reasoned).await);
    let refused = refusal(create(h, &firm, &h.new_activation(&["noch-einer"], firm.meier)).await);
    assert_eq!((refused.reason, refused.related_total), (Reason::UserAlreadyAssigned, 2));
    for activation in [firm.meiers, shared.activation_id] {
        assert!(refused.related.contains(&Related::Activation(activation)), "{:?}", refused.related);
    }
}

pub(crate) async fn activations_are_listed_by_id_page_by_page(h: &Harness) {
    let firm = h.example().await;
    let mut all =
        vec![h.activation(&firm.tenant, &firm.meiers).await, h.activation(&firm.tenant, &firm.schulzes).await];
    for n in 0..5 {
        let user = h.create_user(&firm.tenant, &format!("neu-{n}"), UserKind::Broker).await;
        all.push(done(create(h, &firm, &h.new_activation(&["a.adler", "b.bussard"], user)).await));
    }
    for rows in [1, 3, 7] {
        let list = async |page| h.store.list_activations(&firm.tenant, None, &page).await.expect("a page");
        walks(&all, rows, list).await;
    }
}

pub(crate) async fn the_activations_of_one_broker_are_listed(h: &Harness) {
    let firm = h.example().await;
    let mut his = vec![h.activation(&firm.tenant, &firm.meiers).await];
    for (n, brokers) in [["m.meier", "a.adler"], ["a.adler", "b.bussard"], ["a.adler", "m.meier"]].iter().enumerate() {
        let user = h.create_user(&firm.tenant, &format!("neu-{n}"), UserKind::Broker).await;
        let made = done(create(h, &firm, &h.new_activation(brokers, user)).await);
        if brokers.contains(&"m.meier") {
            his.push(made);
        }
    }
    let meier = broker("m.meier");
    for rows in [1, 2, 3] {
        let list = async |page| h.store.list_activations(&firm.tenant, Some(&meier), &page).await.expect("a page");
        walks(&his, rows, list).await;
    }
}

pub(crate) async fn an_activation_is_disabled_and_enabled(h: &Harness) {
    let firm = h.example().await;
    let before = h.activation(&firm.tenant, &firm.meiers).await;
    let disabled = h.set_activation_state(&firm, &firm.meiers, State::Disabled).await;
    assert_eq!((disabled.state, disabled.version), (State::Disabled, next(before.version)));
    assert_eq!(disabled.brokers, before.brokers);
    assert!(disabled.updated_at > before.updated_at);
    assert_eq!(h.set_activation_state(&firm, &firm.meiers, State::Disabled).await, disabled, "no change, no version");
    let enabled = h.set_activation_state(&firm, &firm.meiers, State::Active).await;
    assert_eq!((enabled.state, enabled.version), (State::Active, next(disabled.version)));
    assert_eq!(h.activation(&firm.tenant, &firm.meiers).await, enabled);
}

pub(crate) async fn the_state_of_an_activation_needs_its_etag(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::DisableActivation);
    let set = h.store.set_activation_state(&firm.tenant, &effect, &firm.meiers, STALE, State::Disabled).await;
    assert_eq!(refusal(set), Refusal::etag_mismatch(Version::FIRST));
    let effect = h.effect(firm.tenant, Action::DisableActivation);
    let nobody = h.id(ActivationId::new);
    let set = h.store.set_activation_state(&firm.tenant, &effect, &nobody, Version::FIRST, State::Disabled).await;
    assert_eq!(reason(set), Reason::NotFound);
}

/// Changes an activation, with the etag that it has.
async fn update(
    h: &Harness,
    firm: &Firm,
    activation: &ActivationId,
    change: ActivationChange,
) -> Result<Outcome<BrokerActivation>, StoreError> {
    let version = h.activation(&firm.tenant, activation).await.version;
    let effect = h.effect(firm.tenant, Action::UpdateActivation);
    h.store.update_activation(&firm.tenant, &effect, activation, version, &change).await
}

fn of_brokers(brokers: &[&str]) -> ActivationChange {
    let brokers = BrokerList::new(brokers.iter().map(|id| broker(id)).collect()).expect("one broker or more");
    ActivationChange { brokers: Change::Set(brokers), ..ActivationChange::default() }
}

fn with_user(user: UserId) -> ActivationChange {
    ActivationChange { user_id: Change::Set(user), ..ActivationChange::default() }
}

fn reasoned(reason: Option<&str>) -> ActivationChange {
    ActivationChange { sharing_reason: Change::Set(reason.map(line)), ..ActivationChange::default() }
}

pub(crate) async fn an_activation_is_changed(h: &Harness) {
    let firm = h.example().await;
    let before = h.activation(&firm.tenant, &firm.meiers).await;
    let user = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    let change = ActivationChange {
        display_name: Change::Set(Some(line("Außendienst"))),
        user_id: Change::Set(user),
        sharing_reason: Change::Set(Some(line("Vertretung"))),
        ..of_brokers(&["z.zander", "a.adler"])
    };
    let effect = h.effect(firm.tenant, Action::UpdateActivation);
    let version = before.version;
    let changed = done(h.store.update_activation(&firm.tenant, &effect, &firm.meiers, version, &change).await);
    let expected = BrokerActivation {
        display_name: Some(line("Außendienst")),
        brokers: BrokerList::new(vec![broker("a.adler"), broker("z.zander")]).expect("two brokers"),
        user_id: user,
        sharing_reason: Some(line("Vertretung")),
        updated_at: effect.at,
        version: next(before.version),
        ..before
    };
    assert_eq!(changed, expected);
    assert_eq!(h.activation(&firm.tenant, &firm.meiers).await, expected);
    let list = h.store.list_activations(&firm.tenant, Some(&broker("m.meier")), &first(10)).await.expect("a page");
    assert_eq!(list.rows, [], "he is in it no longer");
    let list = h.store.list_activations(&firm.tenant, Some(&broker("a.adler")), &first(10)).await.expect("a page");
    assert_eq!(list.rows, [expected]);
    assert_eq!(h.accepted(&firm.tenant, Action::UpdateActivation).await, 1);
}

pub(crate) async fn a_change_of_an_activation_keeps_what_it_does_not_name(h: &Harness) {
    let firm = h.example().await;
    let named = ActivationChange { display_name: Change::Set(Some(line("Süd"))), ..reasoned(Some("Vertretung")) };
    let named = h.update_activation(&firm, &firm.meiers, named).await;
    let changed = h.update_activation(&firm, &firm.meiers, of_brokers(&["m.meier", "a.adler"])).await;
    assert_eq!((&changed.display_name, &changed.sharing_reason), (&named.display_name, &named.sharing_reason));
    assert_eq!(changed.user_id, named.user_id);
    let nameless = ActivationChange { display_name: Change::Set(None), ..ActivationChange::default() };
    let nameless = h.update_activation(&firm, &firm.meiers, nameless).await;
    assert_eq!((nameless.display_name, nameless.brokers), (None, changed.brokers));
}

pub(crate) async fn a_change_of_an_activation_that_changes_nothing_moves_nothing(h: &Harness) {
    let firm = h.example().await;
    let before = h.activation(&firm.tenant, &firm.meiers).await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    let same = ActivationChange {
        display_name: Change::Set(before.display_name.clone()),
        brokers: Change::Set(before.brokers.clone()),
        user_id: Change::Set(before.user_id),
        sharing_reason: Change::Set(before.sharing_reason.clone()),
    };
    assert_eq!(h.update_activation(&firm, &firm.meiers, same).await, before);
    assert_eq!(h.update_activation(&firm, &firm.meiers, ActivationChange::default()).await, before);
    assert_eq!(h.activation(&firm.tenant, &firm.meiers).await, before);
    jumps.are_open(h).await;
}

pub(crate) async fn an_activation_moves_to_a_brokers_user_only(h: &Harness) {
    let firm = h.example().await;
    let before = h.activation(&firm.tenant, &firm.meiers).await;
    for (unfit, why) in [
        (h.id(UserId::new), Reason::NotFound),
        (firm.private, Reason::EndkundeConflict),
        (firm.standard, Reason::StandardNotForJumps),
    ] {
        assert_eq!(reason(update(h, &firm, &firm.meiers, with_user(unfit)).await), why);
        assert_eq!(h.refused(&firm.tenant, Action::UpdateActivation, why).await, 1);
    }
    assert_eq!(h.activation(&firm.tenant, &firm.meiers).await, before);
}

pub(crate) async fn an_activation_does_not_move_to_a_shared_user_without_a_reason(h: &Harness) {
    let firm = h.example().await;
    let refused = refusal(update(h, &firm, &firm.meiers, with_user(firm.schulze)).await);
    let related = vec![Related::Activation(firm.schulzes)];
    assert_eq!(refused, Refusal::with_related(Reason::UserAlreadyAssigned, related, 1));
    let change = ActivationChange { user_id: Change::Set(firm.schulze), ..reasoned(Some("Vertretung")) };
    assert_eq!(h.update_activation(&firm, &firm.meiers, change).await.user_id, firm.schulze);
}

pub(crate) async fn a_sharing_reason_stays_while_the_user_is_shared(h: &Harness) {
    let firm = h.example().await;
    let second = NewActivation { sharing_reason: Some(line("Vertretung")), ..h.new_activation(&["neu"], firm.meier) };
    let second = done(create(h, &firm, &second).await).activation_id;
    let refused = refusal(update(h, &firm, &second, reasoned(None)).await);
    let related = vec![Related::Activation(firm.meiers)];
    assert_eq!(refused, Refusal::with_related(Reason::UserAlreadyAssigned, related, 1));
    let other = h.update_activation(&firm, &second, reasoned(Some("Urlaub"))).await;
    assert_eq!(other.sharing_reason, Some(line("Urlaub")));
    // The first one never gave a reason, and need not for what else is changed.
    let named =
        ActivationChange { display_name: Change::Set(Some(line("Süd"))), ..of_brokers(&["m.meier", "a.adler"]) };
    assert_eq!(h.update_activation(&firm, &firm.meiers, named).await.sharing_reason, None);
    h.delete_activation(&firm, &firm.meiers).await;
    assert_eq!(h.update_activation(&firm, &second, reasoned(None)).await.sharing_reason, None, "nobody shares it now");
}

pub(crate) async fn a_broker_is_added_to_a_limited_number_of_activations(h: &Harness) {
    let firm = h.example().await;
    let mut last = firm.meiers;
    for _ in 0..MOST_ACTIVATIONS_OF_BROKER {
        let one_more =
            NewActivation { sharing_reason: Some(line("Vertretung")), ..h.new_activation(&["v.viele"], firm.meier) };
        last = done(create(h, &firm, &one_more).await).activation_id;
    }
    let before = h.activation(&firm.tenant, &firm.meiers).await;
    let outcome = update(h, &firm, &firm.meiers, of_brokers(&["m.meier", "v.viele"])).await;
    assert_eq!(reason(outcome), Reason::LimitReached);
    assert_eq!(h.activation(&firm.tenant, &firm.meiers).await, before);
    // He is in this one already.
    let changed = h.update_activation(&firm, &last, of_brokers(&["a.adler", "v.viele"])).await;
    assert_eq!(changed.brokers.as_slice(), [broker("a.adler"), broker("v.viele")]);
}

pub(crate) async fn changing_an_activation_needs_it_and_its_etag(h: &Harness) {
    let firm = h.example().await;
    let unfit = with_user(firm.private);
    let effect = h.effect(firm.tenant, Action::UpdateActivation);
    let outcome = h.store.update_activation(&firm.tenant, &effect, &firm.meiers, STALE, &unfit).await;
    assert_eq!(refusal(outcome), Refusal::etag_mismatch(Version::FIRST));
    let effect = h.effect(firm.tenant, Action::UpdateActivation);
    let nobody = h.id(ActivationId::new);
    let outcome = h.store.update_activation(&firm.tenant, &effect, &nobody, Version::FIRST, &unfit).await;
    assert_eq!(reason(outcome), Reason::NotFound);
}

pub(crate) async fn other_brokers_and_another_user_revoke_open_jumps(h: &Harness) {
    let firm = h.example().await;
    let free = h.create_user(&firm.tenant, "neu", UserKind::Broker).await;
    for change in [of_brokers(&["s.schulze", "a.adler"]), with_user(free)] {
        let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
        h.update_activation(&firm, &firm.schulzes, change).await;
        jumps.are_revoked(h).await;
    }
}

pub(crate) async fn another_label_of_an_activation_leaves_open_jumps_alone(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    let label = ActivationChange { display_name: Change::Set(Some(line("Süd"))), ..reasoned(Some("Vertretung")) };
    assert_eq!(h.update_activation(&firm, &firm.meiers, label).await.version, next(Version::FIRST));
    jumps.are_open(h).await;
}

pub(crate) async fn an_activation_is_deleted_with_its_brokers(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_customer("k-1")).await;
    let effect = h.effect(firm.tenant, Action::DeleteActivation);
    let outcome = h.store.delete_activation(&firm.tenant, &effect, &firm.meiers, Version::FIRST).await;
    assert_eq!(outcome.expect("an answer"), Outcome::Done(()));
    assert_eq!(h.store.get_activation(&firm.tenant, &firm.meiers).await.expect("an answer"), None);
    let his = h.store.list_activations(&firm.tenant, Some(&broker("m.meier")), &first(10)).await.expect("a page");
    assert_eq!(his.rows, []);
    assert!(h.inspect.tables_with("m.meier").await.is_empty(), "nothing else held the broker");
    assert_eq!(h.user(&firm.tenant, &firm.meier).await.version, Version::FIRST, "the user stays");
    assert_eq!(h.accepted(&firm.tenant, Action::DeleteActivation).await, 1);
    jumps.are_revoked(h).await;
}

pub(crate) async fn deleting_an_activation_needs_it_and_its_etag(h: &Harness) {
    let firm = h.example().await;
    let before = h.activation(&firm.tenant, &firm.meiers).await;
    let effect = h.effect(firm.tenant, Action::DeleteActivation);
    let outcome = h.store.delete_activation(&firm.tenant, &effect, &firm.meiers, STALE).await;
    assert_eq!(refusal(outcome), Refusal::etag_mismatch(Version::FIRST));
    let effect = h.effect(firm.tenant, Action::DeleteActivation);
    let outcome = h.store.delete_activation(&firm.tenant, &effect, &h.id(ActivationId::new), Version::FIRST).await;
    assert_eq!(reason(outcome), Reason::NotFound);
    assert_eq!(h.activation(&firm.tenant, &firm.meiers).await, before);
}
