//! Key-encryption keys, and what is wrapped under them.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use super::PostgresStore;
use super::audit::{self, AuditRow};
use super::error::Step;
use super::requests::{Changed, unreadable_resource};
use super::row::{Cells, uuid};
use super::session::Rows;
use super::tenants::keys_of;
use crate::domain::audit::{AuditEntry, AuditOutcome};
use crate::domain::error::{Reason, Refusal};
use crate::domain::ids::TenantId;
use crate::domain::kek::{KekId, KnownKek, Rewrapped};
use crate::domain::tenant::WrappedKeys;
use crate::domain::time::Timestamp;
use crate::store::{Effect, KekStore, Outcome, StoreError};

#[async_trait]
impl KekStore for PostgresStore {
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
        let kek_id = kek_id.clone();
        self.read(Rows::Global, move |tx| Box::pin(async move { count(tx, &kek_id).await })).await
    }

    async fn tenants_under_kek_all_tenants(
        &self,
        kek_id: &KekId,
        after: Option<&TenantId>,
        most: u32,
    ) -> Result<Vec<TenantId>, StoreError> {
        let (kek_id, after) = (kek_id.clone(), after.copied());
        self.read(Rows::AllTenants, move |tx| {
            Box::pin(async move { tenants_under(tx, &kek_id, after.as_ref(), most).await })
        })
        .await
    }

    async fn keys_of_tenants(&self, tenants: &[TenantId]) -> Result<Vec<(TenantId, WrappedKeys)>, StoreError> {
        let tenants = tenants.to_vec();
        self.read(Rows::Of(tenants.clone()), move |tx| Box::pin(async move { load_keys(tx, &tenants).await })).await
    }

    async fn rewrap_keys(&self, to: &KekId, keys: &[Rewrapped], audit: &AuditEntry) -> Result<u64, StoreError> {
        let (to, keys) = (to.clone(), keys.to_vec());
        let row = AuditRow::new(&TenantId::SYSTEM, audit);
        // The audit row is in the log of the service, whose id is among them.
        let mut tenants = vec![TenantId::SYSTEM];
        tenants.extend(keys.iter().map(|key| key.tenant).filter(|tenant| *tenant != TenantId::SYSTEM));
        self.write(
            Rows::Of(tenants),
            move |tx| Box::pin(async move { rewrap(tx, &to, &keys, &row).await }),
            // Whether or not it is done, the next run finds what is left to do.
            |_| Box::pin(async { Ok(None) }),
        )
        .await
    }
}

const COUNT: &str = "SELECT concenter_kek_use($1)";

const TENANTS_UNDER: &str = r#"
SELECT tenant_id
FROM tenant
WHERE kek_id COLLATE "C" = $1
  AND tenant_id > $2
ORDER BY tenant_id
LIMIT $3
"#;

const KEYS_OF_TENANTS: &str = "
SELECT tenant_id, kek_id, dek_version, wrapped_dek, sealed_mac_key
FROM tenant
WHERE tenant_id = ANY ($1)
  -- Of a tenant whose keys are destroyed there are none.
  AND wrapped_dek <> ''
ORDER BY tenant_id
";

async fn count(tx: &mut PgConnection, kek_id: &KekId) -> Step<u64> {
    let count: i64 = sqlx::query_scalar(COUNT).bind(kek_id.as_str()).fetch_one(tx).await?;
    Ok(u64::try_from(count).unwrap_or_default())
}

async fn tenants_under(
    tx: &mut PgConnection,
    kek_id: &KekId,
    after: Option<&TenantId>,
    most: u32,
) -> Step<Vec<TenantId>> {
    let rows = sqlx::query(TENANTS_UNDER)
        .bind(kek_id.as_str())
        .bind(after.map_or_else(Uuid::nil, |after| uuid(after.as_bytes())))
        .bind(i64::from(most))
        .fetch_all(tx)
        .await?;
    rows.iter().map(|row| Cells::of(row, "tenant").id("tenant_id", TenantId::parse)).collect()
}

async fn load_keys(tx: &mut PgConnection, tenants: &[TenantId]) -> Step<Vec<(TenantId, WrappedKeys)>> {
    let ids: Vec<_> = tenants.iter().map(|tenant| uuid(tenant.as_bytes())).collect();
    let rows = sqlx::query(KEYS_OF_TENANTS).bind(ids).fetch_all(tx).await?;
    rows.iter().map(tenant_keys_of).collect()
}

/// Reads all keys, the oldest first.
pub(super) async fn load_all(tx: &mut PgConnection) -> Step<Vec<KnownKek>> {
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
async fn load(tx: &mut PgConnection, kek_id: &KekId) -> Step<Option<KnownKek>> {
    let row = sqlx::query(
        "
        SELECT kek_id, canary, added_at, retired_at
        FROM kek
        WHERE kek_id = $1
        ",
    )
    .bind(kek_id.as_str())
    .fetch_optional(tx)
    .await?;
    row.as_ref().map(kek_of).transpose()
}

async fn load_resource(tx: &mut PgConnection, resource: String) -> Step<Option<KnownKek>> {
    let kek_id = KekId::parse(&resource).map_err(|_| unreadable_resource())?;
    load(tx, &kek_id).await
}

fn kek_of(row: &PgRow) -> Step<KnownKek> {
    let cells = Cells::of(row, "kek");
    Ok(KnownKek {
        kek_id: cells.parsed("kek_id", KekId::parse)?,
        canary: cells.plain("canary")?,
        added_at: cells.instant("added_at")?,
        retired_at: cells.instant_or_null("retired_at")?,
    })
}

fn tenant_keys_of(row: &PgRow) -> Step<(TenantId, WrappedKeys)> {
    let cells = Cells::of(row, "tenant");
    Ok((cells.id("tenant_id", TenantId::parse)?, keys_of(cells)?))
}

/// Writes a new key.
pub(super) async fn insert(tx: &mut PgConnection, kek: &KnownKek) -> Step<()> {
    sqlx::query(
        "
        INSERT INTO kek (kek_id, canary, added_at)
        VALUES ($1, $2, $3)
        -- Waits for a replica that does the same right now.
        ON CONFLICT DO NOTHING
        ",
    )
    .bind(kek.kek_id.as_str())
    .bind(kek.canary.as_slice())
    .bind(kek.added_at.unix_micros())
    .execute(tx)
    .await?;
    Ok(())
}

async fn add(tx: &mut PgConnection, kek: &KnownKek) -> Changed {
    if load(&mut *tx, &kek.kek_id).await?.is_none() {
        insert(tx, kek).await?;
    }
    Ok(kek.kek_id.to_string())
}

/// Makes a key the active one; tells whether there is such a key that is not retired.
pub(super) async fn activate(tx: &mut PgConnection, kek_id: &KekId) -> Step<bool> {
    Ok(sqlx::query_scalar("SELECT concenter_activate_kek($1)").bind(kek_id.as_str()).fetch_one(tx).await?)
}

async fn activate_known(tx: &mut PgConnection, kek_id: &KekId) -> Changed {
    if !activate(tx, kek_id).await? {
        return Err(Reason::NotFound.into());
    }
    Ok(kek_id.to_string())
}

async fn retire(tx: &mut PgConnection, at: Timestamp, kek_id: &KekId) -> Changed {
    load(&mut *tx, kek_id).await?.ok_or(Reason::NotFound)?;
    let in_use: i64 = sqlx::query_scalar("SELECT concenter_retire_kek($1, $2)")
        .bind(kek_id.as_str())
        .bind(at.unix_micros())
        .fetch_one(tx)
        .await?;
    match u64::try_from(in_use) {
        Ok(0) => Ok(kek_id.to_string()),
        in_use => Err(Refusal::with_related(Reason::KekInUse, Vec::new(), in_use.unwrap_or(u64::MAX)).into()),
    }
}

async fn rewrap(tx: &mut PgConnection, to: &KekId, keys: &[Rewrapped], audit: &AuditRow) -> Step<u64> {
    let mut rewrapped = 0_u64;
    for key in keys.iter().filter(|key| key.tenant == TenantId::SYSTEM) {
        rewrapped = rewrapped.saturating_add(rewrap_of_service(&mut *tx, to, key).await?);
    }
    let of_tenants: Vec<_> = keys.iter().filter(|key| key.tenant != TenantId::SYSTEM).collect();
    if !of_tenants.is_empty() {
        rewrapped = rewrapped.saturating_add(rewrap_of_tenants(&mut *tx, to, &of_tenants).await?);
    }
    if rewrapped > 0 {
        audit::append(tx, std::iter::once(audit.with(AuditOutcome::Accepted))).await?;
    }
    Ok(rewrapped)
}

async fn rewrap_of_service(tx: &mut PgConnection, to: &KekId, key: &Rewrapped) -> Step<u64> {
    let done = sqlx::query(
        "
        UPDATE service
        SET kek_id = $1,
            wrapped_dek = $2,
            kek_canary = (SELECT canary FROM kek WHERE kek_id = $1)
        WHERE kek_id = $3
          AND dek_version = $4
          AND wrapped_dek = $5
          AND active_kek_id = $1
        ",
    )
    .bind(to.as_str())
    .bind(key.wrapped_dek.as_slice())
    .bind(&key.from.kek_id)
    .bind(i64::from(key.from.dek_version))
    .bind(key.from.wrapped_dek.as_slice())
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}

async fn rewrap_of_tenants(tx: &mut PgConnection, to: &KekId, keys: &[&Rewrapped]) -> Step<u64> {
    let tenants: Vec<_> = keys.iter().map(|key| uuid(key.tenant.as_bytes())).collect();
    // All of them take their rows in this order, so that no two wait for one another. Whoever records a jump goes on.
    sqlx::query(
        "
        SELECT 1
        FROM tenant
        WHERE tenant_id = ANY ($1)
        ORDER BY tenant_id
        FOR NO KEY UPDATE
        ",
    )
    .bind(&tenants)
    .execute(&mut *tx)
    .await?;
    let done = sqlx::query(
        "
        UPDATE tenant AS t
        SET kek_id = $1,
            wrapped_dek = r.new_dek
        FROM UNNEST($2::UUID[], $3::TEXT[], $4::BIGINT[], $5::BYTEA[], $6::BYTEA[])
            AS r (tenant_id, kek_id, dek_version, old_dek, new_dek)
        WHERE t.tenant_id = r.tenant_id
          AND t.kek_id = r.kek_id
          AND t.dek_version = r.dek_version
          AND t.wrapped_dek = r.old_dek
          -- Who has not heard that another key is active now wraps nothing back.
          AND EXISTS (SELECT 1 FROM service WHERE active_kek_id = $1)
        ",
    )
    .bind(to.as_str())
    .bind(&tenants)
    .bind(keys.iter().map(|key| key.from.kek_id.clone()).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| i64::from(key.from.dek_version)).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.from.wrapped_dek.clone()).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.wrapped_dek.clone()).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}
