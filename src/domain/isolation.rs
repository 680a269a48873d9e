//! The isolation report: whom customers share a con:center user with, and what could let one see another
//! (`docs/domain.md#isolation`).
//!
//! [`IsolationFacts`] is what the store reads of everybody, at one point in time. [`IsolationFacts::page`] says whom a page is
//! about, and [`IsolationFacts::report`] makes it of what is read of those alone. One more finding: a variant of
//! [`FindingCode`], its severity, and a line in `IsolationFacts::findings`.

use std::collections::{BTreeMap, HashMap};

use super::customer::Segment;
use super::ids::{TargetId, UserId};
use super::page::{Page, PageRequest};
use super::provider::State;
use super::resolve::Way;
use super::simulation::FirmTarget;
use super::target::TargetKind;
use super::user::{ConcenterUser, UserKind};

/// What is wrong with how customers or brokers are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FindingCode {
    /// Customers reach the user, and it is not marked Endkunde.
    NotEndCustomer,
    /// con:center says that the user is no Endkunde.
    RemoteNotEndCustomer,
    /// Nobody has said whether the user is Endkunde at con:center.
    RemoteUnknown,
    /// Two customers went by one subject at a target: they are one to it.
    SubjectOfSeveralCustomers,
    /// One customer went by two subjects at a target: he is two to it.
    CustomerWithSeveralSubjects,
    /// Customers reach the user, and brokers jump with it too.
    CustomersAndBrokers,
    /// Several activations share the user, and more than one does not say why.
    SharedWithoutReason,
    /// Several activations share the user, and say why.
    SharedWithReason,
    /// Logins with the user's password failed: its customers cannot jump.
    CredentialSuspect,
    /// The user is disabled: its customers cannot jump.
    UserDisabled,
    /// The user has no password: its customers cannot jump.
    SecretMissing,
}

/// How grave a finding is; the gravest comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Customers could see each other's data.
    Critical,
    /// A wall that should be there is not, or cannot be relied on.
    High,
    /// Nobody can tell, or customers are locked out.
    Medium,
    /// Known and accepted.
    Low,
}

impl FindingCode {
    /// How grave it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::NotEndCustomer | Self::SubjectOfSeveralCustomers | Self::CustomersAndBrokers => Severity::Critical,
            Self::RemoteNotEndCustomer | Self::SharedWithoutReason => Severity::High,
            Self::RemoteUnknown
            | Self::CustomerWithSeveralSubjects
            | Self::CredentialSuspect
            | Self::UserDisabled
            | Self::SecretMissing => Severity::Medium,
            Self::SharedWithReason => Severity::Low,
        }
    }
}

/// A finding about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub code: FindingCode,
    /// The target that it is about, if it is about one.
    pub target_id: Option<TargetId>,
}

/// Whom a target took customers of a user for, in the newest jumps of the tenant. Those who were erased do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Subjects {
    /// Different customers.
    pub customers: u64,
    /// Different subjects.
    pub subjects: u64,
    /// Whether another customer went by one of these subjects there, with this user or another one: a target knows nobody by
    /// his user.
    pub are_shared: bool,
    /// Whether one of these customers went by another subject there, with this user or another one.
    pub are_split: bool,
}

/// A target, as customers of a user meet it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsolationTarget {
    /// Its key.
    pub target_id: TargetId,
    /// Whether the user opens it for customers now: it is enabled, takes customers, and is of a provider in the user's scope.
    pub is_open: bool,
    /// Whom it took them for.
    pub subjects: Subjects,
}

/// How a user is activated for brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Activated {
    /// Activations that lead to it, enabled or not.
    pub activations: u64,
    /// Those of them that give no reason for sharing it.
    pub without_reason: u64,
    /// Different brokers in them.
    pub brokers: u64,
}

/// A con:center user in the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsolationUser {
    /// The user.
    pub user: ConcenterUser,
    /// How many customers with a record reach it, by way; ways that are not set are left out.
    pub reached_by: Vec<(Way, u64)>,
    /// How brokers reach it.
    pub activated: Activated,
    /// Targets, by key.
    pub targets: Vec<IsolationTarget>,
    /// What is wrong, the gravest first.
    pub findings: Vec<Finding>,
}

/// The whole report in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IsolationSummary {
    /// Users in the report.
    pub users: u64,
    /// Findings that are [`Severity::Critical`].
    pub critical: u64,
    /// Findings that are [`Severity::High`].
    pub high: u64,
    /// Findings that are [`Severity::Medium`].
    pub medium: u64,
    /// Findings that are [`Severity::Low`].
    pub low: u64,
}

/// A page of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsolationReport {
    /// The numbers of all pages; `None` on all pages but the first.
    pub summary: Option<IsolationSummary>,
    /// Users that customers can reach, those that several activations share, and those that jumps tell findings of, by id.
    pub users: Page<IsolationUser>,
}

/// What findings look at of a user itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenUser {
    /// Its id.
    pub user_id: UserId,
    /// What it is for.
    pub kind: UserKind,
    /// Enabled or not.
    pub state: State,
    /// Whether con:center reports it as Endkunde; `None` if it has not said.
    pub reported_end_customer: Option<bool>,
    /// Whether its secret is suspect.
    pub is_suspect: bool,
    /// Whether there is a secret.
    pub has_secret: bool,
}

/// What the report of one tenant rests on, read at one point in time.
#[derive(Debug, Clone)]
pub struct IsolationFacts {
    /// All users, in any order.
    pub users: Vec<SeenUser>,
    /// The shared private user.
    pub private_user: Option<UserId>,
    /// The shared commercial user.
    pub commercial_user: Option<UserId>,
    /// Whether the private one may stand in for the commercial one.
    pub commercial_falls_back: bool,
    /// How many customers of a segment have no own user.
    pub without_user: HashMap<Segment, u64>,
    /// How many customers have the same own user.
    pub owners: HashMap<UserId, u64>,
    /// Users in activations.
    pub activated: HashMap<UserId, Activated>,
    /// The newest jumps of customers, by user and target.
    pub subjects: HashMap<UserId, BTreeMap<TargetId, Subjects>>,
}

/// Whom a page of the report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsolationPage {
    /// The numbers of all pages; `None` on all pages but the first.
    pub summary: Option<IsolationSummary>,
    /// Its users, by id, and the key of the next page.
    pub users: Page<SeenUser>,
}

impl IsolationFacts {
    /// Says whom a page is about. Of the others no more is made than numbers.
    #[must_use]
    pub fn page(&self, request: &PageRequest) -> IsolationPage {
        let mut summary = request.after.is_none().then(IsolationSummary::default);
        let mut rows = Vec::new();
        for user in self.users.iter().filter(|user| self.is_about(user)) {
            if let Some(summary) = &mut summary {
                summary.add(self.findings(user));
            }
            if request.after.as_deref().is_none_or(|after| user.user_id.to_string().as_str() > after) {
                rows.push(*user);
            }
        }
        rows.sort_unstable_by_key(|user| user.user_id);
        let size = usize::from(request.size.rows());
        let more = rows.len() > size;
        rows.truncate(size);
        let next = if more { rows.last().map(|user| user.user_id.to_string()) } else { None };
        IsolationPage { summary, users: Page { rows, next } }
    }

    /// Makes a page of its users, read whole, and of all targets of the catalogue. A user that was not read is left out.
    #[must_use]
    pub fn report(&self, page: IsolationPage, users: Vec<ConcenterUser>, targets: &[FirmTarget]) -> IsolationReport {
        let mut users: HashMap<_, _> = users.into_iter().map(|user| (user.user_id, user)).collect();
        let whole = page.users.rows.iter().filter_map(|seen| users.remove(&seen.user_id).map(|user| (seen, user)));
        let rows = whole.map(|(seen, user)| self.user(seen, user, targets)).collect();
        IsolationReport { summary: page.summary, users: Page { rows, next: page.users.next } }
    }

    /// Tells whether the report is about a user: customers reach it, several activations share it, or jumps of customers with it show
    /// that they were not kept apart.
    fn is_about(&self, user: &SeenUser) -> bool {
        let is_shared = self.activated_as(user).activations > 1;
        let jumps = || self.subjects.get(&user.user_id).into_iter().flat_map(BTreeMap::values);
        self.is_reached(user.user_id) || is_shared || jumps().any(|at| at.are_shared || at.are_split)
    }

    fn user(&self, seen: &SeenUser, user: ConcenterUser, targets: &[FirmTarget]) -> IsolationUser {
        let mut findings: Vec<_> =
            self.findings(seen).map(|(code, target)| Finding { code, target_id: target.cloned() }).collect();
        findings.sort_by_key(|finding| finding.code.severity());
        IsolationUser {
            reached_by: self.reached_by(user.user_id).collect(),
            activated: self.activated_as(seen),
            targets: self.targets_of(&user, targets),
            findings,
            user,
        }
    }

    fn activated_as(&self, user: &SeenUser) -> Activated {
        self.activated.get(&user.user_id).copied().unwrap_or_default()
    }

    fn is_reached(&self, user: UserId) -> bool {
        self.reached_by(user).next().is_some()
    }

    /// By which ways customers reach a user.
    fn reached_by(&self, user: UserId) -> impl Iterator<Item = (Way, u64)> {
        let count = |segment| self.without_user.get(&segment).copied().unwrap_or_default();
        let owners = self.owners.get(&user).copied().unwrap_or_default();
        let is_private = self.private_user == Some(user);
        let falls_back = self.commercial_user.is_none() && self.commercial_falls_back;
        let ways = [
            (owners > 0, Way::OwnUser, owners),
            (is_private, Way::SharedPrivate, count(Segment::Private)),
            (self.commercial_user == Some(user), Way::SharedCommercial, count(Segment::Commercial)),
            (is_private && falls_back, Way::FallbackPrivate, count(Segment::Commercial)),
        ];
        ways.into_iter().filter(|(is_set, ..)| *is_set).map(|(_, way, customers)| (way, customers))
    }

    /// The targets that the user opens for customers who reach it, and those that its customers were at.
    fn targets_of(&self, user: &ConcenterUser, targets: &[FirmTarget]) -> Vec<IsolationTarget> {
        let is_open = |target: &FirmTarget| {
            let seen = &target.seen;
            seen.kind == TargetKind::TariffCalculator
                && seen.state == State::Active
                && seen.provider_state == State::Active
                && seen.accepts.customers
                && user.scope.allows(&seen.provider_id)
        };
        let is_reached = self.is_reached(user.user_id);
        let mut all: BTreeMap<TargetId, IsolationTarget> = BTreeMap::new();
        for target in targets.iter().filter(|target| is_reached && is_open(target)) {
            let target_id = target.target_id.clone();
            let subjects = Subjects::default();
            all.insert(target_id.clone(), IsolationTarget { target_id, is_open: true, subjects });
        }
        for (target_id, subjects) in self.subjects.get(&user.user_id).into_iter().flatten() {
            let target = all.entry(target_id.clone()).or_insert_with(|| IsolationTarget {
                target_id: target_id.clone(),
                is_open: false,
                subjects: Subjects::default(),
            });
            target.subjects = *subjects;
        }
        all.into_values().collect()
    }

    /// What is wrong with a user, and with how its customers were taken for at targets.
    fn findings(&self, user: &SeenUser) -> impl Iterator<Item = (FindingCode, Option<&TargetId>)> {
        let (is_reached, activated) = (self.is_reached(user.user_id), self.activated_as(user));
        let is_shared = activated.activations > 1;
        let of_itself = [
            (is_reached && user.kind != UserKind::EndCustomer, FindingCode::NotEndCustomer),
            (is_reached && activated.activations > 0, FindingCode::CustomersAndBrokers),
            (is_reached && user.reported_end_customer == Some(false), FindingCode::RemoteNotEndCustomer),
            (is_reached && user.reported_end_customer.is_none(), FindingCode::RemoteUnknown),
            (is_reached && user.is_suspect, FindingCode::CredentialSuspect),
            (is_reached && user.state == State::Disabled, FindingCode::UserDisabled),
            (is_reached && !user.has_secret, FindingCode::SecretMissing),
            (is_shared && activated.without_reason > 1, FindingCode::SharedWithoutReason),
            (is_shared && activated.without_reason <= 1, FindingCode::SharedWithReason),
        ];
        let of_itself = of_itself.into_iter().filter(|(is_so, _)| *is_so).map(|(_, code)| (code, None));
        let at_targets = self.subjects.get(&user.user_id).into_iter().flatten();
        of_itself.chain(at_targets.flat_map(|(target, subjects)| {
            let at = [
                (subjects.are_shared, FindingCode::SubjectOfSeveralCustomers),
                (subjects.are_split, FindingCode::CustomerWithSeveralSubjects),
            ];
            at.into_iter().filter(|(is_so, _)| *is_so).map(move |(_, code)| (code, Some(target)))
        }))
    }
}

impl IsolationSummary {
    /// Counts a user, with what is wrong with it.
    fn add<'f>(&mut self, findings: impl Iterator<Item = (FindingCode, Option<&'f TargetId>)>) {
        self.users += 1;
        for (code, _) in findings {
            let count = match code.severity() {
                Severity::Critical => &mut self.critical,
                Severity::High => &mut self.high,
                Severity::Medium => &mut self.medium,
                Severity::Low => &mut self.low,
            };
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::page::PageSize;

    fn user(n: u32) -> SeenUser {
        SeenUser {
            user_id: UserId::parse(&format!("00000000-0000-7000-8000-{n:012}")).unwrap(),
            kind: UserKind::EndCustomer,
            state: State::Active,
            reported_end_customer: None,
            is_suspect: false,
            has_secret: true,
        }
    }

    /// As many users as a tenant may have, each a customer's own: whatever they are, a page names as many as it takes.
    #[test]
    fn a_page_names_its_own_users_and_counts_all() {
        let users: Vec<_> = (0..10_000).rev().map(user).collect();
        let owners = users.iter().map(|user| (user.user_id, 1)).collect();
        let facts = IsolationFacts {
            users,
            private_user: None,
            commercial_user: None,
            commercial_falls_back: false,
            without_user: HashMap::new(),
            owners,
            activated: HashMap::new(),
            subjects: HashMap::new(),
        };
        let size = PageSize::parse(500).unwrap();
        let page = facts.page(&PageRequest { size, after: None });
        let numbers = IsolationSummary { users: 10_000, medium: 10_000, ..IsolationSummary::default() };
        assert_eq!(page.summary, Some(numbers));
        assert_eq!(page.users.rows, (0..500).map(user).collect::<Vec<_>>());
        let page = facts.page(&PageRequest { size, after: Some(user(9_700).user_id.to_string()) });
        assert_eq!((page.summary, page.users.next), (None, None));
        assert_eq!(page.users.rows, (9_701..10_000).map(user).collect::<Vec<_>>());
    }
}
