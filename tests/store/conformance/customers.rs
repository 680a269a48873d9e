//! Customers and the users they share (`docs/domain.md#customer-jump`).

use concenter_gateway::domain::audit::{Action, AuditedKind, AuditedPerson, Salt};
use concenter_gateway::domain::change::Change;
use concenter_gateway::domain::customer::{AccessChange, Customer, CustomerAccess, PutCounts, Segment};
use concenter_gateway::domain::error::{Reason, Refusal, Version};
use concenter_gateway::domain::ids::UserId;
use concenter_gateway::domain::jump::{JumpOrder, RecordOutcome, RedeemOutcome, SeenCustomer};
use concenter_gateway::domain::user::UserKind;
use concenter_gateway::store::{MOST_CUSTOMERS_AT_ONCE, Outcome, StoreError};

use crate::fixture::firm::{Firm, entry};
use crate::fixture::jump::{for_broker, for_customer, for_stranger};
use crate::fixture::{Harness, STALE, customer, done, first, next, reason, refusal, walks};

async fn assign(
    h: &Harness,
    firm: &Firm,
    id: &str,
    version: Version,
    user: Option<&UserId>,
) -> Result<Outcome<Customer>, StoreError> {
    let effect = h.effect(firm.tenant, Action::AssignUser);
    h.store.assign_user(&firm.tenant, &effect, &customer(id), version, user).await
}

async fn change(
    h: &Harness,
    firm: &Firm,
    version: Version,
    change: AccessChange,
) -> Result<Outcome<CustomerAccess>, StoreError> {
    let effect = h.effect(firm.tenant, Action::UpdateCustomerAccess);
    h.store.update_customer_access(&firm.tenant, &effect, version, &change).await
}

fn private_slot(user: Option<UserId>) -> AccessChange {
    AccessChange { private_user_id: Change::Set(user), ..AccessChange::default() }
}

fn commercial_slot(user: Option<UserId>) -> AccessChange {
    AccessChange { commercial_user_id: Change::Set(user), ..AccessChange::default() }
}

pub(crate) async fn a_new_customer_reads_back(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::PutCustomers);
    let put = h.store.put_customers(&firm.tenant, &effect, &[entry("K:neu@1", Segment::Commercial)]).await;
    assert_eq!(done(put), PutCounts { created: 1, changed: 0, unchanged: 0 });
    let expected = Customer {
        customer_id: customer("K:neu@1"),
        segment: Segment::Commercial,
        user_id: None,
        created_at: effect.at,
        updated_at: effect.at,
        version: Version::FIRST,
    };
    assert_eq!(h.customer(&firm.tenant, "K:neu@1").await, expected);
}

pub(crate) async fn an_unknown_customer_is_absent(h: &Harness) {
    let firm = h.example().await;
    assert_eq!(h.store.get_customer(&firm.tenant, &customer("nobody")).await.expect("an answer"), None);
}

pub(crate) async fn ids_of_customers_are_told_apart_by_case(h: &Harness) {
    let firm = h.example().await;
    let counts = h.put_customers(&firm, &[entry("K-1", Segment::Commercial)]).await;
    assert_eq!(counts.created, 1);
    assert_eq!(h.customer(&firm.tenant, "k-1").await.segment, Segment::Private);
}

pub(crate) async fn putting_customers_touches_only_those_that_differ(h: &Harness) {
    let firm = h.example().await;
    let same = h.customer(&firm.tenant, "k-1").await;
    let moving = h.customer(&firm.tenant, "k-2").await;
    let entries = [entry("k-1", Segment::Private), entry("k-2", Segment::Commercial), entry("k-3", Segment::Private)];
    let effect = h.effect(firm.tenant, Action::PutCustomers);
    let counts = done(h.store.put_customers(&firm.tenant, &effect, &entries).await);
    assert_eq!(counts, PutCounts { created: 1, changed: 1, unchanged: 1 });
    assert_eq!(h.customer(&firm.tenant, "k-1").await, same);
    let expected =
        Customer { segment: Segment::Commercial, updated_at: effect.at, version: next(moving.version), ..moving };
    assert_eq!(h.customer(&firm.tenant, "k-2").await, expected);
}

pub(crate) async fn another_segment_leaves_the_own_user(h: &Harness) {
    let firm = h.example().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    h.assign(&firm, "k-1", Some(&own)).await;
    h.put_customers(&firm, &[entry("k-1", Segment::Commercial)]).await;
    assert_eq!(h.customer(&firm.tenant, "k-1").await.user_id, Some(own));
}

pub(crate) async fn a_whole_batch_of_customers_is_put(h: &Harness) {
    let firm = h.example().await;
    let entries: Vec<_> = (0..MOST_CUSTOMERS_AT_ONCE).map(|n| entry(&format!("viele-{n}"), Segment::Private)).collect();
    assert_eq!(h.put_customers(&firm, &entries).await.created, 1_000);
    assert_eq!(h.put_customers(&firm, &entries).await.unchanged, 1_000);
    assert_eq!(h.customer(&firm.tenant, "viele-999").await.version, Version::FIRST);
}

pub(crate) async fn an_empty_batch_puts_nobody(h: &Harness) {
    let firm = h.example().await;
    assert_eq!(h.put_customers(&firm, &[]).await, PutCounts::default());
}

pub(crate) async fn a_customer_gets_an_own_user_and_loses_it(h: &Harness) {
    let firm = h.example().await;
    let before = h.customer(&firm.tenant, "k-1").await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    let assigned = h.assign(&firm, "k-1", Some(&own)).await;
    assert_eq!((assigned.user_id, assigned.version), (Some(own), next(before.version)));
    assert!(assigned.updated_at > before.updated_at);
    assert_eq!(h.assign(&firm, "k-1", Some(&own)).await, assigned, "no change, no version");
    let taken = h.assign(&firm, "k-1", None).await;
    assert_eq!((taken.user_id, taken.version), (None, next(assigned.version)));
    assert_eq!(h.customer(&firm.tenant, "k-1").await, taken);
}

pub(crate) async fn an_own_user_is_endkunde(h: &Harness) {
    let firm = h.example().await;
    for unfit in [firm.standard, firm.meier] {
        let outcome = assign(h, &firm, "k-1", Version::FIRST, Some(&unfit)).await;
        assert_eq!(reason(outcome), Reason::EndkundeRequired);
    }
    assert_eq!(h.customer(&firm.tenant, "k-1").await.user_id, None);
}

pub(crate) async fn assigning_needs_a_customer_a_user_and_the_etag(h: &Harness) {
    let firm = h.example().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    let outcome = assign(h, &firm, "nobody", Version::FIRST, Some(&own)).await;
    assert_eq!(reason(outcome), Reason::NotFound);
    let outcome = assign(h, &firm, "k-1", Version::FIRST, Some(&h.id(UserId::new))).await;
    assert_eq!(reason(outcome), Reason::NotFound);
    let outcome = assign(h, &firm, "k-1", STALE, Some(&own)).await;
    assert_eq!(refusal(outcome), Refusal::etag_mismatch(Version::FIRST));
    assert_eq!(h.customer(&firm.tenant, "k-1").await.user_id, None);
}

pub(crate) async fn shared_users_are_set_and_taken_out(h: &Harness) {
    let firm = h.example().await;
    let before = h.access(&firm.tenant).await;
    assert_eq!((before.private_user_id, before.commercial_user_id), (Some(firm.private), Some(firm.commercial)));
    let switched = AccessChange { commercial_falls_back: Change::Set(true), ..commercial_slot(None) };
    let after = h.change_access(&firm, switched).await;
    let expected = CustomerAccess {
        commercial_user_id: None,
        commercial_falls_back: true,
        version: next(before.version),
        ..before.clone()
    };
    assert_eq!(after, expected);
    assert_eq!(h.access(&firm.tenant).await, expected);
    let after = h.change_access(&firm, private_slot(Some(firm.commercial))).await;
    let expected =
        CustomerAccess { private_user_id: Some(firm.commercial), version: next(expected.version), ..expected };
    assert_eq!(after, expected);
}

pub(crate) async fn a_change_of_access_that_changes_nothing_moves_nothing(h: &Harness) {
    let firm = h.example().await;
    let before = h.access(&firm.tenant).await;
    let same = AccessChange {
        private_user_id: Change::Set(before.private_user_id),
        commercial_user_id: Change::Keep,
        commercial_falls_back: Change::Set(before.commercial_falls_back),
    };
    assert_eq!(h.change_access(&firm, same).await, before);
    assert_eq!(h.change_access(&firm, AccessChange::default()).await, before);
}

pub(crate) async fn a_shared_user_is_endkunde(h: &Harness) {
    let firm = h.example().await;
    let before = h.access(&firm.tenant).await;
    for unfit in [firm.standard, firm.meier] {
        for slot in [private_slot(Some(unfit)), commercial_slot(Some(unfit))] {
            assert_eq!(reason(change(h, &firm, before.version, slot).await), Reason::EndkundeRequired);
        }
    }
    assert_eq!(h.access(&firm.tenant).await, before);
}

pub(crate) async fn changing_access_needs_known_users_and_the_etag(h: &Harness) {
    let firm = h.example().await;
    let before = h.access(&firm.tenant).await;
    for slot in [private_slot(Some(h.id(UserId::new))), commercial_slot(Some(h.id(UserId::new)))] {
        assert_eq!(reason(change(h, &firm, before.version, slot).await), Reason::NotFound);
    }
    let outcome = change(h, &firm, STALE, private_slot(None)).await;
    assert_eq!(refusal(outcome), Refusal::etag_mismatch(before.version));
    assert_eq!(h.access(&firm.tenant).await, before);
}

pub(crate) async fn customers_are_listed_by_id_page_by_page(h: &Harness) {
    let firm = h.example().await;
    h.put_customers(&firm, &[entry("K-1", Segment::Private), entry("a:1", Segment::Commercial)]).await;
    let mut customers = Vec::new();
    for id in ["K-1", "a:1", "g-1", "k-1", "k-2"] {
        customers.push(h.customer(&firm.tenant, id).await);
    }
    for rows in [1, 2, 5] {
        let list = async |page| h.store.list_customers(&firm.tenant, None, &page).await.expect("a page");
        walks(&customers, rows, list).await;
    }
}

pub(crate) async fn the_customers_of_one_own_user_are_listed(h: &Harness) {
    let firm = h.example().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    let another = h.create_user(&firm.tenant, "anderer", UserKind::EndCustomer).await;
    h.put_customers(&firm, &[entry("k-3", Segment::Private)]).await;
    h.assign(&firm, "k-1", Some(&another)).await;
    let mut his = Vec::new();
    for id in ["g-1", "k-2", "k-3"] {
        his.push(h.assign(&firm, id, Some(&own)).await);
    }
    for rows in [1, 2, 3] {
        let list = async |page| h.store.list_customers(&firm.tenant, Some(&own), &page).await.expect("a page");
        walks(&his, rows, list).await;
    }
    // A shared user is nobody's own.
    let shared = h.store.list_customers(&firm.tenant, Some(&firm.private), &first(10)).await.expect("a page");
    assert_eq!((shared.rows, shared.next), (Vec::new(), None));
}

async fn erase(h: &Harness, firm: &Firm, id: &str) -> Result<Outcome<()>, StoreError> {
    let effect = h.effect(firm.tenant, Action::EraseCustomer);
    h.store.erase_customer(&firm.tenant, &effect, &customer(id)).await
}

fn audited(id: &str) -> AuditedPerson {
    AuditedPerson { kind: AuditedKind::Customer, id: id.to_owned() }
}

/// A jump of the broker `m.meier`, who works for a customer.
fn for_broker_of(id: &str) -> JumpOrder {
    JumpOrder { customer_context: Some(customer(id)), ..for_broker("m.meier") }
}

pub(crate) async fn an_erased_customer_stands_nowhere_any_more(h: &Harness) {
    let firm = h.example().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    h.put_customers(&firm, &[entry("einmalig", Segment::Private)]).await;
    h.assign(&firm, "einmalig", Some(&own)).await;
    h.store.ensure_salts(&firm.tenant, &[(audited("einmalig"), Salt(h.bytes()))]).await.expect("salts");
    let redeemed = h.issue(&firm.tenant, for_customer("einmalig")).await;
    assert_eq!(h.redeem(&firm.tenant, &redeemed).await, RedeemOutcome::Redeemed);
    h.issue(&firm.tenant, for_customer("einmalig")).await;
    h.issue(&firm.tenant, for_broker_of("einmalig")).await;
    assert_eq!(h.inspect.tables_with("einmalig").await, ["customer", "jump", "person_salt"]);
    let before = h.inspect.audit_log(&firm.tenant).await;
    assert_eq!(erase(h, &firm, "einmalig").await.expect("an answer"), Outcome::Done(()));
    assert!(h.inspect.tables_with("einmalig").await.is_empty(), "{:?}", h.inspect.tables_with("einmalig").await);
    assert_eq!(h.store.get_customer(&firm.tenant, &customer("einmalig")).await.expect("an answer"), None);
    let after = h.inspect.audit_log(&firm.tenant).await;
    assert_eq!(after[..before.len()], before, "the audit log stays as it was");
    assert_eq!((after.len() - before.len(), h.accepted(&firm.tenant, Action::EraseCustomer).await), (1, 1));
    assert_eq!(h.inspect.count_jumps(&firm.tenant).await, 3, "that there were jumps is not forgotten");
    h.delete_user(&firm, &own).await;
}

pub(crate) async fn whoever_left_but_one_trace_is_erased(h: &Harness) {
    let firm = h.example().await;
    h.put_customers(&firm, &[entry("im-bestand", Segment::Private)]).await;
    h.store.ensure_salts(&firm.tenant, &[(audited("im-protokoll"), Salt(h.bytes()))]).await.expect("salts");
    h.issue(&firm.tenant, for_stranger("gesprungen", Segment::Private)).await;
    h.issue(&firm.tenant, for_broker_of("beraten")).await;
    for id in ["im-bestand", "im-protokoll", "gesprungen", "beraten"] {
        assert_eq!(erase(h, &firm, id).await.expect("an answer"), Outcome::Done(()), "{id}");
        assert!(h.inspect.tables_with(id).await.is_empty(), "{id}");
        assert_eq!(reason(erase(h, &firm, id).await), Reason::NotFound, "{id}");
    }
    assert_eq!(h.refused(&firm.tenant, Action::EraseCustomer, Reason::NotFound).await, 4);
}

pub(crate) async fn nobody_is_not_erased(h: &Harness) {
    let firm = h.example().await;
    // A broker of that name is somebody else, and so is the subject of a credential.
    h.issue(&firm.tenant, for_broker("m.meier")).await;
    for kind in [AuditedKind::Broker, AuditedKind::Subject] {
        let person = AuditedPerson { kind, id: "m.meier".to_owned() };
        h.store.ensure_salts(&firm.tenant, &[(person, Salt(h.bytes()))]).await.expect("salts");
    }
    let before = h.inspect.tables_with("m.meier").await;
    assert_eq!(before, ["activation_broker", "jump", "person_salt"]);
    assert_eq!(reason(erase(h, &firm, "m.meier").await), Reason::NotFound);
    assert_eq!(h.inspect.tables_with("m.meier").await, before);
}

pub(crate) async fn erasing_revokes_the_customers_own_jumps_only(h: &Harness) {
    let firm = h.example().await;
    let his = h.issue(&firm.tenant, for_customer("k-1")).await;
    let decided = h.decide(&firm.tenant, for_customer("k-1")).await;
    let of_another = h.open_jumps(&firm, for_customer("k-2")).await;
    let of_a_broker = h.open_jumps(&firm, for_broker("m.meier")).await;
    h.erase(&firm, "k-1").await;
    assert_ne!(h.redeem(&firm.tenant, &his).await, RedeemOutcome::Redeemed);
    assert_eq!(h.record(&firm.tenant, &decided).await, RecordOutcome::Stale);
    of_another.are_open(h).await;
    of_a_broker.are_open(h).await;
}

pub(crate) async fn a_record_put_after_an_erasure_revives_nothing(h: &Harness) {
    let firm = h.example().await;
    for segment in [Segment::Commercial, Segment::Private] {
        h.put_customers(&firm, &[entry("k-1", segment)]).await;
    }
    let his = h.issue(&firm.tenant, for_customer("k-1")).await;
    let decided = h.decide(&firm.tenant, for_customer("k-1")).await;
    let version = async |id| h.inputs(&firm.tenant, &for_customer(id)).await.versions.customer.expect("a record");
    let before = version("k-1").await;
    h.erase(&firm, "k-1").await;
    // Of fewer changes: what was highest stays highest.
    h.erase(&firm, "k-2").await;
    h.put_customers(&firm, &[entry("k-1", Segment::Private), entry("k-2", Segment::Private)]).await;
    assert!(version("k-1").await > before && version("k-2").await > before);
    assert_eq!(h.customer(&firm.tenant, "k-1").await.version, Version::FIRST, "to everybody else he is new");
    assert_ne!(h.redeem(&firm.tenant, &his).await, RedeemOutcome::Redeemed);
    assert_eq!(h.record(&firm.tenant, &decided).await, RecordOutcome::Stale);
    h.open_jumps(&firm, for_customer("k-1")).await.are_open(h).await;
}

pub(crate) async fn a_record_put_after_an_erasure_is_counted_once(h: &Harness) {
    let firm = h.example().await;
    h.erase(&firm, "k-1").await;
    let counts = h.put_customers(&firm, &[entry("k-1", Segment::Private), entry("k-2", Segment::Private)]).await;
    assert_eq!(counts, PutCounts { created: 1, changed: 0, unchanged: 1 });
}

/// What a decision finds of a customer's record now.
async fn seen(h: &Harness, firm: &Firm, id: &str) -> SeenCustomer {
    let jump_version = h.inputs(&firm.tenant, &for_customer(id)).await.versions.customer;
    SeenCustomer { customer_id: customer(id), jump_version }
}

pub(crate) async fn a_jump_makes_its_customer_known(h: &Harness) {
    let firm = h.example().await;
    h.put_customers(&firm, &[entry("im-bestand", Segment::Private)]).await;
    for id in ["im-bestand", "ohne-akte"] {
        let (offered, seen) = ([(audited(id), Salt(h.bytes()))], seen(h, &firm, id).await);
        let salts = h.store.ensure_salts_of_jump(&firm.tenant, &offered, &seen).await.expect("salts");
        assert!(salts == [offered[0].1], "{id}");
        let known = h.store.known_salts(&firm.tenant, &[audited(id)]).await.expect("salts");
        assert!(known == [Some(offered[0].1)], "{id}");
    }
}

pub(crate) async fn a_jump_that_an_erasure_overtook_makes_nobody_known(h: &Harness) {
    let firm = h.example().await;
    h.put_customers(&firm, &[entry("einmalig", Segment::Private)]).await;
    let seen = seen(h, &firm, "einmalig").await;
    h.erase(&firm, "einmalig").await;
    let portal = AuditedPerson { kind: AuditedKind::Subject, id: "portal".to_owned() };
    let clerk = AuditedPerson { kind: AuditedKind::Subject, id: "n.neu".to_owned() };
    let people = [portal, audited("einmalig"), clerk];
    let offered = people.clone().map(|person| (person, Salt(h.bytes())));
    let [of_portal, _, of_clerk] = offered.each_ref().map(|(_, salt)| Some(*salt));
    let salts = h.store.ensure_salts_of_jump(&firm.tenant, &offered, &seen).await.expect("salts");
    assert!(salts == offered.map(|(_, salt)| salt), "in the order asked for");
    let known = h.store.known_salts(&firm.tenant, &people).await.expect("salts");
    assert!(known == [of_portal, None, of_clerk], "all but the one who is forgotten");
    assert!(h.inspect.tables_with("einmalig").await.is_empty(), "{:?}", h.inspect.tables_with("einmalig").await);
}
