//! Tokens: what leaves the service signed, and what comes back.
//!
//! Two kinds that we sign let somebody in, each with its own key ring, `typ` and audience, so that neither can stand for the
//! other: a jump's token ([`JumpTokens`]) for a target, and a caller's token ([`CallerTokens`]) of the embedded issuer. A third
//! one we only read: a caller's token of a foreign issuer ([`ForeignTokens`]). Whose tokens callers may bring, [`Callers`]
//! knows. Every compact token passes the same strict front door before anything in it is believed; a kind adds its own claims
//! and limits. A signed checkpoint of the audit log lets nobody in; it is signed with the keys of jumps, which are published,
//! and told from their tokens by its `typ`. A jump's token is only half of what redeems it: the row of its `jti` is the other
//! half, and the authority.
//!
//! May use: [`crate::domain`]. Keys come in as PKCS#8 and codes come from a [`Mac`] that the caller brings: sealing
//! and tenants' keys are not known here.
//!
//! One more kind of token: its claims as they are on the wire in `claims`, and a file of its own that takes the steps
//! of `front_door` in their order, with a `typ` and a key ring that no other kind has.

mod base64url;
mod binding;
mod caller;
mod callers;
mod checkpoint;
mod claims;
mod foreign;
mod front_door;
mod jump;
mod keyring;
mod subject;
#[cfg(test)]
mod testing;

use crate::domain::caller::Role;

pub use binding::certificate_thumbprint;
pub use caller::{CallerGrant, CallerTokenError, CallerTokens, LONGEST_CALLER_LIFE, TenantNotOfToken, VerifiedCaller};
pub use callers::{CallerLookups, Callers, IssuerTwice};
pub use checkpoint::{open_checkpoint, open_floor, sign_checkpoint, sign_floor};
pub use foreign::{ForeignKeys, ForeignTokens, JWK_SET_BYTES, JwkSetError};
pub use front_door::InvalidCause;
pub use jump::{JUMP_TOKEN_BYTES, JumpTokenError, JumpTokens};
pub use keyring::{KeyError, KeyHalves, KeyRing, PublicKey, RingKey, SigningKey};
pub use subject::{Mac, SubjectKind, handle, handle_hash, jti, jti_hash, parse_handle, subject};

/// A token could not be made. Nothing was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It would be longer than its kind may be: [`JUMP_TOKEN_BYTES`], or 2 048 bytes for a caller's.
    #[error("the token would be too long")]
    TooLong,
    /// No key signs, or the one that does could not be read.
    #[error("there is no signing key that can be used")]
    NoKey,
    /// The cryptographic library refused.
    #[error("the token could not be signed")]
    Signing,
    /// Our own front door would not take it.
    #[error("the token would not be accepted: {0}")]
    Refused(InvalidCause),
    /// A caller's token must live from 1 s to [`LONGEST_CALLER_LIFE`].
    #[error("a caller's token must live from 1 second to 24 hours")]
    Life,
    /// The grant lacks what this role needs, or has what it excludes.
    #[error("the claims do not fit the role {}", .0.as_str())]
    Unfit(Role),
}
