//! Bytes that must not be seen.

use std::fmt;

use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

use crate::domain::ids::Random;

/// Secret bytes, for example a password: wiped when dropped, never cloned, printed or serialized.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; the caller must not have left other copies.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        // Not a boxed slice: shrinking a vector to one may move the bytes and leave the old copy behind.
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the one place that hands them over.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A key of 256 bits in a place of its own on the heap, so that moving its owner leaves no copy on the stack.
pub(super) struct Key(SecretBox<[u8; 32]>);

impl Key {
    /// Draws a new key.
    pub(super) fn generate(random: &dyn Random) -> Self {
        Self(SecretBox::init_with_mut(|bytes: &mut [u8; 32]| random.fill(bytes)))
    }

    /// Copies a key from bytes; `None` unless there are exactly 32 of them.
    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 32] = bytes.try_into().ok()?;
        // Copied in place: a copy that passed through the stack would stay there.
        Some(Self(SecretBox::init_with_mut(|key: &mut [u8; 32]| *key = *bytes)))
    }

    /// The bytes.
    pub(super) fn expose(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        assert_eq!(format!("{:?}", Secret::new(b"geheim".to_vec())), "Secret(..)");
    }

    #[test]
    fn a_secret_gives_back_what_it_was_given() {
        assert_eq!(Secret::new(b"geheim".to_vec()).expose(), b"geheim");
    }

    #[test]
    fn a_key_is_exactly_32_bytes() {
        assert!(Key::from_slice(&[7; 32]).is_some_and(|key| key.expose() == &[7; 32]));
        assert!(Key::from_slice(&[7; 31]).is_none());
        assert!(Key::from_slice(&[7; 33]).is_none());
    }
}
