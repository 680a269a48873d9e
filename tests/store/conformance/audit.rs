//! The audit log: each effect's row in the transaction of the effect.

use concenter_gateway::domain::activation::ActivationChange;
use concenter_gateway::domain::audit::{
    Action, AuditEntry, AuditObject, AuditOutcome, AuditedKind, AuditedPerson, Pseudonym, Salt,
};
use concenter_gateway::domain::caller::Role;
use concenter_gateway::domain::customer::Segment;
use concenter_gateway::domain::error::{Reason, Version};
use concenter_gateway::domain::ids::{RequestId, TenantId};
use concenter_gateway::domain::jump::{RecordOutcome, RedeemOutcome};
use concenter_gateway::domain::provider::{ProviderKind, State};
use concenter_gateway::domain::settings::SettingsChange;
use concenter_gateway::domain::user::UserChange;
use concenter_gateway::store::{Effect, StoreError};

use crate::fixture::catalog::{new_calculator, new_portal, new_provider, new_return_url};
use crate::fixture::firm::entry;
use crate::fixture::jump::for_broker;
use crate::fixture::{AuditRow, Harness, STALE, done, refusal};

/// The row that `entry` must have become.
fn row(entry: &AuditEntry, outcome: &str, reason: Option<Reason>) -> AuditRow {
    AuditRow {
        audit_id: entry.audit_id.to_string(),
        at: entry.at.unix_micros(),
        role: entry.role.as_str().to_owned(),
        caller: entry.caller.0.to_vec(),
        actor: entry.actor.map(|actor| actor.0.to_vec()),
        person: entry.person.map(|person| person.0.to_vec()),
        action: entry.action.as_str().to_owned(),
        object: entry.object.as_ref().map(|object| object.as_str().to_owned()),
        outcome: outcome.to_owned(),
        reason: reason.map(|reason| reason.as_str().to_owned()),
        request_id: entry.request_id.map(|id| id.to_string()),
    }
}

/// An entry with something in every field that may be empty.
fn full(h: &Harness, action: Action) -> AuditEntry {
    AuditEntry {
        role: Role::Portal.into(),
        actor: Some(Pseudonym(h.bytes())),
        person: Some(Pseudonym(h.bytes())),
        object: Some(AuditObject::new(&h.id(RequestId::new))),
        ..h.audit(action, Some(h.id(RequestId::new)))
    }
}

async fn last(h: &Harness, tenant: &TenantId) -> AuditRow {
    h.inspect.audit_log(tenant).await.pop().expect("a row")
}

pub(crate) async fn an_entry_is_written_as_it_is(h: &Harness) {
    let firm = h.example().await;
    for entry in [full(h, Action::ExplainJump), h.audit(Action::Call, None)] {
        h.store.record_audit(&firm.tenant, &entry, AuditOutcome::Accepted).await.expect("it is written");
        assert_eq!(last(h, &firm.tenant).await, row(&entry, "accepted", None));
    }
    let entry = full(h, Action::Call);
    h.store.record_audit(&firm.tenant, &entry, AuditOutcome::Refused(Reason::Role)).await.expect("it is written");
    assert_eq!(last(h, &firm.tenant).await, row(&entry, "refused", Some(Reason::Role)));
}

pub(crate) async fn an_entry_of_no_tenant_is_written_too(h: &Harness) {
    h.service().await;
    let entry = full(h, Action::Call);
    let outcome = AuditOutcome::Refused(Reason::TenantMismatch);
    h.store.record_audit(&TenantId::SYSTEM, &entry, outcome).await.expect("it is written");
    assert_eq!(last(h, &TenantId::SYSTEM).await, row(&entry, "refused", Some(Reason::TenantMismatch)));
}

pub(crate) async fn an_accepted_effect_writes_its_row(h: &Harness) {
    let firm = h.example().await;
    let effect = Effect { audit: full(h, Action::DisableUser), ..h.effect(firm.tenant, Action::DisableUser) };
    done(h.store.set_user_state(&firm.tenant, &effect, &firm.meier, Version::FIRST, State::Disabled).await);
    assert_eq!(last(h, &firm.tenant).await, row(&effect.audit, "accepted", None));
}

pub(crate) async fn a_refused_effect_writes_its_row_with_the_reason(h: &Harness) {
    let firm = h.example().await;
    let effect = Effect { audit: full(h, Action::DisableUser), ..h.effect(firm.tenant, Action::DisableUser) };
    refusal(h.store.set_user_state(&firm.tenant, &effect, &firm.meier, STALE, State::Disabled).await);
    assert_eq!(last(h, &firm.tenant).await, row(&effect.audit, "refused", Some(Reason::EtagMismatch)));
}

pub(crate) async fn an_effect_that_fails_writes_no_row(h: &Harness) {
    let firm = h.example().await;
    let before = h.inspect.audit_log(&TenantId::SYSTEM).await;
    let mut open = new_portal("offen");
    open.accepts.customers = true;
    let effect = h.effect(TenantId::SYSTEM, Action::PutTarget);
    let outcome = h.store.put_target(&effect, &open, None).await;
    assert!(matches!(outcome, Err(StoreError::Constraint(_))), "{outcome:?}");
    assert_eq!(h.inspect.audit_log(&TenantId::SYSTEM).await, before);
    // Nor is the request remembered: put right, it is done.
    let right = h.reusing(&effect);
    done(h.store.put_target(&right, &new_portal("offen"), None).await);
    assert_eq!(h.accepted(&firm.tenant, Action::PutTarget).await, 0);
}

pub(crate) async fn an_effect_whose_row_cannot_be_written_is_not_done(h: &Harness) {
    let firm = h.example().await;
    let taken = h.audit(Action::DisableUser, None);
    h.store.record_audit(&firm.tenant, &taken, AuditOutcome::Accepted).await.expect("it is written");
    let effect = Effect { audit: taken.clone(), ..h.effect(firm.tenant, Action::DisableUser) };
    let outcome = h.store.set_user_state(&firm.tenant, &effect, &firm.meier, Version::FIRST, State::Disabled).await;
    assert!(matches!(outcome, Err(StoreError::Constraint(_))), "{outcome:?}");
    assert_eq!(h.user(&firm.tenant, &firm.meier).await.state, State::Active);
    let jump = h.decide(&firm.tenant, for_broker("m.meier")).await;
    let outcome = h.store.record_jump(&firm.tenant, &jump, &taken).await;
    assert!(matches!(outcome, Err(StoreError::Constraint(_))), "{outcome:?}");
    assert_eq!(h.inspect.count_jumps(&firm.tenant).await, 0);
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let outcome = h.store.redeem_jump(&firm.tenant, &h.attempt(&jump), &taken).await;
    assert!(matches!(outcome, Err(StoreError::Constraint(_))), "{outcome:?}");
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::Redeemed, "nobody redeemed it before");
}

pub(crate) async fn every_effect_of_a_tenant_stands_in_its_log(h: &Harness) {
    let firm = h.example().await;
    h.set_user_state(&firm, &firm.meier, State::Disabled).await;
    h.set_activation_state(&firm, &firm.meiers, State::Disabled).await;
    h.put_customers(&firm, &[entry("neu", Segment::Private)]).await;
    h.assign(&firm, "neu", Some(&firm.private)).await;
    h.update_user(&firm, &firm.meier, UserChange::default()).await;
    h.update_activation(&firm, &firm.meiers, ActivationChange::default()).await;
    h.delete_activation(&firm, &firm.meiers).await;
    h.delete_user(&firm, &firm.meier).await;
    h.erase(&firm, "neu").await;
    h.change_settings(&firm, SettingsChange::default()).await;
    h.delete_tenant(&firm.tenant).await;
    h.undelete_tenant(&firm.tenant).await;
    for (action, times) in [
        (Action::UpdateUser, 1),
        (Action::UpdateActivation, 1),
        (Action::DeleteActivation, 1),
        (Action::DeleteUser, 1),
        (Action::EraseCustomer, 1),
        (Action::UpdateSettings, 1),
        (Action::DeleteTenant, 1),
        (Action::UndeleteTenant, 1),
        (Action::CreateTenant, 1),
        (Action::CreateUser, 4),
        (Action::CreateActivation, 2),
        (Action::UpdateCustomerAccess, 1),
        (Action::PutCustomers, 2),
        (Action::DisableUser, 1),
        (Action::DisableActivation, 1),
        (Action::AssignUser, 1),
    ] {
        assert_eq!(h.accepted(&firm.tenant, action).await, times, "{action:?}");
    }
}

pub(crate) async fn effects_on_the_catalogue_stand_in_no_tenants_log(h: &Harness) {
    h.catalogue().await;
    h.put_provider(&new_provider("neu", ProviderKind::Insurer)).await;
    h.put_target(&new_calculator("neu")).await;
    h.put_return_url(&new_return_url("neu", "https://portal.example/neu")).await;
    for (action, times) in [(Action::PutProvider, 3), (Action::PutTarget, 3), (Action::PutReturnUrl, 1)] {
        assert_eq!(h.accepted(&TenantId::SYSTEM, action).await, times, "{action:?}");
    }
}

pub(crate) async fn jumps_and_redeems_write_their_rows_as_they_are(h: &Harness) {
    let firm = h.example().await;
    let jump = h.decide(&firm.tenant, for_broker("m.meier")).await;
    let issued = full(h, Action::IssueJump);
    let outcome = h.store.record_jump(&firm.tenant, &jump, &issued).await.expect("an answer");
    assert_eq!(outcome, RecordOutcome::Recorded);
    assert_eq!(last(h, &firm.tenant).await, row(&issued, "accepted", None));
    let redeemed = full(h, Action::RedeemJump);
    h.store.redeem_jump(&firm.tenant, &h.attempt(&jump), &redeemed).await.expect("an answer");
    assert_eq!(last(h, &firm.tenant).await, row(&redeemed, "accepted", None));
    let replayed = full(h, Action::RedeemJump);
    h.store.redeem_jump(&firm.tenant, &h.attempt(&jump), &replayed).await.expect("an answer");
    assert_eq!(last(h, &firm.tenant).await, row(&replayed, "refused", Some(Reason::JumpAlreadyRedeemed)));
}

fn person(kind: AuditedKind, id: &str) -> AuditedPerson {
    AuditedPerson { kind, id: id.to_owned() }
}

pub(crate) async fn a_person_gets_the_salt_offered_first(h: &Harness) {
    let firm = h.example().await;
    let meier = person(AuditedKind::Broker, "m.meier");
    let (offered, another) = (Salt(h.bytes()), Salt(h.bytes()));
    for offer in [offered, another] {
        let salts = h.store.ensure_salts(&firm.tenant, &[(meier.clone(), offer)]).await.expect("salts");
        assert!(salts == [offered], "the first one, for good");
    }
}

pub(crate) async fn salts_come_in_the_order_asked_for(h: &Harness) {
    let firm = h.example().await;
    let people = [
        person(AuditedKind::Subject, "z"),
        person(AuditedKind::Broker, "a"),
        person(AuditedKind::Customer, "a"),
        person(AuditedKind::Subject, "a"),
    ];
    let offers = people.map(|one| (one, Salt(h.bytes())));
    let expected: Vec<Salt> = offers.iter().map(|(_, salt)| *salt).collect();
    let salts = h.store.ensure_salts(&firm.tenant, &offers).await.expect("salts");
    assert!(salts == expected, "of each his own");
    let mut turned = offers.to_vec();
    turned.reverse();
    turned.insert(2, (person(AuditedKind::Broker, "neu"), Salt(h.bytes())));
    let salts = h.store.ensure_salts(&firm.tenant, &turned).await.expect("salts");
    assert!(salts == turned.iter().map(|(_, salt)| *salt).collect::<Vec<_>>(), "old and new, in their order");
}

pub(crate) async fn somebody_named_twice_has_one_salt(h: &Harness) {
    let firm = h.example().await;
    let meier = person(AuditedKind::Broker, "m.meier");
    let offers = [(meier.clone(), Salt(h.bytes())), (meier, Salt(h.bytes()))];
    let salts = h.store.ensure_salts(&firm.tenant, &offers).await.expect("salts");
    assert!(salts.len() == 2 && salts[0] == salts[1] && salts[0] == offers[0].1, "the first one offered");
}

pub(crate) async fn nobody_needs_no_salt(h: &Harness) {
    let firm = h.example().await;
    let salts = h.store.ensure_salts(&firm.tenant, &[]).await.expect("salts");
    assert!(salts.is_empty());
}

pub(crate) async fn operators_have_salts_of_their_own(h: &Harness) {
    h.service().await;
    let offer = (person(AuditedKind::Subject, "ops"), Salt(h.bytes()));
    let salts = h.store.ensure_salts(&TenantId::SYSTEM, std::slice::from_ref(&offer)).await.expect("salts");
    assert!(salts == [offer.1], "of no tenant");
}

pub(crate) async fn a_tenant_that_is_not_there_keeps_no_salts(h: &Harness) {
    h.service().await;
    let nobodys = TenantId::parse("99999999-0000-7000-8000-000000000009").expect("an id");
    let admin = person(AuditedKind::Subject, "admin");
    for offer in [Salt(h.bytes()), Salt(h.bytes())] {
        let salts = h.store.ensure_salts(&nobodys, &[(admin.clone(), offer)]).await.expect("salts");
        assert!(salts == [offer], "for this once");
    }
    let known = h.store.known_salts(&nobodys, &[admin]).await.expect("salts");
    assert!(known == [None], "and none is kept");
}

pub(crate) async fn looking_for_salts_makes_none(h: &Harness) {
    let firm = h.example().await;
    let (known, unknown) = (person(AuditedKind::Broker, "m.meier"), person(AuditedKind::Customer, "m.meier"));
    let offered = Salt(h.bytes());
    h.store.ensure_salts(&firm.tenant, &[(known.clone(), offered)]).await.expect("salts");
    for _ in 0..2 {
        let salts = h.store.known_salts(&firm.tenant, &[unknown.clone(), known.clone()]).await.expect("salts");
        assert!(salts == [None, Some(offered)], "in the order asked for, and nobody gets one");
    }
    assert!(h.store.known_salts(&firm.tenant, &[]).await.expect("salts").is_empty(), "nobody needs none");
}
