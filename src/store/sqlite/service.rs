//! The service's own row and its signing keys.

use async_trait::async_trait;
use sqlx::{Connection as _, SqliteConnection};

use super::SqliteStore;
use super::error::{Failure, Step};
use super::row::Cells;
use super::tenants::keys_of;
use super::writer::Writer;
use super::{keks, keys};
use crate::domain::kek::KekId;
use crate::domain::load::StoreLoad;
use crate::domain::service::ServiceState;
use crate::store::{ServiceStore, StoreError};

#[async_trait]
impl ServiceStore for SqliteStore {
    async fn load_service(&self) -> Result<Option<ServiceState>, StoreError> {
        let mut reader = self.readers().acquire().await.map_err(Failure::from)?;
        Ok(load(&mut reader).await?)
    }

    async fn initialise_service(&self, state: &ServiceState) -> Result<(), StoreError> {
        let state = state.clone();
        self.writer()?.effect(move |tx| Box::pin(async move { initialise(tx, &state).await })).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.check_reachable().await?;
        self.writer()?.effect(|tx| Box::pin(touch(tx))).await
    }

    async fn check_reachable(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT epoch FROM service").fetch_all(self.readers()).await.map_err(Failure::from)?;
        Ok(())
    }

    fn load(&self) -> StoreLoad {
        let pool = self.readers();
        let idle = pool.num_idle();
        StoreLoad {
            connections_in_use: usize::try_from(pool.size()).unwrap_or(usize::MAX).saturating_sub(idle),
            connections_idle: idle,
            reads_waiting: self.reader().waiting(),
            writes_waiting: self.writer().map_or(0, Writer::waiting),
            batches: self.writer().map(Writer::batches).unwrap_or_default(),
        }
    }

    /// Releases the lock as well. A store that is dropped instead loses nothing that was answered, but its lock is released
    /// only when its writer has noticed.
    async fn close(&self) {
        self.shut().await;
    }
}

/// Writes what is there already: only a write that reaches the volume tells whether there is room on it.
async fn touch(tx: &mut SqliteConnection) -> Step<()> {
    sqlx::query("UPDATE service SET epoch = epoch").execute(tx).await?;
    Ok(())
}

async fn load(reader: &mut SqliteConnection) -> Step<Option<ServiceState>> {
    let mut snapshot = reader.begin().await?;
    let service = sqlx::query(
        "
        SELECT
            epoch, coalesce(active_kek_id, kek_id) AS active_kek_id, kek_id, dek_version, wrapped_dek, sealed_mac_key
        FROM service
        ",
    )
    .fetch_optional(&mut *snapshot)
    .await?;
    let Some(service) = &service else {
        return if has_data(&mut snapshot).await? { Err(lost_service()) } else { Ok(None) };
    };
    let keks = keks::load_all(&mut snapshot).await?;
    let signing_keys = keys::load_all(&mut snapshot).await?;
    snapshot.rollback().await?;
    let cells = Cells::of(service, "service");
    Ok(Some(ServiceState {
        epoch: cells.plain("epoch")?,
        active_kek: cells.parsed("active_kek_id", KekId::parse)?,
        keks,
        keys: keys_of(cells)?,
        signing_keys,
    }))
}

/// Tells whether there is anything that the keys of a service protect.
async fn has_data(snapshot: &mut SqliteConnection) -> Step<bool> {
    let row = sqlx::query("SELECT EXISTS (SELECT 1 FROM tenant) OR EXISTS (SELECT 1 FROM signing_key) AS has_data")
        .fetch_one(snapshot)
        .await?;
    Cells::of(&row, "service").plain("has_data")
}

/// A database that has data but no service is damaged, not new: new keys would open nothing in it.
const fn lost_service() -> Failure {
    Failure(StoreError::Corrupt { table: "service" })
}

async fn initialise(tx: &mut SqliteConnection, state: &ServiceState) -> Step<()> {
    let is_there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM service)").fetch_one(&mut *tx).await?;
    if is_there {
        return Ok(());
    }
    for kek in &state.keks {
        keks::insert(&mut *tx, kek).await?;
    }
    let canary = state.kek(&state.keys.kek_id).map(|kek| kek.canary.as_slice()).unwrap_or_default();
    sqlx::query(
        "
        INSERT INTO service (
            singleton, epoch, catalog_version, kek_canary, kek_id, dek_version, wrapped_dek, sealed_mac_key, active_kek_id
        )
        VALUES (1, ?1, 1, ?2, ?3, ?4, ?5, ?6, ?7)
        ",
    )
    .bind(state.epoch)
    .bind(canary)
    .bind(&state.keys.kek_id)
    .bind(state.keys.dek_version)
    .bind(state.keys.wrapped_dek.as_slice())
    .bind(state.keys.sealed_mac_key.as_slice())
    .bind(state.active_kek.as_str())
    .execute(&mut *tx)
    .await?;
    for key in &state.signing_keys {
        keys::insert(&mut *tx, key).await?;
    }
    Ok(())
}
