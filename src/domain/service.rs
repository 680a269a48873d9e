//! What belongs to the service as a whole and to no tenant: its epoch and its keys.

use super::kek::{KekId, KnownKek};
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
    /// The key-encryption key that wraps whatever is new.
    pub active_kek: KekId,
    /// The key-encryption keys, retired ones too, the oldest first.
    pub keks: Vec<KnownKek>,
    /// The service's own keys; which key-encryption key wraps them may be another one than the active one for a while.
    pub keys: WrappedKeys,
    /// Its signing keys, those of the past too, the oldest first.
    pub signing_keys: Vec<SealedSigningKey>,
}

impl ServiceState {
    /// The key-encryption key of this id, if the database knows it.
    #[must_use]
    pub fn kek(&self, kek_id: &str) -> Option<&KnownKek> {
        self.keks.iter().find(|kek| kek.kek_id.as_str() == kek_id)
    }
}
