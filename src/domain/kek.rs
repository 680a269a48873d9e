//! Key-encryption keys, as the database knows them: never the keys themselves.

use std::fmt;

use super::ids::TenantId;
use super::tenant::WrappedKeys;
use super::time::Timestamp;

/// Characters of an id.
const KEK_ID_CHARACTERS: usize = 16;

/// The id of a key-encryption key: 16 lower-case hexadecimal digits, drawn with the key; not a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KekId(String);

/// A text is no id of a key-encryption key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the id of a key-encryption key, 16 characters of 0-9 a-f")]
pub struct InvalidKekId;

impl KekId {
    /// Reads an id.
    ///
    /// # Errors
    /// [`InvalidKekId`] unless it has exactly its form.
    pub fn parse(text: &str) -> Result<Self, InvalidKekId> {
        let is_allowed = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == KEK_ID_CHARACTERS && text.bytes().all(is_allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidKekId)
        }
    }

    /// The id as it stands in the name of a key file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key-encryption key that the database knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKek {
    /// Its id.
    pub kek_id: KekId,
    /// A known text under this key: tells a wrong key before it does harm.
    pub canary: Vec<u8>,
    /// When the database came to know it.
    pub added_at: Timestamp,
    /// When it was retired: from then on it wraps nothing, and nobody needs it. `None` unless it was.
    pub retired_at: Option<Timestamp>,
}

/// What a key-encryption key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KekState {
    /// It wraps whatever is new.
    Active,
    /// It opens what it wrapped, or is about to be active.
    DecryptOnly,
    /// Nothing is under it, and nothing will be.
    Retired,
}

impl KnownKek {
    /// What the key is for where `active` is the active one.
    #[must_use]
    pub fn state(&self, active: &KekId) -> KekState {
        match self.retired_at {
            Some(_) => KekState::Retired,
            None if self.kek_id == *active => KekState::Active,
            None => KekState::DecryptOnly,
        }
    }
}

/// A data key that was wrapped anew: it takes the place of exactly those bytes that it was opened from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrapped {
    /// Whose it is; [`TenantId::SYSTEM`] for the service's own.
    pub tenant: TenantId,
    /// What was opened.
    pub from: WrappedKeys,
    /// The same data key under the other key-encryption key.
    pub wrapped_dek: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(retired_at: Option<Timestamp>) -> KnownKek {
        let kek_id = KekId::parse("0123456789abcdef").unwrap();
        KnownKek { kek_id, canary: Vec::new(), added_at: Timestamp::from_unix_seconds(1), retired_at }
    }

    #[test]
    fn an_id_is_16_lower_case_hexadecimal_digits() {
        assert!(KekId::parse("0123456789abcdef").is_ok());
        for text in
            ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "0123456789abcdeg", "../4567890abcdef"]
        {
            assert_eq!(KekId::parse(text), Err(InvalidKekId), "{text}");
        }
    }

    #[test]
    fn one_key_is_active_and_a_retired_one_never_is() {
        let (one, other) = (known(None).kek_id, KekId::parse("fedcba9876543210").unwrap());
        assert_eq!(known(None).state(&one), KekState::Active);
        assert_eq!(known(None).state(&other), KekState::DecryptOnly);
        assert_eq!(known(Some(Timestamp::from_unix_seconds(2))).state(&one), KekState::Retired);
    }
}
