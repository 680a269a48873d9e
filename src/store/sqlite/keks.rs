//! Key-encryption keys, and what is wrapped under them.

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::audit::{self, AuditRow};
use super::error::{Failure, Step};
use super::requests::{Changed, unreadable_resource};
use super::row::Cells;
use super::tenants::keys_of;
use crate::domain::audit::{AuditEntry, AuditOutcome};
use crate::domain::error::{Reason, Refusal};
use crate::domain::ids::TenantId;
use crate::domain::kek::{KekId, KnownKek, Rewrapped};
use crate::domain::tenant::WrappedKeys;
use crate::domain::time::Timestamp;
use crate::store::{Effect, KekStore, Outcome, StoreError};

#[async_trait]
impl KekStore for SqliteStore {
    async fn add_kek(&self, effect: &Effect, kek: &KnownKek) -> Result<Outcome<KnownKek>, StoreError> {
        let kek = kek.clone();
        self.change(
            TenantId::SYSTEM,
            effect,
            move |tx, _| Box::pin(async move { add(tx, &kek).await }),
            |tx, resource| Box::pin(load_resource(tx, resource)),
        )
        .await
    }

    async fn activate_kek(&self, effect: &Effect, kek_id: &KekId) -> Result<Outcome<KnownKek>, StoreError> {
        let kek_id = kek_id.clone();
        self.change(
            TenantId::SYSTEM,
            effect,
            move |tx, _| Box::pin(async move { activate_known(tx, &kek_id).await }),
            |tx, resource| Box::pin(load_resource(tx, resource)),
        )
        .await
    }

    async fn retire_kek(&self, effect: &Effect, kek_id: &KekId) -> Result<Outcome<KnownKek>, StoreError> {
        let kek_id = kek_id.clone();
        self.change(
            TenantId::SYSTEM,
            effect,
            move |tx, at| Box::pin(async move { retire(tx, at, &kek_id).await }),
            |tx, resource| Box::pin(load_resource(tx, resource)),
        )
        .await
    }

    async fn count_data_keys_all_tenants(&self, kek_id: &KekId) -> Result<u64, StoreError> {
        let count = sqlx::query_scalar(COUNT).bind(kek_id.as_str()).fetch_one(self.readers()).await;
        Ok(count.map_err(Failure::from)?)
    }

    async fn tenants_under_kek_all_tenants(
        &self,
        kek_id: &KekId,
        after: Option<&TenantId>,
        most: u32,
    ) -> Result<Vec<TenantId>, StoreError> {
        let rows = sqlx::query(TENANTS_UNDER)
            .bind(kek_id.as_str())
            .bind(after.map(TenantId::to_string).unwrap_or_default())
            .bind(most)
            .fetch_all(self.readers())
            .await
            .map_err(Failure::from)?;
        let tenants = rows.iter().map(|row| Cells::of(row, "tenant").parsed("tenant_id", TenantId::parse));
        Ok(tenants.collect::<Step<_>>()?)
    }

    async fn keys_of_tenants(&self, tenants: &[TenantId]) -> Result<Vec<(TenantId, WrappedKeys)>, StoreError> {
        let ids: Vec<_> = tenants.iter().map(TenantId::to_string).collect();
        let rows = sqlx::query(KEYS_OF_TENANTS)
            .bind(serde_json::to_string(&ids).map_err(Failure::from)?)
            .fetch_all(self.readers())
            .await
            .map_err(Failure::from)?;
        Ok(rows.iter().map(tenant_keys_of).collect::<Step<_>>()?)
    }

    async fn rewrap_keys(&self, to: &KekId, keys: &[Rewrapped], audit: &AuditEntry) -> Result<u64, StoreError> {
        let (to, keys) = (to.clone(), keys.to_vec());
        let row = AuditRow::new(&TenantId::SYSTEM, audit)?.with(AuditOutcome::Accepted);
        self.writer()?.effect(move |tx| Box::pin(async move { rewrap(tx, &to, &keys, row).await })).await
    }
}

const COUNT: &str = "
SELECT
    (SELECT count(*) FROM tenant WHERE kek_id = ?1)
    + (SELECT count(*) FROM service WHERE kek_id = ?1)
";

const TENANTS_UNDER: &str = "
SELECT tenant_id
FROM tenant
WHERE kek_id = ?1
  AND tenant_id > ?2
ORDER BY tenant_id
LIMIT ?3
";

const KEYS_OF_TENANTS: &str = "
SELECT tenant_id, kek_id, dek_version, wrapped_dek, sealed_mac_key
FROM tenant
WHERE tenant_id IN (SELECT value FROM json_each(?1))
  -- Of a tenant whose keys are destroyed there are none.
  AND wrapped_dek <> x''
ORDER BY tenant_id
";

/// Reads all keys, the oldest first.
pub(super) async fn load_all(tx: &mut SqliteConnection) -> Step<Vec<KnownKek>> {
    let rows = sqlx::query(
        "
        SELECT kek_id, canary, added_at, retired_at
        FROM kek
        ORDER BY added_at, kek_id
        ",
    )
    .fetch_all(tx)
    .await?;
    rows.iter().map(kek_of).collect()
}

/// Reads one key.
async fn load(tx: &mut SqliteConnection, kek_id: &KekId) -> Step<Option<KnownKek>> {
    let row = sqlx::query(
        "
        SELECT kek_id, canary, added_at, retired_at
        FROM kek
        WHERE kek_id = ?1
        ",
    )
    .bind(kek_id.as_str())
    .fetch_optional(tx)
    .await?;
    row.as_ref().map(kek_of).transpose()
}

async fn load_resource(tx: &mut SqliteConnection, resource: String) -> Step<Option<KnownKek>> {
    let kek_id = KekId::parse(&resource).map_err(|_| unreadable_resource())?;
    load(tx, &kek_id).await
}

fn kek_of(row: &SqliteRow) -> Step<KnownKek> {
    let cells = Cells::of(row, "kek");
    Ok(KnownKek {
        kek_id: cells.parsed("kek_id", KekId::parse)?,
        canary: cells.plain("canary")?,
        added_at: cells.instant("added_at")?,
        retired_at: cells.instant_or_null("retired_at")?,
    })
}

fn tenant_keys_of(row: &SqliteRow) -> Step<(TenantId, WrappedKeys)> {
    let cells = Cells::of(row, "tenant");
    Ok((cells.parsed("tenant_id", TenantId::parse)?, keys_of(cells)?))
}

/// Writes a new key.
pub(super) async fn insert(tx: &mut SqliteConnection, kek: &KnownKek) -> Step<()> {
    sqlx::query(
        "
        INSERT INTO kek (kek_id, canary, added_at)
        VALUES (?1, ?2, ?3)
        ",
    )
    .bind(kek.kek_id.as_str())
    .bind(kek.canary.as_slice())
    .bind(kek.added_at.unix_micros())
    .execute(tx)
    .await?;
    Ok(())
}

async fn add(tx: &mut SqliteConnection, kek: &KnownKek) -> Changed {
    if load(&mut *tx, &kek.kek_id).await?.is_none() {
        insert(tx, kek).await?;
    }
    Ok(kek.kek_id.to_string())
}

/// Makes a key the active one; tells whether there is such a key that is not retired.
async fn activate(tx: &mut SqliteConnection, kek_id: &KekId) -> Step<bool> {
    let activated = sqlx::query(
        "
        UPDATE service
        SET active_kek_id = ?1
        WHERE EXISTS (
            SELECT 1
            FROM kek
            WHERE kek_id = ?1
              AND retired_at IS NULL
        )
        ",
    )
    .bind(kek_id.as_str())
    .execute(tx)
    .await?;
    Ok(activated.rows_affected() > 0)
}

async fn activate_known(tx: &mut SqliteConnection, kek_id: &KekId) -> Changed {
    if !activate(tx, kek_id).await? {
        return Err(Reason::NotFound.into());
    }
    Ok(kek_id.to_string())
}

async fn retire(tx: &mut SqliteConnection, at: Timestamp, kek_id: &KekId) -> Changed {
    load(&mut *tx, kek_id).await?.ok_or(Reason::NotFound)?;
    let in_use: u64 = sqlx::query_scalar(
        "
        SELECT
            (SELECT count(*) FROM tenant WHERE kek_id = ?1)
            + (SELECT count(*) FROM service WHERE ?1 IN (kek_id, active_kek_id))
        ",
    )
    .bind(kek_id.as_str())
    .fetch_one(&mut *tx)
    .await?;
    if in_use > 0 {
        return Err(Refusal::with_related(Reason::KekInUse, Vec::new(), in_use).into());
    }
    sqlx::query(
        "
        UPDATE kek
        SET retired_at = ?2
        WHERE kek_id = ?1
          AND retired_at IS NULL
        ",
    )
    .bind(kek_id.as_str())
    .bind(at.unix_micros())
    .execute(tx)
    .await?;
    Ok(kek_id.to_string())
}

async fn rewrap(tx: &mut SqliteConnection, to: &KekId, keys: &[Rewrapped], audit: String) -> Step<u64> {
    let mut rewrapped = 0_u64;
    for key in keys {
        let done = if key.tenant == TenantId::SYSTEM {
            rewrap_of_service(&mut *tx, to, key).await?
        } else {
            rewrap_of_tenant(&mut *tx, to, key).await?
        };
        rewrapped = rewrapped.saturating_add(done);
    }
    if rewrapped > 0 {
        audit::append(tx, std::iter::once(audit)).await?;
    }
    Ok(rewrapped)
}

async fn rewrap_of_service(tx: &mut SqliteConnection, to: &KekId, key: &Rewrapped) -> Step<u64> {
    let done = sqlx::query(
        "
        UPDATE service
        SET kek_id = ?1,
            wrapped_dek = ?2,
            kek_canary = (SELECT canary FROM kek WHERE kek_id = ?1)
        WHERE kek_id = ?3
          AND dek_version = ?4
          AND wrapped_dek = ?5
          AND active_kek_id = ?1
        ",
    )
    .bind(to.as_str())
    .bind(key.wrapped_dek.as_slice())
    .bind(&key.from.kek_id)
    .bind(key.from.dek_version)
    .bind(key.from.wrapped_dek.as_slice())
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}

async fn rewrap_of_tenant(tx: &mut SqliteConnection, to: &KekId, key: &Rewrapped) -> Step<u64> {
    let done = sqlx::query(
        "
        UPDATE tenant
        SET kek_id = ?1,
            wrapped_dek = ?2
        WHERE tenant_id = ?3
          AND kek_id = ?4
          AND dek_version = ?5
          AND wrapped_dek = ?6
          -- Who has not heard that another key is active now wraps nothing back.
          AND EXISTS (SELECT 1 FROM service WHERE active_kek_id = ?1)
        ",
    )
    .bind(to.as_str())
    .bind(key.wrapped_dek.as_slice())
    .bind(key.tenant.to_string())
    .bind(&key.from.kek_id)
    .bind(key.from.dek_version)
    .bind(key.from.wrapped_dek.as_slice())
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::super::plans::assert_plan;
    use super::*;

    #[tokio::test]
    async fn what_is_under_a_key_is_found_by_the_key() {
        let search = "SEARCH tenant USING COVERING INDEX tenant_by_kek (kek_id=? AND tenant_id>?)";
        assert_plan(TENANTS_UNDER, &[], search).await;
        assert_plan(
            COUNT,
            &["SCAN CONSTANT ROW", "SCAN service"],
            "SEARCH tenant USING COVERING INDEX tenant_by_kek (kek_id=?)",
        )
        .await;
        assert_plan(
            KEYS_OF_TENANTS,
            &["SCAN json_each VIRTUAL TABLE INDEX 1:"],
            "SEARCH tenant USING PRIMARY KEY (tenant_id=?)",
        )
        .await;
    }
}
