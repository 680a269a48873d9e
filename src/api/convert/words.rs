//! Enums that more than one service speaks of.
//!
//! Inwards `None` stands for the word that means nothing; [`super::Fields::word`] refuses it. Every match is whole, so
//! that a new word on either side does not go unnoticed.

use crate::domain::customer::Segment;
use crate::domain::jump::PersonKind;
use crate::domain::provider::{ProviderKind, State};
use crate::domain::target::TargetKind;
use crate::domain::user::UserKind;
use crate::proto::v1;

pub(in crate::api) const fn segment(word: v1::Segment) -> Option<Segment> {
    match word {
        v1::Segment::Unspecified => None,
        v1::Segment::Private => Some(Segment::Private),
        v1::Segment::Commercial => Some(Segment::Commercial),
    }
}

pub(in crate::api) const fn segment_out(segment: Segment) -> v1::Segment {
    match segment {
        Segment::Private => v1::Segment::Private,
        Segment::Commercial => v1::Segment::Commercial,
    }
}

pub(in crate::api) const fn state_out(state: State) -> v1::State {
    match state {
        State::Active => v1::State::Active,
        State::Disabled => v1::State::Disabled,
    }
}

pub(in crate::api) const fn person_kind(word: v1::PersonKind) -> Option<PersonKind> {
    match word {
        v1::PersonKind::Unspecified => None,
        v1::PersonKind::Broker => Some(PersonKind::Broker),
        v1::PersonKind::Customer => Some(PersonKind::Customer),
    }
}

pub(in crate::api) const fn person_kind_out(kind: PersonKind) -> v1::PersonKind {
    match kind {
        PersonKind::Broker => v1::PersonKind::Broker,
        PersonKind::Customer => v1::PersonKind::Customer,
    }
}

pub(in crate::api) const fn user_kind(word: v1::UserKind) -> Option<UserKind> {
    match word {
        v1::UserKind::Unspecified => None,
        v1::UserKind::Standard => Some(UserKind::Standard),
        v1::UserKind::Broker => Some(UserKind::Broker),
        v1::UserKind::EndCustomer => Some(UserKind::EndCustomer),
    }
}

pub(in crate::api) const fn user_kind_out(kind: UserKind) -> v1::UserKind {
    match kind {
        UserKind::Standard => v1::UserKind::Standard,
        UserKind::Broker => v1::UserKind::Broker,
        UserKind::EndCustomer => v1::UserKind::EndCustomer,
    }
}

pub(in crate::api) const fn provider_kind(word: v1::ProductProviderKind) -> Option<ProviderKind> {
    match word {
        v1::ProductProviderKind::Unspecified => None,
        v1::ProductProviderKind::Insurer => Some(ProviderKind::Insurer),
        v1::ProductProviderKind::Comparator => Some(ProviderKind::Comparator),
    }
}

pub(in crate::api) const fn provider_kind_out(kind: ProviderKind) -> v1::ProductProviderKind {
    match kind {
        ProviderKind::Insurer => v1::ProductProviderKind::Insurer,
        ProviderKind::Comparator => v1::ProductProviderKind::Comparator,
    }
}

pub(in crate::api) const fn target_kind(word: v1::TargetKind) -> Option<TargetKind> {
    match word {
        v1::TargetKind::Unspecified => None,
        v1::TargetKind::TariffCalculator => Some(TargetKind::TariffCalculator),
        v1::TargetKind::InsurerPortal => Some(TargetKind::InsurerPortal),
    }
}

pub(in crate::api) const fn target_kind_out(kind: TargetKind) -> v1::TargetKind {
    match kind {
        TargetKind::TariffCalculator => v1::TargetKind::TariffCalculator,
        TargetKind::InsurerPortal => v1::TargetKind::InsurerPortal,
    }
}
