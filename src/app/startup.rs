//! The first thing that a start does: open every key, or make them in an empty database; refuse to go on otherwise.
//!
//! A key that is missing, wrong, corrupt or too open is never replaced by a new one: what the old one protects
//! would be lost, and nobody would notice until a customer clicked.

use std::path::PathBuf;
use std::sync::Arc;

use super::keys::{NewKeyError, new_signing_key, open_ring};
use crate::domain::ids::{Random, TenantId};
use crate::domain::service::ServiceState;
use crate::domain::signing::{KeyId, KeyPurpose, KeyTimes};
use crate::domain::time::{Clock, Timestamp};
use crate::secrets::{Kek, KekFileError, KekPlace, OpenError, SealError, TenantKeys};
use crate::store::{Store, StoreError};
use crate::token::{KeyError, KeyRing};

/// Every key that the use cases need, open.
pub struct Keys {
    /// Wraps the data keys of all tenants.
    pub kek: Kek,
    /// The service's own data and MAC keys.
    pub system: TenantKeys,
    /// Signs and verifies jump tokens.
    pub jump_ring: Arc<KeyRing>,
    /// Signs and verifies callers' tokens of the embedded issuer. For the edge: no use case signs or verifies with it.
    pub caller_ring: Arc<KeyRing>,
    /// Signing keys that should open and do not. The others go on.
    pub unreadable: Vec<KeyId>,
    /// The epoch at the start.
    pub epoch: i64,
}

/// Why the keys do not open. The service must not start.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// The key file is missing, wrong, corrupt or too open.
    #[error(transparent)]
    KekFile(#[from] KekFileError),
    /// The key file is not the one that this database was made with.
    #[error("the key file {path} is not the one that this database was made with: restore the right one", path = .path.display())]
    WrongKek {
        /// The file.
        path: PathBuf,
    },
    /// Something that a key protects does not open although the key is the right one.
    #[error("the stored {what} does not open: the database is damaged, restore a backup")]
    Damaged {
        /// What.
        what: &'static str,
    },
    /// The signing key that should sign does not open, or there is none.
    #[error("there is no signing key that can be used: `concenter check` says which one does not open")]
    NoSigningKey,
    /// A signing key does not open.
    #[error(
        "the signing key {kid} does not open: its row is damaged. Nothing is signed with it; `concenter keys revoke` puts \
         another one in its place"
    )]
    SigningKey {
        /// Its id.
        kid: KeyId,
    },
    /// The database was never served from, so there are no keys yet.
    #[error("the database has no keys yet: start the service on it once (`concenter serve`)")]
    NotInitialised,
    /// A key could not be made.
    #[error("a key could not be made")]
    Make(#[source] KeyError),
    /// A key could not be sealed.
    #[error("a key could not be sealed")]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens the keys; in an empty database it makes them first. The ring beside them is that of callers' tokens.
///
/// A signing key that does not open stops nothing but what needs it.
///
/// The key file is written before the database, so that a crash between the two leaves a key that protects nothing,
/// never a database without its key.
///
/// # Errors
/// [`UnlockError`], each of which must stop the start.
pub async fn unlock(
    store: &dyn Store,
    kek_place: &KekPlace,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<(Keys, Arc<KeyRing>), UnlockError> {
    if store.load_service().await?.is_none() {
        let kek = kek_place.create(random)?;
        store.initialise_service(&new_service(&kek, clock.now(), random)?).await?;
    }
    unlock_existing(store, kek_place).await
}

/// Opens the keys of a database that was served from before, as [`unlock`] does; makes nothing.
///
/// # Errors
/// [`UnlockError::NotInitialised`] for an empty database, and every other one.
pub async fn unlock_existing(store: &dyn Store, kek_place: &KekPlace) -> Result<(Keys, Arc<KeyRing>), UnlockError> {
    let state = store.load_service().await?.ok_or(UnlockError::NotInitialised)?;
    open_keys(&state, kek_place)
}

/// Opens the keys of a service that was read from its database, as [`unlock_existing`] does.
///
/// # Errors
/// [`UnlockError`].
pub fn open_keys(state: &ServiceState, kek_place: &KekPlace) -> Result<(Keys, Arc<KeyRing>), UnlockError> {
    let kek = kek_place.load(&state.keys.kek_id)?;
    kek.check_canary(&state.kek_canary).map_err(|error| match error {
        OpenError::KeyMismatch => UnlockError::WrongKek { path: kek_place.path_of(&state.keys.kek_id) },
        OpenError::Corrupt => UnlockError::Damaged { what: "key canary" },
    })?;
    let system = TenantKeys::open(&kek, TenantId::SYSTEM, &state.keys)
        .map_err(|_| UnlockError::Damaged { what: "service key" })?;
    let (jump_ring, mut unreadable) = open_ring(&system, &state.signing_keys, KeyPurpose::Jump);
    let (caller_ring, others) = open_ring(&system, &state.signing_keys, KeyPurpose::Caller);
    unreadable.extend(others);
    let (jump_ring, caller_ring) = (Arc::new(jump_ring), Arc::new(caller_ring));
    let callers = Arc::clone(&caller_ring);
    Ok((Keys { kek, system, jump_ring, caller_ring, unreadable, epoch: state.epoch }, callers))
}

impl From<NewKeyError> for UnlockError {
    fn from(error: NewKeyError) -> Self {
        match error {
            NewKeyError::Make(error) => Self::Make(error),
            NewKeyError::Seal(error) => Self::Seal(error),
        }
    }
}

fn new_service(kek: &Kek, now: Timestamp, random: &dyn Random) -> Result<ServiceState, UnlockError> {
    let (system, keys) = TenantKeys::generate(kek, TenantId::SYSTEM, random)?;
    let signing_keys = KeyPurpose::ALL
        .into_iter()
        .map(|purpose| new_signing_key(&system, purpose, KeyTimes::new(now, now), random))
        .collect::<Result<_, _>>()?;
    Ok(ServiceState { epoch: 1, kek_canary: kek.canary(random)?, keys, signing_keys })
}
