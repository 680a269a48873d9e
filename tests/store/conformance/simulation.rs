//! What a change would do: who is counted, who is listed, and that only the tenant's own people are.

use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::customer::Segment;
use concenter_gateway::domain::error::Reason;
use concenter_gateway::domain::ids::{TenantId, UserId};
use concenter_gateway::domain::jump::PersonId;
use concenter_gateway::domain::page::PageRequest;
use concenter_gateway::domain::provider::State;
use concenter_gateway::domain::simulation::{
    ChangeRefusal, Shift, ShiftCounts, Simulated, SimulatedChange, SimulatedOutcome, SimulatedPage, SimulationQuery,
};
use concenter_gateway::domain::user::UserKind;
use concenter_gateway::store::{BROKERS_AT_ONCE, MOST_ASSIGNMENTS_LOOKED_UP};

use crate::fixture::firm::entry;
use crate::fixture::{Harness, broker, customer, done, first, provider, target};

async fn simulate(h: &Harness, tenant: &TenantId, change: SimulatedChange, page: PageRequest) -> SimulatedPage {
    let query = SimulationQuery { change, target: None, page };
    match h.store.simulate_change(tenant, &query).await.expect("an answer").expect("a tenant") {
        Simulated::Done(page) => *page,
        Simulated::NotFound => panic!("nothing of it is missing"),
    }
}

fn names(page: &SimulatedPage) -> Vec<&str> {
    page.persons.rows.iter().map(|row| row.person.as_str()).collect()
}

pub(crate) async fn a_simulation_counts_everybody_and_lists_who_differs(h: &Harness) {
    let firm = h.example().await;
    h.firm().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    h.assign(&firm, "k-2", Some(&own)).await;
    let told = simulate(h, &firm.tenant, SimulatedChange::DisableUser(firm.private), first(50)).await;
    let brokers = ShiftCounts { same: 2, ..ShiftCounts::default() };
    let customers = ShiftCounts { same: 2, loses_user: 1, ..ShiftCounts::default() };
    assert_eq!((told.refusal, told.counts), (None, Some((brokers, customers))));
    assert_eq!((names(&told), told.persons.next.as_deref()), (vec!["k-1"], None));
    let difference = &told.persons.rows[0].difference;
    assert_eq!((difference.shift, difference.target_id.as_str(), difference.targets), (Shift::LosesUser, "rechner", 1));
    assert_eq!(difference.after, SimulatedOutcome::Refused(Reason::UserDisabled));

    let told = simulate(h, &firm.tenant, SimulatedChange::DisableUser(own), first(50)).await;
    assert_eq!(names(&told), ["k-2"], "his own user");
    let change = SimulatedChange::SharedUser { segment: Segment::Commercial, user: Some(firm.private) };
    let told = simulate(h, &firm.tenant, change, first(50)).await;
    assert_eq!((names(&told), told.persons.rows[0].difference.shift), (vec!["g-1"], Shift::OtherUser));
}

pub(crate) async fn a_simulation_finds_brokers_by_the_user_and_sees_all_their_activations(h: &Harness) {
    let firm = h.example().await;
    let told = simulate(h, &firm.tenant, SimulatedChange::DisableUser(firm.meier), first(50)).await;
    assert_eq!(names(&told), ["m.meier"]);
    // A second one to another user makes a jump ambiguous that names neither, whatever becomes of the first; one that names
    // the first is refused then.
    let other = h.create_user(&firm.tenant, "andere", UserKind::Broker).await;
    let second = h.activate(&firm.tenant, "m.meier", other).await;
    let told = simulate(h, &firm.tenant, SimulatedChange::DisableUser(firm.meier), first(50)).await;
    assert_eq!(names(&told), ["m.meier"]);
    let difference = &told.persons.rows[0].difference;
    let named = difference.activation_id.expect("the activation that is named");
    assert_ne!(named, second);
    assert_eq!((difference.shift, difference.targets), (Shift::LosesUser, 2));
    assert_eq!(difference.after, SimulatedOutcome::Refused(Reason::UserDisabled));
    let lost = ShiftCounts { same: 1, loses_user: 1, ..ShiftCounts::default() };
    assert_eq!(told.counts.map(|(brokers, _)| brokers), Some(lost));
    h.set_activation_state(&firm, &second, State::Disabled).await;
    let told = simulate(h, &firm.tenant, SimulatedChange::DisableUser(firm.meier), first(50)).await;
    assert_eq!(names(&told), ["m.meier"], "a disabled one does not count");
    assert_eq!(told.persons.rows[0].difference.activation_id, None);
}

pub(crate) async fn a_simulation_tells_what_stands_in_the_way_of_its_change(h: &Harness) {
    let firm = h.example().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    h.assign(&firm, "k-2", Some(&own)).await;
    let spare = h.create_user(&firm.tenant, "reserve", UserKind::Broker).await;
    for (change, expected) in [
        (SimulatedChange::Standard(firm.meier), Some(Reason::Assigned)),
        (SimulatedChange::Standard(spare), None),
        (SimulatedChange::Standard(firm.private), Some(Reason::EndkundeConflict)),
        (SimulatedChange::EndCustomerOff(own), Some(Reason::Assigned)),
        (SimulatedChange::EndCustomerOff(firm.private), Some(Reason::SlotInUse)),
    ] {
        let told = simulate(h, &firm.tenant, change.clone(), first(50)).await;
        assert_eq!(told.refusal, expected.map(ChangeRefusal::Rule), "{change:?}");
    }
}

/// A user whose kind was changed by hand is a customer's own still.
pub(crate) async fn a_simulation_counts_customers_of_a_user_who_is_no_longer_endkunde(h: &Harness) {
    let firm = h.example().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    h.assign(&firm, "k-2", Some(&own)).await;
    let change = "UPDATE concenter_user SET kind = 'broker' WHERE user_name = 'eigener'";
    assert_eq!(h.inspect.change_by_hand(change).await, 1);
    let told = simulate(h, &firm.tenant, SimulatedChange::DisableUser(firm.private), first(50)).await;
    let customers = ShiftCounts { same: 2, loses_user: 1, ..ShiftCounts::default() };
    assert_eq!(told.counts.map(|(_, customers)| customers), Some(customers));
}

/// Customers with own users, more kinds of assignment than are looked up one by one.
pub(crate) async fn a_simulation_finds_customers_of_many_users(h: &Harness) {
    let firm = h.example().await;
    let owners = u32::try_from(MOST_ASSIGNMENTS_LOOKED_UP).expect("a few hundred") + 5;
    let ids: Vec<_> = (0..owners).map(|n| format!("e-{n:03}")).collect();
    h.put_customers(&firm, &ids.iter().map(|id| entry(id, Segment::Private)).collect::<Vec<_>>()).await;
    for id in &ids {
        let own = h.create_user(&firm.tenant, id, UserKind::EndCustomer).await;
        h.assign(&firm, id, Some(&own)).await;
    }
    let change = SimulatedChange::DisableProvider(provider("vergleich"));
    let told = simulate(h, &firm.tenant, change, first(500)).await;
    let mut expected = vec!["m.meier", "s.schulze"];
    expected.extend(ids.iter().map(String::as_str));
    expected.extend(["g-1", "k-1", "k-2"]);
    assert_eq!(names(&told), expected);
    let lost = ShiftCounts { loses_user: u64::from(owners) + 3, ..ShiftCounts::default() };
    assert_eq!(told.counts.map(|(_, customers)| customers), Some(lost));
}

/// More brokers than are read at once, more customers than a page has.
pub(crate) async fn a_simulation_goes_through_everybody_page_by_page(h: &Harness) {
    let firm = h.example().await;
    let ids: Vec<_> = (0..BROKERS_AT_ONCE + 30).map(|n| format!("b-{n:04}")).collect();
    for (n, brokers) in ids.chunks(100).enumerate() {
        let user = h.create_user(&firm.tenant, &format!("vm.{n}"), UserKind::Broker).await;
        let brokers: Vec<_> = brokers.iter().map(String::as_str).collect();
        let effect = h.effect(firm.tenant, Action::CreateActivation);
        done(h.store.create_activation(&firm.tenant, &effect, &h.new_activation(&brokers, user)).await);
    }
    let customers: Vec<_> = (0..600).map(|n| entry(&format!("k-{n:04}"), Segment::Private)).collect();
    h.put_customers(&firm, &customers).await;

    let mut expected: Vec<_> = ids.iter().map(|id| PersonId::Broker(broker(id))).collect();
    expected.extend(["m.meier", "s.schulze"].map(|id| PersonId::Broker(broker(id))));
    let mut of_customers: Vec<_> = customers.iter().map(|entry| entry.customer_id.clone()).collect();
    of_customers.extend(["g-1", "k-1", "k-2"].map(customer));
    of_customers.sort();
    expected.extend(of_customers.into_iter().map(PersonId::Customer));
    let mut seen = Vec::new();
    let mut page = first(500);
    loop {
        let change = SimulatedChange::DisableProvider(provider("vergleich"));
        let told = simulate(h, &firm.tenant, change, page.clone()).await;
        if let Some((brokers, customers)) = told.counts {
            let lost = |lost| ShiftCounts { loses_user: lost, ..ShiftCounts::default() };
            assert_eq!((brokers, customers), (lost(u64::from(BROKERS_AT_ONCE) + 32), lost(603)));
        }
        seen.extend(told.persons.rows.into_iter().map(|row| row.person));
        page.after = told.persons.next;
        if page.after.is_none() {
            break;
        }
    }
    assert_eq!(seen, expected);
}

pub(crate) async fn a_simulation_is_of_one_tenant(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    let ask = async |tenant: TenantId, user: UserId, to: Option<&str>| {
        let change = SimulatedChange::DisableUser(user);
        let query = SimulationQuery { change, target: to.map(target), page: first(50) };
        h.store.simulate_change(&tenant, &query).await.expect("an answer")
    };
    assert_eq!(ask(firm.tenant, other.private, None).await, Some(Simulated::NotFound));
    assert_eq!(ask(firm.tenant, firm.private, Some("nirgends")).await, Some(Simulated::NotFound));
    assert_eq!(ask(h.id(TenantId::new), firm.private, None).await, None);
    h.delete_tenant(&firm.tenant).await;
    assert_eq!(ask(firm.tenant, firm.private, None).await, None);
}
