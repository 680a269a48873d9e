//! One page of a simulation, made of what a store reads.

use std::ops::ControlFlow;

use super::{Assigned, Firm, Owner, ShiftCounts, SimulatedPage, SimulatedPerson, Simulation, SimulationQuery};
use crate::domain::customer::Segment;
use crate::domain::ids::{BrokerId, CustomerId, UserId};
use crate::domain::jump::{PersonId, PersonKind};
use crate::domain::page::Page;
use crate::domain::resolve::CandidateActivation;

/// Which brokers the store reads, each with all of his activations, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerScan {
    /// Only those in an activation with one of these users; `None`: all.
    pub with_users: Option<Vec<UserId>>,
    /// Only those behind this one.
    pub after: Option<BrokerId>,
}

/// Which customers the store reads, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerScan {
    /// Those of these segments who have no own user; at most two.
    pub without_user: Vec<Segment>,
    /// Those whose own user is one of these.
    pub with_user: Vec<UserId>,
    /// Only those behind this one.
    pub after: Option<CustomerId>,
    /// How many; there may be more.
    pub most: u32,
}

/// Takes what the store reads and makes the answer of it.
///
/// The keys of its page name a kind and an id: `b` or `c`, and what the portal chose; at most 129 bytes.
pub struct Sheet {
    simulation: Simulation,
    counts: Option<(ShiftCounts, ShiftCounts)>,
    rows: Vec<SimulatedPerson>,
    size: usize,
    after: Option<PersonId>,
}

impl Sheet {
    /// Begins a page. `None` if what the query names is not there.
    #[must_use]
    pub fn begin(firm: Firm, query: &SimulationQuery) -> Option<Self> {
        let simulation = Simulation::of(firm, &query.change, query.target.as_ref())?;
        let counts = query.page.after.is_none().then(<(ShiftCounts, ShiftCounts)>::default);
        // A key that is none comes from nobody who was shown the page before: to him the list is at its beginning.
        let after = query.page.after.as_deref().and_then(person_of_key);
        let size = usize::from(query.page.size.rows());
        Some(Self { simulation, counts, rows: Vec::new(), size, after })
    }

    /// Whether everybody is counted: on the first page.
    #[must_use]
    pub const fn counts_people(&self) -> bool {
        self.counts.is_some()
    }

    /// Takes the number of all brokers who are in any activation.
    pub fn count_brokers(&mut self, brokers: u64) {
        if let Some((counts, _)) = &mut self.counts {
            counts.add(None, brokers);
        }
    }

    /// Takes the number of customers who are assigned alike.
    pub fn count_customers(&mut self, assigned: &Assigned<'_>, customers: u64) {
        if let Some((_, counts)) = &mut self.counts {
            let gravest = self.simulation.gravest(assigned);
            counts.add(gravest.map(|gravest| gravest.change.shift), customers);
        }
    }

    /// Which brokers have to be read; `None` if none.
    #[must_use]
    pub fn brokers(&self) -> Option<BrokerScan> {
        let after = match &self.after {
            None => None,
            Some(PersonId::Broker(broker)) => Some(broker.clone()),
            Some(PersonId::Customer(_)) => return None,
        };
        if self.simulation.changes_targets() {
            return Some(BrokerScan { with_users: None, after });
        }
        let mut users: Vec<_> = self.simulation.changed.keys().copied().collect();
        users.sort_unstable();
        (!users.is_empty()).then_some(BrokerScan { with_users: Some(users), after })
    }

    /// Takes a broker with all of his activations. Breaks where nothing is left to learn.
    pub fn broker(&mut self, broker: BrokerId, activations: &[CandidateActivation]) -> ControlFlow<()> {
        if let Some(gravest) = self.simulation.gravest(&Assigned::Broker(activations)) {
            if let Some((counts, _)) = &mut self.counts {
                counts.same = counts.same.saturating_sub(1);
                counts.add(Some(gravest.change.shift), 1);
            }
            if self.rows.len() <= self.size {
                let difference = self.simulation.told(&gravest);
                self.rows.extend(
                    difference.map(|difference| SimulatedPerson { person: PersonId::Broker(broker), difference }),
                );
            }
        }
        if self.counts.is_none() && self.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Which customers have to be read; `None` if none.
    #[must_use]
    pub fn customers(&self) -> Option<CustomerScan> {
        if self.is_full() {
            return None;
        }
        let after = match &self.after {
            Some(PersonId::Customer(customer)) => Some(customer.clone()),
            Some(PersonId::Broker(_)) | None => None,
        };
        let segments = [Segment::Private, Segment::Commercial].into_iter();
        let without_user: Vec<_> = segments.filter(|segment| !self.simulation.of_shared(*segment).is_empty()).collect();
        // Of whatever kind: what a user is may have been changed by hand.
        let reached = self.simulation.places.keys().copied();
        let with_user: Vec<_> =
            reached.filter(|user| !self.simulation.of_owner(*user, Owner::Customer).is_empty()).collect();
        let most = u32::try_from((self.size + 1).saturating_sub(self.rows.len())).unwrap_or(u32::MAX);
        let is_anybody = !without_user.is_empty() || !with_user.is_empty();
        is_anybody.then_some(CustomerScan { without_user, with_user, after, most })
    }

    /// Takes a customer.
    pub fn customer(&mut self, customer: CustomerId, assigned: &Assigned<'_>) {
        if !self.is_full()
            && let Some(difference) = self.simulation.difference(assigned)
        {
            self.rows.push(SimulatedPerson { person: PersonId::Customer(customer), difference });
        }
    }

    /// The page.
    #[must_use]
    pub fn finish(mut self) -> SimulatedPage {
        let more = self.is_full();
        self.rows.truncate(self.size);
        let next = if more { self.rows.last().map(|row| key_of(&row.person)) } else { None };
        SimulatedPage { refusal: self.simulation.refusal, counts: self.counts, persons: Page { rows: self.rows, next } }
    }

    /// One more than the page takes, to learn whether another one follows.
    const fn is_full(&self) -> bool {
        self.rows.len() > self.size
    }
}

/// The key that names a person in the list.
fn key_of(person: &PersonId) -> String {
    let kind = match person.kind() {
        PersonKind::Broker => 'b',
        PersonKind::Customer => 'c',
    };
    format!("{kind}{}", person.as_str())
}

fn person_of_key(key: &str) -> Option<PersonId> {
    let broker = || key.strip_prefix('b').and_then(|id| BrokerId::parse(id).ok()).map(PersonId::Broker);
    let customer = || key.strip_prefix('c').and_then(|id| CustomerId::parse(id).ok()).map(PersonId::Customer);
    broker().or_else(customer)
}
