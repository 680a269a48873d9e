//! The first thing that a start does: open every key, or make them in an empty database; refuse to go on otherwise.
//!
//! A key that is missing, wrong, corrupt or too open is never replaced by a new one: what the old one protects
//! would be lost, and nobody would notice until a customer clicked.

use std::sync::Arc;

use super::keys::{NewKeyError, new_signing_key, open_ring};
use crate::domain::ids::{Random, TenantId};
use crate::domain::kek::{KekId, KnownKek};
use crate::domain::service::ServiceState;
use crate::domain::signing::{KeyId, KeyPurpose, KeyTimes};
use crate::domain::time::{Clock, Timestamp};
use crate::secrets::{KekError, KekFileError, KekProvider, OpenError, SealError, TenantKeys};
use crate::store::{Store, StoreError};
use crate::token::{KeyError, KeyRing};

/// Every key that the use cases need, open.
pub struct Keys {
    /// Who has the key-encryption keys.
    pub keks: Arc<dyn KekProvider>,
    /// Everything else.
    pub opened: OpenedService,
}

/// What opened of a service's own keys.
pub struct OpenedService {
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
    /// A key file is missing, wrong, corrupt or too open.
    #[error(transparent)]
    KekFile(#[from] KekFileError),
    /// A key-encryption key is not here, or who has it does not answer.
    #[error(transparent)]
    Kek(KekError),
    /// A key-encryption key is not the one that this database knows by its id.
    #[error(
        "the key-encryption key {kek_id} in {place} is not the one that this database was made with: restore the right one"
    )]
    WrongKek {
        /// Its id.
        kek_id: String,
        /// Where it is.
        place: String,
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
/// The key-encryption key is written before the database, so that a crash between the two leaves a key that protects nothing,
/// never a database without its key.
///
/// # Errors
/// [`UnlockError`], each of which must stop the start.
pub async fn unlock(
    store: &dyn Store,
    keks: Arc<dyn KekProvider>,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<(Keys, Arc<KeyRing>), UnlockError> {
    if store.load_service().await?.is_none() {
        let kek_id = keks.first(random).await.map_err(of_kek)?;
        store.initialise_service(&new_service(&*keks, kek_id, clock.now(), random).await?).await?;
    }
    let (opened, callers) = unlock_existing(store, &*keks).await?;
    Ok((Keys { keks, opened }, callers))
}

/// Opens the keys of a database that was served from before, as [`unlock`] does; makes nothing.
///
/// # Errors
/// [`UnlockError::NotInitialised`] for an empty database, and every other one; also where another key-encryption key than that of
/// the service is needed and of no use.
pub async fn unlock_existing(
    store: &dyn Store,
    keks: &dyn KekProvider,
) -> Result<(OpenedService, Arc<KeyRing>), UnlockError> {
    let state = store.load_service().await?.ok_or(UnlockError::NotInitialised)?;
    let opened = open_keys(&state, keks).await?;
    // That of the service itself was looked at when its keys were opened.
    let others = state.keks.iter().filter(|kek| kek.retired_at.is_none() && kek.kek_id.as_str() != state.keys.kek_id);
    for kek in others {
        let is_needed = kek.kek_id == state.active_kek || store.count_data_keys_all_tenants(&kek.kek_id).await? > 0;
        match check_kek(keks, kek).await {
            Ok(()) => {}
            Err(error) if is_needed => return Err(error),
            // Nothing is under it, and nothing new goes under it: it was made known a moment ago, or will be retired.
            Err(error) => tracing::warn!(
                kek_id = %kek.kek_id,
                error = &error as &dyn std::error::Error,
                "app.startup.kek_not_needed"
            ),
        }
    }
    Ok(opened)
}

/// Opens the keys of a service that was read from its database, as [`unlock_existing`] does, by the key-encryption key that
/// wraps them alone.
///
/// # Errors
/// [`UnlockError`].
pub async fn open_keys(
    state: &ServiceState,
    keks: &dyn KekProvider,
) -> Result<(OpenedService, Arc<KeyRing>), UnlockError> {
    let known = state.kek(&state.keys.kek_id).ok_or(UnlockError::Damaged { what: "key canary" })?;
    check_kek(keks, known).await?;
    let system = TenantKeys::open(keks, TenantId::SYSTEM, &state.keys).await.map_err(|error| match error {
        KekError::Open(_) | KekError::Seal(_) => UnlockError::Damaged { what: "service key" },
        other => of_kek(other),
    })?;
    let (jump_ring, mut unreadable) = open_ring(&system, &state.signing_keys, KeyPurpose::Jump);
    let (caller_ring, others) = open_ring(&system, &state.signing_keys, KeyPurpose::Caller);
    unreadable.extend(others);
    let (jump_ring, caller_ring) = (Arc::new(jump_ring), Arc::new(caller_ring));
    let callers = Arc::clone(&caller_ring);
    Ok((OpenedService { system, jump_ring, caller_ring, unreadable, epoch: state.epoch }, callers))
}

/// Checks that a key-encryption key is at hand, and is the one that the database knows by its id.
async fn check_kek(keks: &dyn KekProvider, kek: &KnownKek) -> Result<(), UnlockError> {
    let kek_id = kek.kek_id.as_str();
    keks.check_canary(kek_id, &kek.canary).await.map_err(|error| match error {
        KekError::Open(OpenError::KeyMismatch) => {
            UnlockError::WrongKek { kek_id: kek_id.to_owned(), place: keks.place_of(kek_id) }
        }
        KekError::Open(OpenError::Corrupt) => UnlockError::Damaged { what: "key canary" },
        other => of_kek(other),
    })
}

fn of_kek(error: KekError) -> UnlockError {
    match error {
        KekError::File(error) => UnlockError::KekFile(error),
        KekError::Seal(error) => UnlockError::Seal(error),
        KekError::Open(_) => UnlockError::Damaged { what: "service key" },
        KekError::Missing { .. } | KekError::Unreachable { .. } => UnlockError::Kek(error),
    }
}

impl From<NewKeyError> for UnlockError {
    fn from(error: NewKeyError) -> Self {
        match error {
            NewKeyError::Make(error) => Self::Make(error),
            NewKeyError::Seal(error) => Self::Seal(error),
        }
    }
}

async fn new_service(
    keks: &dyn KekProvider,
    kek_id: KekId,
    now: Timestamp,
    random: &dyn Random,
) -> Result<ServiceState, UnlockError> {
    let (system, keys) = TenantKeys::generate(keks, &kek_id, TenantId::SYSTEM, random).await.map_err(of_kek)?;
    let canary = keks.canary(kek_id.as_str(), random).await.map_err(of_kek)?;
    let signing_keys = KeyPurpose::ALL
        .into_iter()
        .map(|purpose| new_signing_key(&system, purpose, KeyTimes::new(now, now), random))
        .collect::<Result<_, _>>()?;
    let known = KnownKek { kek_id: kek_id.clone(), canary, added_at: now, retired_at: None };
    Ok(ServiceState { epoch: 1, active_kek: kek_id, keks: vec![known], keys, signing_keys })
}
