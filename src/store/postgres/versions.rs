//! The numbers that open jumps rest on; moving one revokes them (`docs/domain.md#open-jumps`).

use sqlx::postgres::PgConnection;

use super::error::Step;
use super::row::uuid;
use crate::domain::error::{Refusal, Version};
use crate::domain::ids::TenantId;

/// Moves a tenant's `config_version`: something that its decisions may rest on has changed.
pub(super) async fn move_config(tx: &mut PgConnection, tenant: &TenantId) -> Step<()> {
    sqlx::query(
        "
        UPDATE tenant
        SET config_version = config_version + 1
        WHERE tenant_id = $1
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .execute(tx)
    .await?;
    Ok(())
}

/// Moves the `catalog_version`: a provider, a target or a return URL has changed.
pub(super) async fn move_catalog(tx: &mut PgConnection) -> Step<()> {
    sqlx::query("UPDATE service SET catalog_version = catalog_version + 1").execute(tx).await?;
    Ok(())
}

/// Refuses a change of another version than the current one.
pub(super) fn check_etag(current: Version, known: Version) -> Result<(), Refusal> {
    if current == known { Ok(()) } else { Err(Refusal::etag_mismatch(current)) }
}

/// Tells whether there is such a tenant.
pub(super) async fn tenant_exists(tx: &mut PgConnection, tenant: &TenantId) -> Step<bool> {
    let exists = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM tenant WHERE tenant_id = $1)");
    Ok(exists.bind(uuid(tenant.as_bytes())).fetch_one(tx).await?)
}
