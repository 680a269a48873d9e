//! Up to where the audit log was dropped because its time was over.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::PostgresStore;
use super::audit::{self, AuditRow};
use super::error::Step;
use super::row::{Cells, uuid};
use super::session::Rows;
use crate::domain::audit::{AuditEntry, AuditOutcome};
use crate::domain::audit_log::{AuditFloor, ChainHash, LATEST_ENTRY, made_at};
use crate::domain::ids::{AuditId, TenantId};
use crate::store::{FloorStore, StoreError};

/// Beyond the last id of an instant.
const MILLISECOND: Duration = Duration::from_millis(1);

const FLOOR: &str = "
SELECT seq, hash, signed
FROM audit_floor
WHERE tenant_id = $1
";

const FIRST_SINCE: &str = "
SELECT audit_id
FROM audit_seal
WHERE tenant_id = $1
  AND audit_id >= $2
ORDER BY audit_id
LIMIT 1
";

const FIRST_PLACE: &str = "
SELECT min(seq)
FROM audit_seal
WHERE tenant_id = $1
  AND audit_id >= $2
  AND audit_id < $3
";

const RAISE: &str = "
INSERT INTO audit_floor (tenant_id, seq, hash, signed)
VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id) DO UPDATE
SET seq = EXCLUDED.seq,
    hash = EXCLUDED.hash,
    signed = EXCLUDED.signed
WHERE audit_floor.seq < EXCLUDED.seq
";

const IS_RAISED: &str = "
SELECT 1
FROM audit_floor
WHERE tenant_id = $1
  AND seq = $2
  AND signed = $3
";

const IS_ONE_BELOW: &str = "
SELECT EXISTS (
    SELECT 1
    FROM audit_floor AS f
    JOIN audit_seal AS s
        ON s.tenant_id = f.tenant_id
        AND s.seq <= f.seq
    WHERE f.tenant_id = $1
)
";

#[async_trait]
impl FloorStore for PostgresStore {
    async fn audit_floor(&self, tenant: &TenantId) -> Result<Option<AuditFloor>, StoreError> {
        let tenant = *tenant;
        self.read(Rows::of(&tenant), move |tx| Box::pin(read_floor(tx, tenant))).await
    }

    async fn first_sealed_since(&self, tenant: &TenantId, since: &AuditId) -> Result<Option<i64>, StoreError> {
        let (tenant, since) = (*tenant, *since);
        self.read(Rows::of(&tenant), move |tx| Box::pin(first_since(tx, tenant, since))).await
    }

    async fn raise_audit_floor(
        &self,
        tenant: &TenantId,
        floor: &AuditFloor,
        audit: &AuditEntry,
    ) -> Result<bool, StoreError> {
        let row = AuditRow::new(tenant, audit);
        let (tenant, floor) = (*tenant, floor.clone());
        let settled = floor.clone();
        self.write(
            Rows::of(&tenant),
            move |tx| Box::pin(async move { raise(tx, &tenant, &floor, &row).await }),
            move |tx| Box::pin(async move { is_raised(tx, &tenant, &settled).await }),
        )
        .await
    }

    async fn delete_dropped_entries(&self, tenant: &TenantId, most: u32) -> Result<u64, StoreError> {
        let tenant = *tenant;
        // Nearly always there are none: no write, and nobody waits for one.
        if !self.read(Rows::of(&tenant), move |tx| Box::pin(is_one_below(tx, tenant))).await? {
            return Ok(0);
        }
        self.write(
            Rows::of(&tenant),
            move |tx| Box::pin(drop_entries(tx, tenant, most)),
            // Whatever a transaction left whose COMMIT nobody answered goes with the next run.
            |_| Box::pin(async { Ok(None) }),
        )
        .await
    }
}

async fn read_floor(tx: &mut PgConnection, tenant: TenantId) -> Step<Option<AuditFloor>> {
    let row = sqlx::query(FLOOR).bind(uuid(tenant.as_bytes())).fetch_optional(tx).await?;
    let Some(row) = row else { return Ok(None) };
    let cells = Cells::of(&row, "audit_floor");
    Ok(Some(AuditFloor {
        seq: cells.plain("seq")?,
        hash: ChainHash(cells.bytes32("hash")?),
        signed: cells.plain("signed")?,
    }))
}

async fn first_since(tx: &mut PgConnection, tenant: TenantId, since: AuditId) -> Step<Option<i64>> {
    let tenant = uuid(tenant.as_bytes());
    let first: Option<Uuid> =
        sqlx::query_scalar(FIRST_SINCE).bind(tenant).bind(uuid(since.as_bytes())).fetch_optional(&mut *tx).await?;
    let Some(first) = first else { return Ok(None) };
    let at = made_at(&first.hyphenated().to_string()).ok_or(StoreError::Corrupt { table: "audit_seal" })?;
    // One that was made a little later may have been sealed before it.
    let end = AuditId::floor(at.plus(LATEST_ENTRY).plus(MILLISECOND));
    let place = sqlx::query_scalar(FIRST_PLACE).bind(tenant).bind(first).bind(uuid(end.as_bytes()));
    Ok(place.fetch_one(tx).await?)
}

async fn raise(tx: &mut PgConnection, tenant: &TenantId, floor: &AuditFloor, audit: &AuditRow) -> Step<bool> {
    let raised = sqlx::query(RAISE)
        .bind(uuid(tenant.as_bytes()))
        .bind(floor.seq)
        .bind(floor.hash.0.as_slice())
        .bind(&floor.signed)
        .execute(&mut *tx)
        .await?;
    if raised.rows_affected() == 0 {
        return Ok(false);
    }
    audit::append(tx, std::iter::once(audit.with(AuditOutcome::Accepted))).await?;
    Ok(true)
}

/// Tells whether the floor is there, where nobody answered whether it was committed.
async fn is_raised(tx: &mut PgConnection, tenant: &TenantId, floor: &AuditFloor) -> Step<Option<bool>> {
    let found =
        sqlx::query(IS_RAISED).bind(uuid(tenant.as_bytes())).bind(floor.seq).bind(&floor.signed).fetch_optional(tx);
    Ok(found.await?.map(|_| true))
}

async fn is_one_below(tx: &mut PgConnection, tenant: TenantId) -> Step<bool> {
    Ok(sqlx::query_scalar(IS_ONE_BELOW).bind(uuid(tenant.as_bytes())).fetch_one(tx).await?)
}

/// The service's role may delete nothing of a log: a function of the owner's does.
async fn drop_entries(tx: &mut PgConnection, tenant: TenantId, most: u32) -> Step<u64> {
    let dropped = sqlx::query_scalar("SELECT concenter_drop_audit($1, $2)");
    let dropped: i64 = dropped.bind(uuid(tenant.as_bytes())).bind(i64::from(most)).fetch_one(tx).await?;
    Ok(u64::try_from(dropped).unwrap_or(0))
}
