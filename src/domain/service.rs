//! What belongs to the service as a whole and to no tenant: its epoch and its keys.

use super::signing::{KeyId, KeyPurpose, KeyRow, KeyTimes};
use super::tenant::WrappedKeys;

/// A signing key as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSigningKey {
    /// Its id.
    pub kid: KeyId,
    /// What it signs.
    pub purpose: KeyPurpose,
    /// When it does what.
    pub times: KeyTimes,
    /// Its private half (PKCS #8), sealed under the service's data key; empty once it is overwritten.
    pub sealed_private: Vec<u8>,
    /// Its public half, sealed likewise, once the private one is gone because its time was over: what it signed that must
    /// be provable for long, checkpoints of the audit log, is verified with it.
    pub sealed_public: Option<Vec<u8>>,
}

impl SealedSigningKey {
    /// What its life follows from.
    const fn row(&self) -> KeyRow<'_> {
        (&self.kid, self.times)
    }
}

/// What the lives of keys follow from, in their order.
#[must_use]
pub fn rows_of<'k>(keys: impl IntoIterator<Item = &'k SealedSigningKey>) -> Vec<KeyRow<'k>> {
    keys.into_iter().map(SealedSigningKey::row).collect()
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
    /// Its signing keys, those of the past too, the oldest first.
    pub signing_keys: Vec<SealedSigningKey>,
}
