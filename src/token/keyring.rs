//! Signing keys and the rings of those that are in use.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::base64url;
use crate::domain::signing::{KeyLife, KeyState};
use crate::domain::time::Timestamp;

/// The one algorithm (RFC 7518, section 3.4): ECDSA on P-256 with SHA-256.
pub(super) const ALGORITHM: &str = "ES256";
/// Bytes of a signature: R and S.
pub(super) const SIGNATURE_BYTES: usize = 64;

/// A key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The cryptographic library could not make one.
    #[error("a signing key could not be made")]
    Generate,
    /// It is not a P-256 key in PKCS#8, or no point of P-256.
    #[error("a signing key is damaged or of another kind")]
    Malformed,
}

/// The public half of a P-256 key, parsed once: it verifies ES256.
pub struct PublicKey {
    parsed: ParsedPublicKey,
    point: Vec<u8>,
    kid: String,
    x: String,
    y: String,
}

impl PublicKey {
    /// Reads a key from its point, in the uncompressed form (SEC 1, section 2.3.3): 65 bytes.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if it is none of P-256.
    pub fn from_point(point: &[u8]) -> Result<Self, KeyError> {
        let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| KeyError::Malformed)?;
        // The uncompressed form: 4, then both coordinates.
        let (x, y) = point.strip_prefix(&[4]).and_then(|xy| xy.split_at_checked(32)).ok_or(KeyError::Malformed)?;
        let (x, y) = (base64url::encode(x), base64url::encode(y));
        // Required members only, in lexicographic order (RFC 7638, section 3.2).
        let required = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = base64url::encode(digest(&SHA256, required.as_bytes()));
        Ok(Self { parsed, point: point.to_vec(), kid, x, y })
    }

    /// Its point, as [`PublicKey::from_point`] reads it.
    #[must_use]
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// Its id: the thumbprint of RFC 7638, 43 characters of base64url.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The key as a JWK (RFC 7517), for verifying only.
    #[must_use]
    pub fn jwk(&self) -> Value {
        json!({
            "kty": "EC",
            "crv": "P-256",
            "x": self.x,
            "y": self.y,
            "kid": self.kid,
            "alg": ALGORITHM,
            "use": "sig",
            "key_ops": ["verify"],
        })
    }

    /// Both coordinates, as a JWK spells them.
    pub(super) fn coordinates(&self) -> (&str, &str) {
        (&self.x, &self.y)
    }

    /// Tells whether this key signed the message.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// A P-256 key that signs with ES256, parsed once.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    public: Arc<PublicKey>,
}

impl SigningKey {
    /// Makes a new key, and its PKCS#8 for whoever keeps it.
    ///
    /// The random bits are the cryptographic library's own: it takes no other source, for keys as for signatures.
    ///
    /// # Errors
    /// [`KeyError::Generate`] if the library refuses.
    pub fn generate() -> Result<(Self, Zeroizing<Vec<u8>>), KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| KeyError::Generate)?;
        let key = Self::from_pair(pair)?;
        let pkcs8 = key.to_pkcs8()?;
        Ok((key, pkcs8))
    }

    /// Reads a key from its PKCS#8.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if it is damaged, of another kind or on another curve.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8);
        Self::from_pair(pair.map_err(|_| KeyError::Malformed)?)
    }

    fn from_pair(pair: EcdsaKeyPair) -> Result<Self, KeyError> {
        let public = Arc::new(PublicKey::from_point(pair.public_key().as_ref())?);
        Ok(Self { pair, public })
    }

    /// The private key, for sealing and for libraries that take no parsed one.
    pub(super) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = self.pair.to_pkcs8v1().map_err(|_| KeyError::Malformed)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// Its public half.
    #[must_use]
    pub const fn public(&self) -> &Arc<PublicKey> {
        &self.public
    }

    /// Its id: that of its public half.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// Signs a message; `None` if the cryptographic library refuses.
    pub(super) fn sign(&self, message: &[u8]) -> Option<[u8; SIGNATURE_BYTES]> {
        // The library takes a source for the sake of an older interface and uses its own.
        self.pair.sign(&SystemRandom::new(), message).ok()?.as_ref().try_into().ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid()).finish_non_exhaustive()
    }
}

/// What of a key could be read.
#[derive(Debug, Clone)]
pub enum KeyHalves {
    /// Both halves: it signs and verifies.
    Both(Arc<SigningKey>),
    /// The public half of a key whose time is over.
    Public(Arc<PublicKey>),
}

impl KeyHalves {
    fn public(&self) -> &Arc<PublicKey> {
        match self {
            Self::Both(key) => key.public(),
            Self::Public(key) => key,
        }
    }
}

/// A key of a ring: what of it could be read, and its life. A key of which nothing could be read is in no ring.
#[derive(Debug, Clone)]
pub struct RingKey {
    /// What of it could be read.
    pub halves: KeyHalves,
    /// When it was made; `None` for one that is of no database.
    pub made_at: Option<Timestamp>,
    /// When it may do what.
    pub life: KeyLife,
}

impl RingKey {
    fn kid(&self) -> &str {
        self.halves.public().kid()
    }
}

/// The keys of one kind of token, each with its life. Which of them signs and which verify follows from the instant, so that
/// nothing has to happen for one to begin or to end.
///
/// Others than those that were read last take their place without anybody waiting: a reader holds the lock for as long as it
/// takes to count a reference.
#[derive(Debug)]
pub struct KeyRing(RwLock<Held>);

#[derive(Debug, Clone)]
struct Held {
    keys: Arc<[RingKey]>,
    /// How often a key was lost that verified before.
    losses: u64,
}

impl KeyRing {
    /// Makes a ring of these keys. Of one that is there twice the first counts.
    #[must_use]
    pub fn new(keys: Vec<RingKey>) -> Self {
        Self(RwLock::new(Held { keys: keys.into(), losses: 0 }))
    }

    /// Makes a ring of one key, which signs since ever.
    #[must_use]
    pub fn of(key: SigningKey) -> Self {
        Self::new(vec![RingKey { halves: KeyHalves::Both(Arc::new(key)), made_at: None, life: KeyLife::ALONE }])
    }

    /// Takes the keys that were read at `now` in place of those before.
    pub fn replace(&self, keys: Vec<RingKey>, now: Timestamp) {
        let keys: Arc<[RingKey]> = keys.into();
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let verifies = |key: &&RingKey| key.life.verifies(now);
        let is_kept = |lost: &RingKey| keys.iter().filter(verifies).any(|key| key.kid() == lost.kid());
        if !held.keys.iter().filter(verifies).all(is_kept) {
            held.losses = held.losses.wrapping_add(1);
        }
        held.keys = keys;
    }

    /// Moves whenever a key is lost that verified before: what was verified under another number may have been by that key.
    #[must_use]
    pub fn losses(&self) -> u64 {
        self.held().losses
    }

    /// The key that signs at `now`; `None` if there is none, or if it could not be read. Where none signs yet, because the clock
    /// here is a little late, it is the one that is about to.
    #[must_use]
    pub fn current(&self, now: Timestamp) -> Option<Arc<SigningKey>> {
        let keys = self.held().keys;
        let both = |key: &RingKey| match &key.halves {
            KeyHalves::Both(key) => Some(Arc::clone(key)),
            KeyHalves::Public(_) => None,
        };
        let current = keys.iter().find(|key| key.life.state(now) == KeyState::Current);
        let about_to = || keys.iter().find(|key| key.life.is_about_to_sign(now));
        current.or_else(about_to).and_then(both)
    }

    /// When the key was made that signs at `now`; `None` if there is none.
    #[must_use]
    pub fn current_made_at(&self, now: Timestamp) -> Option<Timestamp> {
        let keys = self.held().keys;
        keys.iter().find(|key| key.life.state(now) == KeyState::Current)?.made_at
    }

    /// The key of this id, if what it signed is accepted at `now`.
    #[must_use]
    pub fn find(&self, kid: &str, now: Timestamp) -> Option<Arc<PublicKey>> {
        self.find_where(kid, |life| life.verifies(now))
    }

    /// The key of this id, if it was not revoked, also of long ago: for what must be provable and lets nobody in.
    #[must_use]
    pub fn find_of_any_time(&self, kid: &str, now: Timestamp) -> Option<Arc<PublicKey>> {
        self.find_where(kid, |life| {
            !matches!(life.state(now), KeyState::Next | KeyState::Revoked) || life.verifies(now)
        })
    }

    fn find_where(&self, kid: &str, may: impl Fn(&KeyLife) -> bool) -> Option<Arc<PublicKey>> {
        let keys = self.held().keys;
        let found = keys.iter().find(|key| key.kid() == kid).filter(|key| may(&key.life));
        found.map(|key| Arc::clone(key.halves.public()))
    }

    /// The public halves that are published at `now`, as a JWK Set (RFC 7517, section 5): of the current key, which comes
    /// first, of the next one and of retired ones.
    #[must_use]
    pub fn jwks_json(&self, now: Timestamp) -> String {
        let keys = self.held().keys;
        let of = |state| keys.iter().filter(move |key| key.life.state(now) == state);
        let published = [KeyState::Current, KeyState::Next, KeyState::Retired].into_iter().flat_map(of);
        json!({ "keys": published.map(|key| key.halves.public().jwk()).collect::<Vec<_>>() }).to_string()
    }

    fn held(&self) -> Held {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests;
