//! What decisions on jumps rest on, as it was last read: so that most jumps are decided without asking the store.
//!
//! Nothing here is believed. A jump carries the numbers that it was decided on, and recording it compares them with the
//! rows, in the transaction that keeps it: a decision on something old is not kept but made again, on a fresh read. So is
//! every refusal, since what was old may be the reason for it. What a number does not tell is not remembered either:
//! whether the request was made before and how many jumps the person made lately are asked where the jump is recorded.
//!
//! See `docs/adr/0007-decisions-from-memory.md`.
//!
//! Bounded, and filled by use: the start reads nothing, whatever the number of tenants.

use std::collections::{HashMap, HashSet};
use std::mem::size_of;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use moka::sync::Cache;

use crate::domain::audit::{AuditedPerson, Salt};
use crate::domain::ids::{ProviderId, TargetId, TenantId};
use crate::domain::jump::{
    JumpInputs, JumpOrder, JumpQuery, JumpVersions, Person, PersonInputs, PersonKind, PersonQuery,
};
use crate::domain::provider::{ProviderScope, State};
use crate::domain::resolve::{Assignments, CandidateTarget, CandidateUser, Candidates};
use crate::domain::settings::Settings;
use crate::domain::target::Target;
use crate::domain::tenant::{TenantState, WrappedKeys};

/// For how long something is remembered. What an erased customer's salt was is forgotten within it by every replica.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// Most tenants, of about 1 KiB each. The one least asked for makes room, here as below.
const MOST_TENANTS: u64 = 16_384;
/// Most bytes that the assignments of people take.
const MOST_BYTES_OF_ASSIGNMENTS: u64 = 32 << 20;
/// Most salts, of about 0.3 KiB each.
const MOST_SALTS: u64 = 65_536;

/// A person of a tenant.
type PersonKey = (TenantId, AuditedPerson);

/// What was read lately, each with the number that it is as old as.
pub(super) struct Snapshot {
    catalog: RwLock<Catalog>,
    tenants: Cache<TenantId, Arc<SeenTenant>>,
    assigned: Cache<PersonKey, Arc<Assigned>>,
    salts: Cache<PersonKey, Salt>,
}

/// What was asked for of the catalogue, all of one version.
#[derive(Default)]
struct Catalog {
    version: i64,
    targets: HashMap<TargetId, (CandidateTarget, Target)>,
    providers: HashMap<ProviderId, State>,
    /// Those that are allowed.
    return_urls: HashSet<String>,
}

/// A tenant, whoever jumps.
struct SeenTenant {
    config: i64,
    state: TenantState,
    keys: WrappedKeys,
    settings: Settings,
}

/// What leads a person to a user.
struct Assigned {
    config: i64,
    customer: Option<i64>,
    assignments: Assignments,
    users: Vec<CandidateUser>,
}

/// What is remembered of what a query asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recalled {
    /// All of it, as reading would find it for a request that was not made before, if nothing has changed since; every salt is
    /// known.
    All(Box<JumpInputs>),
    /// All but the person.
    AllButPerson(Box<Frame>),
    /// Too little.
    TooLittle,
}

/// What a decision rests on, but for the person.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    target: (CandidateTarget, Target),
    named_provider: Option<State>,
    tenant: TenantState,
    config: i64,
    catalog: i64,
    epoch: i64,
    keys: WrappedKeys,
    settings: Settings,
}

impl Frame {
    /// The whole, with the person.
    ///
    /// The person may have been read later than the rest. If the tenant has changed in between, its number has moved, and
    /// what is decided on the earlier one is not kept.
    pub(super) fn with(self, person: PersonInputs) -> JumpInputs {
        let (candidate, target) = self.target;
        JumpInputs {
            candidates: Candidates {
                tenant: self.tenant,
                target: Some(candidate),
                named_provider: self.named_provider,
                assignments: person.assignments,
                users: person.users,
            },
            target: Some(target),
            versions: JumpVersions { config: self.config, customer: person.customer, catalog: self.catalog },
            epoch: self.epoch,
            keys: self.keys,
            return_url_allowed: true,
            earlier: None,
            had_other_effect: false,
            crowded_since: None,
            settings: self.settings,
            salts: person.salts,
        }
    }
}

impl Snapshot {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        let weigh = |(_, person): &PersonKey, assigned: &Arc<Assigned>| {
            u32::try_from(person.id.len().saturating_add(assigned.bytes())).unwrap_or(u32::MAX)
        };
        Self {
            catalog: RwLock::default(),
            tenants: Cache::builder().max_capacity(MOST_TENANTS).time_to_live(KEPT_FOR).build(),
            assigned: Cache::builder()
                .weigher(weigh)
                .max_capacity(MOST_BYTES_OF_ASSIGNMENTS)
                .time_to_live(KEPT_FOR)
                .build(),
            salts: Cache::builder().max_capacity(MOST_SALTS).time_to_live(KEPT_FOR).build(),
        }
    }

    /// Remembers what was read.
    pub(super) fn remember(&self, tenant: &TenantId, query: &JumpQuery<'_>, inputs: &JumpInputs) {
        let JumpVersions { config, customer, catalog } = inputs.versions;
        self.remember_catalog(catalog, query, inputs);
        let seen = SeenTenant {
            config,
            state: inputs.candidates.tenant,
            keys: inputs.keys.clone(),
            settings: inputs.settings.clone(),
        };
        self.tenants.insert(*tenant, Arc::new(seen));
        let Candidates { assignments, users, .. } = inputs.candidates.clone();
        self.remember_assigned(tenant, &query.order.person, Assigned { config, customer, assignments, users });
        self.remember_read_salts(tenant, query.people, &inputs.salts);
    }

    /// Remembers what was read of a person, after what `frame` is of.
    pub(super) fn remember_person(
        &self,
        tenant: &TenantId,
        query: &PersonQuery<'_>,
        frame: &Frame,
        inputs: &PersonInputs,
    ) {
        let PersonInputs { assignments, users, customer, salts } = inputs.clone();
        let assigned = Assigned { config: frame.config, customer, assignments, users };
        self.remember_assigned(tenant, query.person, assigned);
        self.remember_read_salts(tenant, query.people, &salts);
    }

    fn remember_assigned(&self, tenant: &TenantId, person: &Person, assigned: Assigned) {
        let key = (*tenant, person.audited());
        if assigned.customer.is_none() && person.kind() == PersonKind::Customer {
            // No number tells when somebody is erased who has no record.
            self.assigned.invalidate(&key);
        } else {
            self.assigned.insert(key, Arc::new(assigned));
        }
    }

    fn remember_read_salts(&self, tenant: &TenantId, people: &[AuditedPerson], salts: &[Option<Salt>]) {
        for (person, salt) in people.iter().zip(salts) {
            let person = (*tenant, person.clone());
            match salt {
                Some(salt) => self.salts.insert(person, *salt),
                // He was erased, or was never here.
                None => self.salts.invalidate(&person),
            }
        }
    }

    /// Forgets whatever is of a tenant and not of a person.
    pub(super) fn forget_tenants(&self) {
        self.tenants.invalidate_all();
    }

    /// Remembers the salts of `people`, in their order, which are kept.
    pub(super) fn remember_salts(&self, tenant: &TenantId, people: &[AuditedPerson], salts: &[Salt]) {
        for (person, salt) in people.iter().zip(salts) {
            self.salts.insert((*tenant, person.clone()), *salt);
        }
    }

    fn remember_catalog(&self, version: i64, query: &JumpQuery<'_>, inputs: &JumpInputs) {
        let Candidates { target, named_provider, .. } = &inputs.candidates;
        let target = target.clone().zip(inputs.target.clone());
        let provider = query.order.provider_id.clone().zip(*named_provider);
        let return_url = query.return_url.filter(|_| inputs.return_url_allowed);
        // What a panic of another thread left behind is whole: each entry goes in by one call.
        let mut catalog = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        if catalog.version > version {
            return;
        }
        if catalog.version < version {
            *catalog = Catalog { version, ..Catalog::default() };
        }
        catalog.targets.extend(target.map(|(candidate, target)| (target.target_id.clone(), (candidate, target))));
        catalog.providers.extend(provider);
        catalog.return_urls.extend(return_url.map(|url| url.as_str().to_owned()));
    }

    /// What is remembered of what `query` asks, as old as each other.
    pub(super) fn recall(&self, tenant: &TenantId, query: &JumpQuery<'_>, epoch: i64) -> Recalled {
        let Some(frame) = self.recall_frame(tenant, query, epoch) else {
            return Recalled::TooLittle;
        };
        match self.recall_person(tenant, query, &frame) {
            Some(person) => Recalled::All(Box::new(frame.with(person))),
            None => Recalled::AllButPerson(Box::new(frame)),
        }
    }

    fn recall_frame(&self, tenant: &TenantId, query: &JumpQuery<'_>, epoch: i64) -> Option<Frame> {
        let seen = self.tenants.get(tenant)?;
        let (catalog, target, named_provider) = self.recall_catalog(query)?;
        Some(Frame {
            target,
            named_provider,
            tenant: seen.state,
            config: seen.config,
            catalog,
            epoch,
            keys: seen.keys.clone(),
            settings: seen.settings.clone(),
        })
    }

    fn recall_person(&self, tenant: &TenantId, query: &JumpQuery<'_>, frame: &Frame) -> Option<PersonInputs> {
        let assigned = self.assigned.get(&(*tenant, query.order.audited_person()))?;
        if assigned.config != frame.config {
            return None;
        }
        let salt = |person: &AuditedPerson| self.salts.get(&(*tenant, person.clone())).map(Some);
        Some(PersonInputs {
            assignments: assigned.assignments.clone(),
            users: assigned.users.clone(),
            customer: assigned.customer,
            salts: query.people.iter().map(salt).collect::<Option<_>>()?,
        })
    }

    /// The target that is asked for, in which version of the catalogue, and the state of the provider that is named.
    fn recall_catalog(&self, query: &JumpQuery<'_>) -> Option<(i64, (CandidateTarget, Target), Option<State>)> {
        let JumpQuery { order: JumpOrder { target_id, provider_id, .. }, return_url, .. } = query;
        let catalog = self.catalog.read().unwrap_or_else(PoisonError::into_inner);
        if return_url.is_some_and(|url| !catalog.return_urls.contains(url.as_str())) {
            return None;
        }
        let named_provider = match provider_id {
            Some(provider) => Some(*catalog.providers.get(provider)?),
            None => None,
        };
        Some((catalog.version, catalog.targets.get(target_id)?.clone(), named_provider))
    }
}

impl Assigned {
    /// About how much memory it takes.
    fn bytes(&self) -> usize {
        let activations = match &self.assignments {
            Assignments::Broker(activations) => size_of_val(activations.as_slice()),
            Assignments::Customer { .. } => 0,
        };
        let scopes = self.users.iter().map(|user| match &user.scope {
            ProviderScope::All => 0,
            ProviderScope::Only(list) => {
                list.as_slice().iter().map(|id| size_of::<ProviderId>() + id.as_str().len()).sum()
            }
        });
        // The cache takes about as much for an entry as the entry itself.
        2 * size_of::<Self>() + activations + size_of_val(self.users.as_slice()) + scopes.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::AuditedKind;
    use crate::domain::customer::Segment;
    use crate::domain::error::Version;
    use crate::domain::ids::{BrokerId, CustomerId, Random};
    use crate::domain::jump::Person;
    use crate::domain::resolve::CandidateCustomer;
    use crate::domain::target::{AcceptedPersons, Delivery, LineScope, RedirectOrigins, TargetKind, WebUrl};
    use crate::domain::text::Line;
    use crate::domain::time::Timestamp;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
    const EPOCH: i64 = 7;
    const SALT: Salt = Salt([1; 32]);

    struct Zeros;

    impl Random for Zeros {
        fn fill(&self, destination: &mut [u8]) {
            destination.fill(0);
        }
    }

    fn tenant() -> TenantId {
        TenantId::new(NOW, &Zeros)
    }

    fn order(person: Person) -> JumpOrder {
        JumpOrder {
            person,
            actor: None,
            target_id: TargetId::parse("rechner").unwrap(),
            wanted: None,
            activation_id: None,
            customer_context: None,
            line_of_business: None,
            provider_id: Some(ProviderId::parse("sicher").unwrap()),
        }
    }

    fn customer() -> Person {
        Person::Customer { customer_id: CustomerId::parse("c-1").unwrap(), stated: None }
    }

    fn broker() -> Person {
        Person::Broker(BrokerId::parse("b-1").unwrap())
    }

    fn portal() -> AuditedPerson {
        AuditedPerson { kind: AuditedKind::Subject, id: "portal".to_owned() }
    }

    fn return_url() -> WebUrl {
        WebUrl::parse("https://portal.example/zurueck").unwrap()
    }

    /// Everything that a read finds for `order`, which `versions` are as old as.
    fn inputs(order: &JumpOrder, versions: JumpVersions) -> JumpInputs {
        let target = Target {
            target_id: order.target_id.clone(),
            provider_id: ProviderId::parse("vergleich").unwrap(),
            kind: TargetKind::TariffCalculator,
            display_name: Line::parse("Rechner").unwrap(),
            state: State::Active,
            url: WebUrl::parse("https://rechner.example/").unwrap(),
            delivery: Delivery::FormPost,
            accepts: AcceptedPersons { brokers: true, customers: true },
            lines: LineScope::All,
            hands_over_secret: true,
            nonce_required: false,
            redirect_origins: RedirectOrigins::default(),
            version: Version::FIRST,
        };
        let assignments = match &order.person {
            Person::Broker(_) => Assignments::Broker(Vec::new()),
            Person::Customer { customer_id, .. } => {
                let of_record = |_| CandidateCustomer {
                    customer_id: customer_id.clone(),
                    segment: Segment::Private,
                    user_id: None,
                };
                Assignments::Customer {
                    record: versions.customer.map(of_record),
                    private_user: None,
                    commercial_user: None,
                    commercial_falls_back: false,
                }
            }
        };
        let keys = WrappedKeys { kek_id: String::new(), dek_version: 1, wrapped_dek: vec![1], sealed_mac_key: vec![2] };
        JumpInputs {
            candidates: Candidates {
                tenant: TenantState::Active,
                target: Some(CandidateTarget::of(&target, State::Active)),
                named_provider: Some(State::Active),
                assignments,
                users: Vec::new(),
            },
            target: Some(target),
            versions,
            epoch: EPOCH,
            keys,
            return_url_allowed: true,
            earlier: None,
            had_other_effect: false,
            crowded_since: None,
            settings: Settings::INITIAL,
            salts: vec![Some(SALT), Some(SALT)],
        }
    }

    const fn versions(config: i64, customer: Option<i64>, catalog: i64) -> JumpVersions {
        JumpVersions { config, customer, catalog }
    }

    /// Remembers what was read of each of these, in turn, and recalls the last one.
    fn recalled(read: &[(Person, JumpVersions)]) -> Option<JumpInputs> {
        let snapshot = Snapshot::new();
        let mut recalled = None;
        for (person, versions) in read {
            let order = order(person.clone());
            with_query(&order, |query| snapshot.remember(&tenant(), query, &inputs(&order, *versions)));
            recalled = all(&snapshot, &order);
        }
        recalled
    }

    /// All that is remembered for `order`, if it is all that is asked.
    fn all(snapshot: &Snapshot, order: &JumpOrder) -> Option<JumpInputs> {
        match with_query(order, |query| snapshot.recall(&tenant(), query, EPOCH)) {
            Recalled::All(inputs) => Some(*inputs),
            Recalled::AllButPerson(_) | Recalled::TooLittle => None,
        }
    }

    /// What is remembered for `order`, if it is all but the person.
    fn frame(snapshot: &Snapshot, order: &JumpOrder) -> Option<Frame> {
        match with_query(order, |query| snapshot.recall(&tenant(), query, EPOCH)) {
            Recalled::AllButPerson(frame) => Some(*frame),
            Recalled::All(_) | Recalled::TooLittle => None,
        }
    }

    /// What a read of the person alone finds, where one of everything finds `inputs`.
    fn person_of(inputs: &JumpInputs) -> PersonInputs {
        let Candidates { assignments, users, .. } = inputs.candidates.clone();
        PersonInputs { assignments, users, customer: inputs.versions.customer, salts: inputs.salts.clone() }
    }

    fn with_query<T>(order: &JumpOrder, ask: impl FnOnce(&JumpQuery<'_>) -> T) -> T {
        let (people, return_url) = ([portal(), order.audited_person()], return_url());
        ask(&JumpQuery { order, return_url: Some(&return_url), request: None, people: &people, now: NOW })
    }

    #[test]
    fn what_was_read_is_recalled_as_it_was() {
        for (person, versions) in [(customer(), versions(3, Some(4), 5)), (broker(), versions(3, None, 5))] {
            let read = inputs(&order(person.clone()), versions);
            assert_eq!(recalled(&[(person, versions)]), Some(read));
        }
    }

    #[test]
    fn nothing_is_recalled_of_who_was_not_read() {
        let snapshot = Snapshot::new();
        let (known, unknown) = (order(broker()), order(customer()));
        let read = inputs(&known, versions(1, None, 1));
        with_query(&known, |query| snapshot.remember(&tenant(), query, &read));
        assert_eq!(all(&snapshot, &unknown), None);
        let other = TenantId::new(NOW.plus(Duration::from_secs(1)), &Zeros);
        let of_another = with_query(&known, |query| snapshot.recall(&other, query, EPOCH));
        assert_eq!(of_another, Recalled::TooLittle, "of another tenant");
    }

    #[test]
    fn who_is_new_to_a_known_tenant_is_all_that_is_read() {
        let snapshot = Snapshot::new();
        let (known, new) = (order(broker()), order(customer()));
        let read = inputs(&known, versions(1, None, 1));
        with_query(&known, |query| snapshot.remember(&tenant(), query, &read));
        let of_the_new = inputs(&new, versions(1, Some(4), 1));
        let person = person_of(&of_the_new);
        let frame = frame(&snapshot, &new).unwrap();
        with_query(&new, |query| {
            let query = PersonQuery { person: &query.order.person, people: query.people };
            snapshot.remember_person(&tenant(), &query, &frame, &person);
        });
        assert_eq!(frame.with(person), of_the_new);
        assert_eq!(all(&snapshot, &new), Some(of_the_new), "and from now on he is known");
    }

    #[test]
    fn a_person_counts_as_old_as_the_tenant_was_known_to_be() {
        let snapshot = Snapshot::new();
        let (known, new) = (order(broker()), order(customer()));
        let remember = |number| {
            with_query(&known, |query| snapshot.remember(&tenant(), query, &inputs(&known, versions(number, None, 1))));
        };
        remember(1);
        let frame_before = frame(&snapshot, &new).unwrap();
        // The tenant changes before the person is read, and that becomes known.
        remember(2);
        let person = person_of(&inputs(&new, versions(2, Some(4), 1)));
        with_query(&new, |query| {
            let query = PersonQuery { person: &query.order.person, people: query.people };
            snapshot.remember_person(&tenant(), &query, &frame_before, &person);
        });
        assert_eq!(frame_before.with(person).versions.config, 1, "which recording does not take");
        assert_eq!(all(&snapshot, &new), None);
        assert_eq!(frame(&snapshot, &new).unwrap().config, 2);
    }

    #[test]
    fn a_customer_without_a_record_is_not_remembered() {
        assert_eq!(recalled(&[(customer(), versions(1, None, 1))]), None);
        let erased = [(customer(), versions(1, Some(1), 1)), (customer(), versions(1, None, 1))];
        assert_eq!(recalled(&erased), None);
    }

    #[test]
    fn assignments_that_are_older_than_the_tenant_are_not_recalled() {
        let snapshot = Snapshot::new();
        let (first, second) = (order(customer()), order(broker()));
        let remember = |order: &JumpOrder, versions| {
            with_query(order, |query| snapshot.remember(&tenant(), query, &inputs(order, versions)));
        };
        remember(&first, versions(1, Some(1), 1));
        remember(&second, versions(2, None, 1));
        assert_eq!(all(&snapshot, &first), None);
    }

    #[test]
    fn of_the_catalogue_only_the_newest_version_is_remembered() {
        let newer = [(broker(), versions(1, None, 2)), (broker(), versions(1, None, 1))];
        assert_eq!(recalled(&newer).unwrap().versions.catalog, 2, "a read that was overtaken teaches nothing");
        let snapshot = Snapshot::new();
        let known = order(broker());
        with_query(&known, |query| snapshot.remember(&tenant(), query, &inputs(&known, versions(1, None, 1))));
        let mut without_target = inputs(&known, versions(1, None, 2));
        without_target.target = None;
        with_query(&known, |query| snapshot.remember(&tenant(), query, &without_target));
        assert_eq!(with_query(&known, |query| snapshot.recall(&tenant(), query, EPOCH)), Recalled::TooLittle);
    }

    #[test]
    fn what_would_be_refused_is_not_recalled() {
        let known = order(broker());
        let read = inputs(&known, versions(1, None, 1));
        let refused = [
            JumpInputs { return_url_allowed: false, ..read.clone() },
            JumpInputs { salts: vec![Some(SALT), None], ..read.clone() },
            JumpInputs { candidates: Candidates { named_provider: None, ..read.candidates.clone() }, ..read.clone() },
        ];
        for read in refused {
            let snapshot = Snapshot::new();
            with_query(&known, |query| snapshot.remember(&tenant(), query, &read));
            assert_eq!(all(&snapshot, &known), None);
        }
    }
}
