//! How rows spell the domain's enums: the same in every engine, so that a database can be carried over.
//!
//! The constraints of the schema list at least these words. A new variant gets its word here and, where the schema lacks it,
//! in a migration.

use crate::domain::audit::{AuditOutcome, AuditedKind};
use crate::domain::customer::Segment;
use crate::domain::jump::{ActorRole, JumpResult, JumpState, PersonKind};
use crate::domain::provider::{ProviderKind, State};
use crate::domain::resolve::Way;
use crate::domain::signing::KeyPurpose;
use crate::domain::target::{Delivery, TargetKind};
use crate::domain::tenant::TenantState;
use crate::domain::user::{ReportSource, UserKind};

/// An enum that a row keeps as a word.
pub(super) trait Code: Copy + 'static {
    /// Every value that a row may hold, each once.
    const ALL: &'static [Self];

    /// The value's word.
    fn code(self) -> &'static str;

    /// The value of a word; `None` if there is none.
    fn from_code(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.code() == word)
    }
}

impl Code for State {
    const ALL: &'static [Self] = &[Self::Active, Self::Disabled];

    fn code(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

impl Code for TenantState {
    const ALL: &'static [Self] = &[Self::Active, Self::Stopped];

    fn code(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Stopped => "stopped",
        }
    }
}

impl Code for KeyPurpose {
    const ALL: &'static [Self] = &[Self::Jump, Self::Caller];

    fn code(self) -> &'static str {
        match self {
            Self::Jump => "jump",
            Self::Caller => "caller",
        }
    }
}

impl Code for ProviderKind {
    const ALL: &'static [Self] = &[Self::Insurer, Self::Comparator];

    fn code(self) -> &'static str {
        match self {
            Self::Insurer => "insurer",
            Self::Comparator => "comparator",
        }
    }
}

impl Code for TargetKind {
    const ALL: &'static [Self] = &[Self::TariffCalculator, Self::InsurerPortal];

    fn code(self) -> &'static str {
        match self {
            Self::TariffCalculator => "tariff_calculator",
            Self::InsurerPortal => "insurer_portal",
        }
    }
}

impl Code for Delivery {
    const ALL: &'static [Self] = &[Self::FormPost, Self::Fragment, Self::GetHandle];

    fn code(self) -> &'static str {
        match self {
            Self::FormPost => "form_post",
            Self::Fragment => "fragment",
            Self::GetHandle => "get_handle",
        }
    }
}

impl Code for UserKind {
    const ALL: &'static [Self] = &[Self::Standard, Self::Broker, Self::EndCustomer];

    fn code(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Broker => "broker",
            Self::EndCustomer => "end_customer",
        }
    }
}

impl Code for Segment {
    const ALL: &'static [Self] = &[Self::Private, Self::Commercial];

    fn code(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Commercial => "commercial",
        }
    }
}

impl Code for PersonKind {
    const ALL: &'static [Self] = &[Self::Broker, Self::Customer];

    fn code(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Customer => "customer",
        }
    }
}

impl Code for ActorRole {
    const ALL: &'static [Self] = &[Self::PortalUser, Self::CustomerStaff, Self::BrokerStaff];

    fn code(self) -> &'static str {
        match self {
            Self::PortalUser => "portal_user",
            Self::CustomerStaff => "customer_staff",
            Self::BrokerStaff => "broker_staff",
        }
    }
}

impl Code for Way {
    const ALL: &'static [Self] =
        &[Self::Activation, Self::OwnUser, Self::SharedPrivate, Self::SharedCommercial, Self::FallbackPrivate];

    fn code(self) -> &'static str {
        match self {
            Self::Activation => "activation",
            Self::OwnUser => "own_user",
            Self::SharedPrivate => "shared_private",
            Self::SharedCommercial => "shared_commercial",
            Self::FallbackPrivate => "fallback_private",
        }
    }
}

impl Code for JumpState {
    const ALL: &'static [Self] = &[Self::Issued, Self::Redeemed, Self::Expired, Self::Revoked];

    fn code(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Redeemed => "redeemed",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl Code for JumpResult {
    const ALL: &'static [Self] = &[Self::LoginSucceeded, Self::LoginFailed];

    fn code(self) -> &'static str {
        match self {
            Self::LoginSucceeded => "login_succeeded",
            Self::LoginFailed => "login_failed",
        }
    }
}

impl Code for ReportSource {
    const ALL: &'static [Self] = &[Self::Import, Self::Attestation];

    fn code(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Attestation => "attestation",
        }
    }
}

/// What somebody is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoticeCause {
    /// The password of a user is suspect.
    CredentialSuspect,
    /// A user is Endkunde here, and con:center says that he is not.
    EndCustomerMismatch,
}

impl Code for NoticeCause {
    const ALL: &'static [Self] = &[Self::CredentialSuspect, Self::EndCustomerMismatch];

    fn code(self) -> &'static str {
        match self {
            Self::CredentialSuspect => "credential_suspect",
            Self::EndCustomerMismatch => "end_customer_mismatch",
        }
    }
}

impl Code for AuditedKind {
    const ALL: &'static [Self] = &[Self::Broker, Self::Customer, Self::Subject];

    fn code(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Customer => "customer",
            Self::Subject => "subject",
        }
    }
}

/// The word of an outcome.
pub(super) const fn outcome_word(accepted: bool) -> &'static str {
    if accepted { "accepted" } else { "refused" }
}

/// The words of an outcome: whether it was accepted, and the reason if it was not.
pub(super) const fn outcome_codes(outcome: AuditOutcome) -> (&'static str, Option<&'static str>) {
    match outcome {
        AuditOutcome::Accepted => (outcome_word(true), None),
        AuditOutcome::Refused(reason) => (outcome_word(false), Some(reason.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_word_reads_back<T: Code + PartialEq + std::fmt::Debug>() {
        for value in T::ALL {
            assert_eq!(T::from_code(value.code()), Some(*value));
        }
        assert_eq!(T::from_code("another"), None);
    }

    #[test]
    fn a_word_is_that_of_one_value() {
        every_word_reads_back::<State>();
        every_word_reads_back::<TenantState>();
        every_word_reads_back::<KeyPurpose>();
        every_word_reads_back::<ProviderKind>();
        every_word_reads_back::<TargetKind>();
        every_word_reads_back::<Delivery>();
        every_word_reads_back::<UserKind>();
        every_word_reads_back::<Segment>();
        every_word_reads_back::<PersonKind>();
        every_word_reads_back::<ActorRole>();
        every_word_reads_back::<Way>();
        every_word_reads_back::<JumpState>();
        every_word_reads_back::<JumpResult>();
        every_word_reads_back::<ReportSource>();
        every_word_reads_back::<NoticeCause>();
        every_word_reads_back::<AuditedKind>();
    }
}
