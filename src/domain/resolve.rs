//! Who gets which con:center user: one pure function, for the jump and for its explanation.
//!
//! [`resolve`] looks at rules in a fixed order, writes each one that it looked at into the trace and stops
//! at the first that refuses. [`resolve_whole`] decides the same, and then goes on with every rule that can still be
//! looked at, so that an administrator sees all that is in the way at once. The first assignment that is *set*
//! decides; no fallback is taken that `docs/domain.md#customer-jump` does not name. One more rule: a variant of
//! [`Rule`], a line in the function that looks at it, a reason in [`Reason`].

use super::customer::Segment;
use super::error::{Reason, Refusal, Related};
use super::ids::{ActivationId, CustomerId, ProviderId, UserId};
use super::jump::{JumpOrder, Person, PersonKind};
use super::provider::{ProviderScope, State};
use super::target::{AcceptedPersons, LineScope, Target, TargetKind};
use super::tenant::TenantState;
use super::user::UserKind;

/// A rule that a decision looks at, in the words of the API (`ResolutionRule`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The tenant is not stopped.
    TenantActive,
    /// Customers never get an insurer's portal, and the target is of the kind asked for.
    TargetKind,
    /// The target is enabled.
    TargetEnabled,
    /// The target's product provider is enabled.
    ProviderEnabled,
    /// The product provider that the request names is enabled.
    NamedProviderEnabled,
    /// The target takes this kind of person.
    TargetTakesPerson,
    /// The target takes the line of business.
    TargetLineOfBusiness,
    /// A broker: which activation, and so which user.
    Activation,
    /// A customer: of which segment.
    Segment,
    /// A customer: his own user.
    OwnUser,
    /// A commercial customer: the shared commercial user.
    SharedCommercialUser,
    /// A commercial customer without one: whether the shared private user may stand in.
    FallbackAllowed,
    /// The shared private user.
    SharedPrivateUser,
    /// The user is not the Standard user.
    UserNotStandard,
    /// The user is of the kind that the person needs.
    UserKindFits,
    /// con:center does not report a customer's user as something else than Endkunde.
    UserReportedEndCustomer,
    /// The user is enabled.
    UserActive,
    /// The user has a secret.
    UserHasSecret,
    /// The user's secret is not suspect.
    UserCredentialTrusted,
    /// The target's product provider is in the user's scope.
    ProviderInScope,
    /// The product provider that the request names is in the user's scope.
    NamedProviderInScope,
}

impl Rule {
    /// Every rule, in the order of the decision.
    pub const ALL: [Self; 21] = [
        Self::TenantActive,
        Self::TargetKind,
        Self::TargetEnabled,
        Self::ProviderEnabled,
        Self::NamedProviderEnabled,
        Self::TargetTakesPerson,
        Self::TargetLineOfBusiness,
        Self::Activation,
        Self::Segment,
        Self::OwnUser,
        Self::SharedCommercialUser,
        Self::FallbackAllowed,
        Self::SharedPrivateUser,
        Self::UserNotStandard,
        Self::UserKindFits,
        Self::UserReportedEndCustomer,
        Self::UserActive,
        Self::UserHasSecret,
        Self::UserCredentialTrusted,
        Self::ProviderInScope,
        Self::NamedProviderInScope,
    ];

    /// For which reasons the rule may refuse; none if it only leads on.
    #[must_use]
    pub const fn reasons(self) -> &'static [Reason] {
        match self {
            Self::TenantActive => &[Reason::TenantStopped],
            Self::TargetKind => &[Reason::InsurerPortalForbidden, Reason::TargetKindMismatch],
            Self::TargetEnabled => &[Reason::TargetDisabled],
            Self::ProviderEnabled | Self::NamedProviderEnabled => &[Reason::ProviderDisabled],
            Self::TargetTakesPerson => &[Reason::PersonNotAccepted],
            Self::TargetLineOfBusiness => &[Reason::LineOfBusinessNotSupported],
            Self::Activation => &[Reason::NoUserAssigned, Reason::AmbiguousActivation, Reason::ActivationDisabled],
            Self::Segment => &[Reason::SegmentUnknown, Reason::SegmentMismatch],
            Self::OwnUser | Self::SharedCommercialUser => &[],
            Self::FallbackAllowed | Self::SharedPrivateUser => &[Reason::NoUserAssigned],
            Self::UserNotStandard => &[Reason::StandardNotForJumps],
            Self::UserKindFits => &[Reason::EndkundeConflict, Reason::EndkundeRequired],
            Self::UserReportedEndCustomer => &[Reason::EndkundeRemoteMismatch],
            Self::UserActive => &[Reason::UserDisabled],
            Self::UserHasSecret => &[Reason::SecretMissing],
            Self::UserCredentialTrusted => &[Reason::CredentialSuspect],
            Self::ProviderInScope | Self::NamedProviderInScope => &[Reason::ProviderNotAllowed],
        }
    }
}

/// What came of looking at a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOutcome {
    /// It holds, or it decided.
    Passed,
    /// It names an assignment that is not set; the next one is looked at.
    NotSet,
    /// It refuses, for this reason.
    Failed(Reason),
}

/// One line of the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceStep {
    /// The rule.
    pub rule: Rule,
    /// What came of it.
    pub outcome: StepOutcome,
}

/// By which way a con:center user was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// A broker's activation.
    Activation,
    /// The customer's own user.
    OwnUser,
    /// The tenant's shared private user.
    SharedPrivate,
    /// The tenant's shared commercial user.
    SharedCommercial,
    /// The shared private user, standing in for the commercial one.
    FallbackPrivate,
}

/// A con:center user as the decision sees him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateUser {
    /// Its id.
    pub user_id: UserId,
    /// What it is for.
    pub kind: UserKind,
    /// Enabled or not.
    pub state: State,
    /// Whether there is a secret.
    pub has_secret: bool,
    /// Whether the secret is suspect, because logins with it failed.
    pub is_suspect: bool,
    /// What it supports.
    pub scope: ProviderScope,
    /// Whether con:center reports it as Endkunde; `None` if it has not said.
    pub reported_end_customer: Option<bool>,
}

/// An activation of the broker, as the decision sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CandidateActivation {
    /// Its id.
    pub activation_id: ActivationId,
    /// The user that it leads to.
    pub user_id: UserId,
    /// Enabled or not.
    pub state: State,
}

/// The customer's record, as the decision sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateCustomer {
    /// Whose.
    pub customer_id: CustomerId,
    /// His segment.
    pub segment: Segment,
    /// His own user, if one is set.
    pub user_id: Option<UserId>,
}

/// The target, as the decision sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateTarget {
    /// Calculator or portal.
    pub kind: TargetKind,
    /// Enabled or not.
    pub state: State,
    /// Whose target it is.
    pub provider_id: ProviderId,
    /// Whether that provider is enabled.
    pub provider_state: State,
    /// Whom it takes.
    pub accepts: AcceptedPersons,
    /// Which lines of business it takes.
    pub lines: LineScope,
}

impl CandidateTarget {
    /// What the decision sees of `target`, whose provider is in this state.
    #[must_use]
    pub fn of(target: &Target, provider_state: State) -> Self {
        Self {
            kind: target.kind,
            state: target.state,
            provider_id: target.provider_id.clone(),
            provider_state,
            accepts: target.accepts,
            lines: target.lines.clone(),
        }
    }
}

/// The assignments that could lead to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignments {
    /// For a broker: his activations, enabled or not, each once, in no order.
    Broker(Vec<CandidateActivation>),
    /// For a customer.
    Customer {
        /// His record, if there is one.
        record: Option<CandidateCustomer>,
        /// The tenant's shared private user, if one is set.
        private_user: Option<UserId>,
        /// The tenant's shared commercial user, if one is set.
        commercial_user: Option<UserId>,
        /// Whether the private one may stand in for the commercial one.
        commercial_falls_back: bool,
    },
}

/// Everything that a decision looks at, of one tenant, read in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// Whether the tenant is in business.
    pub tenant: TenantState,
    /// The target; `None` if there is none of that key.
    pub target: Option<CandidateTarget>,
    /// The state of the provider that the request names; `None` if it names none or there is none of that key.
    pub named_provider: Option<State>,
    /// What could lead to a user.
    pub assignments: Assignments,
    /// Every user that an assignment names, each once, in no order.
    pub users: Vec<CandidateUser>,
}

/// The user that a person jumps with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution {
    /// Which.
    pub user_id: UserId,
    /// By which way he was found.
    pub way: Way,
    /// The customer's segment; `None` for a broker.
    pub segment: Option<Segment>,
}

/// A decision and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The user, or why there is none.
    pub outcome: Result<Resolution, Refusal>,
    /// Every rule that was looked at, in order, each once. Of [`resolve`] only the last can have failed, and has if the
    /// outcome is a refusal; of [`resolve_whole`] several can, and the first of them is the refusal. (An unknown target
    /// or provider, and a user that is not there, are refused beside the rules: no step says so.)
    pub trace: Vec<TraceStep>,
}

/// Decides which con:center user the person of `order` jumps with.
///
/// `candidates` must hold what the store read for this very order. Costs time linear in the person's
/// activations.
#[must_use]
pub fn resolve(order: &JumpOrder, candidates: &Candidates) -> Decision {
    decide(order, candidates, Extent::FirstRefusal)
}

/// Decides the same as [`resolve`], with a trace of all rules that can be looked at: behind the first refusal come those
/// about the target, then those about the way to a user and, where a way leads to one, those about him.
#[must_use]
pub fn resolve_whole(order: &JumpOrder, candidates: &Candidates) -> Decision {
    decide(order, candidates, Extent::AllRules)
}

fn decide(order: &JumpOrder, candidates: &Candidates, extent: Extent) -> Decision {
    let mut trace = Trace { steps: Vec::with_capacity(LONGEST_TRACE), refusal: None, extent };
    let found = look(order, candidates, &mut trace);
    let outcome = match (trace.refusal, found) {
        (Some(refusal), _) => Err(refusal),
        (None, Ok(resolution)) => Ok(resolution),
        // Whatever ends before a user is found has refused.
        (None, Err(Ended)) => Err(Reason::NoUserAssigned.into()),
    };
    Decision { outcome, trace: trace.steps }
}

/// Rules on the longest way: a commercial customer who falls back and names a provider.
const LONGEST_TRACE: usize = 20;

/// How far rules are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Up to the first that refuses.
    FirstRefusal,
    /// All that can be looked at.
    AllRules,
}

/// No further rule is looked at.
struct Ended;

struct Trace {
    steps: Vec<TraceStep>,
    /// The first one: what a real jump is refused for.
    refusal: Option<Refusal>,
    extent: Extent,
}

impl Trace {
    fn passed(&mut self, rule: Rule) {
        self.steps.push(TraceStep { rule, outcome: StepOutcome::Passed });
    }

    fn not_set(&mut self, rule: Rule) {
        self.steps.push(TraceStep { rule, outcome: StepOutcome::NotSet });
    }

    /// Writes down that `rule` refuses. Ends there, unless all rules are looked at.
    fn failed(&mut self, rule: Rule, refusal: impl Into<Refusal>) -> Result<(), Ended> {
        let refusal = refusal.into();
        self.steps.push(TraceStep { rule, outcome: StepOutcome::Failed(refusal.reason) });
        self.refusal.get_or_insert(refusal);
        if self.extent == Extent::AllRules { Ok(()) } else { Err(Ended) }
    }

    /// Refuses beside the rules, or where nothing is left that could be looked at.
    fn end(&mut self, refusal: impl Into<Refusal>) -> Ended {
        self.refusal.get_or_insert(refusal.into());
        Ended
    }

    /// The same, as the last rule.
    fn end_at(&mut self, rule: Rule, refusal: impl Into<Refusal>) -> Ended {
        // Either way there is nothing after it.
        let _ = self.failed(rule, refusal);
        Ended
    }

    /// Writes down whether `rule` holds; refuses for `reason` if it does not.
    fn demand(&mut self, rule: Rule, holds: bool, reason: Reason) -> Result<(), Ended> {
        if holds {
            self.passed(rule);
            Ok(())
        } else {
            self.failed(rule, reason)
        }
    }
}

fn look(order: &JumpOrder, candidates: &Candidates, trace: &mut Trace) -> Result<Resolution, Ended> {
    trace.demand(Rule::TenantActive, candidates.tenant == TenantState::Active, Reason::TenantStopped)?;
    let Some(target) = &candidates.target else {
        return Err(trace.end(Reason::NotFound));
    };
    check_target(order, target, candidates.named_provider, trace)?;
    let resolution = match (&order.person, &candidates.assignments) {
        (Person::Broker(_), Assignments::Broker(activations)) => by_activation(order, activations, trace)?,
        (Person::Customer { stated, .. }, Assignments::Customer { .. }) => {
            by_customer_access(*stated, &candidates.assignments, trace)?
        }
        // Read for another kind of person: there is no user for this one.
        (Person::Broker(_), Assignments::Customer { .. }) | (Person::Customer { .. }, Assignments::Broker(_)) => {
            return Err(trace.end(Reason::NoUserAssigned));
        }
    };
    let Some(user) = candidates.users.iter().find(|user| user.user_id == resolution.user_id) else {
        return Err(trace.end(Reason::NoUserAssigned));
    };
    check_user(order, target, user, trace)?;
    Ok(resolution)
}

fn check_target(
    order: &JumpOrder,
    target: &CandidateTarget,
    named_provider: Option<State>,
    trace: &mut Trace,
) -> Result<(), Ended> {
    let person = order.person.kind();
    if person == PersonKind::Customer && target.kind == TargetKind::InsurerPortal {
        trace.failed(Rule::TargetKind, Reason::InsurerPortalForbidden)?;
    } else {
        let kind_fits = order.wanted.is_none_or(|wanted| wanted == target.kind);
        trace.demand(Rule::TargetKind, kind_fits, Reason::TargetKindMismatch)?;
    }
    trace.demand(Rule::TargetEnabled, target.state == State::Active, Reason::TargetDisabled)?;
    if order.provider_id.is_some() && named_provider.is_none() {
        return Err(trace.end(Reason::NotFound));
    }
    trace.demand(Rule::ProviderEnabled, target.provider_state == State::Active, Reason::ProviderDisabled)?;
    if let Some(named) = named_provider {
        trace.demand(Rule::NamedProviderEnabled, named == State::Active, Reason::ProviderDisabled)?;
    }
    let takes_person = match person {
        PersonKind::Broker => target.accepts.brokers,
        PersonKind::Customer => target.accepts.customers,
    };
    trace.demand(Rule::TargetTakesPerson, takes_person, Reason::PersonNotAccepted)?;
    if let Some(line) = order.line_of_business {
        let takes_line = target.lines.allows(line);
        trace.demand(Rule::TargetLineOfBusiness, takes_line, Reason::LineOfBusinessNotSupported)?;
    }
    Ok(())
}

fn by_activation(
    order: &JumpOrder,
    activations: &[CandidateActivation],
    trace: &mut Trace,
) -> Result<Resolution, Ended> {
    let found = match order.activation_id {
        Some(wanted) => named_activation(wanted, activations),
        None => only_activation(activations),
    };
    let user_id = match found {
        Ok(user_id) => {
            trace.passed(Rule::Activation);
            user_id
        }
        Err(NoActivation { refusal, leads_to: Some(user_id) }) => {
            trace.failed(Rule::Activation, refusal)?;
            user_id
        }
        Err(NoActivation { refusal, leads_to: None }) => return Err(trace.end_at(Rule::Activation, refusal)),
    };
    Ok(Resolution { user_id, way: Way::Activation, segment: None })
}

/// Why no activation can be used.
struct NoActivation {
    refusal: Refusal,
    /// The one user that it would be, were it enabled. No jump gets him; the rules about him can be looked at.
    leads_to: Option<UserId>,
}

impl NoActivation {
    fn none() -> Self {
        Self { refusal: Reason::NoUserAssigned.into(), leads_to: None }
    }

    fn disabled(leads_to: Option<UserId>) -> Self {
        Self { refusal: Reason::ActivationDisabled.into(), leads_to }
    }
}

/// The user of the activation that the request names. One that is not this broker's is as good as none.
fn named_activation(wanted: ActivationId, activations: &[CandidateActivation]) -> Result<UserId, NoActivation> {
    match activations.iter().find(|activation| activation.activation_id == wanted) {
        None => Err(NoActivation::none()),
        Some(CandidateActivation { state: State::Disabled, user_id, .. }) => {
            Err(NoActivation::disabled(Some(*user_id)))
        }
        Some(activation) => Ok(activation.user_id),
    }
}

/// The user that a jump gets which names no activation, whatever else the rules say of him; `None` if there is none.
pub(super) fn user_of_unnamed(activations: &[CandidateActivation]) -> Option<UserId> {
    only_activation(activations).ok()
}

/// The one user that all enabled activations lead to. Never chooses among different ones.
fn only_activation(activations: &[CandidateActivation]) -> Result<UserId, NoActivation> {
    let mut enabled = activations.iter().filter(|activation| activation.state == State::Active);
    let Some(first) = enabled.next() else {
        return Err(match activations {
            [] => NoActivation::none(),
            [first, others @ ..] => {
                let is_one = others.iter().all(|activation| activation.user_id == first.user_id);
                NoActivation::disabled(is_one.then_some(first.user_id))
            }
        });
    };
    if enabled.all(|activation| activation.user_id == first.user_id) {
        return Ok(first.user_id);
    }
    let mut candidates: Vec<_> = activations
        .iter()
        .filter(|activation| activation.state == State::Active)
        .map(|activation| activation.activation_id)
        .collect();
    candidates.sort_unstable();
    let total = u64::try_from(candidates.len()).unwrap_or(u64::MAX);
    let related = candidates.into_iter().map(Related::Activation).collect();
    let refusal = Refusal::with_related(Reason::AmbiguousActivation, related, total);
    Err(NoActivation { refusal, leads_to: None })
}

fn by_customer_access(
    stated: Option<Segment>,
    assignments: &Assignments,
    trace: &mut Trace,
) -> Result<Resolution, Ended> {
    let Assignments::Customer { record, private_user, commercial_user, commercial_falls_back } = assignments else {
        return Err(trace.end(Reason::NoUserAssigned));
    };
    let segment = match (record.as_ref().map(|record| record.segment), stated) {
        (Some(recorded), Some(stated)) if recorded != stated => {
            trace.failed(Rule::Segment, Reason::SegmentMismatch)?;
            // Where all rules are looked at, by the record: what a portal states is never the better of the two.
            recorded
        }
        (None, None) => return Err(trace.end_at(Rule::Segment, Reason::SegmentUnknown)),
        (Some(segment), _) | (None, Some(segment)) => {
            trace.passed(Rule::Segment);
            segment
        }
    };
    let found = |user_id, way| Resolution { user_id, way, segment: Some(segment) };

    if let Some(own) = record.as_ref().and_then(|record| record.user_id) {
        trace.passed(Rule::OwnUser);
        return Ok(found(own, Way::OwnUser));
    }
    trace.not_set(Rule::OwnUser);

    let private_way = match segment {
        Segment::Private => Way::SharedPrivate,
        Segment::Commercial => {
            if let Some(shared) = *commercial_user {
                trace.passed(Rule::SharedCommercialUser);
                return Ok(found(shared, Way::SharedCommercial));
            }
            trace.not_set(Rule::SharedCommercialUser);
            if !*commercial_falls_back {
                return Err(trace.end_at(Rule::FallbackAllowed, Reason::NoUserAssigned));
            }
            trace.passed(Rule::FallbackAllowed);
            Way::FallbackPrivate
        }
    };
    let Some(shared) = *private_user else {
        return Err(trace.end_at(Rule::SharedPrivateUser, Reason::NoUserAssigned));
    };
    trace.passed(Rule::SharedPrivateUser);
    Ok(found(shared, private_way))
}

fn check_user(
    order: &JumpOrder,
    target: &CandidateTarget,
    user: &CandidateUser,
    trace: &mut Trace,
) -> Result<(), Ended> {
    let is_standard = user.kind == UserKind::Standard;
    trace.demand(Rule::UserNotStandard, !is_standard, Reason::StandardNotForJumps)?;
    match order.person.kind() {
        // He is neither kind; whose he should be is said already.
        _ if is_standard => {}
        PersonKind::Broker => {
            trace.demand(Rule::UserKindFits, user.kind == UserKind::Broker, Reason::EndkundeConflict)?;
        }
        PersonKind::Customer => {
            trace.demand(Rule::UserKindFits, user.kind == UserKind::EndCustomer, Reason::EndkundeRequired)?;
            let not_denied = user.reported_end_customer != Some(false);
            trace.demand(Rule::UserReportedEndCustomer, not_denied, Reason::EndkundeRemoteMismatch)?;
        }
    }
    trace.demand(Rule::UserActive, user.state == State::Active, Reason::UserDisabled)?;
    trace.demand(Rule::UserHasSecret, user.has_secret, Reason::SecretMissing)?;
    trace.demand(Rule::UserCredentialTrusted, !user.is_suspect, Reason::CredentialSuspect)?;
    let in_scope = user.scope.allows(&target.provider_id);
    trace.demand(Rule::ProviderInScope, in_scope, Reason::ProviderNotAllowed)?;
    if let Some(named) = &order.provider_id {
        let in_scope = user.scope.allows(named);
        trace.demand(Rule::NamedProviderInScope, in_scope, Reason::ProviderNotAllowed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
