//! What the isolation report rests on, and what it comes to.

use std::collections::BTreeMap;

use concenter_gateway::domain::activation::NewActivation;
use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::change::Change;
use concenter_gateway::domain::customer::AccessChange;
use concenter_gateway::domain::ids::{TenantId, UserId};
use concenter_gateway::domain::isolation::{
    Activated, FindingCode, IsolationReport, IsolationSummary, IsolationUser, Subjects,
};
use concenter_gateway::domain::jump::Subject;
use concenter_gateway::domain::resolve::Way;
use concenter_gateway::domain::user::UserKind;

use crate::fixture::firm::Firm;
use crate::fixture::jump::for_customer;
use crate::fixture::{Harness, done, first, line, target};

async fn report(h: &Harness, tenant: &TenantId) -> Option<IsolationReport> {
    h.store.isolation_report(tenant, &first(50)).await.expect("an answer")
}

/// What is told of a user; `None` if the report is not about it.
async fn told(h: &Harness, firm: &Firm, user: UserId) -> Option<IsolationUser> {
    let report = report(h, &firm.tenant).await.expect("a tenant");
    report.users.rows.into_iter().find(|row| row.user.user_id == user)
}

fn codes(row: Option<&IsolationUser>) -> Vec<FindingCode> {
    row.into_iter().flat_map(|row| &row.findings).map(|finding| finding.code).collect()
}

pub(crate) async fn whom_each_user_serves_is_counted(h: &Harness) {
    let firm = h.example().await;
    h.firm().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    h.assign(&firm, "k-2", Some(&own)).await;
    let second = NewActivation {
        sharing_reason: Some(line("Vertretung")),
        ..h.new_activation(&["v.tretung", "m.meier"], firm.meier)
    };
    let effect = h.effect(firm.tenant, Action::CreateActivation);
    done(h.store.create_activation(&firm.tenant, &effect, &second).await);

    let report = report(h, &firm.tenant).await.expect("a tenant");
    assert_eq!(report.summary.map(|summary| summary.users), Some(4));
    let of_meier = Activated { activations: 2, without_reason: 1, brokers: 2 };
    let rows = report.users.rows.into_iter();
    let ways: BTreeMap<_, _> = rows.map(|row| (row.user.user_id, (row.reached_by, row.activated))).collect();
    let none = Activated::default();
    let expected = [
        (firm.meier, (Vec::new(), of_meier)),
        (firm.private, (vec![(Way::SharedPrivate, 1)], none)),
        (firm.commercial, (vec![(Way::SharedCommercial, 1)], none)),
        (own, (vec![(Way::OwnUser, 1)], none)),
    ];
    assert_eq!(ways, BTreeMap::from(expected));
}

/// Records a jump of a customer under a subject, with the user that he has.
async fn record_as(h: &Harness, firm: &Firm, customer: &str, subject: u8) {
    let mut decided = h.decide(&firm.tenant, for_customer(customer)).await;
    decided.subject = token_subject(subject);
    h.record(&firm.tenant, &decided).await;
}

pub(crate) async fn whom_targets_took_customers_for_is_counted(h: &Harness) {
    let firm = h.example().await;
    record_as(h, &firm, "k-1", b'a').await;
    let subjects = async || {
        let row = told(h, &firm, firm.private).await.expect("a row");
        row.targets.into_iter().find(|at| at.target_id == target("rechner")).expect("a target").subjects
    };
    let one = Subjects { customers: 1, subjects: 1, ..Subjects::default() };
    assert_eq!(subjects().await, one);

    // Another customer under the same subject.
    record_as(h, &firm, "k-2", b'a').await;
    assert_eq!(subjects().await, Subjects { customers: 2, subjects: 1, are_shared: true, are_split: false });
    let row = told(h, &firm, firm.private).await;
    assert_eq!(codes(row.as_ref())[0], FindingCode::SubjectOfSeveralCustomers, "the gravest first");

    // Whoever was erased does not count.
    h.erase(&firm, "k-2").await;
    assert_eq!(subjects().await, one);
    // The same one under another subject.
    record_as(h, &firm, "k-1", b'b').await;
    assert_eq!(subjects().await, Subjects { customers: 1, subjects: 2, are_shared: false, are_split: true });
}

/// A target knows a subject, and not with which con:center user he came.
pub(crate) async fn whom_a_target_took_for_another_is_seen_across_users(h: &Harness) {
    let firm = h.example().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    h.assign(&firm, "k-2", Some(&own)).await;
    record_as(h, &firm, "k-1", b'a').await;
    record_as(h, &firm, "k-2", b'a').await;
    for user in [firm.private, own] {
        let row = told(h, &firm, user).await;
        let expected = [FindingCode::SubjectOfSeveralCustomers, FindingCode::RemoteUnknown];
        assert_eq!(codes(row.as_ref()), expected);
    }
    // One customer, first with the shared user and then with his own: the finding of the first outlives his way to it.
    record_as(h, &firm, "g-1", b'c').await;
    h.assign(&firm, "g-1", Some(&own)).await;
    record_as(h, &firm, "g-1", b'd').await;
    let change = AccessChange { commercial_user_id: Change::Set(None), ..AccessChange::default() };
    h.change_access(&firm, change).await;
    let row = told(h, &firm, firm.commercial).await.expect("jumps show it");
    assert_eq!((row.reached_by.len(), codes(Some(&row))), (0, vec![FindingCode::CustomerWithSeveralSubjects]));
    assert_eq!(row.targets.iter().map(|at| at.target_id.as_str()).collect::<Vec<_>>(), ["rechner"], "no other one");
    let own = told(h, &firm, own).await;
    assert!(codes(own.as_ref()).contains(&FindingCode::CustomerWithSeveralSubjects));
}

pub(crate) async fn what_was_changed_by_hand_is_found(h: &Harness) {
    let firm = h.example().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    h.assign(&firm, "k-2", Some(&own)).await;
    h.activate(&firm.tenant, "b-9", h.create_user(&firm.tenant, "vierte", UserKind::Broker).await).await;
    let change = "UPDATE concenter_user SET kind = 'broker' WHERE user_name = 'eigener'";
    assert_eq!(h.inspect.change_by_hand(change).await, 1);
    let critical = async || report(h, &firm.tenant).await.and_then(|report| report.summary);
    assert_eq!(codes(told(h, &firm, own).await.as_ref())[0], FindingCode::NotEndCustomer);
    assert_eq!(critical().await.map(|summary: IsolationSummary| summary.critical), Some(1));

    let change = "
        UPDATE broker_activation
        SET user_id = (SELECT user_id FROM concenter_user WHERE user_name = 'eigener')
        WHERE user_id = (SELECT user_id FROM concenter_user WHERE user_name = 'vierte')";
    assert_eq!(h.inspect.change_by_hand(change).await, 1);
    let row = told(h, &firm, own).await;
    let expected = [FindingCode::NotEndCustomer, FindingCode::CustomersAndBrokers, FindingCode::RemoteUnknown];
    assert_eq!(codes(row.as_ref()), expected);
    assert_eq!(critical().await.map(|summary| summary.critical), Some(2));
}

pub(crate) async fn a_tenant_that_is_not_there_is_not_reported(h: &Harness) {
    let firm = h.example().await;
    assert!(report(h, &h.id(TenantId::new)).await.is_none());
    h.delete_tenant(&firm.tenant).await;
    assert!(report(h, &firm.tenant).await.is_none());
}

/// A subject of one letter.
fn token_subject(letter: u8) -> Subject {
    Subject::from_computed(String::from(char::from(letter)).repeat(43))
}
