//! The isolation report: whom customers share a con:center user with, and what could let one see another
//! (`docs/domain.md#isolation`).
//!
//! [`IsolationFacts`] is what the store reads, at one point in time; [`IsolationFacts::report`] makes the report of it. One more
//! finding: a variant of [`FindingCode`], its severity, and a line in `findings`.

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

/// Whom a target took customers of a user for, in the newest jumps of the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Subjects {
    /// Different customers; those who were erased do not count.
    pub customers: u64,
    /// Different subjects.
    pub subjects: u64,
    /// Different pairs of both: as many as of either, if nobody is taken for another one.
    pub pairs: u64,
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
    /// Users that customers can reach, and those that several activations share, by id.
    pub users: Page<IsolationUser>,
}

/// What the report of one tenant rests on, read at one point in time.
#[derive(Debug, Clone)]
pub struct IsolationFacts {
    /// All users.
    pub users: Vec<ConcenterUser>,
    /// The shared private user.
    pub private_user: Option<UserId>,
    /// The shared commercial user.
    pub commercial_user: Option<UserId>,
    /// Whether the private one may stand in for the commercial one.
    pub commercial_falls_back: bool,
    /// How many customers of a segment have the same own user, or none.
    pub customers: HashMap<(Segment, Option<UserId>), u64>,
    /// Users in activations.
    pub activated: HashMap<UserId, Activated>,
    /// The newest jumps of customers, by user and target.
    pub subjects: HashMap<UserId, BTreeMap<TargetId, Subjects>>,
    /// All targets of the catalogue, by key.
    pub targets: Vec<FirmTarget>,
}

impl IsolationFacts {
    /// Makes the report.
    #[must_use]
    pub fn report(&self, page: &PageRequest) -> IsolationReport {
        let mut users: Vec<_> = self.users.iter().filter_map(|user| self.user(user)).collect();
        users.sort_unstable_by_key(|user| user.user.user_id);
        let summary = page.after.is_none().then(|| summary_of(&users));
        let behind = |user: &IsolationUser| {
            page.after.as_deref().is_none_or(|after| user.user.user_id.to_string().as_str() > after)
        };
        let mut rows: Vec<_> = users.into_iter().filter(behind).collect();
        let size = usize::from(page.size.rows());
        let more = rows.len() > size;
        rows.truncate(size);
        let next = if more { rows.last().map(|row| row.user.user_id.to_string()) } else { None };
        IsolationReport { summary, users: Page { rows, next } }
    }

    /// What is told of a user; `None` if the report is not about it.
    fn user(&self, user: &ConcenterUser) -> Option<IsolationUser> {
        let reached_by = self.reached_by(user.user_id);
        let activated = self.activated.get(&user.user_id).copied().unwrap_or_default();
        if reached_by.is_empty() && activated.activations <= 1 {
            return None;
        }
        let targets = if reached_by.is_empty() { Vec::new() } else { self.targets_of(user) };
        let findings = findings(user, !reached_by.is_empty(), activated, &targets);
        Some(IsolationUser { user: user.clone(), reached_by, activated, targets, findings })
    }

    fn reached_by(&self, user: UserId) -> Vec<(Way, u64)> {
        let count = |segment, own| self.customers.get(&(segment, own)).copied().unwrap_or_default();
        let owners = count(Segment::Private, Some(user)) + count(Segment::Commercial, Some(user));
        let mut ways = Vec::new();
        if owners > 0 {
            ways.push((Way::OwnUser, owners));
        }
        if self.private_user == Some(user) {
            ways.push((Way::SharedPrivate, count(Segment::Private, None)));
        }
        if self.commercial_user == Some(user) {
            ways.push((Way::SharedCommercial, count(Segment::Commercial, None)));
        }
        if self.private_user == Some(user) && self.commercial_user.is_none() && self.commercial_falls_back {
            ways.push((Way::FallbackPrivate, count(Segment::Commercial, None)));
        }
        ways
    }

    /// The targets that the user opens for customers, and those that its customers were at.
    fn targets_of(&self, user: &ConcenterUser) -> Vec<IsolationTarget> {
        let is_open = |target: &&FirmTarget| {
            let seen = &target.seen;
            seen.kind == TargetKind::TariffCalculator
                && seen.state == State::Active
                && seen.provider_state == State::Active
                && seen.accepts.customers
                && user.scope.allows(&seen.provider_id)
        };
        let mut all: BTreeMap<TargetId, IsolationTarget> = BTreeMap::new();
        for target in self.targets.iter().filter(is_open) {
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
}

fn findings(user: &ConcenterUser, is_reached: bool, activated: Activated, targets: &[IsolationTarget]) -> Vec<Finding> {
    let of_customers = [
        (user.kind != UserKind::EndCustomer, FindingCode::NotEndCustomer),
        (activated.activations > 0, FindingCode::CustomersAndBrokers),
        (user.reported_end_customer == Some(false), FindingCode::RemoteNotEndCustomer),
        (user.reported_end_customer.is_none(), FindingCode::RemoteUnknown),
        (user.logins.suspect_since.is_some(), FindingCode::CredentialSuspect),
        (user.state == State::Disabled, FindingCode::UserDisabled),
        (!user.secret.is_set(), FindingCode::SecretMissing),
    ];
    let of_customers = of_customers.into_iter().filter(|(is_so, _)| is_reached && *is_so);
    let is_shared = activated.activations > 1;
    let of_brokers = [
        (is_shared && activated.without_reason > 1, FindingCode::SharedWithoutReason),
        (is_shared && activated.without_reason <= 1, FindingCode::SharedWithReason),
    ];
    let of_brokers = of_brokers.into_iter().filter(|(is_so, _)| *is_so);
    let mut findings: Vec<_> =
        of_customers.chain(of_brokers).map(|(_, code)| Finding { code, target_id: None }).collect();
    for IsolationTarget { target_id, subjects: Subjects { customers, subjects, pairs }, .. } in targets {
        let at = [
            (pairs > subjects, FindingCode::SubjectOfSeveralCustomers),
            (pairs > customers, FindingCode::CustomerWithSeveralSubjects),
        ];
        let at = at.into_iter().filter(|(is_so, _)| *is_so);
        findings.extend(at.map(|(_, code)| Finding { code, target_id: Some(target_id.clone()) }));
    }
    findings.sort_by_key(|finding| finding.code.severity());
    findings
}

fn summary_of(users: &[IsolationUser]) -> IsolationSummary {
    let mut summary = IsolationSummary { users: u64::try_from(users.len()).unwrap_or(u64::MAX), ..Default::default() };
    for finding in users.iter().flat_map(|user| &user.findings) {
        let count = match finding.code.severity() {
            Severity::Critical => &mut summary.critical,
            Severity::High => &mut summary.high,
            Severity::Medium => &mut summary.medium,
            Severity::Low => &mut summary.low,
        };
        *count += 1;
    }
    summary
}
