//! Which con:center user a jump gets (`docs/domain.md#broker-jump`, `docs/domain.md#customer-jump`), and the trace of it.

use concenter_gateway::proto::v1::{
    PersonKind, RemoteEndCustomer, ResolutionRule, ResolutionWay, Segment, StepOutcome, UserKind,
};

use super::Refused;
use crate::state::{Activation, Catalog, Target, Tenant, User};

/// What is asked for.
pub(super) struct Order {
    pub(super) kind: PersonKind,
    pub(super) person: String,
    /// The segment that a portal states.
    pub(super) stated: Option<Segment>,
    pub(super) target: String,
    /// Whether an insurer's portal is asked for; `None` takes either kind.
    pub(super) wants_portal: Option<bool>,
    pub(super) activation: Option<String>,
    pub(super) line: Option<String>,
    pub(super) provider: Option<String>,
}

/// What was decided.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    pub(super) user: String,
    pub(super) way: ResolutionWay,
    pub(super) segment: Option<Segment>,
}

/// The rules that were looked at; a failed one with its reason.
pub(super) type Trace = Vec<(ResolutionRule, StepOutcome, Option<String>)>;

/// Decides one jump.
pub(super) struct Decision<'m> {
    pub(super) tenant: &'m Tenant,
    pub(super) catalog: &'m Catalog,
    /// Whether rules are looked at behind the first that refuses, as an explanation does.
    pub(super) whole: bool,
    pub(super) trace: Trace,
    /// What the first rule that refused said, where more were looked at.
    pub(super) first: Option<Refused>,
}

impl<'m> Decision<'m> {
    /// A decision that ends at the first rule that refuses.
    pub(super) const fn of(tenant: &'m Tenant, catalog: &'m Catalog) -> Self {
        Self { tenant, catalog, whole: false, trace: Vec::new(), first: None }
    }

    fn passed(&mut self, rule: ResolutionRule) {
        self.trace.push((rule, StepOutcome::Passed, None));
    }

    fn not_set(&mut self, rule: ResolutionRule) {
        self.trace.push((rule, StepOutcome::NotSet, None));
    }

    fn failed(&mut self, rule: ResolutionRule, refused: Refused) -> Refused {
        self.trace.push((rule, StepOutcome::Failed, Some(refused.reason.clone())));
        refused
    }

    /// Goes on behind a refusal, where more is looked at.
    fn go_on(&mut self, refused: Refused) -> Result<(), Refused> {
        if !self.whole {
            return Err(refused);
        }
        self.first.get_or_insert(refused);
        Ok(())
    }

    fn must(&mut self, rule: ResolutionRule, holds: bool, reason: &str) -> Result<(), Refused> {
        if holds {
            self.passed(rule);
            return Ok(());
        }
        let refused = self.failed(rule, Refused::plain(reason));
        self.go_on(refused)
    }

    /// Decides; a refusal is that of the first rule that refuses, whether others were looked at behind it or not.
    pub(super) fn decide(&mut self, order: &Order) -> Result<Decided, Refused> {
        let last = self.look(order);
        self.first.take().map_or(last, Err)
    }

    /// The tenant, the target, the assignment that is set, and at last the user that it leads to.
    fn look(&mut self, order: &Order) -> Result<Decided, Refused> {
        self.must(ResolutionRule::TenantActive, !self.tenant.stopped, "TENANT_STOPPED")?;
        let target = self.catalog.targets.get(&order.target).cloned().ok_or_else(super::not_found)?;
        self.check_target(order, &target)?;
        let decided = match order.kind {
            PersonKind::Customer => self.of_customer(order)?,
            _ => self.of_broker(order)?,
        };
        let user = self.tenant.users.get(&decided.user).cloned().expect("nothing leads to a user that is not there");
        self.check_user(order, &target, &user)?;
        Ok(decided)
    }

    fn check_target(&mut self, order: &Order, target: &Target) -> Result<(), Refused> {
        let is_customer = order.kind == PersonKind::Customer;
        let is_other = order.wants_portal.is_some_and(|wants_portal| wants_portal != target.is_portal);
        let wrong = if is_customer && target.is_portal { "INSURER_PORTAL_FORBIDDEN" } else { "TARGET_KIND_MISMATCH" };
        let fits = !(is_other || is_customer && target.is_portal);
        self.must(ResolutionRule::TargetKind, fits, wrong)?;
        self.must(ResolutionRule::TargetEnabled, target.active, "TARGET_DISABLED")?;
        let named = order.provider.as_ref().map(|id| self.catalog.providers.get(id).ok_or_else(super::not_found));
        let named = named.transpose()?.map(|provider| provider.active);
        let own = self.catalog.providers[&target.provider].active;
        self.must(ResolutionRule::ProviderEnabled, own, "PROVIDER_DISABLED")?;
        if let Some(active) = named {
            self.must(ResolutionRule::NamedProviderEnabled, active, "PROVIDER_DISABLED")?;
        }
        let takes = if is_customer { target.customers } else { target.brokers };
        self.must(ResolutionRule::TargetTakesPerson, takes, "PERSON_NOT_ACCEPTED")?;
        if let Some(line) = &order.line {
            let takes = target.lines.as_ref().is_none_or(|lines| lines.contains(line));
            self.must(ResolutionRule::TargetLineOfBusiness, takes, "LINE_OF_BUSINESS_NOT_SUPPORTED")?;
        }
        Ok(())
    }

    /// I2: the user of one of his own activations, and never a choice between two of them.
    fn of_broker(&mut self, order: &Order) -> Result<Decided, Refused> {
        let tenant = self.tenant;
        let his: Vec<(&String, &Activation)> =
            tenant.activations.iter().filter(|(_, one)| one.brokers.contains(&order.person)).collect();
        let meant: Vec<_> = match &order.activation {
            Some(named) => his.iter().copied().filter(|(id, _)| *id == named).collect(),
            None => his,
        };
        let user = match only_user(&meant) {
            Ok(user) => {
                self.passed(ResolutionRule::Activation);
                user
            }
            Err(refused) => {
                let is_closed = refused.reason == "ACTIVATION_DISABLED";
                let refused = self.failed(ResolutionRule::Activation, refused);
                // Behind a way that is closed stands one user, or nobody knows which.
                match meant.first() {
                    Some((_, first)) if is_closed && meant.iter().all(|(_, one)| one.user == first.user) => {
                        self.go_on(refused)?;
                        first.user.clone()
                    }
                    _ => return Err(refused),
                }
            }
        };
        Ok(Decided { user, way: ResolutionWay::Activation, segment: None })
    }

    /// I1: the first assignment that is set.
    fn of_customer(&mut self, order: &Order) -> Result<Decided, Refused> {
        let tenant = self.tenant;
        let record = tenant.customers.get(&order.person);
        let Some(segment) = record.map(|record| record.segment).or(order.stated) else {
            return Err(self.failed(ResolutionRule::Segment, Refused::plain("SEGMENT_UNKNOWN")));
        };
        self.must(ResolutionRule::Segment, order.stated.is_none_or(|stated| stated == segment), "SEGMENT_MISMATCH")?;
        let found = |user: &String, way| Ok(Decided { user: user.clone(), way, segment: Some(segment) });
        if let Some(own) = record.and_then(|record| record.user.as_ref()) {
            self.passed(ResolutionRule::OwnUser);
            return found(own, ResolutionWay::OwnUser);
        }
        self.not_set(ResolutionRule::OwnUser);
        let mut way = ResolutionWay::SharedPrivate;
        if segment == Segment::Commercial {
            if let Some(shared) = &tenant.access.commercial {
                self.passed(ResolutionRule::SharedCommercialUser);
                return found(shared, ResolutionWay::SharedCommercial);
            }
            self.not_set(ResolutionRule::SharedCommercialUser);
            self.must(ResolutionRule::FallbackAllowed, tenant.access.falls_back, "NO_USER_ASSIGNED")?;
            if !tenant.access.falls_back {
                return Err(Refused::plain("NO_USER_ASSIGNED"));
            }
            way = ResolutionWay::FallbackPrivate;
        }
        self.must(ResolutionRule::SharedPrivateUser, tenant.access.private.is_some(), "NO_USER_ASSIGNED")?;
        match &tenant.access.private {
            Some(shared) => found(shared, way),
            None => Err(Refused::plain("NO_USER_ASSIGNED")),
        }
    }

    fn check_user(&mut self, order: &Order, target: &Target, user: &User) -> Result<(), Refused> {
        self.must(ResolutionRule::UserNotStandard, user.kind != UserKind::Standard, "STANDARD_NOT_FOR_JUMPS")?;
        if user.kind == UserKind::Standard {
            // Which other kind he should be of is not asked.
        } else if order.kind == PersonKind::Customer {
            let is_end_customer = user.kind == UserKind::EndCustomer;
            self.must(ResolutionRule::UserKindFits, is_end_customer, "ENDKUNDE_REQUIRED")?;
            let is_denied = user.remote == RemoteEndCustomer::No;
            self.must(ResolutionRule::UserReportedEndCustomer, !is_denied, "ENDKUNDE_REMOTE_MISMATCH")?;
        } else {
            self.must(ResolutionRule::UserKindFits, user.kind == UserKind::Broker, "ENDKUNDE_CONFLICT")?;
        }
        self.must(ResolutionRule::UserActive, user.active, "USER_DISABLED")?;
        self.must(ResolutionRule::UserHasSecret, user.password.is_some(), "SECRET_MISSING")?;
        let trusted = user.suspect_since.is_none();
        self.must(ResolutionRule::UserCredentialTrusted, trusted, "CREDENTIAL_SUSPECT")?;
        let reaches = |provider: &String| user.scope.as_ref().is_none_or(|scope| scope.contains(provider));
        self.must(ResolutionRule::ProviderInScope, reaches(&target.provider), "PROVIDER_NOT_ALLOWED")?;
        if let Some(named) = &order.provider {
            self.must(ResolutionRule::NamedProviderInScope, reaches(named), "PROVIDER_NOT_ALLOWED")?;
        }
        Ok(())
    }
}

/// The one user that all enabled activations lead to.
fn only_user(his: &[(&String, &Activation)]) -> Result<String, Refused> {
    let enabled: Vec<_> = his.iter().filter(|(_, one)| one.active).collect();
    let Some((_, first)) = enabled.first() else {
        return Err(Refused::plain(if his.is_empty() { "NO_USER_ASSIGNED" } else { "ACTIVATION_DISABLED" }));
    };
    if enabled.iter().all(|(_, one)| one.user == first.user) {
        return Ok(first.user.clone());
    }
    Err(Refused::related("AMBIGUOUS_ACTIVATION", enabled.iter().map(|(id, _)| (*id).clone()).collect()))
}
