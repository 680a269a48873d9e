//! The steps that every compact token takes before anything in it is believed, in their order.
//!
//! 1. Shape: 1 to 2 048 bytes of `[A-Za-z0-9_.-]`, exactly two dots, no empty part.
//! 2. Header: strict base64url of a JSON object with exactly `alg`, `kid` and `typ`, each once; `alg` is `ES256`.
//! 3. `typ` is the kind expected, and `kid` names a key of that kind's ring that is current or retired. Nothing is fetched.
//! 4. Signature: exactly 64 bytes, and the key made it.
//! 5. Claims: strict base64url of a JSON object with known members only, each once and of its type; then issuer,
//!    audience and times.
//!
//! [`enter`] takes steps 1 to 3 and the length of step 4. The kinds verify, and check their claims with the functions
//! below. JWT libraries are lenient by default about most of this (RFC 8725 says why each of it matters).

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::base64url;
use super::keyring::{ALGORITHM, PublicKey, SIGNATURE_BYTES};
use crate::domain::jump::CLOCK_LEEWAY;
use crate::domain::time::Timestamp;

/// Most bytes of a compact token that are looked at.
pub(super) const TOKEN_BYTES: usize = 2_048;

/// Why a token is not authentic, or not for us. For the log; whoever sent it is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InvalidCause {
    /// It is no compact token: length, alphabet or number of parts.
    Format,
    /// Its header is not exactly `alg`, `kid` and `typ`, or `alg` is another algorithm.
    Header,
    /// It is another kind of token.
    Type,
    /// No key of the kind's ring has its `kid`.
    UnknownKey,
    /// The key did not sign it.
    Signature,
    /// Its claims are not exactly those of its kind, each of its type, form and size.
    Claims,
    /// It comes from another issuer.
    Issuer,
    /// It is for somebody else.
    Audience,
    /// It is from the future, or lives longer than its kind may.
    Time,
    /// It is bound to something of its owner that we cannot check.
    Binding,
}

impl InvalidCause {
    /// The cause as the log spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Header => "header",
            Self::Type => "type",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Time => "time",
            Self::Binding => "binding",
        }
    }
}

impl fmt::Display for InvalidCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A protected header: these three members and no other.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header<'a> {
    pub(super) alg: &'a str,
    pub(super) kid: &'a str,
    pub(super) typ: &'a str,
}

/// A token that is well formed, of the kind expected and under a key that we know; not yet verified.
pub(super) struct Entered<'t> {
    /// Header and payload, which the signature is over.
    pub(super) signed: &'t str,
    /// The payload, still encoded.
    pub(super) payload: &'t str,
    /// The signature, still encoded.
    pub(super) encoded_signature: &'t str,
    /// The signature.
    pub(super) signature: [u8; SIGNATURE_BYTES],
    /// The key that it names.
    pub(super) key: Arc<PublicKey>,
}

/// Takes steps 1 to 3, and the part of step 4 that needs no cryptography. `find` knows the keys of the kind's ring.
pub(super) fn enter<'t>(
    token: &'t str,
    kind: &str,
    find: impl FnOnce(&str) -> Option<Arc<PublicKey>>,
) -> Result<Entered<'t>, InvalidCause> {
    let (header, payload, encoded_signature) = split(token, TOKEN_BYTES).ok_or(InvalidCause::Format)?;
    let signed = token.get(..header.len() + 1 + payload.len()).ok_or(InvalidCause::Format)?;

    let header = base64url::decode(header).ok_or(InvalidCause::Header)?;
    let header: Header<'_> = read_object(&header).ok_or(InvalidCause::Header)?;
    // Compared as it stands: `none`, `noNE` and every other algorithm are simply not this one.
    if header.alg != ALGORITHM {
        return Err(InvalidCause::Header);
    }
    if !is_type(header.typ, kind) {
        return Err(InvalidCause::Type);
    }
    // Equality with a known thumbprint: nothing else can be a path, a URL or a piece of SQL that somebody resolves.
    let key = find(header.kid).ok_or(InvalidCause::UnknownKey)?;

    let signature = base64url::decode_exact(encoded_signature).ok_or(InvalidCause::Signature)?;
    Ok(Entered { signed, payload, encoded_signature, signature, key })
}

/// The key that a token of this kind names, whether we know it or not; `None` if it is no token of the kind.
pub(super) fn named_key(token: &str, kind: &str) -> Option<String> {
    let mut named = None;
    let note = |kid: &str| {
        named = Some(kid.to_owned());
        None
    };
    // It ends at the key, which is not there.
    let _ = enter(token, kind, note);
    named
}

/// Step 1: the three parts; `None` if it is no compact token of at most so many bytes.
pub(super) fn split(token: &str, most: usize) -> Option<(&str, &str, &str)> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if token.len() > most || !token.bytes().all(allowed) {
        return None;
    }
    let (header, rest) = token.split_once('.')?;
    let (payload, signature) = rest.split_once('.')?;
    let is_compact = !header.is_empty() && !payload.is_empty() && !signature.is_empty() && !signature.contains('.');
    is_compact.then_some((header, payload, signature))
}

/// Tells whether `typ` names `kind`: case does not matter, and `application/` may stand before it (RFC 8725,
/// section 3.11; RFC 7515, section 4.1.9).
pub(super) fn is_type(typ: &str, kind: &str) -> bool {
    const PREFIX: &str = "application/";
    let name = match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, name)) if prefix.eq_ignore_ascii_case(PREFIX) => name,
        _ => typ,
    };
    name.eq_ignore_ascii_case(kind)
}

/// Step 5: the claims' JSON, still to be read by [`read_object`], which borrows from it.
pub(super) fn decode_claims(entered: &Entered<'_>) -> Result<Vec<u8>, InvalidCause> {
    base64url::decode(entered.payload).ok_or(InvalidCause::Claims)
}

/// Reads one JSON object into a struct; `None` if it is anything else.
pub(super) fn read_object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    serde_json::from_slice::<Object<T>>(json).ok().map(|object| object.0)
}

/// A value that stands as a JSON object. A derived struct alone would also take an array of its members' values.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

/// The issuer and the audience of a token, or those that it must have.
#[derive(Clone, Copy)]
pub(super) struct Parties<'a> {
    pub(super) issuer: &'a str,
    pub(super) audience: &'a str,
}

/// Checks that a token is from and for exactly these.
pub(super) fn check_parties(claimed: Parties<'_>, expected: Parties<'_>) -> Result<(), InvalidCause> {
    if claimed.issuer != expected.issuer {
        return Err(InvalidCause::Issuer);
    }
    if claimed.audience != expected.audience {
        return Err(InvalidCause::Audience);
    }
    Ok(())
}

/// The times of a token, in whole seconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) issued_at: i64,
    pub(super) not_before: i64,
    pub(super) expires_at: i64,
}

impl Times {
    /// Checks that the token has begun and does not live longer than `longest`. Whether it is over is another question
    /// ([`Times::is_over`]): a token that is over is still authentic.
    pub(super) fn check(self, longest: Duration, now: Timestamp) -> Result<(), InvalidCause> {
        let latest_start = now.plus(CLOCK_LEEWAY);
        let has_begun = [self.issued_at, self.not_before]
            .into_iter()
            .all(|start| Timestamp::from_unix_seconds(start) <= latest_start);
        let life = self.expires_at.checked_sub(self.issued_at).and_then(|life| u64::try_from(life).ok());
        let has_life = life.is_some_and(|life| (1..=longest.as_secs()).contains(&life));
        if has_begun && has_life { Ok(()) } else { Err(InvalidCause::Time) }
    }

    /// Tells whether the token is over.
    pub(super) fn is_over(self, now: Timestamp) -> bool {
        is_over(Timestamp::from_unix_seconds(self.expires_at), now)
    }
}

/// Tells whether a token that expires at an instant is over; it may come as much as [`CLOCK_LEEWAY`] late.
pub(super) fn is_over(expires_at: Timestamp, now: Timestamp) -> bool {
    now >= expires_at.plus(CLOCK_LEEWAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compact_token_has_three_parts_of_its_alphabet() {
        assert_eq!(split("a.b-_9.c", TOKEN_BYTES), Some(("a", "b-_9", "c")));
        let longest = format!("{}.b.c", "a".repeat(TOKEN_BYTES - 4));
        assert!(split(&longest, TOKEN_BYTES).is_some());
        let too_long = format!("a{longest}");
        for token in [
            "", ".", "..", "a.b", "a.b.", ".b.c", "a..c", "a.b.c.d", "a.b.c.", "a.b.c\n", " a.b.c", "a.b=.c", "ä.b.c",
            &too_long,
        ] {
            assert_eq!(split(token, TOKEN_BYTES), None, "{token:?}");
        }
    }

    #[test]
    fn a_type_may_differ_in_case_and_prefix_only() {
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            assert!(is_type(typ, "at+jwt"), "{typ}");
        }
        for typ in ["", "jwt", "JWT", "at+jwt ", "text/at+jwt", "application/", "application/application/at+jwt"] {
            assert!(!is_type(typ, "at+jwt"), "{typ}");
        }
    }

    #[test]
    fn an_object_is_neither_an_array_nor_has_a_member_twice() {
        let read = |json: &'static str| read_object::<Header<'_>>(json.as_bytes()).is_some();
        assert!(read(r#"{"alg":"a","kid":"b","typ":"c"}"#));
        for json in [
            r#"["a","b","c"]"#,
            r#"{"alg":"a","alg":"a","kid":"b","typ":"c"}"#,
            r#"{"alg":"a","kid":"b"}"#,
            r#"{"alg":"a","kid":"b","typ":"c","crit":[]}"#,
            r#"{"alg":"a","kid":"b","typ":null}"#,
            r#"{"alg":"a","kid":"b","typ":"c"} x"#,
            "",
            "null",
        ] {
            assert!(!read(json), "{json}");
        }
    }

    #[test]
    fn times_at_the_ends_of_the_range_do_not_overflow() {
        let now = Timestamp::from_unix_seconds(1_700_000_000);
        for (issued_at, expires_at) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (0, i64::MAX), (i64::MIN, 0)] {
            let times = Times { issued_at, not_before: issued_at, expires_at };
            assert_eq!(times.check(Duration::from_mins(2), now), Err(InvalidCause::Time));
        }
    }
}
