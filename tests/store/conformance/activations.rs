//! Broker activations (`docs/domain.md#broker-jump`).

use concenter_gateway::domain::activation::{BrokerActivation, NewActivation};
use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::error::{Reason, Refusal, Related, Version};
use concenter_gateway::domain::ids::{ActivationId, UserId};
use concenter_gateway::domain::provider::State;
use concenter_gateway::domain::user::UserKind;
use concenter_gateway::store::{MOST_ACTIVATIONS_OF_BROKER, Outcome, StoreError};

use crate::fixture::firm::Firm;
use crate::fixture::{Harness, STALE, broker, done, line, next, reason, refusal, walks};

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
