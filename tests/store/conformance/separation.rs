//! A tenant sees, counts and changes what is its own; another's id is as one that was never there
//! (`docs/catalogue.md`, I4).

use concenter_gateway::domain::activation::ActivationChange;
use concenter_gateway::domain::audit::{Action, AuditedKind, AuditedPerson, Salt};
use concenter_gateway::domain::change::Change;
use concenter_gateway::domain::customer::{AccessChange, Segment};
use concenter_gateway::domain::error::{Reason, Refusal, Version};
use concenter_gateway::domain::jump::{Jump, RecordOutcome, RedeemOutcome};
use concenter_gateway::domain::provider::State;
use concenter_gateway::domain::resolve::Assignments;
use concenter_gateway::domain::user::{EndCustomerChange, SecretChange, UserChange, UserKind};
use concenter_gateway::store::StoreError;

use crate::fixture::firm::{Firm, entry};
use crate::fixture::jump::{for_broker, for_customer};
use crate::fixture::{Harness, broker, customer, done, first, only, refusal};

const FIRST: Version = Version::FIRST;

async fn two_firms(h: &Harness) -> (Firm, Firm) {
    (h.example().await, h.firm().await)
}

pub(crate) async fn another_tenants_user_is_absent(h: &Harness) {
    let (a, b) = two_firms(h).await;
    assert_eq!(h.store.get_user(&a.tenant, &b.meier).await.expect("an answer"), None);
    let users = h.store.list_users(&a.tenant, &first(500)).await.expect("a page").rows;
    let ids: Vec<_> = users.iter().map(|user| user.user_id).collect();
    assert_eq!(ids, [a.standard, a.meier, a.schulze, a.private, a.commercial]);
}

pub(crate) async fn another_tenants_user_is_not_changed(h: &Harness) {
    let (a, b) = two_firms(h).await;
    let before = h.user(&b.tenant, &b.schulze).await;
    let effect = |action| h.effect(a.tenant, action);
    let scope = only(&["sicher"]);
    let (store, own, foreign) = (&h.store, &a.tenant, &b.schulze);
    let refusals = [
        refusal(
            store
                .set_user_secret(
                    own,
                    &effect(Action::SetUserSecret),
                    foreign,
                    FIRST,
                    &SecretChange { sealed: h.sealed(), version: 2 },
                )
                .await,
        ),
        refusal(store.set_standard_user(own, &effect(Action::SetStandardUser), foreign, FIRST).await),
        refusal(
            store
                .set_end_customer(
                    own,
                    &effect(Action::MarkEndCustomer),
                    foreign,
                    FIRST,
                    &EndCustomerChange { end_customer: true, scope: Some(scope.clone()) },
                )
                .await,
        ),
        refusal(store.set_user_state(own, &effect(Action::DisableUser), foreign, FIRST, State::Disabled).await),
        refusal(store.update_user(own, &effect(Action::UpdateUser), foreign, FIRST, &UserChange::default()).await),
    ];
    assert_eq!(refusals, [(); 5].map(|()| Refusal::plain(Reason::NotFound)));
    assert_eq!(h.user(&b.tenant, &b.schulze).await, before);
}

pub(crate) async fn another_tenants_user_is_not_assigned(h: &Harness) {
    let (a, b) = two_firms(h).await;
    let effect = |action| h.effect(a.tenant, action);
    let (store, own) = (&h.store, &a.tenant);
    let slot = |user| AccessChange { private_user_id: Change::Set(Some(user)), ..AccessChange::default() };
    let version = h.access(&a.tenant).await.version;
    let foreign = h.new_activation(&["m.meier"], b.schulze);
    let refusals = [
        refusal(store.create_activation(own, &effect(Action::CreateActivation), &foreign).await),
        refusal(store.assign_user(own, &effect(Action::AssignUser), &customer("k-1"), FIRST, Some(&b.private)).await),
        refusal(
            store.update_customer_access(own, &effect(Action::UpdateCustomerAccess), version, &slot(b.private)).await,
        ),
        // Of the wrong kind, too: the answer is the same.
        refusal(store.assign_user(own, &effect(Action::AssignUser), &customer("k-1"), FIRST, Some(&b.meier)).await),
        refusal(
            store.update_customer_access(own, &effect(Action::UpdateCustomerAccess), version, &slot(b.meier)).await,
        ),
    ];
    assert_eq!(refusals, [(); 5].map(|()| Refusal::plain(Reason::NotFound)));
}

pub(crate) async fn another_tenants_activation_is_absent(h: &Harness) {
    let (a, b) = two_firms(h).await;
    assert_eq!(h.store.get_activation(&a.tenant, &b.meiers).await.expect("an answer"), None);
    let own = [h.activation(&a.tenant, &a.meiers).await, h.activation(&a.tenant, &a.schulzes).await];
    let all = h.store.list_activations(&a.tenant, None, &first(500)).await.expect("a page");
    assert_eq!((all.rows.as_slice(), all.next), (own.as_slice(), None));
    let meiers = h.store.list_activations(&a.tenant, Some(&broker("m.meier")), &first(500)).await.expect("a page");
    assert_eq!(meiers.rows, own[..1]);
}

pub(crate) async fn another_tenants_activation_is_not_changed(h: &Harness) {
    let (a, b) = two_firms(h).await;
    let before = h.activation(&b.tenant, &b.meiers).await;
    let effect = h.effect(a.tenant, Action::DisableActivation);
    let outcome = h.store.set_activation_state(&a.tenant, &effect, &b.meiers, FIRST, State::Disabled).await;
    assert_eq!(refusal(outcome), Refusal::plain(Reason::NotFound));
    let effect = h.effect(a.tenant, Action::UpdateActivation);
    let change = ActivationChange { user_id: Change::Set(a.schulze), ..ActivationChange::default() };
    let outcome = h.store.update_activation(&a.tenant, &effect, &b.meiers, FIRST, &change).await;
    assert_eq!(refusal(outcome), Refusal::plain(Reason::NotFound));
    let effect = h.effect(a.tenant, Action::UpdateActivation);
    let change = ActivationChange { user_id: Change::Set(b.schulze), ..ActivationChange::default() };
    let outcome = h.store.update_activation(&a.tenant, &effect, &a.meiers, FIRST, &change).await;
    assert_eq!(refusal(outcome), Refusal::plain(Reason::NotFound));
    let effect = h.effect(a.tenant, Action::DeleteActivation);
    let outcome = h.store.delete_activation(&a.tenant, &effect, &b.meiers, FIRST).await;
    assert_eq!(refusal(outcome), Refusal::plain(Reason::NotFound));
    assert_eq!(h.activation(&b.tenant, &b.meiers).await, before);
}

pub(crate) async fn another_tenants_customer_is_absent(h: &Harness) {
    let (a, b) = two_firms(h).await;
    h.put_customers(&b, &[entry("nur-in-b", Segment::Private)]).await;
    assert_eq!(h.store.get_customer(&a.tenant, &customer("nur-in-b")).await.expect("an answer"), None);
    let effect = h.effect(a.tenant, Action::AssignUser);
    let outcome = h.store.assign_user(&a.tenant, &effect, &customer("nur-in-b"), FIRST, Some(&a.private)).await;
    assert_eq!(refusal(outcome), Refusal::plain(Reason::NotFound));
}

pub(crate) async fn the_same_ids_of_a_portal_are_other_people_in_another_tenant(h: &Harness) {
    let (a, b) = two_firms(h).await;
    let before = h.customer(&b.tenant, "k-1").await;
    let own = h.create_user(&a.tenant, "eigener", UserKind::EndCustomer).await;
    h.put_customers(&a, &[entry("k-1", Segment::Commercial)]).await;
    h.assign(&a, "k-1", Some(&own)).await;
    h.activate(&a.tenant, "m.meier", h.create_user(&a.tenant, "zweiter", UserKind::Broker).await).await;
    assert_eq!(h.customer(&b.tenant, "k-1").await, before);
    let inputs = h.inputs(&b.tenant, &for_broker("m.meier")).await;
    let Assignments::Broker(activations) = inputs.candidates.assignments else { panic!("a broker's") };
    let leads_to: Vec<_> = activations.iter().map(|activation| activation.user_id).collect();
    assert_eq!(leads_to, [b.meier]);
}

pub(crate) async fn another_tenants_users_are_no_candidates(h: &Harness) {
    let (a, b) = two_firms(h).await;
    for order in [for_broker("m.meier"), for_customer("k-1"), for_customer("g-1")] {
        let inputs = h.inputs(&a.tenant, &order).await;
        let foreign = [b.standard, b.meier, b.schulze, b.private, b.commercial];
        assert!(inputs.candidates.users.iter().all(|user| !foreign.contains(&user.user_id)), "{order:?}");
    }
}

pub(crate) async fn a_jump_with_another_tenants_user_is_not_kept(h: &Harness) {
    let (a, b) = two_firms(h).await;
    let jump = h.decide(&a.tenant, for_broker("m.meier")).await;
    let crossed = Jump { user_id: b.meier, ..jump };
    let outcome = h.store.record_jump(&a.tenant, &crossed, &h.audit(Action::IssueJump, None)).await;
    assert!(matches!(outcome, Ok(RecordOutcome::Stale) | Err(StoreError::Constraint(_))), "{outcome:?}");
    assert_eq!(h.inspect.count_jumps(&a.tenant).await + h.inspect.count_jumps(&b.tenant).await, 0);
}

pub(crate) async fn another_tenants_jump_is_absent(h: &Harness) {
    let (a, b) = two_firms(h).await;
    let jump = h.issue(&b.tenant, for_broker("m.meier")).await;
    assert_eq!(h.redeem_inputs(&a.tenant, &jump.jti_hash).await, None);
    assert_eq!(h.earlier(&a.tenant, &jump).await, None);
    assert_eq!(h.redeem(&a.tenant, &jump).await, RedeemOutcome::Unknown);
    assert_eq!(h.redeem(&b.tenant, &jump).await, RedeemOutcome::Redeemed);
    assert_eq!(h.redeem(&a.tenant, &jump).await, RedeemOutcome::Unknown);
    assert_eq!(h.inspect.session_revoked_at(&b.tenant, &jump.jump_id).await, None);
}

pub(crate) async fn the_same_request_of_another_tenant_makes_its_own_jump(h: &Harness) {
    let (a, b) = two_firms(h).await;
    let one = h.issue(&a.tenant, for_broker("m.meier")).await;
    let other = Jump { request: one.request.clone(), ..h.decide(&b.tenant, for_broker("m.meier")).await };
    assert_eq!(h.record(&b.tenant, &other).await, RecordOutcome::Recorded);
}

pub(crate) async fn people_of_another_tenant_have_other_salts(h: &Harness) {
    let (a, b) = two_firms(h).await;
    let meier = AuditedPerson { kind: AuditedKind::Broker, id: "m.meier".to_owned() };
    let (of_a, of_b) = (Salt(h.bytes()), Salt(h.bytes()));
    let first = h.store.ensure_salts(&a.tenant, &[(meier.clone(), of_a)]).await.expect("salts");
    let second = h.store.ensure_salts(&b.tenant, &[(meier, of_b)]).await.expect("salts");
    assert!(first == [of_a] && second == [of_b], "each gets the one that was offered with him");
}

pub(crate) async fn the_same_name_is_free_in_another_tenant(h: &Harness) {
    let (a, b) = two_firms(h).await;
    h.create_user(&a.tenant, "eindeutig", UserKind::Broker).await;
    let effect = h.effect(b.tenant, Action::CreateUser);
    let made = done(h.store.create_user(&b.tenant, &effect, &h.new_user("eindeutig", UserKind::Broker)).await);
    assert_eq!(made.kind, UserKind::Broker);
}

pub(crate) async fn an_audit_row_stands_in_the_tenant_of_its_method(h: &Harness) {
    let (a, b) = two_firms(h).await;
    let before = h.inspect.audit_log(&b.tenant).await;
    h.set_user_state(&a, &a.meier, State::Disabled).await;
    let effect = h.effect(a.tenant, Action::DisableUser);
    refusal(h.store.set_user_state(&a.tenant, &effect, &b.meier, FIRST, State::Disabled).await);
    assert_eq!(h.inspect.audit_log(&b.tenant).await, before);
    assert_eq!(h.refused(&a.tenant, Action::DisableUser, Reason::NotFound).await, 1);
}

pub(crate) async fn another_tenants_user_is_not_deleted(h: &Harness) {
    let (a, b) = two_firms(h).await;
    let free = h.create_user(&b.tenant, "neu", UserKind::Broker).await;
    let jumps = h.open_jumps(&b, for_broker("m.meier")).await;
    for foreign in [free, b.standard, b.meier] {
        let effect = h.effect(a.tenant, Action::DeleteUser);
        let outcome = h.store.delete_user(&a.tenant, &effect, &foreign, FIRST).await;
        assert_eq!(refusal(outcome), Refusal::plain(Reason::NotFound));
    }
    assert_eq!(h.user(&b.tenant, &free).await.user_id, free);
    jumps.are_open(h).await;
}

pub(crate) async fn another_tenants_customers_are_not_listed(h: &Harness) {
    let (a, b) = two_firms(h).await;
    h.put_customers(&b, &[entry("nur-in-b", Segment::Private)]).await;
    h.assign(&b, "nur-in-b", Some(&b.private)).await;
    let all = h.store.list_customers(&a.tenant, None, &first(500)).await.expect("a page").rows;
    let ids: Vec<_> = all.iter().map(|one| one.customer_id.as_str()).collect();
    assert_eq!(ids, ["g-1", "k-1", "k-2"]);
    let of_user = h.store.list_customers(&a.tenant, Some(&b.private), &first(500)).await.expect("a page");
    assert_eq!((of_user.rows, of_user.next), (Vec::new(), None));
}

pub(crate) async fn erasing_a_customer_erases_nobody_in_another_tenant(h: &Harness) {
    let (a, b) = two_firms(h).await;
    let person = AuditedPerson { kind: AuditedKind::Customer, id: "k-1".to_owned() };
    let salt = Salt(h.bytes());
    for tenant in [a.tenant, b.tenant] {
        h.store.ensure_salts(&tenant, &[(person.clone(), salt)]).await.expect("salts");
    }
    let before = h.customer(&b.tenant, "k-1").await;
    let jumps = h.open_jumps(&b, for_customer("k-1")).await;
    h.erase(&a, "k-1").await;
    assert_eq!(h.customer(&b.tenant, "k-1").await, before);
    let salts = h.store.known_salts(&b.tenant, std::slice::from_ref(&person)).await.expect("salts");
    assert!(salts == [Some(salt)], "he is somebody else");
    jumps.are_open(h).await;
    // And what is counted for the one is not for the other.
    h.put_customers(&b, &[entry("neu", Segment::Private)]).await;
    let inputs = h.inputs(&b.tenant, &for_customer("neu")).await;
    assert_eq!(inputs.versions.customer, Some(1));
}
