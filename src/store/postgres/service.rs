//! The service's own row and its signing keys.

use async_trait::async_trait;
use sqlx::postgres::PgConnection;

use super::PostgresStore;
use super::error::{Failure, Step};
use super::row::Cells;
use super::session::Rows;
use super::tenants::keys_of;
use super::writer::Writer;
use super::{keks, keys};
use crate::domain::kek::{KekId, KnownKek};
use crate::domain::load::StoreLoad;
use crate::domain::service::ServiceState;
use crate::domain::time::Timestamp;
use crate::store::{ServiceStore, StoreError};

#[async_trait]
impl ServiceStore for PostgresStore {
    async fn load_service(&self) -> Result<Option<ServiceState>, StoreError> {
        // Before the service, which is never deleted: a tenant that was there then has one, unless it was lost.
        let has_tenants = self.read(Rows::AllTenants, |tx| Box::pin(has_tenants(tx))).await?;
        self.read(Rows::Global, move |tx| Box::pin(load(tx, has_tenants))).await
    }

    async fn initialise_service(&self, state: &ServiceState) -> Result<(), StoreError> {
        let state = state.clone();
        self.write(
            Rows::Global,
            move |tx| Box::pin(async move { initialise(tx, &state).await }),
            |tx| Box::pin(is_initialised(tx)),
        )
        .await
    }

    async fn check(&self) -> Result<(), StoreError> {
        // Whatever becomes of a COMMIT that nobody answered, the database does not work as it should.
        self.write(Rows::Global, |tx| Box::pin(touch(tx)), |_| Box::pin(async { Ok(None) })).await
    }

    async fn check_reachable(&self) -> Result<(), StoreError> {
        self.read(Rows::Global, |tx| {
            Box::pin(async move {
                sqlx::query("SELECT epoch FROM service").fetch_all(tx).await?;
                Ok(())
            })
        })
        .await
    }

    fn load(&self) -> StoreLoad {
        let pool = self.pool();
        let idle = pool.num_idle();
        StoreLoad {
            connections_in_use: usize::try_from(pool.size()).unwrap_or(usize::MAX).saturating_sub(idle),
            connections_idle: idle,
            reads_waiting: self.reader().waiting(),
            writes_waiting: self.writer().map_or(0, Writer::waiting),
            batches: self.writer().map(Writer::batches).unwrap_or_default(),
        }
    }

    async fn close(&self) {
        self.shut().await;
    }
}

/// Writes what is there already: only a write that reaches the volume tells whether there is room on it.
async fn touch(tx: &mut PgConnection) -> Step<()> {
    sqlx::query("UPDATE service SET epoch = epoch").execute(tx).await?;
    Ok(())
}

/// Reads the service's row and its keys. Without a row there must be nothing that it protects.
pub(super) async fn load(tx: &mut PgConnection, has_tenants: bool) -> Step<Option<ServiceState>> {
    let Some(state) = load_row(tx, has_tenants).await? else { return Ok(None) };
    let keks = keks::load_all(&mut *tx).await?;
    Ok(Some(ServiceState { keks, signing_keys: keys::load_all(tx).await?, ..state }))
}

/// Reads the service's row, without its signing keys, and of the key-encryption keys that one which wraps its own key. A
/// schema of an earlier program has all of that.
pub(super) async fn load_row(tx: &mut PgConnection, has_tenants: bool) -> Step<Option<ServiceState>> {
    let service = sqlx::query(
        "
        SELECT
            epoch, kek_canary, kek_id, dek_version, wrapped_dek, sealed_mac_key,
            -- By its name as a text: an earlier schema has no such column.
            coalesce(to_jsonb(s) ->> 'active_kek_id', kek_id) AS active_kek_id
        FROM service AS s
        ",
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(service) = &service else {
        return if has_tenants || has_signing_keys(tx).await? { Err(lost_service()) } else { Ok(None) };
    };
    let cells = Cells::of(service, "service");
    Ok(Some(ServiceState {
        epoch: cells.plain("epoch")?,
        active_kek: cells.parsed("active_kek_id", KekId::parse)?,
        keks: vec![KnownKek {
            kek_id: cells.parsed("kek_id", KekId::parse)?,
            canary: cells.plain("kek_canary")?,
            added_at: Timestamp::from_unix_micros(0),
            retired_at: None,
        }],
        keys: keys_of(cells)?,
        signing_keys: Vec::new(),
    }))
}

/// Tells whether there are tenants, whose keys those of the service protect.
pub(super) async fn has_tenants(tx: &mut PgConnection) -> Step<bool> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM tenant)").fetch_one(tx).await?)
}

/// Tells whether there are signing keys, which those of the service protect.
async fn has_signing_keys(tx: &mut PgConnection) -> Step<bool> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM signing_key)").fetch_one(tx).await?)
}

/// A database that has data but no service is damaged, not new: new keys would open nothing in it.
const fn lost_service() -> Failure {
    Failure(StoreError::Corrupt { table: "service" })
}

async fn initialise(tx: &mut PgConnection, state: &ServiceState) -> Step<()> {
    let canary = state.kek(&state.keys.kek_id).map(|kek| kek.canary.as_slice()).unwrap_or_default();
    let made = sqlx::query(
        "
        INSERT INTO service (
            singleton, epoch, catalog_version, kek_canary, kek_id, dek_version, wrapped_dek, sealed_mac_key
        )
        VALUES (1, $1, 1, $2, $3, $4, $5, $6)
        -- Waits for a replica that does the same right now.
        ON CONFLICT DO NOTHING
        ",
    )
    .bind(state.epoch)
    .bind(canary)
    .bind(&state.keys.kek_id)
    .bind(i64::from(state.keys.dek_version))
    .bind(state.keys.wrapped_dek.as_slice())
    .bind(state.keys.sealed_mac_key.as_slice())
    .execute(&mut *tx)
    .await?;
    if made.rows_affected() == 0 {
        return Ok(());
    }
    for kek in &state.keks {
        keks::insert(&mut *tx, kek).await?;
    }
    keks::activate(&mut *tx, &state.active_kek).await?;
    for key in &state.signing_keys {
        keys::insert(&mut *tx, key).await?;
    }
    Ok(())
}

/// Tells whether there is a service.
async fn is_initialised(tx: &mut PgConnection) -> Step<Option<()>> {
    Ok(sqlx::query("SELECT 1 FROM service").fetch_optional(tx).await?.map(drop))
}
