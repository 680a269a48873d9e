//! What somebody is to be told of. Nobody is told of the same thing twice at once: one that was not sent yet is enough. Nor of what
//! is no longer so.

use sqlx::postgres::PgConnection;

use super::error::Step;
use super::row::uuid;
use crate::domain::ids::{AuditId, TenantId, UserId};
use crate::domain::time::Timestamp;
use crate::store::codes::{Code as _, NoticeCause};

/// Keeps a notice of `cause` about `user`, under the id of the audit row that tells of what gave cause to it, unless one waits
/// to be sent.
pub(super) async fn add(
    tx: &mut PgConnection,
    tenant: &TenantId,
    notice: &AuditId,
    (cause, user): (NoticeCause, &UserId),
    at: Timestamp,
) -> Step<()> {
    sqlx::query(
        "
        INSERT INTO notice (tenant_id, notice_id, cause, user_id, created_at)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (user_id, cause, tenant_id) WHERE sent_at IS NULL DO NOTHING
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .bind(uuid(notice.as_bytes()))
    .bind(cause.code())
    .bind(uuid(user.as_bytes()))
    .bind(at.unix_micros())
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes back what nobody was told of yet of `cause` about `user`, where the cause has ended. What comes next is news again.
pub(super) async fn withdraw(tx: &mut PgConnection, tenant: &TenantId, cause: NoticeCause, user: &UserId) -> Step<()> {
    sqlx::query(
        "
        DELETE FROM notice
        WHERE tenant_id = $1
          AND user_id = $2
          AND cause = $3
          AND sent_at IS NULL
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .bind(uuid(user.as_bytes()))
    .bind(cause.code())
    .execute(tx)
    .await?;
    Ok(())
}
