//! Which con:center user a jump gets (`docs/domain.md#broker-jump`, `docs/domain.md#customer-jump`), and the trace of it.

use concenter_gateway::proto::v1::{PersonKind, ResolutionRule, ResolutionWay, Segment, StepOutcome, UserKind};

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
    pub(super) trace: Trace,
}

impl Decision<'_> {
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

    fn must(&mut self, rule: ResolutionRule, holds: bool, reason: &str) -> Result<(), Refused> {
        if holds {
            self.passed(rule);
            return Ok(());
        }
        Err(self.failed(rule, Refused::plain(reason)))
    }

    /// Decides: the tenant, the target, the assignment that is set, and at last the user that it leads to.
    pub(super) fn decide(&mut self, order: &Order) -> Result<Decided, Refused> {
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
        self.must(ResolutionRule::TargetKind, !(is_customer && target.is_portal), "INSURER_PORTAL_FORBIDDEN")?;
        if order.wants_portal.is_some_and(|wants_portal| wants_portal != target.is_portal) {
            self.trace.pop();
            return Err(self.failed(ResolutionRule::TargetKind, Refused::plain("TARGET_KIND_MISMATCH")));
        }
        self.must(ResolutionRule::TargetEnabled, target.active, "TARGET_DISABLED")?;
        let named = match &order.provider {
            None => None,
            Some(id) => Some(self.catalog.providers.get(id).ok_or_else(super::not_found)?.active),
        };
        let own = self.catalog.providers[&target.provider].active;
        self.must(ResolutionRule::ProviderEnabled, own && named != Some(false), "PROVIDER_DISABLED")?;
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
        let found = match &order.activation {
            Some(named) => match his.iter().find(|(id, _)| *id == named) {
                None => Err(Refused::plain("NO_USER_ASSIGNED")),
                Some((_, one)) if !one.active => Err(Refused::plain("ACTIVATION_DISABLED")),
                Some((_, one)) => Ok(one.user.clone()),
            },
            None => only_user(&his),
        };
        match found {
            Ok(user) => {
                self.passed(ResolutionRule::Activation);
                Ok(Decided { user, way: ResolutionWay::Activation, segment: None })
            }
            Err(refused) => Err(self.failed(ResolutionRule::Activation, refused)),
        }
    }

    /// I1: the first assignment that is set.
    fn of_customer(&mut self, order: &Order) -> Result<Decided, Refused> {
        let tenant = self.tenant;
        let record = tenant.customers.get(&order.person);
        let segment = match (record.map(|record| record.segment), order.stated) {
            (Some(recorded), Some(stated)) if recorded != stated => Err("SEGMENT_MISMATCH"),
            (Some(segment), _) | (None, Some(segment)) => Ok(segment),
            (None, None) => Err("SEGMENT_UNKNOWN"),
        };
        let segment = match segment {
            Ok(segment) => segment,
            Err(reason) => return Err(self.failed(ResolutionRule::Segment, Refused::plain(reason))),
        };
        self.passed(ResolutionRule::Segment);
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
            way = ResolutionWay::FallbackPrivate;
        }
        self.must(ResolutionRule::SharedPrivateUser, tenant.access.private.is_some(), "NO_USER_ASSIGNED")?;
        found(tenant.access.private.as_ref().expect("it is set"), way)
    }

    fn check_user(&mut self, order: &Order, target: &Target, user: &User) -> Result<(), Refused> {
        self.must(ResolutionRule::UserNotStandard, user.kind != UserKind::Standard, "STANDARD_NOT_FOR_JUMPS")?;
        if order.kind == PersonKind::Customer {
            let is_end_customer = user.kind == UserKind::EndCustomer;
            self.must(ResolutionRule::UserKindFits, is_end_customer, "ENDKUNDE_REQUIRED")?;
            self.passed(ResolutionRule::UserReportedEndCustomer);
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
