//! Signing keys and the ring of those that are in use.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::base64url;
use crate::domain::service::KeyState;

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
    /// It is not a P-256 key in PKCS#8.
    #[error("a signing key is damaged or of another kind")]
    Malformed,
}

/// A P-256 key that signs with ES256, parsed once.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    public: ParsedPublicKey,
    kid: String,
    x: String,
    y: String,
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
        let point = pair.public_key().as_ref();
        let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| KeyError::Malformed)?;
        // The uncompressed form: 4, then both coordinates (SEC 1, section 2.3.3).
        let (x, y) = point.strip_prefix(&[4]).and_then(|xy| xy.split_at_checked(32)).ok_or(KeyError::Malformed)?;
        let (x, y) = (base64url::encode(x), base64url::encode(y));
        // Required members only, in lexicographic order (RFC 7638, section 3.2).
        let required = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = base64url::encode(digest(&SHA256, required.as_bytes()));
        Ok(Self { pair, public, kid, x, y })
    }

    /// The private key, for sealing and for libraries that take no parsed one.
    pub(super) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = self.pair.to_pkcs8v1().map_err(|_| KeyError::Malformed)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// Its id: the thumbprint of RFC 7638, 43 characters of base64url.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its public half as a JWK (RFC 7517), for verifying only.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
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

    /// Both coordinates of the public key, as a JWK spells them.
    pub(super) fn coordinates(&self) -> (&str, &str) {
        (&self.x, &self.y)
    }

    /// Signs a message; `None` if the cryptographic library refuses.
    pub(super) fn sign(&self, message: &[u8]) -> Option<[u8; SIGNATURE_BYTES]> {
        // The library takes a source for the sake of an older interface and uses its own.
        self.pair.sign(&SystemRandom::new(), message).ok()?.as_ref().try_into().ok()
    }

    /// Tells whether this key signed the message.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        self.public.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// A ring cannot be made of these keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// None of them signs.
    #[error("there is no current signing key")]
    NoCurrent,
    /// More than one of them signs, and replicas could choose differently.
    #[error("there is more than one current signing key")]
    SeveralCurrent,
    /// One of them is there twice.
    #[error("a signing key is there twice")]
    Duplicate,
}

/// The keys of one kind of token: exactly one signs, any number only verifies.
#[derive(Debug)]
pub struct KeyRing {
    current: SigningKey,
    retired: Vec<SigningKey>,
}

impl KeyRing {
    /// Makes a ring.
    ///
    /// # Errors
    /// [`KeyRingError`] unless exactly one key is current and each is there once.
    pub fn new(keys: Vec<(SigningKey, KeyState)>) -> Result<Self, KeyRingError> {
        let mut current = None;
        let mut retired: Vec<SigningKey> = Vec::new();
        for (key, state) in keys {
            if retired.iter().chain(&current).any(|known| known.kid == key.kid) {
                return Err(KeyRingError::Duplicate);
            }
            match state {
                KeyState::Current if current.is_some() => return Err(KeyRingError::SeveralCurrent),
                KeyState::Current => current = Some(key),
                KeyState::Retired => retired.push(key),
            }
        }
        Ok(Self { current: current.ok_or(KeyRingError::NoCurrent)?, retired })
    }

    /// The key that signs.
    #[must_use]
    pub const fn current(&self) -> &SigningKey {
        &self.current
    }

    /// The key of this id; `None` if the ring has no such key.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&SigningKey> {
        self.keys().find(|key| key.kid == kid)
    }

    /// The public halves as a JWK Set (RFC 7517, section 5), the current key first.
    #[must_use]
    pub fn jwks_json(&self) -> String {
        json!({ "keys": self.keys().map(SigningKey::public_jwk).collect::<Vec<_>>() }).to_string()
    }

    fn keys(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.current).chain(&self.retired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::generate().unwrap().0
    }

    fn again(key: &SigningKey) -> SigningKey {
        SigningKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap()
    }

    #[test]
    fn a_key_comes_back_from_its_pkcs8() {
        let (key, pkcs8) = SigningKey::generate().unwrap();
        let read = SigningKey::from_pkcs8(&pkcs8).unwrap();
        assert_eq!(read.kid(), key.kid());
        assert!(key.has_signed(b"message", &read.sign(b"message").unwrap()));
        assert!(!key.has_signed(b"massage", &read.sign(b"message").unwrap()));
    }

    #[test]
    fn a_key_on_another_curve_is_refused() {
        let other = EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let pkcs8 = other.to_pkcs8v1().unwrap();
        assert_eq!(SigningKey::from_pkcs8(pkcs8.as_ref()).err(), Some(KeyError::Malformed));
        assert_eq!(SigningKey::from_pkcs8(b"").err(), Some(KeyError::Malformed));
    }

    #[test]
    fn a_kid_is_the_thumbprint_of_rfc_7638() {
        let key = key();
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.public_jwk()).unwrap();
        // A second implementation of the same RFC.
        assert_eq!(jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap(), key.kid());
        assert_eq!(key.kid().len(), 43);
    }

    #[test]
    fn a_published_key_has_public_members_only() {
        let jwk = key().public_jwk();
        let mut members: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "crv", "key_ops", "kid", "kty", "use", "x", "y"]);
        assert_eq!(jwk["key_ops"], json!(["verify"]));
        assert_eq!(jwk["use"], "sig");
    }

    #[test]
    fn a_ring_publishes_current_and_retired_keys() {
        let (current, retired) = (key(), key());
        let kids = [current.kid().to_owned(), retired.kid().to_owned()];
        let ring = KeyRing::new(vec![(retired, KeyState::Retired), (current, KeyState::Current)]).unwrap();
        let published: Value = serde_json::from_str(&ring.jwks_json()).unwrap();
        let published: Vec<_> = published["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
        assert_eq!(published, kids.iter().collect::<Vec<_>>());
        assert_eq!(ring.current().kid(), kids[0]);
        assert!(kids.iter().all(|kid| ring.find(kid).is_some()));
        assert!(ring.find("").is_none());
    }

    #[test]
    fn a_ring_has_exactly_one_current_key() {
        let rings = [
            (vec![], KeyRingError::NoCurrent),
            (vec![(key(), KeyState::Retired)], KeyRingError::NoCurrent),
            (vec![(key(), KeyState::Current), (key(), KeyState::Current)], KeyRingError::SeveralCurrent),
        ];
        for (keys, expected) in rings {
            assert_eq!(KeyRing::new(keys).err(), Some(expected));
        }
    }

    #[test]
    fn a_ring_has_each_key_once() {
        for state in [KeyState::Current, KeyState::Retired] {
            let key = key();
            let keys = vec![(again(&key), state), (key, KeyState::Retired)];
            assert_eq!(KeyRing::new(keys).err(), Some(KeyRingError::Duplicate));
        }
    }

    #[test]
    fn debug_shows_the_kid_alone() {
        let key = key();
        assert_eq!(format!("{key:?}"), format!("SigningKey {{ kid: {:?}, .. }}", key.kid()));
    }
}
