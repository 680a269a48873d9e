//! What goes because its time is over: requests, notices, jumps, and whole tenants.
//!
//! SQLite as it is built here has no LIMIT in a DELETE, hence the keys by a subquery; each walks along an index, and
//! never further than it deletes.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::SqliteStore;
use super::audit::{self, AuditRow};
use super::error::{Failure, Step};
use super::row::{Cells, page_of, rows_to_ask};
use crate::domain::audit::{AuditEntry, AuditOutcome};
use crate::domain::ids::{JumpId, TenantId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::store::{RetentionStore, StoreError};

#[async_trait]
impl RetentionStore for SqliteStore {
    async fn delete_requests_all_tenants(&self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        self.writer()?
            .effect(move |tx| {
                Box::pin(async move {
                    let deleted =
                        sqlx::query(DELETE_REQUESTS).bind(before.unix_micros()).bind(most).execute(tx).await?;
                    Ok(deleted.rows_affected())
                })
            })
            .await
    }

    async fn delete_notices_all_tenants(&self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        self.writer()?
            .effect(move |tx| {
                Box::pin(async move {
                    let deleted = sqlx::query(DELETE_NOTICES).bind(before.unix_micros()).bind(most).execute(tx).await?;
                    Ok(deleted.rows_affected())
                })
            })
            .await
    }

    async fn list_tenant_ids_all_tenants(&self, page: &PageRequest) -> Result<Page<TenantId>, StoreError> {
        let rows = sqlx::query(TENANT_IDS)
            .bind(page.after.as_deref().unwrap_or_default())
            .bind(rows_to_ask(page))
            .fetch_all(self.readers())
            .await
            .map_err(Failure::from)?;
        let tenants = rows.iter().map(|row| Cells::of(row, "tenant").parsed("tenant_id", TenantId::parse));
        Ok(page_of(tenants.collect::<Step<_>>()?, page, TenantId::to_string))
    }

    async fn delete_jumps(&self, tenant: &TenantId, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        let tenant = tenant.to_string();
        // An id begins with the instant that its jump was made at.
        let end = JumpId::floor(before).to_string();
        // Nearly always there are none: no write, and nobody waits for one.
        let is_one_there: bool = sqlx::query_scalar(OLD_JUMP_EXISTS)
            .bind(&tenant)
            .bind(&end)
            .fetch_one(self.readers())
            .await
            .map_err(Failure::from)?;
        if !is_one_there {
            return Ok(0);
        }
        self.writer()?
            .effect(move |tx| {
                Box::pin(async move {
                    let deleted = sqlx::query(DELETE_JUMPS).bind(tenant).bind(end).bind(most).execute(tx).await?;
                    Ok(deleted.rows_affected())
                })
            })
            .await
    }

    async fn deleted_tenants_all_tenants(&self, before: Timestamp, most: u32) -> Result<Vec<TenantId>, StoreError> {
        let rows = sqlx::query(DELETED_TENANTS)
            .bind(before.unix_micros())
            .bind(most)
            .fetch_all(self.readers())
            .await
            .map_err(Failure::from)?;
        let tenants = rows.iter().map(|row| Cells::of(row, "tenant").parsed("tenant_id", TenantId::parse));
        Ok(tenants.collect::<Step<_>>()?)
    }

    async fn destroy_tenant_keys(
        &self,
        tenant: &TenantId,
        before: Timestamp,
        audit: &AuditEntry,
    ) -> Result<(), StoreError> {
        let tenant = *tenant;
        let row = AuditRow::new(&TenantId::SYSTEM, audit)?.with(AuditOutcome::Accepted);
        self.writer()?.effect(move |tx| Box::pin(async move { destroy_keys(tx, &tenant, before, row).await })).await
    }

    async fn delete_tenant_data(&self, tenant: &TenantId, most: u32) -> Result<u64, StoreError> {
        let tenant = *tenant;
        self.writer()?.effect(move |tx| Box::pin(async move { delete_data(tx, &tenant, most).await })).await
    }

    async fn checkpoint(&self) -> Result<bool, StoreError> {
        self.writer()?.checkpoint().await
    }
}

const DELETE_REQUESTS: &str = "
DELETE FROM request_log
WHERE (tenant_id, caller, request_id) IN (
    SELECT tenant_id, caller, request_id
    FROM request_log
    WHERE created_at < ?1
    ORDER BY created_at
    LIMIT ?2
)
";

const DELETE_NOTICES: &str = "
DELETE FROM notice
WHERE (tenant_id, notice_id) IN (
    SELECT tenant_id, notice_id
    FROM notice
    WHERE sent_at < ?1
    ORDER BY sent_at
    LIMIT ?2
)
";

const TENANT_IDS: &str = "
SELECT tenant_id
FROM tenant
WHERE tenant_id > ?1
ORDER BY tenant_id
LIMIT ?2
";

const OLD_JUMP_EXISTS: &str = "
SELECT EXISTS (
    SELECT 1
    FROM jump
    WHERE tenant_id = ?1
      AND jump_id < ?2
)
";

const DELETE_JUMPS: &str = "
DELETE FROM jump
WHERE tenant_id = ?1
  AND jump_id IN (
      SELECT jump_id
      FROM jump
      WHERE tenant_id = ?1
        AND jump_id < ?2
      ORDER BY jump_id
      LIMIT ?3
  )
";

const DELETED_TENANTS: &str = "
SELECT tenant_id
-- Left alone, SQLite walks through all tenants, for the sake of the order.
FROM tenant INDEXED BY tenant_by_deletion
WHERE deleted_at <= ?1
ORDER BY tenant_id
LIMIT ?2
";

async fn destroy_keys(tx: &mut SqliteConnection, tenant: &TenantId, before: Timestamp, audit: String) -> Step<()> {
    let destroyed = sqlx::query(
        "
        UPDATE tenant
        SET wrapped_dek = x'',
            sealed_mac_key = x'',
            -- Under none: what is left of it keeps no key-encryption key from being retired.
            kek_id = ''
        WHERE tenant_id = ?1
          AND deleted_at <= ?2
          AND wrapped_dek <> x''
        ",
    )
    .bind(tenant.to_string())
    .bind(before.unix_micros())
    .execute(&mut *tx)
    .await?;
    if destroyed.rows_affected() > 0 {
        audit::append(tx, std::iter::once(audit)).await?;
    }
    Ok(())
}

/// The statements that delete a tenant's rows, each at most `?2` of them: what refers to something goes before it.
const DELETE_DATA: [&str; 11] = [
    "
    DELETE FROM activation_broker
    WHERE tenant_id = ?1
      AND (broker_id, activation_id) IN (
          SELECT broker_id, activation_id
          FROM activation_broker
          WHERE tenant_id = ?1
          LIMIT ?2
      )
    ",
    "
    DELETE FROM broker_activation
    WHERE tenant_id = ?1
      AND activation_id IN (
          SELECT activation_id
          FROM broker_activation
          WHERE tenant_id = ?1
          LIMIT ?2
      )
    ",
    "
    DELETE FROM customer
    WHERE tenant_id = ?1
      AND customer_id IN (
          SELECT customer_id
          FROM customer
          WHERE tenant_id = ?1
          LIMIT ?2
      )
    ",
    "
    DELETE FROM customer_access
    WHERE tenant_id = ?1
      AND ?2 > 0
    ",
    "
    DELETE FROM concenter_user
    WHERE tenant_id = ?1
      AND user_id IN (
          SELECT user_id
          FROM concenter_user
          WHERE tenant_id = ?1
          LIMIT ?2
      )
    ",
    "
    DELETE FROM notice
    WHERE tenant_id = ?1
      AND notice_id IN (
          SELECT notice_id
          FROM notice
          WHERE tenant_id = ?1
          LIMIT ?2
      )
    ",
    "
    DELETE FROM jump
    WHERE tenant_id = ?1
      AND jump_id IN (
          SELECT jump_id
          FROM jump
          WHERE tenant_id = ?1
          LIMIT ?2
      )
    ",
    "
    DELETE FROM request_log
    WHERE tenant_id = ?1
      AND (caller, request_id) IN (
          SELECT caller, request_id
          FROM request_log
          WHERE tenant_id = ?1
          LIMIT ?2
      )
    ",
    "
    DELETE FROM person_salt
    WHERE tenant_id = ?1
      AND (kind, person_id) IN (
          SELECT kind, person_id
          FROM person_salt
          WHERE tenant_id = ?1
          LIMIT ?2
      )
    ",
    "
    DELETE FROM tenant_settings
    WHERE tenant_id = ?1
      AND ?2 > 0
    ",
    "
    DELETE FROM tenant
    WHERE tenant_id = ?1
      AND ?2 > 0
    ",
];

async fn delete_data(tx: &mut SqliteConnection, tenant: &TenantId, most: u32) -> Step<u64> {
    let is_destroyed = sqlx::query_scalar(
        "
        SELECT EXISTS (
            SELECT 1
            FROM tenant
            WHERE tenant_id = ?1
              AND deleted_at IS NOT NULL
              AND wrapped_dek = x''
              AND sealed_mac_key = x''
        )
        ",
    );
    let is_destroyed: bool = is_destroyed.bind(tenant.to_string()).fetch_one(&mut *tx).await?;
    if !is_destroyed {
        return Ok(0);
    }
    let most = u64::from(most);
    let mut deleted = 0;
    for statement in DELETE_DATA {
        let room = i64::try_from(most.saturating_sub(deleted)).unwrap_or(i64::MAX);
        let gone = sqlx::query(statement).bind(tenant.to_string()).bind(room).execute(&mut *tx).await?;
        deleted = deleted.saturating_add(gone.rows_affected());
        if deleted >= most {
            break;
        }
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use super::super::plans::assert_plan;
    use super::*;

    #[tokio::test]
    async fn what_is_too_old_is_found_by_its_age() {
        assert_plan(DELETE_REQUESTS, &[], "SEARCH request_log USING COVERING INDEX request_log_by_age (created_at<?)")
            .await;
        assert_plan(DELETE_REQUESTS, &[], "(tenant_id=? AND caller=? AND request_id=?)").await;
        assert_plan(DELETE_NOTICES, &[], "SEARCH notice USING COVERING INDEX notice_by_sending (sent_at<?)").await;
        assert_plan(DELETE_NOTICES, &[], "(tenant_id=? AND notice_id=?)").await;
        assert_plan(TENANT_IDS, &[], "SEARCH tenant USING PRIMARY KEY (tenant_id>?)").await;
        assert_plan(DELETE_JUMPS, &[], "SEARCH jump USING PRIMARY KEY (tenant_id=? AND jump_id<?)").await;
        assert_plan(DELETE_JUMPS, &[], "SEARCH jump USING PRIMARY KEY (tenant_id=? AND jump_id=?)").await;
        assert_plan(DELETED_TENANTS, &[], "SEARCH tenant USING COVERING INDEX tenant_by_deletion (deleted_at<?)").await;
    }

    #[tokio::test]
    async fn the_data_of_a_tenant_is_found_by_the_tenant() {
        for statement in DELETE_DATA {
            assert_plan(statement, &[], "(tenant_id=?").await;
        }
    }
}
