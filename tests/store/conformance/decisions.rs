//! What deciding a jump reads.

use std::sync::Arc;
use std::time::Duration;

use concenter_gateway::domain::activation::NewActivation;
use concenter_gateway::domain::audit::{Action, AuditedKind, AuditedPerson, Salt};
use concenter_gateway::domain::change::Change;
use concenter_gateway::domain::customer::{AccessChange, Segment};
use concenter_gateway::domain::ids::{MvpUserId, TenantId};
use concenter_gateway::domain::jump::{
    JumpOrder, JumpQuery, JumpVersions, PersonInputs, PersonKind, PersonQuery, TokenLife,
};
use concenter_gateway::domain::provider::{ProviderScope, State};
use concenter_gateway::domain::resolve::{
    Assignments, CandidateActivation, CandidateCustomer, CandidateTarget, CandidateUser,
};
use concenter_gateway::domain::settings::{Percent, SessionChange, SessionSpan, Settings, SettingsChange};
use concenter_gateway::domain::target::ReturnUrl;
use concenter_gateway::domain::tenant::TenantState;
use concenter_gateway::domain::user::{ConcenterUser, NewUser, UserKind};

use crate::fixture::catalog::{new_calculator, new_return_url};
use crate::fixture::jump::{for_broker, for_customer, for_stranger};
use crate::fixture::{Harness, customer, done, line, only, provider, target, url};

/// A user of the example as a decision sees it.
fn candidate(user: ConcenterUser) -> CandidateUser {
    CandidateUser {
        user_id: user.user_id,
        kind: user.kind,
        state: user.state,
        has_secret: user.secret.is_set(),
        is_suspect: user.logins.suspect_since.is_some(),
        scope: user.scope,
        reported_end_customer: user.reported_end_customer,
    }
}

pub(crate) async fn an_unknown_tenant_decides_nothing(h: &Harness) {
    h.example().await;
    let order = for_broker("m.meier");
    let query = JumpQuery { order: &order, return_url: None, request: None, people: &[], now: h.now() };
    assert_eq!(h.store.jump_inputs(&h.id(TenantId::new), query).await.expect("an answer"), None);
}

pub(crate) async fn a_person_alone_is_read_as_with_everything_else(h: &Harness) {
    let firm = h.example().await;
    for order in
        [for_broker("m.meier"), for_broker("nobody"), for_customer("k-1"), for_stranger("k-9", Segment::Private)]
    {
        let people = [order.audited_person()];
        let query = JumpQuery { order: &order, return_url: None, request: None, people: &people, now: h.now() };
        let person = PersonQuery { person: &order.person, people: &people };
        // Both at once: they share their statements.
        let (all, alone) =
            tokio::join!(h.store.jump_inputs(&firm.tenant, query), h.store.person_inputs(&firm.tenant, person));
        let all = all.expect("an answer").expect("a tenant");
        let expected = PersonInputs {
            assignments: all.candidates.assignments,
            users: all.candidates.users,
            customer: all.versions.customer,
            salts: all.salts,
        };
        assert_eq!(alone.expect("an answer"), Some(expected), "{order:?}");
    }
}

pub(crate) async fn a_person_of_no_tenant_leads_to_no_user(h: &Harness) {
    h.example().await;
    let nobodys = h.id(TenantId::new);
    let customer = for_customer("k-1").person;
    let query = PersonQuery { person: &customer, people: &[] };
    assert_eq!(h.store.person_inputs(&nobodys, query).await.expect("an answer"), None);
    let broker = for_broker("m.meier").person;
    let query = PersonQuery { person: &broker, people: &[] };
    let nothing = PersonInputs {
        assignments: Assignments::Broker(Vec::new()),
        users: Vec::new(),
        customer: None,
        salts: Vec::new(),
    };
    assert_eq!(h.store.person_inputs(&nobodys, query).await.expect("an answer"), Some(nothing));
}

pub(crate) async fn a_broker_sees_his_activations_and_their_users(h: &Harness) {
    let firm = h.example().await;
    let inputs = h.inputs(&firm.tenant, &for_broker("m.meier")).await;
    let his = CandidateActivation { activation_id: firm.meiers, user_id: firm.meier, state: State::Active };
    assert_eq!(inputs.candidates.assignments, Assignments::Broker(vec![his]));
    assert_eq!(inputs.candidates.users, [candidate(h.user(&firm.tenant, &firm.meier).await)]);
}

pub(crate) async fn a_broker_sees_disabled_activations_and_users_too(h: &Harness) {
    let firm = h.example().await;
    let new = NewUser { sealed_secret: None, ..h.new_user("neu", UserKind::Broker) };
    let effect = h.effect(firm.tenant, Action::CreateUser);
    done(h.store.create_user(&firm.tenant, &effect, &new).await);
    let second = h.activate(&firm.tenant, "m.meier", new.user_id).await;
    h.set_activation_state(&firm, &second, State::Disabled).await;
    h.set_user_state(&firm, &firm.meier, State::Disabled).await;
    let inputs = h.inputs(&firm.tenant, &for_broker("m.meier")).await;
    let Assignments::Broker(activations) = inputs.candidates.assignments else { panic!("a broker's") };
    assert_eq!(activations.len(), 2);
    let disabled = CandidateActivation { activation_id: second, user_id: new.user_id, state: State::Disabled };
    assert!(activations.contains(&disabled), "{activations:?}");
    for id in [firm.meier, new.user_id] {
        let user = candidate(h.user(&firm.tenant, &id).await);
        assert!(inputs.candidates.users.contains(&user), "{user:?}");
    }
}

pub(crate) async fn a_user_of_two_activations_is_seen_once(h: &Harness) {
    let firm = h.example().await;
    let shared =
        NewActivation { sharing_reason: Some(line("Vertretung")), ..h.new_activation(&["m.meier"], firm.meier) };
    let effect = h.effect(firm.tenant, Action::CreateActivation);
    done(h.store.create_activation(&firm.tenant, &effect, &shared).await);
    let inputs = h.inputs(&firm.tenant, &for_broker("m.meier")).await;
    let Assignments::Broker(activations) = inputs.candidates.assignments else { panic!("a broker's") };
    assert_eq!((activations.len(), inputs.candidates.users.len()), (2, 1));
}

pub(crate) async fn a_broker_without_an_activation_sees_nothing(h: &Harness) {
    let firm = h.example().await;
    let inputs = h.inputs(&firm.tenant, &for_broker("n.neu")).await;
    assert_eq!(inputs.candidates.assignments, Assignments::Broker(Vec::new()));
    assert_eq!(inputs.candidates.users, []);
    assert_eq!(inputs.versions.customer, None);
}

pub(crate) async fn a_customer_sees_his_record_and_the_users_it_can_lead_to(h: &Harness) {
    let firm = h.example().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    h.assign(&firm, "k-1", Some(&own)).await;
    let switch = AccessChange { commercial_falls_back: Change::Set(true), ..AccessChange::default() };
    h.change_access(&firm, switch).await;
    let inputs = h.inputs(&firm.tenant, &for_customer("k-1")).await;
    let record = CandidateCustomer { customer_id: customer("k-1"), segment: Segment::Private, user_id: Some(own) };
    let expected = Assignments::Customer {
        record: Some(record),
        private_user: Some(firm.private),
        commercial_user: Some(firm.commercial),
        commercial_falls_back: true,
    };
    assert_eq!(inputs.candidates.assignments, expected);
    for id in [own, firm.private, firm.commercial] {
        let user = candidate(h.user(&firm.tenant, &id).await);
        assert!(inputs.candidates.users.contains(&user), "{user:?}");
    }
    assert_eq!(inputs.candidates.users.len(), 3);
}

pub(crate) async fn a_user_of_two_slots_is_seen_once(h: &Harness) {
    let firm = h.example().await;
    let same = AccessChange { commercial_user_id: Change::Set(Some(firm.private)), ..AccessChange::default() };
    h.change_access(&firm, same).await;
    h.assign(&firm, "k-1", Some(&firm.private)).await;
    let inputs = h.inputs(&firm.tenant, &for_customer("k-1")).await;
    assert_eq!(inputs.candidates.users, [candidate(h.user(&firm.tenant, &firm.private).await)]);
}

pub(crate) async fn a_stranger_has_no_record_and_no_version(h: &Harness) {
    let firm = h.example().await;
    let inputs = h.inputs(&firm.tenant, &for_stranger("neu", Segment::Private)).await;
    let Assignments::Customer { record, private_user, .. } = inputs.candidates.assignments else {
        panic!("a customer's")
    };
    assert_eq!((record, private_user), (None, Some(firm.private)));
    assert_eq!(inputs.versions.customer, None);
    assert_eq!(
        h.store.get_customer(&firm.tenant, &customer("neu")).await.expect("an answer"),
        None,
        "nothing is written"
    );
}

pub(crate) async fn a_decision_sees_the_target_and_its_provider(h: &Harness) {
    let firm = h.example().await;
    let whole = new_calculator("rechner");
    let expected = CandidateTarget {
        kind: whole.kind,
        state: State::Active,
        provider_id: provider("vergleich"),
        provider_state: State::Active,
        accepts: whole.accepts,
        lines: whole.lines.clone(),
    };
    let inputs = h.inputs(&firm.tenant, &for_broker("m.meier")).await;
    assert_eq!(inputs.candidates.target, Some(expected));
    assert_eq!(inputs.target, Some(whole));
    let nowhere = JumpOrder { target_id: target("nowhere"), ..for_broker("m.meier") };
    let inputs = h.inputs(&firm.tenant, &nowhere).await;
    assert_eq!((inputs.candidates.target, inputs.target), (None, None));
}

pub(crate) async fn a_decision_sees_the_provider_that_is_named(h: &Harness) {
    let firm = h.example().await;
    let named = async |key: Option<&str>| {
        let order = JumpOrder { provider_id: key.map(provider), ..for_broker("m.meier") };
        h.inputs(&firm.tenant, &order).await.candidates.named_provider
    };
    assert_eq!(named(None).await, None);
    assert_eq!(named(Some("nobody")).await, None);
    assert_eq!(named(Some("sicher")).await, Some(State::Active));
}

pub(crate) async fn a_decision_sees_tenant_keys_epoch_and_versions(h: &Harness) {
    let firm = h.example().await;
    let inputs = h.inputs(&firm.tenant, &for_customer("k-1")).await;
    assert_eq!(inputs.candidates.tenant, TenantState::Active);
    assert_eq!(Some(inputs.keys), h.store.tenant_keys(&firm.tenant).await.expect("an answer"));
    assert_eq!(inputs.epoch, h.store.load_service().await.expect("an answer").expect("a service").epoch);
    let JumpVersions { config, customer, catalog } = inputs.versions;
    assert!(config >= 1 && catalog >= 1 && customer == Some(1), "{:?}", inputs.versions);
    h.set_tenant_state(&firm.tenant, TenantState::Stopped).await;
    let inputs = h.inputs(&firm.tenant, &for_customer("k-1")).await;
    assert_eq!(inputs.candidates.tenant, TenantState::Stopped);
}

pub(crate) async fn scopes_of_users_read_as_they_were_set(h: &Harness) {
    let firm = h.example().await;
    let of_broker = h.inputs(&firm.tenant, &for_broker("m.meier")).await.candidates.users;
    assert_eq!(of_broker[0].scope, ProviderScope::All);
    let of_customer = h.inputs(&firm.tenant, &for_customer("k-1")).await.candidates.users;
    assert!(of_customer.iter().all(|user| user.scope == only(&["sicher", "vergleich"])), "{of_customer:?}");
}

pub(crate) async fn only_an_enabled_return_url_is_allowed(h: &Harness) {
    let firm = h.example().await;
    h.put_return_url(&new_return_url("zurueck", "https://portal.example/zurueck")).await;
    let off = new_return_url("aus", "https://portal.example/aus");
    h.put_return_url(&ReturnUrl { state: State::Disabled, ..off }).await;
    let order = for_broker("m.meier");
    let allowed = async |text: Option<&str>| {
        let wanted = text.map(url);
        let query = JumpQuery { order: &order, return_url: wanted.as_ref(), request: None, people: &[], now: h.now() };
        let inputs = h.store.jump_inputs(&firm.tenant, query).await.expect("an answer").expect("a tenant");
        inputs.return_url_allowed
    };
    assert!(allowed(None).await, "none is wanted");
    assert!(allowed(Some("https://portal.example/zurueck")).await);
    assert!(!allowed(Some("https://portal.example/aus")).await, "disabled");
    assert!(!allowed(Some("https://portal.example/zurueck/")).await, "not this very text");
    assert!(!allowed(Some("https://portal.example/ZURUECK")).await, "not this very text");
}

pub(crate) async fn salts_are_read_in_the_order_asked_for(h: &Harness) {
    let firm = h.example().await;
    let person = |kind, id: &str| AuditedPerson { kind, id: id.to_owned() };
    let known = person(AuditedKind::Broker, "m.meier");
    let salt = Salt(h.bytes());
    h.store.ensure_salts(&firm.tenant, &[(known.clone(), salt)]).await.expect("salts");
    let people = [person(AuditedKind::Subject, "m.meier"), known, person(AuditedKind::Broker, "n.neu")];
    let order = for_broker("m.meier");
    let query = JumpQuery { order: &order, return_url: None, request: None, people: &people, now: h.now() };
    let inputs = h.store.jump_inputs(&firm.tenant, query).await.expect("an answer").expect("a tenant");
    assert!(inputs.salts == [None, Some(salt), None], "of the one in the middle only");
}

pub(crate) async fn who_asks_with_others_learns_what_he_learns_alone(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    for customer in ["k-1", "k-2"] {
        h.issue(&firm.tenant, for_customer(customer)).await;
    }
    let known = AuditedPerson { kind: AuditedKind::Broker, id: "m.meier".to_owned() };
    h.store.ensure_salts(&firm.tenant, &[(known.clone(), Salt(h.bytes()))]).await.expect("salts");
    let unknown = h.id(TenantId::new);
    let orders = [
        for_broker("m.meier"),
        for_broker("niemand"),
        for_customer("k-1"),
        for_customer("k-2"),
        for_stranger("neu", Segment::Commercial),
        JumpOrder { target_id: target("gibt-es-nicht"), ..for_broker("m.meier") },
        JumpOrder { provider_id: Some(provider("vergleich")), ..for_broker("m.meier") },
        JumpOrder { provider_id: Some(provider("gibt-es-nicht")), ..for_customer("k-1") },
    ];
    let return_url = url("https://portal.example/nicht-erlaubt");
    let people = [known];
    let now = h.now();
    let asked = || {
        let mut asked = Vec::new();
        for tenant in [firm.tenant, other.tenant, unknown] {
            for (order, return_url) in orders.iter().zip([None, Some(return_url.clone())].into_iter().cycle()) {
                let (store, order, return_url, people) =
                    (Arc::clone(&h.store), order.clone(), return_url, people.clone());
                asked.push(async move {
                    let return_url = return_url.as_ref();
                    let query = JumpQuery { order: &order, return_url, request: None, people: &people, now };
                    store.jump_inputs(&tenant, query).await.expect("an answer")
                });
            }
        }
        asked
    };
    let mut alone = Vec::new();
    for question in asked() {
        alone.push(question.await);
    }
    let together: Vec<_> = asked().into_iter().map(tokio::spawn).collect();
    for (task, alone) in together.into_iter().zip(&alone) {
        assert_eq!(task.await.expect("a task"), *alone);
    }
    assert!(alone[..orders.len()].iter().all(Option::is_some) && alone[2 * orders.len()..].iter().all(Option::is_none));
}

pub(crate) async fn a_deleted_tenant_decides_nothing(h: &Harness) {
    let firm = h.example().await;
    h.delete_tenant(&firm.tenant).await;
    let order = for_broker("m.meier");
    let query = JumpQuery { order: &order, return_url: None, request: None, people: &[], now: h.now() };
    assert_eq!(h.store.jump_inputs(&firm.tenant, query).await.expect("an answer"), None);
    h.undelete_tenant(&firm.tenant).await;
    assert_eq!(h.inputs(&firm.tenant, &order).await.candidates.tenant, TenantState::Stopped);
}

pub(crate) async fn a_decision_sees_the_settings(h: &Harness) {
    let firm = h.example().await;
    let order = for_broker("m.meier");
    assert_eq!(h.inputs(&firm.tenant, &order).await.settings, Settings::INITIAL);
    let changed = h.change_settings(&firm, other_settings()).await;
    assert_ne!(changed, Settings::INITIAL);
    assert_eq!(h.inputs(&firm.tenant, &order).await.settings, changed);
}

/// Settings of which each differs from what a tenant begins with, and from all others.
pub(crate) fn other_settings() -> SettingsChange {
    let span = |minutes: u64, kind: PersonKind| {
        SessionSpan::new(Duration::from_secs(minutes * 60), kind.session_limits().absolute).expect("a span")
    };
    let session = |idle, absolute, kind| SessionChange {
        idle: Change::Set(span(idle, kind)),
        absolute: Change::Set(span(absolute, kind)),
    };
    SettingsChange {
        jump_life: Change::Set(TokenLife::LONGEST),
        customer_session: session(3, 4, PersonKind::Customer),
        broker_session: session(5, 6, PersonKind::Broker),
        import_change_limit: Change::Set(Percent::parse(7).expect("a share")),
        default_mvp_user: Change::Set(Some(MvpUserId::parse("f.fischer").expect("an id"))),
    }
}
