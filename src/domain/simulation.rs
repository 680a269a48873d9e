//! What a change would do: who would get another con:center user, or none (`docs/domain.md#simulation`).
//!
//! A [`Simulation`] knows a tenant before and after one [`SimulatedChange`] and decides both by [`resolve`], once for all that
//! no decision tells from one another: users and targets by what rules look at of them. So its work does not grow with the
//! number of users that are alike, nor with that of people. What a change does not reach is not decided, it stays as
//! it is. A [`Sheet`] takes what the store reads, person by person or counted, and makes of it the numbers and one page
//! of those who differ. One more change: a variant of [`SimulatedChange`], what it does in [`Simulation::of`] and why it
//! would be refused in `Firm::refusal`.

mod sheet;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::customer::Segment;
use super::error::Reason;
use super::ids::{ActivationId, BrokerId, CustomerId, ProviderId, TargetId, UserId};
use super::jump::{JumpOrder, Person, PersonId};
use super::page::{Page, PageRequest};
use super::provider::{MOST_PROVIDERS, State};
use super::resolve::{
    Assignments, CandidateActivation, CandidateCustomer, CandidateTarget, CandidateUser, Candidates, Resolution, Way,
    resolve, user_of_unnamed,
};
use super::target::{LineScope, TargetKind};
use super::tenant::TenantState;
use super::text::UserName;
use super::user::UserKind;

pub use self::sheet::{BrokerScan, CustomerScan, Sheet};

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

/// A con:center user as [`Firm`] has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmUser {
    /// What it is called at con:center.
    pub name: UserName,
    /// What a decision sees of it.
    pub seen: CandidateUser,
}

/// Everything that decisions of one tenant rest on but its people, read at one point in time.
#[derive(Debug, Clone)]
pub struct Firm {
    /// Whether the tenant is in business.
    pub tenant: TenantState,
    /// The users that the change can make a difference with. Where a product provider is disabled these are all of the tenant, and
    /// their scopes need to tell of that one only; else the one that the change names, the Standard user and the shared ones.
    /// More do no harm.
    pub users: HashMap<UserId, FirmUser>,
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

/// Why the service would refuse a change itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeRefusal {
    /// By its rules.
    Rule(Reason),
    /// No product provider would be left, and a scope names one at least: no request can say it.
    NoProviderLeft,
    /// More product providers would be left than a scope can name: likewise.
    TooManyProvidersLeft,
}

impl Firm {
    /// Why the service would refuse `change`, as its own method says it; `None` if it would not. `after` is the user that it names,
    /// if that one differs then.
    fn refusal(&self, change: &SimulatedChange, after: Option<&CandidateUser>) -> Option<ChangeRefusal> {
        let kind = change.user().and_then(|user| self.users.get(&user)).map(|user| user.seen.kind)?;
        let reason = match (change, kind) {
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
                return match after.map(|user| user.scope.named().len()) {
                    Some(0) => Some(ChangeRefusal::NoProviderLeft),
                    Some(left) if left > MOST_PROVIDERS => Some(ChangeRefusal::TooManyProvidersLeft),
                    Some(_) | None => None,
                };
            }
            (SimulatedChange::Standard(_), UserKind::Standard)
            | (SimulatedChange::SharedUser { .. }, UserKind::EndCustomer)
            | (SimulatedChange::EndCustomerOff(_), UserKind::Standard | UserKind::Broker)
            | (SimulatedChange::DisableUser(_) | SimulatedChange::DisableProvider(_), _) => None,
        };
        reason.map(ChangeRefusal::Rule)
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
    /// The broker's activation that the jump names at which it happens; `None`: one that names none, and of customers.
    pub activation_id: Option<ActivationId>,
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
    pub refusal: Option<ChangeRefusal>,
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
    /// A customer with a record who has an own user. No rule looks at his segment then.
    Own(UserId),
    /// A customer with a record who has none, of this segment.
    Shared(Segment),
}

/// Targets that no decision tells from one another.
struct TargetGroup {
    first: TargetId,
    number: u32,
    before: CandidateTarget,
    after: CandidateTarget,
}

impl TargetGroup {
    fn differs(&self) -> bool {
        self.before != self.after
    }
}

/// What rules look at of a user, at the targets that count for him.
#[derive(PartialEq, Eq, Hash)]
struct Look {
    kind: UserKind,
    state: State,
    has_secret: bool,
    is_suspect: bool,
    reported_end_customer: Option<bool>,
    /// Whether his scope holds the product provider of each, in their order.
    opens: Vec<bool>,
}

impl Look {
    fn at(user: &CandidateUser, targets: &[TargetGroup], counts: impl Fn(&TargetGroup) -> bool) -> Self {
        let opens = targets.iter().filter(|group| counts(group));
        Self {
            kind: user.kind,
            state: user.state,
            has_secret: user.has_secret,
            is_suspect: user.is_suspect,
            reported_end_customer: user.reported_end_customer,
            opens: opens.map(|group| user.scope.allows(&group.before.provider_id)).collect(),
        }
    }
}

/// Who is assigned a user: all that is told apart of people for whom their own assignment has decided.
#[derive(Clone, Copy)]
enum Owner {
    Broker,
    Customer,
}

/// What happens at one group of targets.
struct Change {
    shift: Shift,
    /// The place of the group.
    place: usize,
    before: Result<Resolution, Reason>,
    after: Result<Resolution, Reason>,
}

/// What happens to all who are assigned alike, by the place of the group; nothing to whoever stays as he is.
type Changes = Vec<Change>;

/// What happens to those who have one of the users that are alike.
struct OfUser {
    broker: Changes,
    customer: Changes,
}

/// The gravest of what happens to somebody.
struct Gravest<'s> {
    change: &'s Change,
    /// Whom it happens with, where it was worked out for another one of those who are alike.
    user: Option<UserId>,
    activation_id: Option<ActivationId>,
    targets: u32,
}

/// A tenant before and after a change.
pub struct Simulation {
    firm: Firm,
    refusal: Option<ChangeRefusal>,
    /// The users that differ afterwards, as they are then; at most two.
    changed: HashMap<UserId, CandidateUser>,
    /// The shared users afterwards.
    private_after: Option<UserId>,
    commercial_after: Option<UserId>,
    /// By the key of their first.
    targets: Vec<TargetGroup>,
    /// What happens to those whom an assignment of their own leads to a user. Who is alike stands here once.
    of_users: Vec<OfUser>,
    /// The place in [`Self::of_users`] of each user that the change reaches.
    places: HashMap<UserId, usize>,
    /// What happens to customers who have no own user.
    of_private: Changes,
    of_commercial: Changes,
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
        let mut simulation = Self {
            firm,
            refusal,
            changed,
            private_after,
            commercial_after,
            targets,
            of_users: Vec::new(),
            places: HashMap::new(),
            of_private: Vec::new(),
            of_commercial: Vec::new(),
        };
        (simulation.places, simulation.of_users) = simulation.decide_users();
        simulation.of_private = simulation.changes_of_shared(Segment::Private);
        simulation.of_commercial = simulation.changes_of_shared(Segment::Commercial);
        Some(simulation)
    }

    /// How the jumps of somebody would differ; `None` if none does.
    #[must_use]
    pub fn difference(&self, assigned: &Assigned<'_>) -> Option<Difference> {
        self.gravest(assigned).and_then(|gravest| self.told(&gravest))
    }

    fn gravest(&self, assigned: &Assigned<'_>) -> Option<Gravest<'_>> {
        match assigned {
            Assigned::Broker(activations) => self.gravest_of_broker(activations),
            Assigned::Own(own) => self.gravest_of(self.of_owner(*own, Owner::Customer), Some(*own)),
            Assigned::Shared(segment) => self.gravest_of(self.of_shared(*segment), None),
        }
    }

    fn gravest_of<'s>(&self, changes: &'s [Change], user: Option<UserId>) -> Option<Gravest<'s>> {
        let change = changes.iter().min_by_key(|change| (change.shift, change.place))?;
        let targets = self.targets_at(changes.iter().map(|change| change.place));
        Some(Gravest { change, user, activation_id: None, targets })
    }

    /// A broker's jumps are one that names no activation, and one for each that can be named. Of what is as grave and happens at
    /// the same target the first is told, then that of the activation that was made first.
    fn gravest_of_broker(&self, activations: &[CandidateActivation]) -> Option<Gravest<'_>> {
        let unnamed = user_of_unnamed(activations);
        let enabled = activations.iter().filter(|activation| activation.state == State::Active);
        let mut wishes: Vec<_> = enabled
            .map(|activation| {
                let named = (unnamed != Some(activation.user_id)).then_some(activation.activation_id);
                (activation.user_id, named)
            })
            .collect();
        // Activations of one user come to the same.
        wishes.sort_unstable();
        wishes.dedup_by_key(|(user, _)| *user);
        let mut places = Vec::new();
        let mut gravest: Option<(&Change, UserId, Option<ActivationId>)> = None;
        for (user, named) in wishes {
            for change in self.of_owner(user, Owner::Broker) {
                places.push(change.place);
                let rank = |change: &Change, named| (change.shift, change.place, named);
                if gravest.is_none_or(|(first, _, of)| rank(change, named) < rank(first, of)) {
                    gravest = Some((change, user, named));
                }
            }
        }
        let (change, user, activation_id) = gravest?;
        places.sort_unstable();
        places.dedup();
        Some(Gravest { change, user: Some(user), activation_id, targets: self.targets_at(places.into_iter()) })
    }

    /// How many targets there are in some groups.
    fn targets_at(&self, places: impl Iterator<Item = usize>) -> u32 {
        let numbers = places.filter_map(|place| self.targets.get(place)).map(|group| group.number);
        numbers.fold(0, u32::saturating_add)
    }

    fn told(&self, gravest: &Gravest<'_>) -> Option<Difference> {
        let Gravest { change, user, activation_id, targets } = gravest;
        let target_id = self.targets.get(change.place)?.first.clone();
        let outcome = |decided: &Result<Resolution, Reason>| self.outcome(decided, *user);
        let (before, after) = (outcome(&change.before), outcome(&change.after));
        let (targets, activation_id) = (*targets, *activation_id);
        Some(Difference { shift: change.shift, target_id, targets, activation_id, before, after })
    }

    /// What happens to those whom an assignment of their own leads to `user`.
    fn of_owner(&self, user: UserId, owner: Owner) -> &[Change] {
        let place = self.places.get(&user).and_then(|place| self.of_users.get(*place));
        place.map_or(&[], |of_user| match owner {
            Owner::Broker => &of_user.broker,
            Owner::Customer => &of_user.customer,
        })
    }

    fn of_shared(&self, segment: Segment) -> &[Change] {
        match segment {
            Segment::Private => &self.of_private,
            Segment::Commercial => &self.of_commercial,
        }
    }

    /// Tells whether anything happens to targets.
    fn changes_targets(&self) -> bool {
        self.targets.iter().any(TargetGroup::differs)
    }

    /// Decides for every user that the change reaches, for those who are alike once: the place of each, and what happens.
    fn decide_users(&self) -> (HashMap<UserId, usize>, Vec<OfUser>) {
        let changes_targets = self.changes_targets();
        let (mut places, mut of_users) = (HashMap::new(), Vec::new());
        let mut looks: HashMap<(Look, Look), usize> = HashMap::new();
        for (user_id, user) in &self.firm.users {
            let after = self.changed.get(user_id);
            // Neither he nor a target differs: a decision that looks at the same comes to the same.
            if after.is_none() && !changes_targets {
                continue;
            }
            let counts = |group: &TargetGroup| after.is_some() || group.differs();
            let look = |user| Look::at(user, &self.targets, counts);
            let place = match looks.entry((look(&user.seen), look(after.unwrap_or(&user.seen)))) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let changes =
                        |owner| self.changes(counts, |when, group| self.decide_own(when, group, *user_id, owner));
                    of_users.push(OfUser { broker: changes(Owner::Broker), customer: changes(Owner::Customer) });
                    *new.insert(of_users.len() - 1)
                }
            };
            places.insert(*user_id, place);
        }
        (places, of_users)
    }

    /// What happens to customers of a segment who have no own user.
    fn changes_of_shared(&self, segment: Segment) -> Changes {
        let now = [self.firm.private_user, self.firm.commercial_user];
        let then = [self.private_after, self.commercial_after];
        let is_reached = now != then || now.iter().flatten().any(|user| self.changed.contains_key(user));
        self.changes(
            |group| is_reached || group.differs(),
            |when, group| self.decide_customer(when, group, segment, None),
        )
    }

    fn changes(
        &self,
        counts: impl Fn(&TargetGroup) -> bool,
        decide: impl Fn(When, &TargetGroup) -> Result<Resolution, Reason>,
    ) -> Changes {
        let groups = self.targets.iter().enumerate().filter(|(_, group)| counts(group));
        let changes = groups.filter_map(|(place, group)| {
            let (before, after) = (decide(When::Before, group), decide(When::After, group));
            shift(&before, &after).map(|shift| Change { shift, place, before, after })
        });
        changes.collect()
    }

    /// Decides for somebody whom an assignment of his own leads to `user`.
    fn decide_own(&self, when: When, group: &TargetGroup, user: UserId, owner: Owner) -> Result<Resolution, Reason> {
        match owner {
            Owner::Broker => {
                let only =
                    CandidateActivation { activation_id: ActivationId::any(), user_id: user, state: State::Active };
                let person = Person::Broker(BrokerId::anybody());
                self.decide(when, group, person, Assignments::Broker(vec![only]), &[Some(user)])
            }
            // Of either segment: no rule looks at it.
            Owner::Customer => self.decide_customer(when, group, Segment::Private, Some(user)),
        }
    }

    fn decide_customer(
        &self,
        when: When,
        group: &TargetGroup,
        segment: Segment,
        own: Option<UserId>,
    ) -> Result<Resolution, Reason> {
        let (private_user, commercial_user) = match when {
            When::Before => (self.firm.private_user, self.firm.commercial_user),
            When::After => (self.private_after, self.commercial_after),
        };
        let customer_id = CustomerId::anybody();
        let record = CandidateCustomer { customer_id: customer_id.clone(), segment, user_id: own };
        let assignments = Assignments::Customer {
            record: Some(record),
            private_user,
            commercial_user,
            commercial_falls_back: self.firm.commercial_falls_back,
        };
        let person = Person::Customer { customer_id, stated: None };
        self.decide(when, group, person, assignments, &[own, private_user, commercial_user])
    }

    fn decide(
        &self,
        when: When,
        group: &TargetGroup,
        person: Person,
        assignments: Assignments,
        named: &[Option<UserId>],
    ) -> Result<Resolution, Reason> {
        let mut named: Vec<_> = named.iter().flatten().copied().collect();
        named.sort_unstable();
        named.dedup();
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

    fn user(&self, when: When, user: UserId) -> Option<&CandidateUser> {
        let changed = if when == When::After { self.changed.get(&user) } else { None };
        changed.or_else(|| self.firm.users.get(&user).map(|user| &user.seen))
    }

    /// What was decided, for `user` where it was for another one who is alike.
    fn outcome(&self, decided: &Result<Resolution, Reason>, user: Option<UserId>) -> SimulatedOutcome {
        match decided {
            Ok(Resolution { user_id, way, .. }) => {
                let user_id = user.unwrap_or(*user_id);
                match self.firm.users.get(&user_id) {
                    Some(user) => SimulatedOutcome::User { user_id, name: user.name.clone(), way: *way },
                    // A decision takes nobody whom it was not given.
                    None => SimulatedOutcome::Refused(Reason::NoUserAssigned),
                }
            }
            Err(reason) => SimulatedOutcome::Refused(*reason),
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
    let named = change.user().and_then(|user| firm.users.get(&user)).map(|user| &user.seen);
    match (change, named) {
        (SimulatedChange::Standard(_), Some(user)) => {
            let standard = |user: &&CandidateUser| user.kind == UserKind::Standard;
            for previous in firm.users.values().map(|user| &user.seen).filter(standard) {
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

#[cfg(test)]
mod tests;
