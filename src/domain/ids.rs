//! Identifiers, each a type of its own, so that one can never stand where another belongs.
//!
//! Two families: ids that the service makes (UUIDv7, from the injected clock and random source) and natural
//! keys that somebody outside chose (the portal's ids of brokers and customers, the operator's keys of
//! the catalogue). A value of these types is valid: `parse` is the only way in.

use std::fmt;

use uuid::Uuid;

use super::time::Timestamp;

/// A source of unpredictable bytes.
///
/// Production has one implementation, over the operating system; tests have a seeded one.
pub trait Random: Send + Sync {
    /// Fills `destination` with unpredictable bytes, or ends the process: there is no safe way to go on without them.
    fn fill(&self, destination: &mut [u8]);
}

/// The text is not an identifier of the kind asked for.
///
/// It says nothing of the text itself: errors never repeat what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid identifier")]
pub struct InvalidId;

/// Builds the UUIDv7 of `at` (RFC 9562, section 5.7) with random bits from `random`.
fn uuid_v7(at: Timestamp, random: &dyn Random) -> Uuid {
    let mut bits = [0_u8; 10];
    random.fill(&mut bits);
    uuid::Builder::from_unix_timestamp_millis(at.unix_millis(), &bits).into_uuid()
}

/// Reads the hyphenated form of 36 characters only; upper case is accepted, braces and `urn:` are not.
fn parse_uuid(text: &str) -> Result<Uuid, InvalidId> {
    if text.len() != uuid::fmt::Hyphenated::LENGTH {
        return Err(InvalidId);
    }
    Uuid::try_parse(text).map_err(|_| InvalidId)
}

/// Defines ids that the service makes itself.
macro_rules! made_ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes a new id for something that comes to be at `at`; ids of later instants sort later.
            #[must_use]
            pub fn new(at: Timestamp, random: &dyn Random) -> Self {
                Self(uuid_v7(at, random))
            }

            /// Reads the hyphenated form of 36 characters.
            ///
            /// # Errors
            /// [`InvalidId`] for anything else.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                parse_uuid(text).map(Self)
            }

            /// The 16 bytes, for what is computed over the id.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }
    )+};
}

made_ids! {
    /// One portfolio of one broker firm (Mandant). The boundary of everything: no row refers across it.
    TenantId;
    /// A con:center user (con:center Benutzer) of a tenant. Never used again, even for a user of the same name.
    UserId;
    /// A broker activation (VM-Freischaltung) of a tenant.
    ActivationId;
    /// A jump (Absprung).
    JumpId;
    /// One attempt to redeem a jump. Of several attempts only the one that the database returns has won.
    AttemptId;
    /// A row of the audit log. What the row gave cause to tell somebody of has the same id (`notice`).
    AuditId;
    /// A backup of the database.
    BackupId;
    /// The caller's own id of a request; the same id means the same request, for at least 24 hours.
    RequestId;
}

/// The smallest id of what is made at `at` or later.
fn floor(at: Timestamp) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(at.unix_millis(), &[0; 10]).into_uuid()
}

/// When an id was made, in whole milliseconds.
fn made_at(id: Uuid) -> Timestamp {
    // The first 48 bits (RFC 9562, section 5.7).
    let millis = i64::try_from(id.as_u128() >> 80).unwrap_or(i64::MAX);
    Timestamp::from_unix_micros(millis.saturating_mul(1_000))
}

impl JumpId {
    /// The smallest id of a jump that is made at `at` or later: what sorts below was made before.
    #[must_use]
    pub fn floor(at: Timestamp) -> Self {
        Self(floor(at))
    }

    /// When the jump was made, in whole milliseconds.
    #[must_use]
    pub fn made_at(&self) -> Timestamp {
        made_at(self.0)
    }
}

impl AuditId {
    /// The smallest id of a row that is written at `at` or later: what sorts below was written before.
    #[must_use]
    pub fn floor(at: Timestamp) -> Self {
        Self(floor(at))
    }

    /// When the row was written, in whole milliseconds.
    #[must_use]
    pub fn made_at(&self) -> Timestamp {
        made_at(self.0)
    }
}

impl TenantId {
    /// The owner of what belongs to no tenant: catalogue changes in the audit log, the service's own keys.
    pub const SYSTEM: Self = Self(Uuid::nil());
}

/// Tells whether `text` has 1 to `most` characters, all of which `allowed` accepts.
fn is_key(text: &str, most: usize, allowed: fn(u8) -> bool) -> bool {
    !text.is_empty() && text.len() <= most && text.bytes().all(allowed)
}

/// The alphabet of ids that a portal chose: `[A-Za-z0-9._:@-]` (`docs/domain.md#words`).
const fn is_portal_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'@' | b'-')
}

/// The alphabet of keys in the catalogue: `[a-z0-9-]`.
const fn is_catalog_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

/// Defines natural keys: text that somebody outside chose, of at most `$most` bytes out of one alphabet.
macro_rules! natural_keys {
    ($($(#[$doc:meta])* $name:ident($most:expr, $allowed:expr);)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Reads the key.
            ///
            /// # Errors
            /// [`InvalidId`] if it is empty, too long or holds a character outside its alphabet.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if is_key(text, $most, $allowed) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId)
                }
            }

            /// The key as it was chosen.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

natural_keys! {
    /// The portal's id of a broker (Vermittler): 1 to 128 of `[A-Za-z0-9._:@-]`.
    BrokerId(128, is_portal_byte);
    /// The portal's id of a customer (Versicherungsnehmer): 1 to 128 of `[A-Za-z0-9._:@-]`.
    CustomerId(128, is_portal_byte);
    /// The subject of a caller's token, of a human or a machine: 1 to 128 of `[A-Za-z0-9._:@-]`.
    SubjectId(128, is_portal_byte);
    /// A user of the broker firm's management program (MVP-Benutzer): 1 to 128 of `[A-Za-z0-9._:@-]`.
    MvpUserId(128, is_portal_byte);
    /// The operator's key of a product provider (Produktgeber): 1 to 64 of `[a-z0-9-]`.
    ProviderId(64, is_catalog_byte);
    /// The operator's key of a target; also the audience of its tokens: 1 to 64 of `[a-z0-9-]`.
    TargetId(64, is_catalog_byte);
    /// The operator's key of a registered return URL: 1 to 64 of `[a-z0-9-]`.
    ReturnUrlId(64, is_catalog_byte);
}

/// Who stands for people of whom a decision knows all but who they are.
macro_rules! anybody {
    ($($name:ident)+) => {$(
        impl $name {
            /// Stands for anybody, where a decision is made once for all who are assigned alike.
            pub(super) fn anybody() -> Self {
                Self("-".to_owned())
            }
        }
    )+};
}

anybody! { BrokerId CustomerId }

impl ActivationId {
    /// Stands for any activation, where a decision is made once for all that lead to the same user.
    pub(super) const fn any() -> Self {
        Self(Uuid::nil())
    }
}

/// A line of business (Sparte): the 3-digit GDV code, for example `050`, motor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineOfBusiness([u8; 3]);

impl LineOfBusiness {
    /// Reads a code of exactly three digits.
    ///
    /// # Errors
    /// [`InvalidId`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| InvalidId)?;
        if code.iter().all(u8::is_ascii_digit) { Ok(Self(code)) } else { Err(InvalidId) }
    }
}

impl fmt::Display for LineOfBusiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|digit| write!(f, "{}", char::from(*digit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;

    impl Random for Ones {
        fn fill(&self, destination: &mut [u8]) {
            destination.fill(0xff);
        }
    }

    #[test]
    fn a_made_id_reads_back_from_its_text() {
        let id = UserId::new(Timestamp::from_unix_micros(1_700_000_000_000_000), &Ones);
        assert_eq!(UserId::parse(&id.to_string()), Ok(id));
    }

    #[test]
    fn a_made_id_is_version_7_of_its_instant() {
        let id = UserId::new(Timestamp::from_unix_micros(1_700_000_000_123_000), &Ones);
        let uuid = Uuid::from_bytes(*id.as_bytes());
        assert_eq!(uuid.get_version_num(), 7);
        assert_eq!(uuid.get_timestamp().map(|t| t.to_unix()), Some((1_700_000_000, 123_000_000)));
    }

    #[test]
    fn the_floor_of_an_instant_sorts_before_what_was_made_then_and_after_what_was_made_before() {
        let at = |millis: i64| Timestamp::from_unix_micros(1_700_000_000_000_000 + millis * 1_000);
        let text = |id: JumpId| id.to_string();
        assert!(text(JumpId::floor(at(5))) <= text(JumpId::new(at(5), &Ones)));
        assert!(text(JumpId::floor(at(5))) > text(JumpId::new(at(4), &Ones)));
        assert_eq!(JumpId::new(at(5), &Ones).made_at(), at(5));
    }

    #[test]
    fn only_the_hyphenated_form_is_a_uuid() {
        for text in [
            "",
            "0190f5fe7c007a8d8d2e5b1d3f4a5b6c",
            "{0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c}",
            "urn:uuid:0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c",
            "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6g",
        ] {
            assert_eq!(UserId::parse(text), Err(InvalidId), "{text}");
        }
    }

    #[test]
    fn a_portal_id_keeps_to_its_alphabet_and_length() {
        assert!(BrokerId::parse("M.Meier:7@firm_a-1").is_ok());
        assert!(BrokerId::parse(&"x".repeat(128)).is_ok());
        for text in ["", "a b", "a/b", "ä", "a\n", "a\0", "' OR 1=1 --", &"x".repeat(129)] {
            assert_eq!(BrokerId::parse(text), Err(InvalidId), "{text:?}");
        }
    }

    #[test]
    fn a_catalogue_key_is_lower_case() {
        assert!(TargetId::parse("tarif-vergleich-24").is_ok());
        for text in ["", "Tarif", "a_b", "a.b", &"x".repeat(65)] {
            assert_eq!(TargetId::parse(text), Err(InvalidId), "{text:?}");
        }
    }

    #[test]
    fn a_line_of_business_is_three_digits() {
        assert_eq!(LineOfBusiness::parse("050").map(|l| l.to_string()), Ok("050".to_owned()));
        for text in ["", "50", "0500", "05a", "５０"] {
            assert_eq!(LineOfBusiness::parse(text), Err(InvalidId), "{text:?}");
        }
    }
}
