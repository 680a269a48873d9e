//! Up to where the audit log was dropped because its time was over.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::SqliteStore;
use super::audit::{self, AuditRow};
use super::error::{Failure, Step};
use super::row::Cells;
use crate::domain::audit::{AuditEntry, AuditOutcome};
use crate::domain::audit_log::{AuditFloor, ChainHash, LATEST_ENTRY, made_at};
use crate::domain::ids::{AuditId, TenantId};
use crate::store::{FloorStore, StoreError};

/// Beyond the last id of an instant.
const MILLISECOND: Duration = Duration::from_millis(1);

const FLOOR: &str = "
SELECT seq, hash, signed
FROM audit_floor
WHERE tenant_id = ?1
";

const FIRST_SINCE: &str = "
SELECT audit_id
FROM audit_seal
WHERE tenant_id = ?1
  AND audit_id >= ?2
ORDER BY audit_id
LIMIT 1
";

const FIRST_PLACE: &str = "
SELECT min(seq)
FROM audit_seal
WHERE tenant_id = ?1
  AND audit_id >= ?2
  AND audit_id < ?3
";

const RAISE: &str = "
UPDATE audit_floor
SET seq = ?2,
    hash = ?3,
    signed = ?4
WHERE tenant_id = ?1
  AND seq < ?2
";

const FIRST_FLOOR: &str = "
INSERT INTO audit_floor (tenant_id, seq, hash, signed)
SELECT ?1, ?2, ?3, ?4
WHERE NOT EXISTS (
    SELECT 1
    FROM audit_floor
    WHERE tenant_id = ?1
)
";

const IS_ONE_BELOW: &str = "
SELECT EXISTS (
    SELECT 1
    FROM audit_floor AS f
    JOIN audit_seal AS s
        ON s.tenant_id = f.tenant_id
        AND s.seq <= f.seq
    WHERE f.tenant_id = ?1
)
";

/// The last place that goes this time.
const LAST_PLACE: &str = "
SELECT max(seq)
FROM (
    SELECT s.seq
    FROM audit_floor AS f
    JOIN audit_seal AS s
        ON s.tenant_id = f.tenant_id
        AND s.seq <= f.seq
    WHERE f.tenant_id = ?1
    ORDER BY s.seq
    LIMIT ?2
)
";

const DROP_ENTRIES: &str = "
DELETE FROM audit_entry
WHERE tenant_id = ?1
  AND audit_id IN (
      SELECT audit_id
      FROM audit_seal
      WHERE tenant_id = ?1
        AND seq <= ?2
  )
";

const DROP_SEALS: &str = "
DELETE FROM audit_seal
WHERE tenant_id = ?1
  AND seq <= ?2
";

#[async_trait]
impl FloorStore for SqliteStore {
    async fn audit_floor(&self, tenant: &TenantId) -> Result<Option<AuditFloor>, StoreError> {
        let row = sqlx::query(FLOOR).bind(tenant.to_string()).fetch_optional(self.readers()).await;
        let Some(row) = row.map_err(Failure::from)? else { return Ok(None) };
        let cells = Cells::of(&row, "audit_floor");
        Ok(Some(AuditFloor {
            seq: cells.plain("seq")?,
            hash: ChainHash(cells.bytes32("hash")?),
            signed: cells.plain("signed")?,
        }))
    }

    async fn first_sealed_since(&self, tenant: &TenantId, since: &AuditId) -> Result<Option<i64>, StoreError> {
        let tenant = tenant.to_string();
        let first =
            sqlx::query_scalar(FIRST_SINCE).bind(&tenant).bind(since.to_string()).fetch_optional(self.readers());
        let first: Option<String> = first.await.map_err(Failure::from)?;
        let Some(first) = first else { return Ok(None) };
        let at = made_at(&first).ok_or(StoreError::Corrupt { table: "audit_seal" })?;
        // One that was made a little later may have been sealed before it.
        let end = AuditId::floor(at.plus(LATEST_ENTRY).plus(MILLISECOND)).to_string();
        let place = sqlx::query_scalar(FIRST_PLACE).bind(&tenant).bind(&first).bind(end).fetch_one(self.readers());
        Ok(place.await.map_err(Failure::from)?)
    }

    async fn raise_audit_floor(
        &self,
        tenant: &TenantId,
        floor: &AuditFloor,
        audit: &AuditEntry,
    ) -> Result<bool, StoreError> {
        let row = AuditRow::new(tenant, audit)?.with(AuditOutcome::Accepted);
        let (tenant, floor) = (tenant.to_string(), floor.clone());
        self.writer()?.effect(move |tx| Box::pin(async move { raise(tx, &tenant, &floor, row).await })).await
    }

    async fn delete_dropped_entries(&self, tenant: &TenantId, most: u32) -> Result<u64, StoreError> {
        let tenant = tenant.to_string();
        // Nearly always there are none: no write, and nobody waits for one.
        let is_one_there: bool =
            sqlx::query_scalar(IS_ONE_BELOW).bind(&tenant).fetch_one(self.readers()).await.map_err(Failure::from)?;
        if !is_one_there {
            return Ok(0);
        }
        self.writer()?.effect(move |tx| Box::pin(async move { drop_entries(tx, &tenant, most).await })).await
    }
}

async fn raise(tx: &mut SqliteConnection, tenant: &str, floor: &AuditFloor, audit: String) -> Step<bool> {
    let mut is_raised = false;
    for statement in [RAISE, FIRST_FLOOR] {
        let raised = sqlx::query(statement)
            .bind(tenant)
            .bind(floor.seq)
            .bind(floor.hash.0.as_slice())
            .bind(&floor.signed)
            .execute(&mut *tx)
            .await?;
        is_raised |= raised.rows_affected() > 0;
    }
    if is_raised {
        audit::append(tx, std::iter::once(audit)).await?;
    }
    Ok(is_raised)
}

async fn drop_entries(tx: &mut SqliteConnection, tenant: &str, most: u32) -> Step<u64> {
    let last: Option<i64> = sqlx::query_scalar(LAST_PLACE).bind(tenant).bind(most).fetch_one(&mut *tx).await?;
    let Some(last) = last else { return Ok(0) };
    sqlx::query(DROP_ENTRIES).bind(tenant).bind(last).execute(&mut *tx).await?;
    let dropped = sqlx::query(DROP_SEALS).bind(tenant).bind(last).execute(tx).await?;
    Ok(dropped.rows_affected())
}
