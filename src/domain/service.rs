//! What belongs to the service as a whole and to no tenant: its epoch and its keys.

use super::tenant::WrappedKeys;
use super::time::Timestamp;

/// What a signing key signs. Keys of different purposes never stand in for one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    /// Jump tokens.
    Jump,
    /// Callers' tokens of the embedded issuer.
    Caller,
}

/// Where a signing key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// It signs, and what it signed is accepted. One of each purpose.
    Current,
    /// It signs no more, but what it signed is accepted.
    Retired,
}

/// A signing key as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSigningKey {
    /// RFC 7638 thumbprint of its public half: 43 characters of base64url.
    pub kid: String,
    /// What it signs.
    pub purpose: KeyPurpose,
    /// Where it is in its life.
    pub state: KeyState,
    /// Its private half (PKCS #8), sealed under the service's data key.
    pub sealed_private: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What one row of the database holds for the service itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceState {
    /// Moves when every open jump must die; starts at 1.
    pub epoch: i64,
    /// A known text under the key-encryption key: tells a wrong key before it does harm.
    pub kek_canary: Vec<u8>,
    /// The service's own keys.
    pub keys: WrappedKeys,
    /// Its signing keys, at least one current one of each purpose.
    pub signing_keys: Vec<SealedSigningKey>,
}
