//! Tokens of jumps.

use std::sync::Arc;

use super::TokenError;
use super::base64url;
use super::claims::JumpWire;
use super::front_door::{
    Entered, Header, InvalidCause, Parties, check_parties, decode_claims, enter, named_key, read_object,
};
use super::keyring::{ALGORITHM, KeyRing};
use crate::domain::ids::TargetId;
use crate::domain::jump::{JumpClaims, TokenLife};
use crate::domain::time::Timestamp;

/// The kind of a jump's token.
const TYPE: &str = "cc-jump+jwt";

/// Most bytes of a jump's token that is issued: room for every claim at its longest, beside an issuer of 64 characters.
///
/// A usual one has less than 600.
pub const JUMP_TOKEN_BYTES: usize = 1_024;

/// A jump's token does not redeem anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JumpTokenError {
    /// It is not authentic, or not for this target.
    #[error("the jump token is not valid: {0}")]
    Invalid(InvalidCause),
    /// It is authentic and for this target, but came 5 s or more after its end.
    #[error("the jump token has expired")]
    Expired(Box<JumpClaims>),
    /// It is authentic and for this target, but of an epoch that was closed.
    #[error("the jump token is of a closed epoch")]
    OldEpoch(Box<JumpClaims>),
}

impl From<InvalidCause> for JumpTokenError {
    fn from(cause: InvalidCause) -> Self {
        Self::Invalid(cause)
    }
}

/// Issues and opens the tokens of jumps.
#[derive(Debug)]
pub struct JumpTokens {
    ring: Arc<KeyRing>,
    issuer: String,
}

impl JumpTokens {
    /// Issues in the name of `issuer`, with keys that sign nothing else but checkpoints.
    #[must_use]
    pub const fn new(ring: Arc<KeyRing>, issuer: String) -> Self {
        Self { ring, issuer }
    }

    /// The keys, for publishing.
    #[must_use]
    pub const fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// The key that a jump's token names and that verifies nothing at `now`; `None` for what is no jump's token.
    #[must_use]
    pub fn unknown_kid(&self, token: &str, now: Timestamp) -> Option<String> {
        named_key(token, TYPE).filter(|kid| self.ring.find(kid, now).is_none())
    }

    /// Issues the token of a jump under the key that signs at `now`: at most [`JUMP_TOKEN_BYTES`], and one that
    /// [`JumpTokens::open`] takes. A jump that was made before gets the same claims again.
    ///
    /// # Errors
    /// [`TokenError::NoKey`] if no key signs; [`TokenError::TooLong`] if issuer, target, nonce and actor together do not fit; [`TokenError::Refused`] if
    /// the claims are not those of a jump, for example a broker with a segment or an instant with a fraction;
    /// [`TokenError::Signing`] if the cryptographic library refuses.
    pub fn issue(&self, claims: &JumpClaims, now: Timestamp) -> Result<String, TokenError> {
        let key = self.ring.current(now).ok_or(TokenError::NoKey)?;
        let header = encode_json(&Header { alg: ALGORITHM, kid: key.kid(), typ: TYPE })?;
        let (jti, tenant) = (base64url::encode(claims.jti.0), claims.tenant.to_string());
        let payload = encode_json(&JumpWire::new(&self.issuer, claims, &jti, &tenant))?;
        let mut token = String::with_capacity(JUMP_TOKEN_BYTES);
        token.extend([&header, ".", &payload]);
        let signature = key.sign(token.as_bytes()).ok_or(TokenError::Signing)?;
        token.extend([".", &base64url::encode(signature)]);
        if token.len() > JUMP_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }

        // What we would refuse must not leave: a mistake here shows at the issue, not at the target.
        let entered = enter(&token, TYPE, |kid| (kid == key.kid()).then(|| Arc::clone(key.public())))
            .map_err(TokenError::Refused)?;
        match self.read(&entered, &claims.target, claims.epoch, claims.issued_at) {
            Ok(read) if read == *claims => Ok(token),
            Ok(_) => Err(TokenError::Refused(InvalidCause::Claims)),
            Err(JumpTokenError::Invalid(cause)) => Err(TokenError::Refused(cause)),
            Err(JumpTokenError::Expired(_)) => Err(TokenError::Refused(InvalidCause::Time)),
            Err(JumpTokenError::OldEpoch(_)) => Err(TokenError::Refused(InvalidCause::Claims)),
        }
    }

    /// Opens a token that `audience` brings at `now`, in the `epoch` that is known here. No I/O.
    ///
    /// It says that we issued the token for this target. Whether it still redeems anything, its row says.
    ///
    /// # Errors
    /// [`JumpTokenError::Invalid`] if it is not authentic or not for `audience`; then [`JumpTokenError::Expired`] 5 s or
    /// more after its end; then [`JumpTokenError::OldEpoch`] below `epoch`. A newer epoch than the one known here passes: the
    /// database knows it, and has the last word.
    pub fn open(
        &self,
        token: &str,
        audience: &TargetId,
        epoch: i64,
        now: Timestamp,
    ) -> Result<JumpClaims, JumpTokenError> {
        let entered = enter(token, TYPE, |kid| self.ring.find(kid, now))?;
        if !entered.key.has_signed(entered.signed.as_bytes(), &entered.signature) {
            return Err(InvalidCause::Signature.into());
        }
        self.read(&entered, audience, epoch, now)
    }

    /// Takes every step of [`JumpTokens::open`] but the signature: what it returns proves nothing.
    ///
    /// For checking our own tokens before they leave, and for measuring.
    ///
    /// # Errors
    /// As [`JumpTokens::open`], save a signature of the right length that the key did not make.
    pub fn check_without_signature(
        &self,
        token: &str,
        audience: &TargetId,
        epoch: i64,
        now: Timestamp,
    ) -> Result<JumpClaims, JumpTokenError> {
        let entered = enter(token, TYPE, |kid| self.ring.find(kid, now))?;
        self.read(&entered, audience, epoch, now)
    }

    /// Reads and checks the claims.
    fn read(
        &self,
        entered: &Entered<'_>,
        audience: &TargetId,
        epoch: i64,
        now: Timestamp,
    ) -> Result<JumpClaims, JumpTokenError> {
        let json = decode_claims(entered)?;
        let wire: JumpWire<'_> = read_object(&json).ok_or(InvalidCause::Claims)?;
        let claims = wire.read().ok_or(InvalidCause::Claims)?;
        check_parties(wire.parties(), Parties { issuer: &self.issuer, audience: audience.as_str() })?;
        wire.times().check(TokenLife::LONGEST.span(), now)?;
        if wire.times().is_over(now) {
            return Err(JumpTokenError::Expired(Box::new(claims)));
        }
        if claims.epoch < epoch {
            return Err(JumpTokenError::OldEpoch(Box::new(claims)));
        }
        Ok(claims)
    }
}

fn encode_json(part: &impl serde::Serialize) -> Result<String, TokenError> {
    // A struct of texts and numbers can always be written.
    serde_json::to_vec(part).map(base64url::encode).map_err(|_| TokenError::Signing)
}

#[cfg(test)]
mod tests;
