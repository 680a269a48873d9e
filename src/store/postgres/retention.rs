//! What goes because its time is over: requests, notices, jumps, and whole tenants.
//!
//! PostgreSQL has no LIMIT in a DELETE, hence the rows by a subquery: it walks along an index, and never further than is
//! deleted. It gives where they stand, since by a key PostgreSQL would rather walk through all that the tenant has. A row
//! that moves meanwhile may be left to the next run; row level security guards the outer statement, the subquery names the
//! tenant beside.
//!
//! Replicas that delete the same take turns: one that waited sees what the other one left, and fewer rows than it may delete
//! means here too that there are no more.

use std::future::{Ready, ready};

use async_trait::async_trait;
use sqlx::postgres::PgConnection;

use super::PostgresStore;
use super::audit::{self, AuditRow};
use super::error::Step;
use super::requests::take_turn;
use super::row::{Cells, after_id, page_of, rows_to_ask, uuid};
use super::session::Rows;
use crate::domain::audit::{AuditEntry, AuditOutcome};
use crate::domain::ids::{JumpId, TenantId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::store::{RetentionStore, StoreError};

#[async_trait]
impl RetentionStore for PostgresStore {
    async fn delete_requests_all_tenants(&self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        self.write(
            Rows::AllTenants,
            move |tx| Box::pin(delete_requests(tx, before, most)),
            |_| Box::pin(how_many_is_unknown()),
        )
        .await
    }

    async fn delete_notices_all_tenants(&self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        self.write(
            Rows::AllTenants,
            move |tx| Box::pin(delete_notices(tx, before, most)),
            |_| Box::pin(how_many_is_unknown()),
        )
        .await
    }

    async fn list_tenant_ids_all_tenants(&self, page: &PageRequest) -> Result<Page<TenantId>, StoreError> {
        let page = page.clone();
        self.read(Rows::AllTenants, move |tx| Box::pin(async move { list_ids(tx, &page).await })).await
    }

    async fn delete_jumps(&self, tenant: &TenantId, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        let tenant = *tenant;
        // An id begins with the instant that its jump was made at.
        let end = JumpId::floor(before);
        // Nearly always there are none: no write, and nobody waits for one.
        if !self.read(Rows::of(&tenant), move |tx| Box::pin(has_old_jumps(tx, tenant, end))).await? {
            return Ok(0);
        }
        self.write(
            Rows::of(&tenant),
            move |tx| Box::pin(delete_jumps(tx, tenant, end, most)),
            |_| Box::pin(how_many_is_unknown()),
        )
        .await
    }

    async fn deleted_tenants_all_tenants(&self, before: Timestamp, most: u32) -> Result<Vec<TenantId>, StoreError> {
        self.read(Rows::AllTenants, move |tx| Box::pin(deleted_tenants(tx, before, most))).await
    }

    async fn destroy_tenant_keys(
        &self,
        tenant: &TenantId,
        before: Timestamp,
        audit: &AuditEntry,
    ) -> Result<(), StoreError> {
        let tenant = *tenant;
        let row = AuditRow::new(&TenantId::SYSTEM, audit);
        self.write(
            Rows::Of(vec![tenant, TenantId::SYSTEM]),
            move |tx| Box::pin(async move { destroy_keys(tx, &tenant, before, &row).await }),
            move |tx| Box::pin(async move { Ok(has_destroyed_keys(tx, &tenant).await?.then_some(())) }),
        )
        .await
    }

    async fn delete_tenant_data(&self, tenant: &TenantId, most: u32) -> Result<u64, StoreError> {
        let tenant = *tenant;
        self.write(
            Rows::of(&tenant),
            move |tx| Box::pin(async move { delete_data(tx, &tenant, most).await }),
            |_| Box::pin(how_many_is_unknown()),
        )
        .await
    }

    /// Always `true`: nothing is left for the service to do. What was deleted or replaced stands in the tables as dead rows
    /// until the server's autovacuum clears them, and in its log of writes until neither it nor an archive needs that.
    /// The service may hurry neither: VACUUM takes the owner of the tables, CHECKPOINT a superuser. Destroyed keys can be dug
    /// out of the server's files until then, and opened by whoever has the key-encryption key beside; no SQL reads
    /// them. The schema has autovacuum come soon to the table that they stand in.
    async fn checkpoint(&self) -> Result<bool, StoreError> {
        Ok(true)
    }
}

/// Nobody can tell how many rows a transaction deleted whose COMMIT nobody answered. Whatever it left goes with the next run.
fn how_many_is_unknown() -> Ready<Step<Option<u64>>> {
    ready(Ok(None))
}

/// Names the lock of whoever deletes requests, in this engine: there is no row of a tenant to take.
const REQUESTS_TURN: i64 = 0x636f_6e63_656e_7465;
/// The same, of whoever deletes notices.
const NOTICES_TURN: i64 = 0x636f_6e63_656e_6e6f;

const DELETE_REQUESTS: &str = "
DELETE FROM request_log
WHERE ctid = ANY (ARRAY (
    SELECT ctid
    FROM request_log
    WHERE created_at < $1
    ORDER BY created_at
    LIMIT $2
))
";

const DELETE_NOTICES: &str = "
DELETE FROM notice
WHERE ctid = ANY (ARRAY (
    SELECT ctid
    FROM notice
    WHERE sent_at < $1
    ORDER BY sent_at
    LIMIT $2
))
";

const TENANT_IDS: &str = "
SELECT tenant_id
FROM tenant
WHERE tenant_id > $1
ORDER BY tenant_id
LIMIT $2
";

const OLD_JUMP_EXISTS: &str = "
SELECT EXISTS (
    SELECT 1
    FROM jump
    WHERE tenant_id = $1
      AND jump_id < $2
)
";

const DELETE_JUMPS: &str = "
DELETE FROM jump
WHERE ctid = ANY (ARRAY (
    SELECT ctid
    FROM jump
    WHERE tenant_id = $1
      AND jump_id < $2
    ORDER BY jump_id
    LIMIT $3
))
";

const DELETED_TENANTS: &str = "
-- Left alone, PostgreSQL walks through all tenants, for the sake of the order.
WITH deleted AS MATERIALIZED (
    SELECT tenant_id
    FROM tenant
    WHERE deleted_at <= $1
)
SELECT tenant_id
FROM deleted
ORDER BY tenant_id
LIMIT $2
";

async fn delete_requests(tx: &mut PgConnection, before: Timestamp, most: u32) -> Step<u64> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(REQUESTS_TURN).execute(&mut *tx).await?;
    let deleted = sqlx::query(DELETE_REQUESTS).bind(before.unix_micros()).bind(i64::from(most)).execute(tx).await?;
    Ok(deleted.rows_affected())
}

async fn delete_notices(tx: &mut PgConnection, before: Timestamp, most: u32) -> Step<u64> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(NOTICES_TURN).execute(&mut *tx).await?;
    let deleted = sqlx::query(DELETE_NOTICES).bind(before.unix_micros()).bind(i64::from(most)).execute(tx).await?;
    Ok(deleted.rows_affected())
}

async fn list_ids(tx: &mut PgConnection, page: &PageRequest) -> Step<Page<TenantId>> {
    let rows = sqlx::query(TENANT_IDS).bind(after_id(page)).bind(rows_to_ask(page)).fetch_all(tx).await?;
    let tenants = rows.iter().map(|row| Cells::of(row, "tenant").id("tenant_id", TenantId::parse));
    Ok(page_of(tenants.collect::<Step<_>>()?, page, TenantId::to_string))
}

async fn has_old_jumps(tx: &mut PgConnection, tenant: TenantId, end: JumpId) -> Step<bool> {
    let exists = sqlx::query_scalar(OLD_JUMP_EXISTS).bind(uuid(tenant.as_bytes())).bind(uuid(end.as_bytes()));
    Ok(exists.fetch_one(tx).await?)
}

async fn delete_jumps(tx: &mut PgConnection, tenant: TenantId, end: JumpId, most: u32) -> Step<u64> {
    take_turn(tx, &tenant).await?;
    let deleted = sqlx::query(DELETE_JUMPS)
        .bind(uuid(tenant.as_bytes()))
        .bind(uuid(end.as_bytes()))
        .bind(i64::from(most))
        .execute(tx)
        .await?;
    Ok(deleted.rows_affected())
}

async fn deleted_tenants(tx: &mut PgConnection, before: Timestamp, most: u32) -> Step<Vec<TenantId>> {
    let rows = sqlx::query(DELETED_TENANTS).bind(before.unix_micros()).bind(i64::from(most)).fetch_all(tx).await?;
    rows.iter().map(|row| Cells::of(row, "tenant").id("tenant_id", TenantId::parse)).collect()
}

/// Takes a tenant's row from everybody, whoever records a jump included: none that is under way comes after.
pub(super) async fn take_alone(tx: &mut PgConnection, tenant: &TenantId) -> Step<()> {
    sqlx::query(
        "
        SELECT 1
        FROM tenant
        WHERE tenant_id = $1
        FOR UPDATE
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .execute(tx)
    .await?;
    Ok(())
}

async fn destroy_keys(tx: &mut PgConnection, tenant: &TenantId, before: Timestamp, audit: &AuditRow) -> Step<()> {
    take_alone(tx, tenant).await?;
    let destroyed = sqlx::query(
        "
        UPDATE tenant
        SET wrapped_dek = '',
            sealed_mac_key = '',
            -- Under none: what is left of it keeps no key-encryption key from being retired.
            kek_id = ''
        WHERE tenant_id = $1
          AND deleted_at <= $2
          AND wrapped_dek <> ''
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .bind(before.unix_micros())
    .execute(&mut *tx)
    .await?;
    if destroyed.rows_affected() > 0 {
        audit::append(tx, std::iter::once(audit.with(AuditOutcome::Accepted))).await?;
    }
    Ok(())
}

/// The statements that delete a tenant's rows, each at most `$2` of them: what refers to something goes before it.
const DELETE_DATA: [&str; 11] = [
    "
    DELETE FROM activation_broker
    WHERE ctid = ANY (ARRAY (
        SELECT ctid
        FROM activation_broker
        WHERE tenant_id = $1
        LIMIT $2
    ))
    ",
    "
    DELETE FROM broker_activation
    WHERE ctid = ANY (ARRAY (
        SELECT ctid
        FROM broker_activation
        WHERE tenant_id = $1
        LIMIT $2
    ))
    ",
    "
    DELETE FROM customer
    WHERE ctid = ANY (ARRAY (
        SELECT ctid
        FROM customer
        WHERE tenant_id = $1
        LIMIT $2
    ))
    ",
    "
    DELETE FROM customer_access
    WHERE tenant_id = $1
      AND $2 > 0
    ",
    "
    DELETE FROM concenter_user
    WHERE ctid = ANY (ARRAY (
        SELECT ctid
        FROM concenter_user
        WHERE tenant_id = $1
        LIMIT $2
    ))
    ",
    "
    DELETE FROM notice
    WHERE ctid = ANY (ARRAY (
        SELECT ctid
        FROM notice
        WHERE tenant_id = $1
        LIMIT $2
    ))
    ",
    "
    DELETE FROM jump
    WHERE ctid = ANY (ARRAY (
        SELECT ctid
        FROM jump
        WHERE tenant_id = $1
        LIMIT $2
    ))
    ",
    "
    DELETE FROM request_log
    WHERE ctid = ANY (ARRAY (
        SELECT ctid
        FROM request_log
        WHERE tenant_id = $1
        LIMIT $2
    ))
    ",
    "
    DELETE FROM person_salt
    WHERE ctid = ANY (ARRAY (
        SELECT ctid
        FROM person_salt
        WHERE tenant_id = $1
        LIMIT $2
    ))
    ",
    "
    DELETE FROM tenant_settings
    WHERE tenant_id = $1
      AND $2 > 0
    ",
    "
    DELETE FROM tenant
    WHERE tenant_id = $1
      AND $2 > 0
    ",
];

async fn has_destroyed_keys(tx: &mut PgConnection, tenant: &TenantId) -> Step<bool> {
    let is_destroyed = sqlx::query_scalar(
        "
        SELECT EXISTS (
            SELECT 1
            FROM tenant
            WHERE tenant_id = $1
              AND deleted_at IS NOT NULL
              AND wrapped_dek = ''
              AND sealed_mac_key = ''
        )
        ",
    );
    Ok(is_destroyed.bind(uuid(tenant.as_bytes())).fetch_one(tx).await?)
}

async fn delete_data(tx: &mut PgConnection, tenant: &TenantId, most: u32) -> Step<u64> {
    take_alone(tx, tenant).await?;
    if !has_destroyed_keys(tx, tenant).await? {
        return Ok(0);
    }
    let most = u64::from(most);
    let mut deleted = 0;
    for statement in DELETE_DATA {
        let room = i64::try_from(most.saturating_sub(deleted)).unwrap_or(i64::MAX);
        let gone = sqlx::query(statement).bind(uuid(tenant.as_bytes())).bind(room).execute(&mut *tx).await?;
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
        assert_plan(DELETE_REQUESTS, &["request_log (created_at <)", "request_log (ctid =)"]).await;
        assert_plan(DELETE_NOTICES, &["notice (sent_at <)", "notice (ctid =)"]).await;
        assert_plan(TENANT_IDS, &["tenant (tenant_id >)"]).await;
        assert_plan(OLD_JUMP_EXISTS, &["jump (jump_id <, tenant_id =)"]).await;
        assert_plan(DELETE_JUMPS, &["jump (jump_id <, tenant_id =)", "jump (ctid =)"]).await;
        assert_plan(DELETED_TENANTS, &["tenant (deleted_at <=)"]).await;
    }

    #[tokio::test]
    async fn the_data_of_a_tenant_is_found_by_the_tenant() {
        for statement in DELETE_DATA {
            let table = statement.split_whitespace().nth(2).expect("a table");
            assert_plan(statement, &[&format!("{table} (tenant_id =)")]).await;
            if statement.contains("LIMIT") {
                assert_plan(statement, &[&format!("{table} (ctid =)")]).await;
            }
        }
    }
}
