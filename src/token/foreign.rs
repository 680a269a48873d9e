//! Callers' tokens of foreign issuers: signed elsewhere, read as strictly as they allow.
//!
//! The steps are those of the front door, with another profile: at most 8 KiB; a header may have members that we do not
//! know, but none that brings a key or names an extension; the algorithm is one of the issuer's entry, and the key's; a
//! claim that we do not know is passed over. Keys come from the issuer's JWK Set, which somebody else fetches: nothing here
//! does I/O.

mod claims;
mod keys;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::claims::{ForeignClaims, NotOfItsType};
use self::keys::is_kid;
use super::base64url;
use super::caller::{CallerTokenError, LONGEST_CALLER_LIFE, VerifiedCaller};
use super::claims::read_tenant;
use super::front_door::{InvalidCause, is_type, read_object, split};
use crate::domain::caller::Role;
use crate::domain::ids::{BrokerId, CustomerId, InvalidId, SubjectId, TargetId, TenantId};
use crate::domain::issuer::{IssuerName, IssuerProfile, SignatureAlgorithm};
use crate::domain::time::Timestamp;

pub use self::keys::{ForeignKeys, JWK_SET_BYTES, JwkSetError};

/// Most bytes of a foreign token.
pub(super) const FOREIGN_TOKEN_BYTES: usize = 8 * 1024;
/// Most tenants of one token, and most roles.
const LISTED: usize = 64;
/// Most bytes of a claim `sub` (OpenID Connect Core, section 2).
const SUB_BYTES: usize = 255;
/// What stands before the hash of a subject that is no id.
const HASHED: &str = "sha256:";
/// For how long keys are good that could not be fetched anew: an issuer may be away for a day.
const KEYS_GOOD_FOR: Duration = Duration::from_hours(24);

/// A foreign issuer: what it may say, and its keys, once they are there.
pub struct ForeignTokens {
    profile: IssuerProfile,
    keys: RwLock<Option<Fetched>>,
}

/// Keys, and when they were fetched.
#[derive(Clone)]
struct Fetched {
    keys: Arc<ForeignKeys>,
    at: Timestamp,
}

impl fmt::Debug for ForeignTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignTokens").field("name", &self.profile.name).finish_non_exhaustive()
    }
}

/// A protected header. Members beyond these are passed over; those that would change what the signature means are not.
#[derive(Deserialize)]
struct ForeignHeader {
    alg: String,
    kid: String,
    typ: String,
    crit: Option<IgnoredAny>,
    b64: Option<IgnoredAny>,
    jwk: Option<IgnoredAny>,
    jku: Option<IgnoredAny>,
    x5u: Option<IgnoredAny>,
}

impl ForeignHeader {
    const fn brings_a_key_or_an_extension(&self) -> bool {
        self.crit.is_some() || self.b64.is_some() || self.jwk.is_some() || self.jku.is_some() || self.x5u.is_some()
    }
}

/// A token that is well formed and of the issuer's kind; not yet verified.
struct Entered<'t> {
    signed: &'t str,
    payload: &'t str,
    signature: &'t str,
    algorithm: SignatureAlgorithm,
    kid: String,
}

impl ForeignTokens {
    /// An issuer without keys yet: no token of it is good.
    #[must_use]
    pub const fn new(profile: IssuerProfile) -> Self {
        Self { profile, keys: RwLock::new(None) }
    }

    /// The operator's name for it.
    #[must_use]
    pub const fn name(&self) -> &IssuerName {
        &self.profile.name
    }

    /// Its claim `iss`.
    pub(super) fn issuer(&self) -> &str {
        &self.profile.issuer
    }

    /// Takes keys that were fetched at `at` in place of those before.
    pub fn replace_keys(&self, keys: ForeignKeys, at: Timestamp) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Fetched { keys: Arc::new(keys), at });
    }

    /// The name of the key that a token claims, if it is a token of this issuer's kind and the key is not known at `now`.
    #[must_use]
    pub fn unknown_kid(&self, token: &str, now: Timestamp) -> Option<String> {
        let entered = self.enter(token).ok()?;
        match self.keys(now) {
            Some(keys) if keys.has(&entered.kid) => None,
            _ => Some(entered.kid),
        }
    }

    /// Verifies a token that somebody brings at `now`. No I/O.
    ///
    /// # Errors
    /// [`CallerTokenError`].
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedCaller, CallerTokenError> {
        let entered = self.enter(token)?;
        let keys = self.keys(now).ok_or(CallerTokenError::KeysMissing)?;
        match keys.verify(&entered.kid, entered.algorithm, entered.signed, entered.signature) {
            None => return Err(InvalidCause::UnknownKey.into()),
            Some(false) => return Err(InvalidCause::Signature.into()),
            Some(true) => {}
        }
        let json = base64url::decode(entered.payload).ok_or(InvalidCause::Claims)?;
        let claims = ForeignClaims::read(&json).ok_or(InvalidCause::Claims)?;
        self.read(&claims, now)
    }

    /// The keys, if they were fetched within a day.
    fn keys(&self, now: Timestamp) -> Option<Arc<ForeignKeys>> {
        let fetched = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let fetched = fetched.as_ref().filter(|fetched| now < fetched.at.plus(KEYS_GOOD_FOR));
        fetched.map(|fetched| Arc::clone(&fetched.keys))
    }

    fn enter<'t>(&self, token: &'t str) -> Result<Entered<'t>, InvalidCause> {
        let (header, payload, signature) = split(token, FOREIGN_TOKEN_BYTES).ok_or(InvalidCause::Format)?;
        let signed = token.get(..header.len() + 1 + payload.len()).ok_or(InvalidCause::Format)?;
        let header = base64url::decode(header).ok_or(InvalidCause::Header)?;
        let header: ForeignHeader = read_object(&header).ok_or(InvalidCause::Header)?;
        if header.brings_a_key_or_an_extension() || !is_kid(&header.kid) {
            return Err(InvalidCause::Header);
        }
        let algorithm = SignatureAlgorithm::parse(&header.alg)
            .filter(|algorithm| self.profile.algorithms.contains(algorithm))
            .ok_or(InvalidCause::Header)?;
        if !is_type(&header.typ, &self.profile.typ) {
            return Err(InvalidCause::Type);
        }
        // Strict, as everywhere: the library would take other encodings of the same bytes.
        base64url::decode(signature).ok_or(InvalidCause::Signature)?;
        Ok(Entered { signed, payload, signature, algorithm, kid: header.kid })
    }

    /// Reads and checks the claims, in the order of the front door.
    fn read(&self, claims: &ForeignClaims, now: Timestamp) -> Result<VerifiedCaller, CallerTokenError> {
        let IssuerProfile { issuer, audience, .. } = &self.profile;
        if claims.text("iss") != Some(issuer) {
            return Err(InvalidCause::Issuer.into());
        }
        if !claims.is_for(audience) {
            return Err(InvalidCause::Audience.into());
        }
        // Bound to something else than a certificate (RFC 7800) it may be stolen, and nobody here could tell.
        let bound_to = claims.bound_to().map_err(|_| InvalidCause::Binding)?;
        let times = claims.times().ok_or(InvalidCause::Claims)?;
        times.check(LONGEST_CALLER_LIFE, now)?;
        let caller = self.read_caller(claims, Timestamp::from_unix_seconds(times.expires_at));
        let caller = VerifiedCaller { bound_to, ..caller.map_err(|Unfit| InvalidCause::Claims)? };
        if caller.is_over(now) {
            return Err(CallerTokenError::Expired);
        }
        Ok(caller)
    }

    /// What the claims mean, as far as the issuer may say it.
    fn read_caller(&self, claims: &ForeignClaims, expires_at: Timestamp) -> Result<VerifiedCaller, Unfit> {
        let names = &self.profile.claims;
        let sub = claims.text("sub").filter(|sub| (1..=SUB_BYTES).contains(&sub.len())).ok_or(Unfit)?;
        let broker_id = claims.ours(&names.broker_id)?.map(BrokerId::parse).transpose()?;
        let customer_id = claims.ours(&names.customer_id)?.map(CustomerId::parse).transpose()?;
        let target_audience = claims.ours(&names.target_audience)?.map(TargetId::parse).transpose()?;
        let roles = self.roles(claims)?;
        let broker = broker_id.as_ref().filter(|_| roles.contains(&Role::Broker)).map(BrokerId::as_str);
        let customer = customer_id.as_ref().filter(|_| roles.contains(&Role::Customer)).map(CustomerId::as_str);
        Ok(VerifiedCaller {
            subject: self.subject(sub, [broker, customer])?,
            roles,
            tenants: self.tenants(claims)?,
            broker_id,
            customer_id,
            target_audience,
            bound_to: None,
            expires_at,
        })
    }

    /// The subject as we know it. Whoever is the person himself goes by the person's id, whoever vouches for him; everybody
    /// else by the issuer's name and his own. What is no id of ours stands as its hash.
    fn subject(&self, sub: &str, people: [Option<&str>; 2]) -> Result<SubjectId, InvalidId> {
        if people.contains(&Some(sub)) {
            return SubjectId::parse(sub);
        }
        let name = &self.profile.name;
        if !sub.starts_with(HASHED)
            && let Ok(subject) = SubjectId::parse(&format!("{name}:{sub}"))
        {
            return Ok(subject);
        }
        let hash = base64url::encode(digest(&SHA256, sub.as_bytes()));
        SubjectId::parse(&format!("{name}:{HASHED}{hash}"))
    }

    /// The roles that its entry knows, each once, at least one.
    fn roles(&self, claims: &ForeignClaims) -> Result<Vec<Role>, Unfit> {
        let named = claims.several(&self.profile.claims.roles)?;
        if named.len() > LISTED {
            return Err(Unfit);
        }
        let mut roles = Vec::new();
        for role in named.into_iter().filter_map(|name| self.profile.roles.get(name)) {
            if !roles.contains(role) {
                roles.push(*role);
            }
        }
        if roles.is_empty() { Err(Unfit) } else { Ok(roles) }
    }

    /// The tenants that it names and may speak for. It may name others, which count for nothing; if it names none that it
    /// may speak for, it says nothing of anybody.
    fn tenants(&self, claims: &ForeignClaims) -> Result<Vec<TenantId>, Unfit> {
        let names = &self.profile.claims;
        let named = match (claims.ours(&names.tenant)?, claims.several(&names.tenants)?) {
            (Some(one), many) if many.is_empty() => vec![one],
            (None, many) => many,
            // Both: which one counts would be a guess.
            (Some(_), _) => return Err(Unfit),
        };
        if named.len() > LISTED {
            return Err(Unfit);
        }
        let mut tenants = Vec::with_capacity(named.len());
        for name in &named {
            let tenant = read_tenant(name)?;
            if self.profile.tenants.contains(&tenant) && !tenants.contains(&tenant) {
                tenants.push(tenant);
            }
        }
        if tenants.is_empty() && !named.is_empty() { Err(Unfit) } else { Ok(tenants) }
    }
}

/// The claims do not say who calls.
struct Unfit;

impl From<InvalidId> for Unfit {
    fn from(_: InvalidId) -> Self {
        Self
    }
}

impl From<NotOfItsType> for Unfit {
    fn from(_: NotOfItsType) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests;
