//! Issuers of callers' tokens beside the embedded one: how they sign, and what they may say.
//!
//! What an issuer says of a caller counts only as far as its entry lets it: without tenants and roles in the entry it may
//! say nothing at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use url::Url;

use super::caller::Role;
use super::ids::TenantId;

/// The operator's name for an issuer: 1 to 32 of `[a-z0-9-]`. It stands before the subjects of its tokens, since two
/// issuers may have a subject of the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerName(String);

impl IssuerName {
    /// Reads a name.
    ///
    /// # Errors
    /// What a name must be.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(is_allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be 1 to 32 characters of a-z, 0-9 and -")
        }
    }

    /// The name as it was chosen.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IssuerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A signature algorithm of a foreign issuer (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SignatureAlgorithm {
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl SignatureAlgorithm {
    /// Every algorithm that an entry may name.
    pub const ALL: [Self; 4] = [Self::Es256, Self::EdDsa, Self::Ps256, Self::Rs256];

    /// The algorithm as a token's header spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }

    /// Reads an algorithm, letter by letter; `None` for every other one, `none` and the symmetric ones included.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text)
    }
}

/// Where a claim stands: a member of the token's claims, or a JSON Pointer (RFC 6901) where it begins with a slash, for
/// example `/realm_access/roles`. 1 to 128 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath(String);

impl ClaimPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What a path must be.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if (1..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be the name of a claim, or a JSON Pointer that begins with /: 1 to 128 characters")
        }
    }

    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Under which names an issuer's tokens say what ours say as `tenant`, `tenants` and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    /// The one tenant.
    pub tenant: ClaimPath,
    /// Several tenants, of which the call names one.
    pub tenants: ClaimPath,
    /// The roles: a list of texts, or one text.
    pub roles: ClaimPath,
    /// The broker that the caller is.
    pub broker_id: ClaimPath,
    /// The customer that the caller is, or is staff of.
    pub customer_id: ClaimPath,
    /// The target that the caller is.
    pub target_audience: ClaimPath,
}

/// The tenants that an issuer may speak for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssertableTenants {
    /// Every one, also those to come.
    All,
    /// These.
    Only(BTreeSet<TenantId>),
}

impl AssertableTenants {
    /// Whether a tenant is among them.
    #[must_use]
    pub fn contains(&self, tenant: &TenantId) -> bool {
        match self {
            Self::All => true,
            Self::Only(tenants) => tenants.contains(tenant),
        }
    }
}

/// What is known of an issuer, but for its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerProfile {
    /// The operator's name for it.
    pub name: IssuerName,
    /// Its claim `iss`, compared byte by byte.
    pub issuer: String,
    /// What its tokens call us: their `aud`, or one of them.
    pub audience: String,
    /// The `typ` of its tokens; case does not matter, and `application/` may stand before it.
    pub typ: String,
    /// How it may sign.
    pub algorithms: BTreeSet<SignatureAlgorithm>,
    /// Where its claims stand.
    pub claims: ClaimNames,
    /// What its roles mean here, by their names there. A name that does not stand here means nothing.
    pub roles: BTreeMap<String, Role>,
    /// Whom it may speak for.
    pub tenants: AssertableTenants,
}

/// Where the keys of an issuer come from, as a JWK Set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file on this machine.
    File(PathBuf),
    /// The issuer itself, at exactly this place: a redirect is not followed.
    Url {
        /// The place: `https`, or `http` on this machine.
        url: Url,
        /// Certificates (PEM) that vouch for it instead of those of the operating system.
        ca_file: Option<PathBuf>,
    },
}

/// An issuer of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerEntry {
    /// What it may say.
    pub profile: IssuerProfile,
    /// Where its keys are.
    pub keys: KeySource,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_to_its_alphabet_and_length() {
        assert!(IssuerName::parse("keycloak-2").is_ok());
        for text in ["", "Keycloak", "a:b", "a_b", "ä", &"x".repeat(33)] {
            assert!(IssuerName::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_the_four_algorithms_are_read_and_only_as_they_are_spelled() {
        for algorithm in SignatureAlgorithm::ALL {
            assert_eq!(SignatureAlgorithm::parse(algorithm.as_str()), Some(algorithm));
        }
        for text in ["none", "noNE", "HS256", "es256", "ES384", "Ed25519", ""] {
            assert_eq!(SignatureAlgorithm::parse(text), None, "{text}");
        }
    }
}
