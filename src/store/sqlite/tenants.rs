//! Tenants and their keys.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqliteExecutor};

use super::SqliteStore;
use super::error::{Failure, Step};
use super::requests::{Changed, Stop, unreadable_resource};
use super::row::{Cells, page_of, rows_to_ask};
use super::users;
use super::versions::{check_etag, move_config};
use crate::domain::error::{Reason, Version};
use crate::domain::ids::TenantId;
use crate::domain::page::{Page, PageRequest};
use crate::domain::tenant::{Tenant, TenantState, WrappedKeys};
use crate::domain::text::Line;
use crate::domain::time::Timestamp;
use crate::domain::user::UserKind;
use crate::store::codes::Code as _;
use crate::store::{Effect, NewTenant, Outcome, StoreError, TenantStore};

#[async_trait]
impl TenantStore for SqliteStore {
    async fn create_tenant(&self, effect: &Effect, new: &NewTenant) -> Result<Outcome<Tenant>, StoreError> {
        let new = new.clone();
        self.change(
            new.tenant_id,
            effect,
            move |tx, at| Box::pin(async move { create(tx, at, &new).await }),
            |tx, resource| Box::pin(load_resource(tx, resource)),
        )
        .await
    }

    async fn get_tenant(&self, tenant: &TenantId) -> Result<Option<Tenant>, StoreError> {
        Ok(load(self.readers(), tenant).await?)
    }

    async fn list_tenants_all_tenants(&self, page: &PageRequest) -> Result<Page<Tenant>, StoreError> {
        let rows = sqlx::query(
            "
            SELECT tenant_id, display_name, state, deleted_at, restored_at, created_at, updated_at, version
            FROM tenant
            WHERE tenant_id > ?1
            ORDER BY tenant_id
            LIMIT ?2
            ",
        )
        .bind(page.after.as_deref().unwrap_or_default())
        .bind(rows_to_ask(page))
        .fetch_all(self.readers())
        .await
        .map_err(Failure::from)?;
        let tenants = rows.iter().map(tenant_of).collect::<Step<Vec<_>>>()?;
        Ok(page_of(tenants, page, |tenant| tenant.tenant_id.to_string()))
    }

    async fn update_tenant(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        version: Version,
        display_name: &Line,
    ) -> Result<Outcome<Tenant>, StoreError> {
        let (tenant, display_name) = (*tenant, display_name.clone());
        self.change(
            tenant,
            effect,
            move |tx, at| {
                Box::pin(async move {
                    let current = load_known(tx, &tenant, version).await?;
                    update(tx, at, &current, &display_name).await
                })
            },
            |tx, resource| Box::pin(load_resource(tx, resource)),
        )
        .await
    }

    async fn set_tenant_state(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        version: Version,
        state: TenantState,
    ) -> Result<Outcome<Tenant>, StoreError> {
        let tenant = *tenant;
        self.change(
            tenant,
            effect,
            move |tx, at| {
                Box::pin(async move {
                    let current = load_known(tx, &tenant, version).await?;
                    set_state(tx, at, &current, state).await
                })
            },
            |tx, resource| Box::pin(load_resource(tx, resource)),
        )
        .await
    }

    async fn set_tenant_deleted(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        version: Version,
        deleted: bool,
    ) -> Result<Outcome<Tenant>, StoreError> {
        let tenant = *tenant;
        self.change(
            tenant,
            effect,
            move |tx, at| {
                Box::pin(async move {
                    let current = load_known(tx, &tenant, version).await?;
                    if deleted { delete(tx, at, &current).await } else { undelete(tx, at, &current).await }
                })
            },
            |tx, resource| Box::pin(load_resource(tx, resource)),
        )
        .await
    }

    async fn tenant_keys(&self, tenant: &TenantId) -> Result<Option<WrappedKeys>, StoreError> {
        let row = sqlx::query(
            "
            SELECT kek_id, dek_version, wrapped_dek, sealed_mac_key
            FROM tenant
            WHERE tenant_id = ?1
              -- Of a tenant whose keys are destroyed there are none.
              AND wrapped_dek <> x''
            ",
        )
        .bind(tenant.to_string())
        .fetch_optional(self.readers())
        .await
        .map_err(Failure::from)?;
        Ok(row.as_ref().map(|row| keys_of(Cells::of(row, "tenant"))).transpose()?)
    }
}

/// Reads the four columns of a row's own keys.
pub(super) fn keys_of(cells: Cells<'_>) -> Step<WrappedKeys> {
    Ok(WrappedKeys {
        kek_id: cells.plain("kek_id")?,
        dek_version: cells.plain("dek_version")?,
        wrapped_dek: cells.plain("wrapped_dek")?,
        sealed_mac_key: cells.plain("sealed_mac_key")?,
    })
}

fn tenant_of(row: &SqliteRow) -> Step<Tenant> {
    let cells = Cells::of(row, "tenant");
    Ok(Tenant {
        tenant_id: cells.parsed("tenant_id", TenantId::parse)?,
        display_name: cells.parsed("display_name", Line::parse)?,
        state: cells.code("state")?,
        deleted_at: cells.instant_or_null("deleted_at")?,
        restored_at: cells.instant_or_null("restored_at")?,
        created_at: cells.instant("created_at")?,
        updated_at: cells.instant("updated_at")?,
        version: cells.version()?,
    })
}

async fn load(executor: impl SqliteExecutor<'_>, tenant: &TenantId) -> Step<Option<Tenant>> {
    let row = sqlx::query(
        "
        SELECT tenant_id, display_name, state, deleted_at, restored_at, created_at, updated_at, version
        FROM tenant
        WHERE tenant_id = ?1
        ",
    )
    .bind(tenant.to_string())
    .fetch_optional(executor)
    .await?;
    row.as_ref().map(tenant_of).transpose()
}

async fn load_resource(tx: &mut SqliteConnection, resource: String) -> Step<Option<Tenant>> {
    let tenant = TenantId::parse(&resource).map_err(|_| unreadable_resource())?;
    load(tx, &tenant).await
}

/// Reads a tenant that a change is about, in the version that the caller knows.
async fn load_known(tx: &mut SqliteConnection, tenant: &TenantId, version: Version) -> Result<Tenant, Stop> {
    let current = load(tx, tenant).await?.ok_or(Reason::NotFound)?;
    check_etag(current.version, version)?;
    Ok(current)
}

async fn create(tx: &mut SqliteConnection, at: Timestamp, new: &NewTenant) -> Changed {
    sqlx::query(
        "
        INSERT INTO tenant (
            tenant_id, display_name, state, config_version,
            kek_id, dek_version, wrapped_dek, sealed_mac_key,
            version, created_at, updated_at
        )
        VALUES (?1, ?2, 'active', 1, ?3, ?4, ?5, ?6, 1, ?7, ?7)
        ",
    )
    .bind(new.tenant_id.to_string())
    .bind(new.display_name.as_str())
    .bind(&new.keys.kek_id)
    .bind(new.keys.dek_version)
    .bind(new.keys.wrapped_dek.as_slice())
    .bind(new.keys.sealed_mac_key.as_slice())
    .bind(at.unix_micros())
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "
        INSERT INTO customer_access (tenant_id, commercial_falls_back, version)
        VALUES (?1, FALSE, 1)
        ",
    )
    .bind(new.tenant_id.to_string())
    .execute(&mut *tx)
    .await?;
    if let Some(user) = &new.standard_user {
        users::insert(tx, at, &new.tenant_id, user, UserKind::Standard, None).await?;
    }
    Ok(new.tenant_id.to_string())
}

async fn update(tx: &mut SqliteConnection, at: Timestamp, current: &Tenant, display_name: &Line) -> Changed {
    if current.display_name != *display_name {
        sqlx::query(
            "
            UPDATE tenant
            SET display_name = ?2,
                version = version + 1,
                updated_at = ?3
            WHERE tenant_id = ?1
            ",
        )
        .bind(current.tenant_id.to_string())
        .bind(display_name.as_str())
        .bind(at.unix_micros())
        .execute(tx)
        .await?;
    }
    Ok(current.tenant_id.to_string())
}

async fn set_state(tx: &mut SqliteConnection, at: Timestamp, current: &Tenant, state: TenantState) -> Changed {
    if current.deleted_at.is_some() && state == TenantState::Active {
        return Err(Reason::TenantDeleted.into());
    }
    if current.state != state {
        sqlx::query(
            "
            UPDATE tenant
            SET state = ?2,
                version = version + 1,
                updated_at = ?3
            WHERE tenant_id = ?1
            ",
        )
        .bind(current.tenant_id.to_string())
        .bind(state.code())
        .bind(at.unix_micros())
        .execute(&mut *tx)
        .await?;
        move_config(tx, &current.tenant_id).await?;
    }
    Ok(current.tenant_id.to_string())
}

async fn delete(tx: &mut SqliteConnection, at: Timestamp, current: &Tenant) -> Changed {
    if current.deleted_at.is_none() {
        sqlx::query(
            "
            UPDATE tenant
            SET state = ?2,
                deleted_at = ?3,
                version = version + 1,
                updated_at = ?3
            WHERE tenant_id = ?1
            ",
        )
        .bind(current.tenant_id.to_string())
        .bind(TenantState::Stopped.code())
        .bind(at.unix_micros())
        .execute(&mut *tx)
        .await?;
        move_config(tx, &current.tenant_id).await?;
    }
    Ok(current.tenant_id.to_string())
}

async fn undelete(tx: &mut SqliteConnection, at: Timestamp, current: &Tenant) -> Changed {
    if current.deleted_at.is_some() {
        let undeleted = sqlx::query(
            "
            UPDATE tenant
            SET deleted_at = NULL,
                version = version + 1,
                updated_at = ?2
            WHERE tenant_id = ?1
              -- Without its keys nothing of it opens any more: there is nothing to take back.
              AND wrapped_dek <> x''
            ",
        )
        .bind(current.tenant_id.to_string())
        .bind(at.unix_micros())
        .execute(&mut *tx)
        .await?;
        if undeleted.rows_affected() == 0 {
            return Err(Reason::NotFound.into());
        }
        move_config(tx, &current.tenant_id).await?;
    }
    Ok(current.tenant_id.to_string())
}
