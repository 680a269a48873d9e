//! Callers' tokens of the embedded issuer: who calls, in which roles (RFC 9068).

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use super::TokenError;
use super::base64url;
use super::binding::{ConfirmationWire, read_thumbprint, thumbprint_text};
use super::claims::{CallerWire, read_tenant};
use super::front_door::{
    Entered, InvalidCause, Parties, TOKEN_BYTES, check_parties, decode_claims, enter, is_over, named_key, read_object,
};
use super::keyring::{KeyRing, SigningKey};
use crate::domain::caller::{Caller, CertificateThumbprint, Role, TenantRole};
use crate::domain::ids::{BrokerId, CustomerId, InvalidId, Random, SubjectId, TargetId, TenantId};
use crate::domain::time::Timestamp;

/// The kind of a caller's token (RFC 9068, section 2.1).
const TYPE: &str = "at+jwt";
/// The client that tokens are asked for by: the service's own command line.
const CLIENT_ID: &str = "concenter";
/// Bytes of a caller's `jti`.
const JTI_BYTES: usize = 24;
/// Most roles of one token.
const ROLES: usize = 4;

/// The longest life of a caller's token.
pub const LONGEST_CALLER_LIFE: Duration = Duration::from_hours(24);

/// What a caller's token is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerGrant {
    /// Whose it is: a human or a machine.
    pub subject: SubjectId,
    /// What he may act as: 1 to 4 roles, each once; the other fields fit each of them.
    pub roles: Vec<Role>,
    /// His tenant; none for operators and targets.
    pub tenant: Option<TenantId>,
    /// The broker that he is, for role broker.
    pub broker_id: Option<BrokerId>,
    /// The customer that he is, or is staff of, for role customer.
    pub customer_id: Option<CustomerId>,
    /// The target that it is, for role target.
    pub target_audience: Option<TargetId>,
    /// The certificate with which alone the token is good; none if any connection will do.
    pub bound_to: Option<CertificateThumbprint>,
    /// How long the token is good for: 1 s to [`LONGEST_CALLER_LIFE`]; a fraction of a second is cut off.
    pub life: Duration,
}

/// What a caller's token said, and it was good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCaller {
    /// Whose it is: a human or a machine.
    pub subject: SubjectId,
    /// What he may act as: 1 to 4 roles, each once.
    pub roles: Vec<Role>,
    /// His tenants, each once: those that the token names and its issuer may speak for.
    pub tenants: Vec<TenantId>,
    /// The broker that he is.
    pub broker_id: Option<BrokerId>,
    /// The customer that he is, or is staff of.
    pub customer_id: Option<CustomerId>,
    /// The target that it is.
    pub target_audience: Option<TargetId>,
    /// The certificate that the connection must have, with every call; none if any connection will do.
    pub bound_to: Option<CertificateThumbprint>,
    /// When the token ends, in whole seconds.
    pub expires_at: Timestamp,
}

impl VerifiedCaller {
    /// Tells whether the token is over.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        is_over(self.expires_at, now)
    }

    /// The tenant that a call is about: the one that it names, which must be one of the token's, or the token's only one.
    ///
    /// # Errors
    /// [`TenantNotOfToken`] if the call names another one, or none where the token has several.
    pub fn tenant(&self, named: Option<&str>) -> Result<Option<TenantId>, TenantNotOfToken> {
        match (named, self.tenants.as_slice()) {
            (None, []) => Ok(None),
            (None, [only]) => Ok(Some(*only)),
            (None, _) => Err(TenantNotOfToken),
            (Some(named), tenants) => {
                let named = TenantId::parse(named).map_err(|_| TenantNotOfToken)?;
                if tenants.contains(&named) { Ok(Some(named)) } else { Err(TenantNotOfToken) }
            }
        }
    }

    /// The caller, acting in `role` within `tenant`, which is one of his; `None` if the token does not carry the role or does
    /// not say what it needs.
    ///
    /// Operators and targets belong to no tenant: a token that names one is neither.
    #[must_use]
    pub fn as_caller(&self, role: Role, tenant: Option<TenantId>) -> Option<Caller> {
        if !self.roles.contains(&role) {
            return None;
        }
        let subject = self.subject.clone();
        let within = |role: TenantRole| Some(Caller::Tenant { tenant: tenant?, role, subject: subject.clone() });
        match role {
            Role::Admin => within(TenantRole::Admin),
            Role::Portal => within(TenantRole::Portal),
            Role::Broker => within(TenantRole::Broker(self.broker_id.clone()?)),
            Role::Customer => within(TenantRole::Customer(self.customer_id.clone()?)),
            Role::Operator | Role::Target if !self.tenants.is_empty() => None,
            Role::Operator => Some(Caller::Operator { subject }),
            Role::Target => Some(Caller::Target { audience: self.target_audience.clone()?, subject }),
        }
    }
}

/// A call is about a tenant that its token is not for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token is not for this tenant")]
pub struct TenantNotOfToken;

/// A caller's token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallerTokenError {
    /// It is not authentic, or not for us.
    #[error("the caller's token is not valid: {0}")]
    Invalid(InvalidCause),
    /// It is authentic and for us, but came 5 s or more after its end.
    #[error("the caller's token has expired")]
    Expired,
    /// The keys of its issuer are not there, or too old: it may be good.
    #[error("the keys of the issuer of the caller's token are not there")]
    KeysMissing,
}

impl From<InvalidCause> for CallerTokenError {
    fn from(cause: InvalidCause) -> Self {
        Self::Invalid(cause)
    }
}

/// The embedded issuer: mints callers' tokens and verifies them.
#[derive(Debug)]
pub struct CallerTokens {
    ring: Arc<KeyRing>,
    issuer: String,
    audience: String,
}

impl CallerTokens {
    /// Mints in the name of `issuer` for the service that is called `audience`, with keys that sign nothing else.
    #[must_use]
    pub const fn new(ring: Arc<KeyRing>, issuer: String, audience: String) -> Self {
        Self { ring, issuer, audience }
    }

    /// Mints a token that is good from `now`, at most 2 048 bytes, and one that [`CallerTokens::verify`] takes.
    ///
    /// # Errors
    /// [`TokenError::NoKey`] if no key signs at `now`; [`TokenError::Life`] if it would live too long or not at all; [`TokenError::Unfit`] if the claims do not fit
    /// one of the roles; [`TokenError::Refused`] with no role, more than 4 or one twice; [`TokenError::TooLong`] if
    /// issuer and audience are too long; [`TokenError::Signing`] if the cryptographic library refuses.
    pub fn mint(&self, grant: &CallerGrant, now: Timestamp, random: &dyn Random) -> Result<String, TokenError> {
        if !(Duration::from_secs(1)..=LONGEST_CALLER_LIFE).contains(&grant.life) {
            return Err(TokenError::Life);
        }
        let key = self.ring.current(now).ok_or(TokenError::NoKey)?;
        let token = self.sign(&key, grant, now, random)?;
        if token.len() > TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }

        // What we would refuse must not leave: a mistake here shows at the mint, not at the first call.
        let read = enter(&token, TYPE, |kid| (kid == key.kid()).then(|| Arc::clone(key.public())))
            .map_err(CallerTokenError::from)
            .and_then(|entered| self.read(&entered, now))
            .map_err(|error| match error {
                CallerTokenError::Invalid(cause) => TokenError::Refused(cause),
                CallerTokenError::Expired | CallerTokenError::KeysMissing => TokenError::Refused(InvalidCause::Time),
            })?;
        match read.roles.iter().find(|role| read.as_caller(**role, grant.tenant).is_none()) {
            Some(role) => Err(TokenError::Unfit(*role)),
            None => Ok(token),
        }
    }

    /// The keys.
    #[must_use]
    pub const fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// The key that a token of its kind names and that verifies nothing at `now`; `None` for another kind of token.
    pub(super) fn unknown_kid(&self, token: &str, now: Timestamp) -> Option<String> {
        named_key(token, TYPE).filter(|kid| self.ring.find(kid, now).is_none())
    }

    /// The claim `iss` of its tokens.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Verifies a token that somebody brings at `now`. No I/O. Whether the connection is the one that it is bound to is for
    /// the caller to check.
    ///
    /// # Errors
    /// [`CallerTokenError::Invalid`] if it is not authentic or not for us; [`CallerTokenError::Expired`] 5 s or more
    /// after its end.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedCaller, CallerTokenError> {
        let entered = enter(token, TYPE, |kid| self.ring.find(kid, now))?;
        let (x, y) = entered.key.coordinates();
        let key = DecodingKey::from_ec_components(x, y).map_err(|_| InvalidCause::UnknownKey)?;
        // The signature alone. The library's checks of claims read the system's clock, and take other types, a missing
        // audience and unknown header members for good.
        let verified =
            jsonwebtoken::crypto::verify(entered.encoded_signature, entered.signed.as_bytes(), &key, Algorithm::ES256);
        if !matches!(verified, Ok(true)) {
            return Err(InvalidCause::Signature.into());
        }
        self.read(&entered, now)
    }

    fn sign(
        &self,
        key: &SigningKey,
        grant: &CallerGrant,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<String, TokenError> {
        let mut jti = [0; JTI_BYTES];
        random.fill(&mut jti);
        let jti = base64url::encode(jti);
        let tenant = grant.tenant.map(|tenant| tenant.to_string());
        let thumbprint = grant.bound_to.map(thumbprint_text);
        let issued_at = now.floor_to_second();
        let claims = CallerWire {
            iss: &self.issuer,
            exp: issued_at.plus(grant.life).unix_seconds(),
            aud: &self.audience,
            sub: grant.subject.as_str(),
            client_id: CLIENT_ID,
            iat: issued_at.unix_seconds(),
            nbf: None,
            jti: &jti,
            tenant: tenant.as_deref(),
            roles: grant.roles.iter().map(|role| role.as_str()).collect(),
            broker_id: grant.broker_id.as_ref().map(BrokerId::as_str),
            customer_id: grant.customer_id.as_ref().map(CustomerId::as_str),
            target_audience: grant.target_audience.as_ref().map(TargetId::as_str),
            cnf: thumbprint.as_deref().map(|thumbprint| ConfirmationWire { thumbprint }),
        };
        let mut header = jsonwebtoken::Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid().to_owned());
        let pkcs8 = key.to_pkcs8().map_err(|_| TokenError::Signing)?;
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ec_der(&pkcs8)).map_err(|_| TokenError::Signing)
    }

    /// Reads and checks the claims.
    fn read(&self, entered: &Entered<'_>, now: Timestamp) -> Result<VerifiedCaller, CallerTokenError> {
        let json = decode_claims(entered)?;
        let wire: CallerWire<'_> = read_object(&json).ok_or(InvalidCause::Claims)?;
        let caller = read_caller(&wire).map_err(|_| InvalidCause::Claims)?;
        check_parties(wire.parties(), Parties { issuer: &self.issuer, audience: &self.audience })?;
        wire.times().check(LONGEST_CALLER_LIFE, now)?;
        if caller.is_over(now) {
            return Err(CallerTokenError::Expired);
        }
        Ok(caller)
    }
}

/// What the claims mean.
fn read_caller(wire: &CallerWire<'_>) -> Result<VerifiedCaller, InvalidId> {
    SubjectId::parse(wire.client_id)?;
    base64url::decode_exact::<JTI_BYTES>(wire.jti).ok_or(InvalidId)?;
    Ok(VerifiedCaller {
        subject: SubjectId::parse(wire.sub)?,
        roles: read_roles(&wire.roles).ok_or(InvalidId)?,
        tenants: wire.tenant.map(read_tenant).transpose()?.into_iter().collect(),
        broker_id: wire.broker_id.map(BrokerId::parse).transpose()?,
        customer_id: wire.customer_id.map(CustomerId::parse).transpose()?,
        target_audience: wire.target_audience.map(TargetId::parse).transpose()?,
        bound_to: match &wire.cnf {
            Some(confirmation) => Some(read_thumbprint(confirmation.thumbprint).ok_or(InvalidId)?),
            None => None,
        },
        expires_at: Timestamp::from_unix_seconds(wire.exp),
    })
}

/// Reads 1 to 4 known roles, each once.
fn read_roles(names: &[&str]) -> Option<Vec<Role>> {
    if !(1..=ROLES).contains(&names.len()) {
        return None;
    }
    let mut roles = Vec::with_capacity(names.len());
    for name in names {
        let role = Role::parse(name).filter(|role| !roles.contains(role))?;
        roles.push(role);
    }
    Some(roles)
}

#[cfg(test)]
mod tests;
