//! The public keys of a foreign issuer, from its JWK Set (RFC 7517).
//!
//! A set that carries a private member, or names one key twice, is refused whole: its issuer is not to be trusted with
//! the rest. A key that is for something else, or of a kind that we do not know, is left out.

use std::collections::HashMap;
use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use crate::domain::issuer::SignatureAlgorithm;
use crate::token::base64url;

/// Most bytes of a set.
pub const JWK_SET_BYTES: usize = 256 * 1024;
/// Most keys of a set.
const KEYS: usize = 64;
/// Most characters of a `kid`.
pub(super) const KID_CHARACTERS: usize = 128;
/// The least and most bits of an RSA modulus: less is weak, more is a way to keep us busy.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// Why a JWK Set is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwkSetError {
    /// It has more than [`JWK_SET_BYTES`] bytes, or more than 64 keys.
    #[error("it is too large")]
    TooLarge,
    /// It is not a JSON object with a list `keys` of objects.
    #[error("it is not a JWK Set")]
    Format,
    /// One of its keys has a private or a symmetric member.
    #[error("it has a private or a symmetric key in it")]
    Private,
    /// Two keys that sign have the same `kid`.
    #[error("it names a key twice")]
    Twice,
    /// No key in it signs by an algorithm that we take.
    #[error("no key in it is for signatures that we take")]
    Empty,
}

/// One key, with the algorithms that it may verify.
struct ForeignKey {
    key: DecodingKey,
    algorithms: &'static [SignatureAlgorithm],
    /// The one algorithm that the set binds it to, if it does.
    bound: Option<SignatureAlgorithm>,
}

/// The keys of an issuer by their `kid`.
pub struct ForeignKeys {
    keys: HashMap<String, ForeignKey>,
}

impl fmt::Debug for ForeignKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.keys()).finish()
    }
}

#[derive(Deserialize)]
struct SetWire {
    keys: Vec<JwkWire>,
}

/// The members that are looked at; others are the issuer's own affair.
#[derive(Deserialize)]
struct JwkWire {
    kty: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<serde::de::IgnoredAny>,
    k: Option<serde::de::IgnoredAny>,
    p: Option<serde::de::IgnoredAny>,
    q: Option<serde::de::IgnoredAny>,
}

impl ForeignKeys {
    /// Reads a set.
    ///
    /// # Errors
    /// [`JwkSetError`].
    pub fn parse(json: &[u8]) -> Result<Self, JwkSetError> {
        if json.len() > JWK_SET_BYTES {
            return Err(JwkSetError::TooLarge);
        }
        let set: SetWire = serde_json::from_slice(json).map_err(|_| JwkSetError::Format)?;
        if set.keys.len() > KEYS {
            return Err(JwkSetError::TooLarge);
        }
        let mut keys = HashMap::with_capacity(set.keys.len());
        for jwk in &set.keys {
            if jwk.is_secret() {
                return Err(JwkSetError::Private);
            }
            let Some((kid, key)) = jwk.read() else { continue };
            if keys.insert(kid.to_owned(), key).is_some() {
                return Err(JwkSetError::Twice);
            }
        }
        if keys.is_empty() { Err(JwkSetError::Empty) } else { Ok(Self { keys }) }
    }

    /// Whether the set has a key of this name.
    pub(super) fn has(&self, kid: &str) -> bool {
        self.keys.contains_key(kid)
    }

    /// Whether a key of the set made a signature; `None` if no key of that name is for that algorithm.
    pub(super) fn verify(
        &self,
        kid: &str,
        algorithm: SignatureAlgorithm,
        signed: &str,
        signature: &str,
    ) -> Option<bool> {
        let key = self
            .keys
            .get(kid)
            .filter(|key| key.algorithms.contains(&algorithm) && key.bound.is_none_or(|bound| bound == algorithm))?;
        let by = match algorithm {
            SignatureAlgorithm::Es256 => Algorithm::ES256,
            SignatureAlgorithm::EdDsa => Algorithm::EdDSA,
            SignatureAlgorithm::Ps256 => Algorithm::PS256,
            SignatureAlgorithm::Rs256 => Algorithm::RS256,
        };
        Some(matches!(jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key.key, by), Ok(true)))
    }
}

impl JwkWire {
    fn is_secret(&self) -> bool {
        self.d.is_some() || self.k.is_some() || self.p.is_some() || self.q.is_some()
    }

    /// The key and its name; `None` if it is not for signatures that we verify.
    fn read(&self) -> Option<(&str, ForeignKey)> {
        let kid = self.kid.as_deref().filter(|kid| is_kid(kid))?;
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        if self.key_ops.as_ref().is_some_and(|operations| !operations.iter().any(|one| one == "verify")) {
            return None;
        }
        let bound = match self.alg.as_deref() {
            None => None,
            // By another algorithm: not for us.
            Some(name) => Some(SignatureAlgorithm::parse(name)?),
        };
        let (key, algorithms) = self.read_key()?;
        Some((kid, ForeignKey { key, algorithms, bound }))
    }

    fn read_key(&self) -> Option<(DecodingKey, &'static [SignatureAlgorithm])> {
        match (self.kty.as_deref()?, self.crv.as_deref()) {
            ("EC", Some("P-256")) => {
                let (x, y) = (self.x.as_deref()?, self.y.as_deref()?);
                base64url::decode_exact::<32>(x)?;
                base64url::decode_exact::<32>(y)?;
                Some((DecodingKey::from_ec_components(x, y).ok()?, &[SignatureAlgorithm::Es256]))
            }
            ("OKP", Some("Ed25519")) => {
                let x = self.x.as_deref()?;
                base64url::decode_exact::<32>(x)?;
                Some((DecodingKey::from_ed_components(x).ok()?, &[SignatureAlgorithm::EdDsa]))
            }
            ("RSA", None) => {
                let (n, e) = (self.n.as_deref()?, self.e.as_deref()?);
                let modulus = base64url::decode(n)?;
                let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
                if !RSA_BITS.contains(&bits) {
                    return None;
                }
                let key = DecodingKey::from_rsa_components(n, e).ok()?;
                Some((key, &[SignatureAlgorithm::Ps256, SignatureAlgorithm::Rs256]))
            }
            _ => None,
        }
    }
}

/// Tells whether a text can name a foreign key: 1 to 128 visible characters of ASCII, or blanks.
pub(super) fn is_kid(text: &str) -> bool {
    (1..=KID_CHARACTERS).contains(&text.len()) && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}
