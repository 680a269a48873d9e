//! Simulations of random firms against the same decisions made one by one, and the pages of a sheet.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::domain::ids::{ActivationId, Random};
use crate::domain::page::PageSize;
use crate::domain::provider::{ProviderList, ProviderScope};
use crate::domain::target::AcceptedPersons;
use crate::domain::time::Timestamp;

struct Same(u8);

impl Random for Same {
    fn fill(&self, destination: &mut [u8]) {
        destination.fill(self.0);
    }
}

/// Users of a firm.
const USERS: u8 = 5;
const PROVIDERS: [&str; 3] = ["anbieter-a", "anbieter-b", "vergleich"];

fn user_id(n: u8) -> UserId {
    UserId::new(Timestamp::from_unix_seconds(0), &Same(n))
}

fn name(n: u8) -> UserName {
    UserName::parse(&format!("user-{n}")).expect("a name")
}

fn activation(n: u8, user: u8, state: State) -> CandidateActivation {
    let activation_id = ActivationId::new(Timestamp::from_unix_seconds(0), &Same(n));
    CandidateActivation { activation_id, user_id: user_id(user), state }
}

fn provider(key: &str) -> ProviderId {
    ProviderId::parse(key).expect("a key")
}

fn any_state() -> impl Strategy<Value = State> {
    prop_oneof![4 => Just(State::Active), 1 => Just(State::Disabled)]
}

fn any_scope() -> impl Strategy<Value = ProviderScope> {
    let only = proptest::sample::subsequence(PROVIDERS.to_vec(), 1..=3).prop_map(|keys| {
        ProviderScope::Only(ProviderList::new(keys.into_iter().map(provider).collect()).expect("providers"))
    });
    prop_oneof![1 => Just(ProviderScope::All), 3 => only]
}

fn any_user(n: u8) -> impl Strategy<Value = CandidateUser> {
    let kind =
        prop_oneof![1 => Just(UserKind::Standard), 2 => Just(UserKind::Broker), 3 => Just(UserKind::EndCustomer)];
    (kind, any_state(), prop::bool::weighted(0.9), any_scope(), proptest::option::weighted(0.3, any::<bool>()))
        .prop_map(move |(kind, state, has_secret, scope, reported_end_customer)| CandidateUser {
            user_id: user_id(n),
            kind,
            state,
            has_secret,
            is_suspect: false,
            scope,
            reported_end_customer,
        })
}

fn any_target(n: usize) -> impl Strategy<Value = FirmTarget> {
    let kind = prop_oneof![3 => Just(TargetKind::TariffCalculator), 1 => Just(TargetKind::InsurerPortal)];
    (kind, any_state(), 0..PROVIDERS.len(), any::<(bool, bool)>()).prop_map(
        move |(kind, state, provider_at, (brokers, customers))| FirmTarget {
            target_id: TargetId::parse(&format!("ziel-{n}")).expect("a key"),
            seen: CandidateTarget {
                kind,
                state,
                provider_id: provider(PROVIDERS[provider_at]),
                provider_state: State::Active,
                accepts: AcceptedPersons { brokers, customers },
                lines: LineScope::All,
            },
        },
    )
}

fn any_firm() -> impl Strategy<Value = Firm> {
    let users = (any_user(1), any_user(2), any_user(3), any_user(4), any_user(5));
    let targets = (any_target(1), any_target(2), any_target(3), any_target(4));
    let shared = || proptest::option::of((1..=USERS).prop_map(user_id));
    let states = (any_state(), any_state(), any_state());
    (users, targets, shared(), shared(), any::<bool>(), states, any::<(bool, bool)>()).prop_map(
        |((a, b, c, d, e), (w, x, y, z), private_user, commercial_user, falls_back, states, (activated, owned))| {
            let providers: BTreeMap<_, _> =
                PROVIDERS.into_iter().map(provider).zip([states.0, states.1, states.2]).collect();
            let mut targets = vec![w, x, y, z];
            for target in &mut targets {
                target.seen.provider_state = providers[&target.seen.provider_id];
            }
            let mut users = [a, b, c, d, e];
            // One Standard user at most, as the tables have it.
            let mut has_standard = false;
            for user in &mut users {
                if user.kind == UserKind::Standard && std::mem::replace(&mut has_standard, true) {
                    user.kind = UserKind::Broker;
                }
            }
            Firm {
                tenant: TenantState::Active,
                users: users
                    .into_iter()
                    .zip(1..)
                    .map(|(seen, n)| (seen.user_id, FirmUser { name: name(n), seen }))
                    .collect(),
                private_user,
                commercial_user,
                commercial_falls_back: falls_back,
                providers,
                targets,
                user_is_activated: activated,
                user_is_owned: owned,
            }
        },
    )
}

fn any_change() -> impl Strategy<Value = SimulatedChange> {
    let user = || (1..=USERS).prop_map(user_id);
    let segment = prop_oneof![Just(Segment::Private), Just(Segment::Commercial)];
    let named = || (0..PROVIDERS.len()).prop_map(|at| provider(PROVIDERS[at]));
    prop_oneof![
        user().prop_map(SimulatedChange::Standard),
        (segment, proptest::option::of(user()))
            .prop_map(|(segment, user)| SimulatedChange::SharedUser { segment, user }),
        user().prop_map(SimulatedChange::EndCustomerOff),
        user().prop_map(SimulatedChange::DisableUser),
        (user(), named()).prop_map(|(user, provider)| SimulatedChange::RemoveProvider { user, provider }),
        named().prop_map(SimulatedChange::DisableProvider),
    ]
}

/// The firm as it is after the change: written down a second time.
fn changed(firm: &Firm, change: &SimulatedChange) -> Firm {
    let mut after = firm.clone();
    match change {
        SimulatedChange::Standard(user) => {
            for other in after.users.values_mut().filter(|other| other.seen.kind == UserKind::Standard) {
                other.seen.kind = UserKind::Broker;
            }
            after.users.get_mut(user).expect("a user").seen.kind = UserKind::Standard;
        }
        SimulatedChange::SharedUser { segment: Segment::Private, user } => after.private_user = *user,
        SimulatedChange::SharedUser { segment: Segment::Commercial, user } => after.commercial_user = *user,
        SimulatedChange::EndCustomerOff(user) => {
            let user = &mut after.users.get_mut(user).expect("a user").seen;
            if user.kind == UserKind::EndCustomer {
                user.kind = UserKind::Broker;
            }
        }
        SimulatedChange::DisableUser(user) => after.users.get_mut(user).expect("a user").seen.state = State::Disabled,
        SimulatedChange::RemoveProvider { user, provider: removed } => {
            let user = &mut after.users.get_mut(user).expect("a user").seen;
            let left = PROVIDERS.into_iter().map(provider).filter(|one| one != removed);
            let left: Vec<_> = left.filter(|one| user.scope.allows(one)).collect();
            match ProviderList::new(left) {
                Ok(left) => user.scope = ProviderScope::Only(left),
                // Nothing is left, so nothing is allowed: the same as a user who is not there for any target.
                Err(_) => user.scope = ProviderScope::Only(ProviderList::new(vec![provider("nirgends")]).expect("one")),
            }
        }
        SimulatedChange::DisableProvider(disabled) => {
            for target in after.targets.iter_mut().filter(|target| target.seen.provider_id == *disabled) {
                target.seen.provider_state = State::Disabled;
            }
        }
    }
    after
}

fn assigned(segment: Segment, own: Option<UserId>) -> Assigned<'static> {
    own.map_or(Assigned::Shared(segment), Assigned::Own)
}

/// What one jump comes to.
fn jump(
    firm: &Firm,
    target: &TargetId,
    assigned: &Assigned<'_>,
    activation_id: Option<ActivationId>,
    segment: Segment,
) -> Result<UserId, Reason> {
    let target_seen = firm.targets.iter().find(|one| one.target_id == *target).map(|one| one.seen.clone());
    let (person, assignments) = match assigned {
        Assigned::Broker(activations) => {
            (Person::Broker(BrokerId::parse("b-1").expect("an id")), Assignments::Broker(activations.to_vec()))
        }
        Assigned::Own(_) | Assigned::Shared(_) => {
            let own = if let Assigned::Own(own) = assigned { Some(*own) } else { None };
            let segment = if let Assigned::Shared(segment) = assigned { *segment } else { segment };
            let customer_id = CustomerId::parse("c-1").expect("an id");
            let record = CandidateCustomer { customer_id: customer_id.clone(), segment, user_id: own };
            let assignments = Assignments::Customer {
                record: Some(record),
                private_user: firm.private_user,
                commercial_user: firm.commercial_user,
                commercial_falls_back: firm.commercial_falls_back,
            };
            (Person::Customer { customer_id, stated: None }, assignments)
        }
    };
    let order = JumpOrder {
        person,
        actor: None,
        target_id: target.clone(),
        wanted: None,
        activation_id,
        customer_context: None,
        line_of_business: None,
        provider_id: None,
    };
    let candidates = Candidates {
        tenant: firm.tenant,
        target: target_seen,
        named_provider: None,
        assignments,
        users: firm.users.values().map(|user| user.seen.clone()).collect(),
    };
    resolve(&order, &candidates).outcome.map(|found| found.user_id).map_err(|refusal| refusal.reason)
}

fn user_of(outcome: &SimulatedOutcome) -> Result<UserId, Reason> {
    match outcome {
        SimulatedOutcome::User { user_id, .. } => Ok(*user_id),
        SimulatedOutcome::Refused(reason) => Err(*reason),
    }
}

proptest! {
    /// Grouping targets and leaving out whom the change does not reach tells the same as every jump, one by one.
    #[test]
    fn a_simulation_tells_what_every_jump_before_and_after_comes_to(
        firm in any_firm(),
        change in any_change(),
        brokers in proptest::collection::vec(
            proptest::collection::vec((1..=USERS, any_state()), 1..4), 1..4),
    ) {
        let after = changed(&firm, &change);
        let simulation = Simulation::of(firm.clone(), &change, None).expect("all of it is there");
        let brokers: Vec<Vec<_>> = brokers
            .into_iter()
            .map(|his| his.into_iter().zip(1..).map(|((user, state), n)| activation(n, user, state)).collect())
            .collect();
        let customers = [Segment::Private, Segment::Commercial].into_iter().flat_map(|segment| {
            let owners = (1..=USERS).map(|n| Assigned::Own(user_id(n)));
            std::iter::once(Assigned::Shared(segment)).chain(owners).map(move |assigned| (assigned, segment))
        });
        let brokers = brokers.iter().map(|his| (Assigned::Broker(his), Segment::Private));
        for (assigned, segment) in brokers.chain(customers) {
            // Whatever he may name: nothing, or one of his activations.
            let mut wishes = vec![None];
            if let Assigned::Broker(his) = assigned {
                wishes.extend(his.iter().map(|activation| Some(activation.activation_id)));
            }
            let mut differs = Vec::new();
            let mut targets = BTreeSet::new();
            for target in firm.targets.iter().filter(|target| target.seen.state == State::Active) {
                for wish in &wishes {
                    let (was, is) = (
                        jump(&firm, &target.target_id, &assigned, *wish, segment),
                        jump(&after, &target.target_id, &assigned, *wish, segment),
                    );
                    let shift = match (&was, &is) {
                        (Ok(was), Ok(is)) if was != is => Shift::OtherUser,
                        (Ok(_), Err(_)) => Shift::LosesUser,
                        (Err(_), Ok(_)) => Shift::GainsUser,
                        _ => continue,
                    };
                    differs.push((shift, target.target_id.clone(), *wish, was, is));
                    targets.insert(target.target_id.clone());
                }
            }
            differs.sort_by(|one, other| (one.0, &one.1, one.2).cmp(&(other.0, &other.1, other.2)));
            let told = simulation.difference(&assigned).map(|told| {
                let (before, after) = (user_of(&told.before), user_of(&told.after));
                ((told.shift, told.target_id, told.activation_id, before, after), told.targets)
            });
            let targets = u32::try_from(targets.len()).expect("four at most");
            prop_assert_eq!(told, differs.into_iter().next().map(|first| (first, targets)), "{:?}", assigned);
        }
    }

    /// However long the pages are, they hold everybody who differs, each once, and the numbers add up.
    #[test]
    fn the_pages_of_a_sheet_hold_everybody_who_differs_once(
        firm in any_firm(),
        change in any_change(),
        brokers in proptest::collection::vec((1..=USERS, any_state()), 0..8),
        customers in proptest::collection::vec((any::<bool>(), proptest::option::weighted(0.3, 1..=USERS)), 0..8),
        size in 1_i32..=4,
    ) {
        let brokers: Vec<_> = brokers
            .into_iter()
            .zip(1..)
            .map(|((user, state), n)| (BrokerId::parse(&format!("b-{n}")).expect("an id"), activation(n, user, state)))
            .collect();
        let mut firm = firm;
        // An own user is Endkunde.
        for (_, own) in &customers {
            if let Some(user) = own.and_then(|own| firm.users.get_mut(&user_id(own))) {
                user.seen.kind = UserKind::EndCustomer;
            }
        }
        let customers: Vec<_> = customers
            .into_iter()
            .zip(1..)
            .map(|((private, own), n)| {
                let segment = if private { Segment::Private } else { Segment::Commercial };
                (CustomerId::parse(&format!("c-{n}")).expect("an id"), segment, own.map(user_id))
            })
            .collect();
        let simulation = Simulation::of(firm.clone(), &change, None).expect("all of it is there");
        let of_brokers = brokers.iter().filter_map(|(broker, his)| {
            let difference = simulation.difference(&Assigned::Broker(std::slice::from_ref(his)))?;
            Some(SimulatedPerson { person: PersonId::Broker(broker.clone()), difference })
        });
        let of_customers = customers.iter().filter_map(|(customer, segment, own)| {
            let difference = simulation.difference(&assigned(*segment, *own))?;
            Some(SimulatedPerson { person: PersonId::Customer(customer.clone()), difference })
        });
        let everybody: Vec<_> = of_brokers.chain(of_customers).collect();

        let mut after = None;
        let mut seen = Vec::new();
        loop {
            let page = PageRequest { size: PageSize::parse(size).expect("a size"), after };
            let query = SimulationQuery { change: change.clone(), target: None, page };
            let page = page_of(firm.clone(), &query, &brokers, &customers);
            prop_assert!(page.persons.rows.len() <= usize::try_from(size).expect("a size"));
            if let Some((of_brokers, of_customers)) = page.counts {
                let sum = |counts: ShiftCounts| counts.same + counts.other_user + counts.loses_user + counts.gains_user;
                prop_assert_eq!(sum(of_brokers), brokers.len() as u64);
                prop_assert_eq!(sum(of_customers), customers.len() as u64);
                let differ = (brokers.len() + customers.len()) as u64 - of_brokers.same - of_customers.same;
                prop_assert_eq!(differ, everybody.len() as u64);
            } else {
                prop_assert!(!seen.is_empty(), "the first page counts");
            }
            seen.extend(page.persons.rows);
            after = page.persons.next;
            if after.is_none() {
                break;
            }
        }
        prop_assert_eq!(seen, everybody);
    }
}

/// A firm of as many users as one may have, each with as long a scope: what is decided grows with how different they are only.
#[test]
fn users_that_are_alike_are_decided_once() {
    let keys = |n: usize| provider(&format!("anbieter-{n:03}"));
    let scope = ProviderScope::Only(ProviderList::new((0..200).map(keys).collect()).expect("providers"));
    let seen = |n: u16| {
        let (kind, state) = if n.is_multiple_of(2) {
            (UserKind::EndCustomer, State::Active)
        } else {
            (UserKind::Broker, State::Disabled)
        };
        let user_id = UserId::parse(&format!("00000000-0000-7000-8000-{n:012}")).expect("an id");
        let (has_secret, is_suspect, reported_end_customer) = (true, false, None);
        CandidateUser { user_id, kind, state, has_secret, is_suspect, scope: scope.clone(), reported_end_customer }
    };
    let users: HashMap<_, _> = (0..10_000)
        .map(|n| {
            let seen = seen(n);
            (seen.user_id, FirmUser { name: name(1), seen })
        })
        .collect();
    let target = |n: usize| FirmTarget {
        target_id: TargetId::parse(&format!("ziel-{n:03}")).expect("a key"),
        seen: CandidateTarget {
            kind: TargetKind::TariffCalculator,
            state: State::Active,
            provider_id: keys(n),
            provider_state: State::Active,
            accepts: AcceptedPersons { brokers: true, customers: true },
            lines: LineScope::All,
        },
    };
    let firm = Firm {
        tenant: TenantState::Active,
        users,
        private_user: None,
        commercial_user: None,
        commercial_falls_back: false,
        providers: (0..200).map(|n| (keys(n), State::Active)).collect(),
        targets: (0..200).map(target).collect(),
        user_is_activated: false,
        user_is_owned: false,
    };
    let simulation = Simulation::of(firm, &SimulatedChange::DisableProvider(keys(7)), None).expect("it is there");
    assert_eq!((simulation.of_users.len(), simulation.places.len()), (2, 10_000));
    let decided = simulation.of_users.iter().flat_map(|of_user| [&of_user.broker, &of_user.customer]);
    assert!(decided.into_iter().all(|changes| changes.len() <= 1), "at the target of the provider alone");
}

/// One page, read as a store reads it.
fn page_of(
    firm: Firm,
    query: &SimulationQuery,
    brokers: &[(BrokerId, CandidateActivation)],
    customers: &[(CustomerId, Segment, Option<UserId>)],
) -> SimulatedPage {
    let mut sheet = Sheet::begin(firm, query).expect("all of it is there");
    if sheet.counts_people() {
        sheet.count_brokers(brokers.len() as u64);
        for (_, segment, own) in customers {
            sheet.count_customers(&assigned(*segment, *own), 1);
        }
    }
    if let Some(scan) = sheet.brokers() {
        for (broker, his) in brokers {
            let is_behind = scan.after.as_ref().is_none_or(|after| broker > after);
            let is_named = scan.with_users.as_ref().is_none_or(|users| users.contains(&his.user_id));
            if is_behind && is_named && sheet.broker(broker.clone(), std::slice::from_ref(his)).is_break() {
                break;
            }
        }
    }
    if let Some(scan) = sheet.customers() {
        let wanted = customers.iter().filter(|(customer, segment, own)| {
            let is_behind = scan.after.as_ref().is_none_or(|after| customer > after);
            is_behind
                && match own {
                    None => scan.without_user.contains(segment),
                    Some(own) => scan.with_user.contains(own),
                }
        });
        for (customer, segment, own) in wanted.take(scan.most as usize) {
            sheet.customer(customer.clone(), &assigned(*segment, *own));
        }
    }
    sheet.finish()
}
