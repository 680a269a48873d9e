//! What a change would do: who would get another con:center user, or none (`docs/domain.md#simulation`).
//!
//! A [`Simulation`] knows a tenant before and after one [`SimulatedChange`] and decides both by [`resolve`], once for all who
//! are assigned alike: customers by segment and own user, targets by what a decision looks at. What a change does not
//! reach is not decided, it stays as it is. A [`Sheet`] takes what the store reads, person by person or counted, and
//! makes of it the numbers and one page of those who differ. One more change: a variant of [`SimulatedChange`], what it
//! does in [`Simulation::of`] and why it would be refused in `Firm::refusal`.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use super::customer::Segment;
use super::error::Reason;
use super::ids::{BrokerId, CustomerId, ProviderId, TargetId, UserId};
use super::jump::{JumpOrder, Person, PersonId, PersonKind};
use super::page::{Page, PageRequest};
use super::provider::State;
use super::resolve::{
    Assignments, CandidateActivation, CandidateCustomer, CandidateTarget, CandidateUser, Candidates, Resolution, Way,
    resolve,
};
use super::target::{LineScope, TargetKind};
use super::tenant::TenantState;
use super::text::UserName;
use super::user::UserKind;

/// A change that is thought through and not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SimulatedChange {
    /// The user becomes Standard; the one that was is a broker's user then.
    Standard(UserId),
    /// All customers of a segment share this user, or none.
    SharedUser {
        /// Whose.
        segment: Segment,
        /// `None`: nothing is set any more.
        user: Option<UserId>,
    },
    /// The user loses the mark Endkunde.
    EndCustomerOff(UserId),
    /// The user is disabled.
    DisableUser(UserId),
    /// A product provider is taken out of the user's scope.
    RemoveProvider {
        /// Whose.
        user: UserId,
        /// Which.
        provider: ProviderId,
    },
    /// The product provider is disabled, for everybody.
    DisableProvider(ProviderId),
}

impl SimulatedChange {
    /// The user that it names, if it names one.
    #[must_use]
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::Standard(user)
            | Self::EndCustomerOff(user)
            | Self::DisableUser(user)
            | Self::RemoveProvider { user, .. } => Some(*user),
            Self::SharedUser { user, .. } => *user,
            Self::DisableProvider(_) => None,
        }
    }

    /// The product provider that it names, if it names one.
    #[must_use]
    pub const fn provider(&self) -> Option<&ProviderId> {
        match self {
            Self::RemoveProvider { provider, .. } | Self::DisableProvider(provider) => Some(provider),
            Self::Standard(_) | Self::SharedUser { .. } | Self::EndCustomerOff(_) | Self::DisableUser(_) => None,
        }
    }
}

/// What is asked: one change, and one page of those who differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulationQuery {
    /// The change.
    pub change: SimulatedChange,
    /// Jumps to this target alone, enabled or not; `None`: to every enabled one.
    pub target: Option<TargetId>,
    /// Which page. Its keys are those of [`Sheet`].
    pub page: PageRequest,
}

/// A target of the catalogue as [`Firm`] has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmTarget {
    /// Its key.
    pub target_id: TargetId,
    /// What a decision sees of it.
    pub seen: CandidateTarget,
}

/// Everything that decisions of one tenant rest on but its people, read at one point in time.
#[derive(Debug, Clone)]
pub struct Firm {
    /// Whether the tenant is in business.
    pub tenant: TenantState,
    /// All users of the tenant.
    pub users: HashMap<UserId, CandidateUser>,
    /// What they are called at con:center.
    pub names: HashMap<UserId, UserName>,
    /// The tenant's shared private user.
    pub private_user: Option<UserId>,
    /// The tenant's shared commercial user.
    pub commercial_user: Option<UserId>,
    /// Whether the private one may stand in for the commercial one.
    pub commercial_falls_back: bool,
    /// All product providers of the catalogue, by key.
    pub providers: BTreeMap<ProviderId, State>,
    /// All targets of the catalogue, by key.
    pub targets: Vec<FirmTarget>,
    /// Whether the user that the change names is in an activation.
    pub user_is_activated: bool,
    /// Whether the user that the change names is a customer's own.
    pub user_is_owned: bool,
}

impl Firm {
    /// Why the service would refuse `change`, as its own method says it; `None` if it would not.
    fn refusal(&self, change: &SimulatedChange, after: Option<&CandidateUser>) -> Option<Reason> {
        let kind = change.user().and_then(|user| self.users.get(&user)).map(|user| user.kind)?;
        match (change, kind) {
            (SimulatedChange::Standard(_), UserKind::EndCustomer) => Some(Reason::EndkundeConflict),
            (SimulatedChange::Standard(_), UserKind::Broker) => self.user_is_activated.then_some(Reason::Assigned),
            (SimulatedChange::SharedUser { .. }, UserKind::Standard | UserKind::Broker) => {
                Some(Reason::EndkundeRequired)
            }
            (SimulatedChange::EndCustomerOff(user), UserKind::EndCustomer) => {
                let is_shared = [self.private_user, self.commercial_user].contains(&Some(*user));
                let owned = self.user_is_owned.then_some(Reason::Assigned);
                owned.or(is_shared.then_some(Reason::SlotInUse))
            }
            (SimulatedChange::RemoveProvider { .. }, _) => {
                let left = after.map(|user| user.scope.named().len());
                (left == Some(0)).then_some(Reason::ProviderScopeRequired)
            }
            (SimulatedChange::Standard(_), UserKind::Standard)
            | (SimulatedChange::SharedUser { .. }, UserKind::EndCustomer)
            | (SimulatedChange::EndCustomerOff(_), UserKind::Standard | UserKind::Broker)
            | (SimulatedChange::DisableUser(_) | SimulatedChange::DisableProvider(_), _) => None,
        }
    }
}

/// What a person's jump comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SimulatedOutcome {
    /// It is made with this user.
    User {
        /// Its id.
        user_id: UserId,
        /// Its name at con:center.
        name: UserName,
        /// By which way.
        way: Way,
    },
    /// It is refused.
    Refused(Reason),
}

/// What a change does to somebody; the gravest comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shift {
    /// He loses his user: his jump is refused then.
    LosesUser,
    /// He gets another user.
    OtherUser,
    /// He gets a user where his jump is refused now.
    GainsUser,
}

/// How a person's jumps differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The gravest of what happens to him.
    pub shift: Shift,
    /// The first target, by key, at which that happens.
    pub target_id: TargetId,
    /// At how many targets anything happens to him, this one included.
    pub targets: u32,
    /// What his jump to that target comes to now.
    pub before: SimulatedOutcome,
    /// What it would come to.
    pub after: SimulatedOutcome,
}

/// A person who differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedPerson {
    /// Who.
    pub person: PersonId,
    /// How.
    pub difference: Difference,
}

/// How many people a change does something to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShiftCounts {
    /// Nothing happens to them.
    pub same: u64,
    /// [`Shift::OtherUser`].
    pub other_user: u64,
    /// [`Shift::LosesUser`].
    pub loses_user: u64,
    /// [`Shift::GainsUser`].
    pub gains_user: u64,
}

impl ShiftCounts {
    fn add(&mut self, shift: Option<Shift>, people: u64) {
        let count = match shift {
            None => &mut self.same,
            Some(Shift::OtherUser) => &mut self.other_user,
            Some(Shift::LosesUser) => &mut self.loses_user,
            Some(Shift::GainsUser) => &mut self.gains_user,
        };
        *count = count.saturating_add(people);
    }
}

/// What came of a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Simulated {
    /// The user, the product provider or the target is not there.
    NotFound,
    /// One page.
    Done(Box<SimulatedPage>),
}

/// One page of a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedPage {
    /// Why the service would refuse the change; `None` if it would not.
    pub refusal: Option<Reason>,
    /// Brokers in activations, and customers with a record; `None` on all pages but the first.
    pub counts: Option<(ShiftCounts, ShiftCounts)>,
    /// Those who differ: brokers by id, then customers by id.
    pub persons: Page<SimulatedPerson>,
}

/// What leads somebody to a user.
#[derive(Debug, Clone, Copy)]
pub enum Assigned<'a> {
    /// A broker: all of his activations.
    Broker(&'a [CandidateActivation]),
    /// A customer with a record: his segment and his own user.
    Customer(Segment, Option<UserId>),
}

/// Targets that no decision tells from one another.
struct TargetGroup {
    first: TargetId,
    number: u32,
    before: CandidateTarget,
    after: CandidateTarget,
}

/// A tenant before and after a change.
pub struct Simulation {
    firm: Firm,
    refusal: Option<Reason>,
    /// The users that differ afterwards, as they are then; at most two.
    changed: HashMap<UserId, CandidateUser>,
    /// The shared users afterwards.
    private_after: Option<UserId>,
    commercial_after: Option<UserId>,
    /// By the key of their first.
    targets: Vec<TargetGroup>,
}

/// Before the change or after it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}

impl Simulation {
    /// Thinks a change of `firm` through, for jumps to `target` or to every enabled one. `None` if the user, the product
    /// provider or the target is not there.
    #[must_use]
    pub fn of(firm: Firm, change: &SimulatedChange, target: Option<&TargetId>) -> Option<Self> {
        let is_known = change.user().is_none_or(|user| firm.users.contains_key(&user))
            && change.provider().is_none_or(|provider| firm.providers.contains_key(provider))
            && target.is_none_or(|key| firm.targets.iter().any(|target| target.target_id == *key));
        if !is_known {
            return None;
        }
        let changed = changed_users(&firm, change);
        let (mut private_after, mut commercial_after) = (firm.private_user, firm.commercial_user);
        if let SimulatedChange::SharedUser { segment, user } = change {
            match segment {
                Segment::Private => private_after = *user,
                Segment::Commercial => commercial_after = *user,
            }
        }
        let after = change.user().and_then(|user| changed.get(&user));
        let refusal = firm.refusal(change, after);
        let targets = target_groups(&firm.targets, change, target);
        Some(Self { firm, refusal, changed, private_after, commercial_after, targets })
    }

    /// How the jumps of somebody would differ; `None` if none does.
    #[must_use]
    pub fn difference(&self, assigned: &Assigned<'_>) -> Option<Difference> {
        let is_reached = self.reaches(assigned);
        let mut gravest: Option<Difference> = None;
        let mut targets: u32 = 0;
        // Neither he nor the target differs: a decision that looks at the same comes to the same.
        for group in self.targets.iter().filter(|group| is_reached || group.before != group.after) {
            let before = self.decide(When::Before, group, assigned);
            let after = self.decide(When::After, group, assigned);
            let Some(shift) = shift(&before, &after) else { continue };
            targets = targets.saturating_add(group.number);
            if gravest.as_ref().is_none_or(|gravest| shift < gravest.shift) {
                let (before, after) = (self.outcome(before), self.outcome(after));
                gravest = Some(Difference { shift, target_id: group.first.clone(), targets: 0, before, after });
            }
        }
        gravest.map(|gravest| Difference { targets, ..gravest })
    }

    /// Tells whether the change is about anything that could lead him to a user, or about that user. Whoever is not
    /// reached comes to the same at every target that does not differ.
    fn reaches(&self, assigned: &Assigned<'_>) -> bool {
        match assigned {
            Assigned::Broker(activations) => {
                activations.iter().any(|activation| self.changed.contains_key(&activation.user_id))
            }
            Assigned::Customer(_, Some(own)) => self.changed.contains_key(own),
            Assigned::Customer(_, None) => {
                let now = [self.firm.private_user, self.firm.commercial_user];
                let then = [self.private_after, self.commercial_after];
                now != then || now.iter().flatten().any(|user| self.changed.contains_key(user))
            }
        }
    }

    /// Tells whether anything happens to targets.
    fn changes_targets(&self) -> bool {
        self.targets.iter().any(|group| group.before != group.after)
    }

    fn decide(&self, when: When, group: &TargetGroup, assigned: &Assigned<'_>) -> Result<Resolution, Reason> {
        let (person, assignments, named) = self.assignments(when, assigned);
        let users = named.into_iter().filter_map(|user| self.user(when, user)).cloned().collect();
        let target = match when {
            When::Before => &group.before,
            When::After => &group.after,
        };
        let order = JumpOrder {
            person,
            actor: None,
            target_id: group.first.clone(),
            wanted: None,
            activation_id: None,
            customer_context: None,
            line_of_business: None,
            provider_id: None,
        };
        let candidates = Candidates {
            tenant: self.firm.tenant,
            target: Some(target.clone()),
            named_provider: None,
            assignments,
            users,
        };
        resolve(&order, &candidates).outcome.map_err(|refusal| refusal.reason)
    }

    /// Somebody who is assigned like this, what assigns him, and every user that this names.
    fn assignments(&self, when: When, assigned: &Assigned<'_>) -> (Person, Assignments, Vec<UserId>) {
        match assigned {
            Assigned::Broker(activations) => {
                let mut named: Vec<_> = activations.iter().map(|activation| activation.user_id).collect();
                named.sort_unstable();
                named.dedup();
                (Person::Broker(BrokerId::anybody()), Assignments::Broker(activations.to_vec()), named)
            }
            Assigned::Customer(segment, own) => {
                let (private_user, commercial_user) = match when {
                    When::Before => (self.firm.private_user, self.firm.commercial_user),
                    When::After => (self.private_after, self.commercial_after),
                };
                let customer_id = CustomerId::anybody();
                let record = CandidateCustomer { customer_id: customer_id.clone(), segment: *segment, user_id: *own };
                let assignments = Assignments::Customer {
                    record: Some(record),
                    private_user,
                    commercial_user,
                    commercial_falls_back: self.firm.commercial_falls_back,
                };
                let mut named: Vec<_> = [*own, private_user, commercial_user].into_iter().flatten().collect();
                named.sort_unstable();
                named.dedup();
                (Person::Customer { customer_id, stated: None }, assignments, named)
            }
        }
    }

    fn user(&self, when: When, user: UserId) -> Option<&CandidateUser> {
        let changed = if when == When::After { self.changed.get(&user) } else { None };
        changed.or_else(|| self.firm.users.get(&user))
    }

    fn outcome(&self, decided: Result<Resolution, Reason>) -> SimulatedOutcome {
        match decided {
            Ok(Resolution { user_id, way, .. }) => match self.firm.names.get(&user_id) {
                Some(name) => SimulatedOutcome::User { user_id, name: name.clone(), way },
                // A decision takes nobody whom it was not given.
                None => SimulatedOutcome::Refused(Reason::NoUserAssigned),
            },
            Err(reason) => SimulatedOutcome::Refused(reason),
        }
    }
}

/// The users that differ after a change, as they are then.
fn changed_users(firm: &Firm, change: &SimulatedChange) -> HashMap<UserId, CandidateUser> {
    let mut changed = HashMap::new();
    let mut put = |user: &CandidateUser, after: CandidateUser| {
        if after != *user {
            changed.insert(user.user_id, after);
        }
    };
    let named = change.user().and_then(|user| firm.users.get(&user));
    match (change, named) {
        (SimulatedChange::Standard(_), Some(user)) => {
            let standard = |user: &&CandidateUser| user.kind == UserKind::Standard;
            for previous in firm.users.values().filter(standard) {
                put(previous, CandidateUser { kind: UserKind::Broker, ..previous.clone() });
            }
            put(user, CandidateUser { kind: UserKind::Standard, ..user.clone() });
            if user.kind == UserKind::Standard {
                // It is Standard already.
                changed.clear();
            }
        }
        (SimulatedChange::EndCustomerOff(_), Some(user)) if user.kind == UserKind::EndCustomer => {
            put(user, CandidateUser { kind: UserKind::Broker, ..user.clone() });
        }
        (SimulatedChange::DisableUser(_), Some(user)) => {
            put(user, CandidateUser { state: State::Disabled, ..user.clone() });
        }
        (SimulatedChange::RemoveProvider { provider, .. }, Some(user)) => {
            put(user, CandidateUser { scope: user.scope.without(provider, firm.providers.keys()), ..user.clone() });
        }
        (
            SimulatedChange::EndCustomerOff(_)
            | SimulatedChange::SharedUser { .. }
            | SimulatedChange::DisableProvider(_),
            _,
        )
        | (_, None) => {}
    }
    changed
}

/// The targets that are looked at, those together that no decision tells from one another, by the key of their first.
fn target_groups(targets: &[FirmTarget], change: &SimulatedChange, only: Option<&TargetId>) -> Vec<TargetGroup> {
    let is_looked_at = |target: &&FirmTarget| match only {
        Some(key) => target.target_id == *key,
        None => target.seen.state == State::Active,
    };
    let mut looked_at: Vec<_> = targets.iter().filter(is_looked_at).collect();
    looked_at.sort_unstable_by(|one, other| one.target_id.cmp(&other.target_id));
    let mut groups: Vec<TargetGroup> = Vec::new();
    let mut places: HashMap<_, usize> = HashMap::new();
    for target in looked_at {
        // No line of business is asked for, so none is looked at.
        let before = CandidateTarget { lines: LineScope::All, ..target.seen.clone() };
        let key = (
            before.provider_id.clone(),
            before.kind == TargetKind::InsurerPortal,
            before.state == State::Active,
            before.provider_state == State::Active,
            (before.accepts.brokers, before.accepts.customers),
        );
        let place = *places.entry(key).or_insert(groups.len());
        if let Some(group) = groups.get_mut(place) {
            group.number = group.number.saturating_add(1);
            continue;
        }
        let is_disabled = matches!(change, SimulatedChange::DisableProvider(key) if *key == before.provider_id);
        let provider_state = if is_disabled { State::Disabled } else { before.provider_state };
        let after = CandidateTarget { provider_state, ..before.clone() };
        groups.push(TargetGroup { first: target.target_id.clone(), number: 1, before, after });
    }
    groups
}

/// What happens to somebody whose jump comes to another end. One way or another to the same user, and one refusal or
/// another, are the same.
fn shift(before: &Result<Resolution, Reason>, after: &Result<Resolution, Reason>) -> Option<Shift> {
    match (before, after) {
        (Ok(before), Ok(after)) => (before.user_id != after.user_id).then_some(Shift::OtherUser),
        (Ok(_), Err(_)) => Some(Shift::LosesUser),
        (Err(_), Ok(_)) => Some(Shift::GainsUser),
        (Err(_), Err(_)) => None,
    }
}

/// Customers who are assigned alike.
type CustomerGroup = (Segment, Option<UserId>);

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
    /// Those of a segment with an own user.
    pub with_user: Vec<(Segment, UserId)>,
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
    /// The customers who differ, by how they are assigned.
    groups: HashMap<CustomerGroup, Difference>,
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
        let groups = differing_groups(&simulation);
        let counts = query.page.after.is_none().then(<(ShiftCounts, ShiftCounts)>::default);
        // A key that is none comes from nobody who was shown the page before: to him the list is at its beginning.
        let after = query.page.after.as_deref().and_then(person_of_key);
        let size = usize::from(query.page.size.rows());
        Some(Self { simulation, groups, counts, rows: Vec::new(), size, after })
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

    /// Takes the number of customers of a segment with the same own user, or none.
    pub fn count_customers(&mut self, segment: Segment, own_user: Option<UserId>, customers: u64) {
        let shift = self.groups.get(&(segment, own_user)).map(|difference| difference.shift);
        if let Some((_, counts)) = &mut self.counts {
            counts.add(shift, customers);
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
        if let Some(difference) = self.simulation.difference(&Assigned::Broker(activations)) {
            if let Some((counts, _)) = &mut self.counts {
                counts.same = counts.same.saturating_sub(1);
                counts.add(Some(difference.shift), 1);
            }
            self.put(PersonId::Broker(broker), difference);
        }
        if self.counts.is_none() && self.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Which customers have to be read; `None` if none.
    #[must_use]
    pub fn customers(&self) -> Option<CustomerScan> {
        if self.is_full() || self.groups.is_empty() {
            return None;
        }
        let after = match &self.after {
            Some(PersonId::Customer(customer)) => Some(customer.clone()),
            Some(PersonId::Broker(_)) | None => None,
        };
        let mut scan = CustomerScan { without_user: Vec::new(), with_user: Vec::new(), after, most: 0 };
        for (segment, own_user) in self.groups.keys() {
            match own_user {
                None => scan.without_user.push(*segment),
                Some(user) => scan.with_user.push((*segment, *user)),
            }
        }
        scan.most = u32::try_from((self.size + 1).saturating_sub(self.rows.len())).unwrap_or(u32::MAX);
        Some(scan)
    }

    /// Takes a customer.
    pub fn customer(&mut self, customer: CustomerId, segment: Segment, own_user: Option<UserId>) {
        if let Some(difference) = self.groups.get(&(segment, own_user)).cloned() {
            self.put(PersonId::Customer(customer), difference);
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

    fn put(&mut self, person: PersonId, difference: Difference) {
        if !self.is_full() {
            self.rows.push(SimulatedPerson { person, difference });
        }
    }
}

/// The customers who differ, by how they are assigned.
fn differing_groups(simulation: &Simulation) -> HashMap<CustomerGroup, Difference> {
    let firm = &simulation.firm;
    // Own users are Endkunde, all of them.
    let is_own = |user: &&CandidateUser| user.kind == UserKind::EndCustomer;
    let owned = firm.users.values().filter(is_own).map(|user| Some(user.user_id));
    let groups = std::iter::once(None)
        .chain(owned)
        .flat_map(|user| [Segment::Private, Segment::Commercial].map(|segment| (segment, user)));
    let differing = groups.filter_map(|(segment, user)| {
        let difference = simulation.difference(&Assigned::Customer(segment, user))?;
        Some(((segment, user), difference))
    });
    differing.collect()
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

#[cfg(test)]
mod tests;
