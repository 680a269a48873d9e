//! What the isolation report rests on, and what it comes to.

use std::collections::BTreeMap;

use concenter_gateway::domain::activation::NewActivation;
use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::ids::TenantId;
use concenter_gateway::domain::isolation::{Activated, FindingCode, IsolationFacts, Subjects};
use concenter_gateway::domain::jump::Subject;
use concenter_gateway::domain::resolve::Way;
use concenter_gateway::domain::user::UserKind;

use crate::fixture::jump::for_customer;
use crate::fixture::{Harness, done, first, line, target};

async fn facts(h: &Harness, tenant: &TenantId) -> Option<IsolationFacts> {
    h.store.isolation_facts(tenant).await.expect("an answer")
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

    let facts = facts(h, &firm.tenant).await.expect("a tenant");
    assert_eq!(facts.users.len(), 6);
    let of_meier = Activated { activations: 2, without_reason: 1, brokers: 2 };
    assert_eq!(facts.activated[&firm.meier], of_meier);
    assert_eq!(facts.activated[&firm.schulze], Activated { activations: 1, without_reason: 1, brokers: 1 });
    let report = facts.report(&first(50));
    let ways: BTreeMap<_, _> = report.users.rows.into_iter().map(|row| (row.user.user_id, row.reached_by)).collect();
    let expected = [
        (firm.meier, Vec::new()),
        (firm.private, vec![(Way::SharedPrivate, 1)]),
        (firm.commercial, vec![(Way::SharedCommercial, 1)]),
        (own, vec![(Way::OwnUser, 1)]),
    ];
    assert_eq!(ways, BTreeMap::from(expected));
}

pub(crate) async fn whom_targets_took_customers_for_is_counted(h: &Harness) {
    let firm = h.example().await;
    let mut first_of_one = h.decide(&firm.tenant, for_customer("k-1")).await;
    first_of_one.subject = token_subject(b'a');
    h.record(&firm.tenant, &first_of_one).await;
    let subjects = async || {
        let facts = facts(h, &firm.tenant).await.expect("a tenant");
        facts.subjects.get(&firm.private).and_then(|at| at.get(&target("rechner"))).copied()
    };
    assert_eq!(subjects().await, Some(Subjects { customers: 1, subjects: 1, pairs: 1 }));

    // Another customer under the same subject.
    let mut taken_for_him = h.decide(&firm.tenant, for_customer("k-2")).await;
    taken_for_him.subject = token_subject(b'a');
    h.record(&firm.tenant, &taken_for_him).await;
    assert_eq!(subjects().await, Some(Subjects { customers: 2, subjects: 1, pairs: 2 }));
    let report = facts(h, &firm.tenant).await.expect("a tenant").report(&first(50));
    let row = report.users.rows.iter().find(|row| row.user.user_id == firm.private).expect("a row");
    assert_eq!(row.findings[0].code, FindingCode::SubjectOfSeveralCustomers, "the gravest first");

    // Whoever was erased does not count.
    h.erase(&firm, "k-2").await;
    assert_eq!(subjects().await, Some(Subjects { customers: 1, subjects: 1, pairs: 1 }));
}

pub(crate) async fn a_tenant_that_is_not_there_is_not_reported(h: &Harness) {
    let firm = h.example().await;
    assert!(facts(h, &h.id(TenantId::new)).await.is_none());
    h.delete_tenant(&firm.tenant).await;
    assert!(facts(h, &firm.tenant).await.is_none());
}

/// A subject of one letter.
fn token_subject(letter: u8) -> Subject {
    Subject::from_computed(String::from(char::from(letter)).repeat(43))
}
