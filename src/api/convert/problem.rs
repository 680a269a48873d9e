//! What is wrong with a field, in constant words: a violation never repeats what was sent.

use crate::app::users::InvalidPassword;
use crate::domain::activation::InvalidBrokerList;
use crate::domain::jump::{InvalidContext, InvalidNonce, InvalidTargetPage, InvalidTokenLife};
use crate::domain::kek::InvalidKekId;
use crate::domain::page::NegativePageSize;
use crate::domain::provider::InvalidProviderList;
use crate::domain::settings::{InvalidPercent, InvalidSessionSpan};
use crate::domain::signing::InvalidKeyId;
use crate::domain::target::{InvalidLineList, TooManyOrigins, UrlProblem};
use crate::domain::text::TextProblem;

/// Why a value of the domain could not be made from a field.
pub(in crate::api) trait Problem {
    /// What is wrong, for a person: lower case, no full stop.
    fn problem(&self) -> &'static str;
}

impl Problem for TextProblem {
    fn problem(&self) -> &'static str {
        match self {
            Self::Empty => "must not be empty",
            Self::TooLong => "is too long",
            Self::InvisibleCharacter => "contains a control, bidirectional or invisible character",
            Self::NotAnAddress => "is not a single e-mail address",
        }
    }
}

impl Problem for InvalidKeyId {
    fn problem(&self) -> &'static str {
        "must be the id of a signing key, 43 characters of A-Z a-z 0-9 _ -"
    }
}

impl Problem for InvalidKekId {
    fn problem(&self) -> &'static str {
        "must be the id of a key-encryption key, 16 characters of 0-9 a-f"
    }
}

impl Problem for UrlProblem {
    fn problem(&self) -> &'static str {
        match self {
            Self::Malformed => "is not an absolute URL of at most 2000 printable characters",
            Self::NotHttps => "must begin with https:// (http:// only for a loopback host)",
            Self::Wildcard => "must not carry a wildcard in its host",
            Self::Host => "must have a host of letters, digits, dots and hyphens",
            Self::Placeholder => "must not carry a placeholder",
            Self::UserInformation => "must not carry user information",
            Self::Fragment => "must not carry a fragment",
            Self::NotAnOrigin => "must be an origin: nothing behind host and port",
            Self::NotNormal => "must be spelled in its normal form",
        }
    }
}

/// Gives an error that says only one thing its words.
macro_rules! problems {
    ($($error:ty => $problem:literal,)+) => {$(
        impl Problem for $error {
            fn problem(&self) -> &'static str {
                $problem
            }
        }
    )+};
}

problems! {
    InvalidBrokerList => "must name 1 to 100 brokers",
    InvalidContext => "must be at most 4096 bytes without control characters",
    InvalidLineList => "must name 1 to 100 lines of business",
    InvalidNonce => "must be 1 to 64 of A-Z a-z 0-9 _ . ~ -",
    InvalidPassword => "must be 1 to 512 bytes without NUL",
    InvalidPercent => "must be 1 to 100",
    InvalidProviderList => "must name 1 to 200 product providers",
    InvalidSessionSpan => "must be whole minutes, from 1 up to the longest that is allowed",
    InvalidTargetPage => "must be 1 to 256 of A-Z a-z 0-9 / _ . ~ - without // and without . or .. between slashes",
    InvalidTokenLife => "must be 10 to 120 whole seconds",
    NegativePageSize => "must not be negative",
    TooManyOrigins => "must name at most 10 origins",
}
