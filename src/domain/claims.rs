//! What a jump's token says, part by part: each part is valid once it exists.
//!
//! [`super::jump`] hands these out beside its own types.

use std::fmt;
use std::time::Duration;

use super::customer::Segment;
use super::ids::{TargetId, TenantId};
use super::jump::ActorRole;
use super::time::Timestamp;

/// How long a jump can be redeemed: 10 to 120 whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLife(Duration);

/// A token's life is not a whole number of seconds from 10 to 120.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 10 to 120 whole seconds")]
pub struct InvalidTokenLife;

impl TokenLife {
    /// The life of a token where neither the request nor the tenant says another: 60 s.
    pub const DEFAULT: Self = Self(Duration::from_secs(60));
    /// The shortest life: 10 s.
    pub const SHORTEST: Self = Self(Duration::from_secs(10));
    /// The longest life: 120 s.
    pub const LONGEST: Self = Self(Duration::from_secs(120));

    /// Reads a life.
    ///
    /// # Errors
    /// [`InvalidTokenLife`] below 10 s, above 120 s, or with a fraction of a second.
    pub fn parse(life: Duration) -> Result<Self, InvalidTokenLife> {
        let whole = life.subsec_nanos() == 0;
        if whole && (Self::SHORTEST.0..=Self::LONGEST.0).contains(&life) {
            Ok(Self(life))
        } else {
            Err(InvalidTokenLife)
        }
    }

    /// The life.
    #[must_use]
    pub const fn span(self) -> Duration {
        self.0
    }
}

/// How late a token may still come, for clocks that differ: 5 s.
pub const CLOCK_LEEWAY: Duration = Duration::from_secs(5);

/// Most bytes of a jump's context.
const CONTEXT_BYTES: usize = 4_096;
/// Most bytes of a target's nonce.
const NONCE_BYTES: usize = 64;
/// Most bytes of a page of a target.
const TARGET_PAGE_BYTES: usize = 256;

/// Free text for the target, handed over at the redeem: at most 4 096 bytes, no control characters but line breaks and tabs.
#[derive(Clone, PartialEq, Eq)]
pub struct Context(String);

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a portal writes here is about a person: it is not for logs.
        f.write_str("Context(..)")
    }
}

/// The context is too long or holds a control character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be at most 4096 bytes without control characters")]
pub struct InvalidContext;

impl Context {
    /// Reads a context.
    ///
    /// # Errors
    /// [`InvalidContext`] if it is too long or holds a control character.
    pub fn parse(text: &str) -> Result<Self, InvalidContext> {
        let readable = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
        if text.len() <= CONTEXT_BYTES && text.chars().all(readable) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidContext)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A target's nonce: 1 to 64 of `[A-Za-z0-9_.~-]`. It ties a jump to the browser that the target gave it to.
#[derive(Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a portal writes here is about a person: it is not for logs.
        f.write_str("Nonce(..)")
    }
}

/// The nonce is empty, too long or holds another character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 letters, digits, '.', '_', '~' or '-'")]
pub struct InvalidNonce;

impl Nonce {
    /// Reads a nonce.
    ///
    /// # Errors
    /// [`InvalidNonce`] if it is empty, too long or holds another character.
    pub fn parse(text: &str) -> Result<Self, InvalidNonce> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'~' | b'-');
        if !text.is_empty() && text.len() <= NONCE_BYTES && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidNonce)
        }
    }

    /// The nonce.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A page of a target: 1 to 256 of `[A-Za-z0-9/_.~-]`, without `//` and without `.` or `..` between slashes.
///
/// So, wherever a target puts it behind its own address, it leads to no other host and to nothing above.
#[derive(Clone, PartialEq, Eq)]
pub struct TargetPage(String);

impl fmt::Debug for TargetPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a portal writes here may be about a person: it is not for logs.
        f.write_str("TargetPage(..)")
    }
}

/// The page is empty, too long, holds another character, or leads elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 256 letters, digits, '/', '_', '.', '~' or '-', without '//' and '.' or '..' between slashes")]
pub struct InvalidTargetPage;

impl TargetPage {
    /// Reads a page.
    ///
    /// # Errors
    /// [`InvalidTargetPage`] if it is empty, too long, holds another character, `//`, or a segment that is `.` or `..`.
    pub fn parse(text: &str) -> Result<Self, InvalidTargetPage> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'.' | b'~' | b'-');
        let bounded = !text.is_empty() && text.len() <= TARGET_PAGE_BYTES && text.bytes().all(allowed);
        let leads_elsewhere = text.contains("//") || text.split('/').any(|segment| matches!(segment, "." | ".."));
        if bounded && !leads_elsewhere { Ok(Self(text.to_owned())) } else { Err(InvalidTargetPage) }
    }

    /// The page.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The pairwise, opaque name of a person at one target: 43 characters of base64url.
///
/// The same person has another one at every target, in every tenant and as another kind of person.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject(String);

impl Subject {
    /// Wraps what the token room computed.
    #[must_use]
    pub const fn from_computed(text: String) -> Self {
        Self(text)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The unguessable id that makes a jump single use: 24 bytes, 32 characters of base64url in a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Jti(pub [u8; 24]);

impl fmt::Debug for Jti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Half of what redeems a jump: it is not for logs.
        f.write_str("Jti(..)")
    }
}

/// SHA-256 of what makes a jump single use: of its `jti`, or of its handle. This is what the store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProofHash(pub [u8; 32]);

/// Who acts, as a token says it: pairwise, like its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorClaim {
    /// His pairwise name at the target.
    pub subject: Subject,
    /// What he is.
    pub role: ActorRole,
}

/// What a jump token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JumpClaims {
    /// `tid`.
    pub tenant: TenantId,
    /// `aud`: the one target that it is for.
    pub target: TargetId,
    /// `sub`.
    pub subject: Subject,
    /// `jti`.
    pub jti: Jti,
    /// `iat` and `nbf`, whole seconds.
    pub issued_at: Timestamp,
    /// `exp`, whole seconds.
    pub expires_at: Timestamp,
    /// `ek`: the person is a customer.
    pub end_customer: bool,
    /// `seg`: the customer's segment; `None` for a broker.
    pub segment: Option<Segment>,
    /// `ep`: a token of an older epoch is dead.
    pub epoch: i64,
    /// `act`: only where the human at the screen is not the person.
    pub actor: Option<ActorClaim>,
    /// `n`: the target's nonce.
    pub nonce: Option<Nonce>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_10_to_120_whole_seconds() {
        for good in [10, 60, 120] {
            assert!(TokenLife::parse(Duration::from_secs(good)).is_ok());
        }
        for bad in [Duration::ZERO, Duration::from_secs(9), Duration::from_secs(121), Duration::from_millis(60_500)] {
            assert_eq!(TokenLife::parse(bad), Err(InvalidTokenLife));
        }
    }

    #[test]
    fn a_context_is_bounded_readable_text() {
        assert!(Context::parse("Zeile 1\nZeile 2\tä").is_ok());
        assert_eq!(Context::parse("\u{1b}[2J"), Err(InvalidContext));
        assert_eq!(Context::parse(&"x".repeat(4_097)), Err(InvalidContext));
    }

    #[test]
    fn a_page_leads_to_no_other_host_and_to_nothing_above() {
        for text in ["a", "/", "/kfz/antrag-1/", "kfz.html", "..a/b..", "~x/_y", "...", &"x".repeat(256)] {
            assert_eq!(TargetPage::parse(text).map(|page| page.as_str().to_owned()), Ok(text.to_owned()));
        }
        for text in [
            "",
            "//evil.example",
            "a//b",
            "a//",
            ".",
            "..",
            "/..",
            "a/../b",
            "a/.",
            "./a",
            "a b",
            "a?b",
            "a#b",
            "a%2e",
            "a:b",
            "a\\b",
            "ä",
            "a\n",
            &"x".repeat(257),
        ] {
            assert_eq!(TargetPage::parse(text), Err(InvalidTargetPage), "{text:?}");
        }
    }

    #[test]
    fn a_nonce_keeps_to_its_alphabet_and_length() {
        assert!(Nonce::parse("aZ09_.~-").is_ok());
        for text in ["", "a b", "a\"", &"x".repeat(65)] {
            assert_eq!(Nonce::parse(text), Err(InvalidNonce), "{text:?}");
        }
    }
}
