//! The words of the command line for the values of the protos.

use clap::ValueEnum;

use crate::proto::admin::v1::{Delivery, KeyPurpose};
use crate::proto::v1::{
    AuditOutcome, JumpState, PersonKind, ProductProviderKind, RemoteEndCustomer, Segment, TargetKind, UserKind,
};

/// An answer that nobody gives by leaving it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum YesNo {
    Yes,
    No,
}

impl From<YesNo> for bool {
    fn from(word: YesNo) -> Self {
        word == YesNo::Yes
    }
}

/// What con:center itself says about Endkunde.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum RemoteEndCustomerWord {
    /// The user is Endkunde there
    Yes,
    /// He is not
    No,
    /// Nobody knows
    Unknown,
}

impl From<RemoteEndCustomerWord> for RemoteEndCustomer {
    fn from(word: RemoteEndCustomerWord) -> Self {
        match word {
            RemoteEndCustomerWord::Yes => Self::Yes,
            RemoteEndCustomerWord::No => Self::No,
            RemoteEndCustomerWord::Unknown => Self::Unknown,
        }
    }
}

/// What a new con:center user is for. Standard is moved, never created.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum UserKindWord {
    /// A broker's personal user
    Broker,
    /// Endkunde: the only kind that customers jump with
    EndCustomer,
}

impl From<UserKindWord> for UserKind {
    fn from(word: UserKindWord) -> Self {
        match word {
            UserKindWord::Broker => Self::Broker,
            UserKindWord::EndCustomer => Self::EndCustomer,
        }
    }
}

/// The kind of customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SegmentWord {
    /// Privatkunde
    Private,
    /// Gewerbekunde
    Commercial,
}

impl From<SegmentWord> for Segment {
    fn from(word: SegmentWord) -> Self {
        match word {
            SegmentWord::Private => Self::Private,
            SegmentWord::Commercial => Self::Commercial,
        }
    }
}

/// What signing keys sign.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum KeyPurposeWord {
    /// Jump tokens, and checkpoints of the audit log
    Jump,
    /// Tokens of `concenter token`
    Caller,
}

impl From<KeyPurposeWord> for KeyPurpose {
    fn from(word: KeyPurposeWord) -> Self {
        match word {
            KeyPurposeWord::Jump => Self::Jump,
            KeyPurposeWord::Caller => Self::Caller,
        }
    }
}

/// The kind of product provider.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ProviderKindWord {
    /// Versicherungsunternehmen
    Insurer,
    /// Vergleicher
    Comparator,
}

impl From<ProviderKindWord> for ProductProviderKind {
    fn from(word: ProviderKindWord) -> Self {
        match word {
            ProviderKindWord::Insurer => Self::Insurer,
            ProviderKindWord::Comparator => Self::Comparator,
        }
    }
}

/// The kind of target.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum TargetKindWord {
    /// Tarifrechner, for brokers and customers
    TariffCalculator,
    /// VU-Auskunft, for brokers only
    InsurerPortal,
}

impl From<TargetKindWord> for TargetKind {
    fn from(word: TargetKindWord) -> Self {
        match word {
            TargetKindWord::TariffCalculator => Self::TariffCalculator,
            TargetKindWord::InsurerPortal => Self::InsurerPortal,
        }
    }
}

/// How a jump reaches a target.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum DeliveryWord {
    /// The browser posts the token
    FormPost,
    /// The token stands in the fragment of the URL
    Fragment,
    /// A handle stands in the query of the URL, for targets that take only GET
    GetHandle,
}

impl From<DeliveryWord> for Delivery {
    fn from(word: DeliveryWord) -> Self {
        match word {
            DeliveryWord::FormPost => Self::FormPost,
            DeliveryWord::Fragment => Self::Fragment,
            DeliveryWord::GetHandle => Self::GetHandle,
        }
    }
}

/// The kind of person.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum PersonKindWord {
    /// Vermittler
    Broker,
    /// Versicherungsnehmer
    Customer,
}

impl From<PersonKindWord> for PersonKind {
    fn from(word: PersonKindWord) -> Self {
        match word {
            PersonKindWord::Broker => Self::Broker,
            PersonKindWord::Customer => Self::Customer,
        }
    }
}

/// What became of a jump.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum JumpStateWord {
    /// It can be redeemed
    Issued,
    /// It was redeemed, once
    Redeemed,
    /// Its time is over, and it was not redeemed
    Expired,
    /// It was revoked, and not redeemed
    Revoked,
}

impl From<JumpStateWord> for JumpState {
    fn from(word: JumpStateWord) -> Self {
        match word {
            JumpStateWord::Issued => Self::Issued,
            JumpStateWord::Redeemed => Self::Redeemed,
            JumpStateWord::Expired => Self::Expired,
            JumpStateWord::Revoked => Self::Revoked,
        }
    }
}

/// What came of something that stands in the audit log.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum AuditOutcomeWord {
    /// It was done
    Accepted,
    /// Nothing was changed
    Refused,
}

impl From<AuditOutcomeWord> for AuditOutcome {
    fn from(word: AuditOutcomeWord) -> Self {
        match word {
            AuditOutcomeWord::Accepted => Self::Accepted,
            AuditOutcomeWord::Refused => Self::Refused,
        }
    }
}
