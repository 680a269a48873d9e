//! Who has the key-encryption keys: the interface behind which a file, the environment or a key management system stands.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::envelope::{DataKey, OpenError, SealError};
use super::kek_file::KekFileError;
use super::keys::Kek;
use crate::domain::ids::{Random, TenantId};
use crate::domain::kek::KekId;

/// Why a key-encryption key was of no use.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    /// Who has the key does not answer. Later may be otherwise, without that anybody does anything here.
    #[error("the key-encryption key {kek_id} in {place} cannot be reached")]
    Unreachable {
        /// Its id.
        kek_id: String,
        /// Where it is.
        place: String,
        /// Why.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// It is not here, although all that there is was read.
    #[error(
        "the key-encryption key {kek_id} is not in {place}: name its key file with --kek-file too, or restore it from its backup"
    )]
    Missing {
        /// Its id.
        kek_id: String,
        /// Where it was looked for.
        place: String,
    },
    /// Its file cannot be used.
    #[error(transparent)]
    File(#[from] KekFileError),
    /// It is here, and what it is to open does not open with it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is here, and does not seal.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Key-encryption keys, wherever they are. What they do is bound to the place of a data key and to the id of the key, as
/// `docs/adr/0004-secrets-are-sealed-or-the-service-stops.md` has it; a system of its own puts both into what it calls the context.
///
/// A call may take as long as a network does. It must end by itself, with [`KekError::Unreachable`] where nobody answers.
#[async_trait]
pub trait KekProvider: fmt::Debug + Send + Sync {
    /// The key of an empty database: the one that is there already, or a new one. Never for a database that has data: what an
    /// older key wrapped does not open with it.
    ///
    /// # Errors
    /// [`KekError`] if there is none and none can be made.
    async fn first(&self, random: &dyn Random) -> Result<KekId, KekError>;

    /// Wraps a data key of a tenant under the key of this id.
    ///
    /// # Errors
    /// [`KekError`].
    async fn wrap(
        &self,
        kek_id: &str,
        tenant: TenantId,
        data_key: &DataKey,
        random: &dyn Random,
    ) -> Result<Vec<u8>, KekError>;

    /// Unwraps a data key of a tenant that the key of this id wrapped.
    ///
    /// # Errors
    /// [`KekError`].
    async fn unwrap_key(
        &self,
        kek_id: &str,
        tenant: TenantId,
        dek_version: u32,
        wrapped: &[u8],
    ) -> Result<DataKey, KekError>;

    /// Seals a known text, which only the key of this id opens: the database keeps it to know its key again.
    ///
    /// # Errors
    /// [`KekError`].
    async fn canary(&self, kek_id: &str, random: &dyn Random) -> Result<Vec<u8>, KekError>;

    /// Checks that `blob` is a canary of the key of this id.
    ///
    /// # Errors
    /// [`KekError::Open`] if it is another key's, or damaged; every other one if the key is of no use.
    async fn check_canary(&self, kek_id: &str, blob: &[u8]) -> Result<(), KekError>;

    /// Lets go of a key that is retired.
    fn forget(&self, kek_id: &str);

    /// Where the key of this id is, for people: a file, the name of a setting, an address. Never the key.
    fn place_of(&self, kek_id: &str) -> String;
}

/// One key that is at hand, and no other.
#[async_trait]
impl KekProvider for Kek {
    async fn first(&self, _random: &dyn Random) -> Result<KekId, KekError> {
        self.checked_id()
    }

    async fn wrap(
        &self,
        kek_id: &str,
        tenant: TenantId,
        data_key: &DataKey,
        random: &dyn Random,
    ) -> Result<Vec<u8>, KekError> {
        Ok(self.named(kek_id)?.wrap(tenant, data_key, random)?)
    }

    async fn unwrap_key(
        &self,
        kek_id: &str,
        tenant: TenantId,
        dek_version: u32,
        wrapped: &[u8],
    ) -> Result<DataKey, KekError> {
        Ok(self.named(kek_id)?.unwrap_key(tenant, dek_version, wrapped)?)
    }

    async fn canary(&self, kek_id: &str, random: &dyn Random) -> Result<Vec<u8>, KekError> {
        Ok(self.named(kek_id)?.canary(random)?)
    }

    async fn check_canary(&self, kek_id: &str, blob: &[u8]) -> Result<(), KekError> {
        Ok(self.named(kek_id)?.check_canary(blob)?)
    }

    fn forget(&self, _kek_id: &str) {}

    fn place_of(&self, _kek_id: &str) -> String {
        "memory".to_owned()
    }
}

impl Kek {
    /// This key, if it has this id.
    fn named(&self, kek_id: &str) -> Result<&Self, KekError> {
        if self.id() == kek_id {
            return Ok(self);
        }
        Err(KekError::Missing { kek_id: kek_id.to_owned(), place: self.place_of(kek_id) })
    }

    /// Its id, as the domain knows it.
    pub(super) fn checked_id(&self) -> Result<KekId, KekError> {
        // Every key was made or read with an id of this form.
        KekId::parse(self.id()).map_err(|_| KekError::from(KekFileError::InvalidId))
    }
}
