//! The first thing that a start does: open every key, or make them in an empty database; refuse to go on otherwise.
//!
//! A key that is missing, wrong, corrupt or too open is never replaced by a new one: what the old one protects
//! would be lost, and nobody would notice until a customer clicked.

use std::path::PathBuf;

use crate::domain::ids::{Random, TenantId};
use crate::domain::service::{KeyPurpose, KeyState, SealedSigningKey, ServiceState};
use crate::domain::time::{Clock, Timestamp};
use crate::secrets::{Kek, KekFileError, KekPlace, OpenError, Place, SealError, TenantKeys};
use crate::store::{Store, StoreError};
use crate::token::{KeyError, KeyRing, SigningKey};

/// The field of a signing key's row that holds its private half.
const PRIVATE_FIELD: &str = "private";

/// Every key that the use cases need, open.
pub struct Keys {
    /// Wraps the data keys of all tenants.
    pub kek: Kek,
    /// The service's own data and MAC keys.
    pub system: TenantKeys,
    /// Signs and verifies jump tokens.
    pub jump_ring: KeyRing,
    /// When the key was made that signs jump tokens.
    pub jump_key_made_at: Option<Timestamp>,
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

/// Opens the keys; in an empty database it makes them first. The second ring signs and verifies callers' tokens of the
/// embedded issuer: it is for the edge, no use case has it.
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
) -> Result<(Keys, KeyRing), UnlockError> {
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
pub async fn unlock_existing(store: &dyn Store, kek_place: &KekPlace) -> Result<(Keys, KeyRing), UnlockError> {
    let state = store.load_service().await?.ok_or(UnlockError::NotInitialised)?;
    open_keys(&state, kek_place)
}

/// Opens the keys of a service that was read from its database, as [`unlock_existing`] does.
///
/// # Errors
/// [`UnlockError`].
pub fn open_keys(state: &ServiceState, kek_place: &KekPlace) -> Result<(Keys, KeyRing), UnlockError> {
    let kek = kek_place.load(&state.keys.kek_id)?;
    kek.check_canary(&state.kek_canary).map_err(|error| match error {
        OpenError::KeyMismatch => UnlockError::WrongKek { path: kek_place.path_of(&state.keys.kek_id) },
        OpenError::Corrupt => UnlockError::Damaged { what: "key canary" },
    })?;
    let system = TenantKeys::open(&kek, TenantId::SYSTEM, &state.keys)
        .map_err(|_| UnlockError::Damaged { what: "service key" })?;
    let jump_ring = open_ring(&system, state, KeyPurpose::Jump)?;
    let caller_ring = open_ring(&system, state, KeyPurpose::Caller)?;
    let jump_key_made_at = current_made_at(state, KeyPurpose::Jump);
    Ok((Keys { kek, system, jump_ring, jump_key_made_at, epoch: state.epoch }, caller_ring))
}

/// When the key was made that signs; `None` where none does.
fn current_made_at(state: &ServiceState, purpose: KeyPurpose) -> Option<Timestamp> {
    let signs = |key: &&SealedSigningKey| key.purpose == purpose && key.state == KeyState::Current;
    state.signing_keys.iter().find(signs).map(|key| key.created_at)
}

fn new_service(kek: &Kek, now: Timestamp, random: &dyn Random) -> Result<ServiceState, UnlockError> {
    let (system, keys) = TenantKeys::generate(kek, TenantId::SYSTEM, random)?;
    let signing_keys = [KeyPurpose::Jump, KeyPurpose::Caller]
        .into_iter()
        .map(|purpose| new_signing_key(&system, purpose, now, random))
        .collect::<Result<_, _>>()?;
    Ok(ServiceState { epoch: 1, kek_canary: kek.canary(random)?, keys, signing_keys })
}

fn new_signing_key(
    system: &TenantKeys,
    purpose: KeyPurpose,
    now: Timestamp,
    random: &dyn Random,
) -> Result<SealedSigningKey, UnlockError> {
    let (key, private) = SigningKey::generate().map_err(UnlockError::Make)?;
    let kid = key.kid().to_owned();
    let place = Place { tenant: TenantId::SYSTEM, row: &kid, field: PRIVATE_FIELD, version: 1 };
    let sealed_private = system.data.seal(&place, &private, random)?;
    Ok(SealedSigningKey { kid, purpose, state: KeyState::Current, sealed_private, created_at: now })
}

fn open_ring(system: &TenantKeys, state: &ServiceState, purpose: KeyPurpose) -> Result<KeyRing, UnlockError> {
    let damaged = UnlockError::Damaged { what: "signing key" };
    let mut keys = Vec::new();
    for stored in state.signing_keys.iter().filter(|key| key.purpose == purpose) {
        let place = Place { tenant: TenantId::SYSTEM, row: &stored.kid, field: PRIVATE_FIELD, version: 1 };
        let private = system
            .data
            .open(&place, &stored.sealed_private)
            .map_err(|_| UnlockError::Damaged { what: "signing key" })?;
        let key = SigningKey::from_pkcs8(private.expose()).map_err(|_| UnlockError::Damaged { what: "signing key" })?;
        if key.kid() != stored.kid {
            return Err(damaged);
        }
        keys.push((key, stored.state));
    }
    KeyRing::new(keys).map_err(|_| damaged)
}
