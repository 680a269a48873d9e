//! What somebody is to be told of. Nobody is told of the same thing twice at once: one that was not sent yet is enough. Nor of what
//! is no longer so.

use sqlx::SqliteConnection;

use super::error::Step;
use crate::domain::ids::{AuditId, TenantId, UserId};
use crate::domain::time::Timestamp;
use crate::store::codes::{Code as _, NoticeCause};

/// Keeps a notice of `cause` about `user`, under the id of the audit row that tells of what gave cause to it, unless one waits
/// to be sent.
pub(super) async fn add(
    tx: &mut SqliteConnection,
    tenant: &TenantId,
    notice: &AuditId,
    (cause, user): (NoticeCause, &UserId),
    at: Timestamp,
) -> Step<()> {
    sqlx::query(
        "
        INSERT INTO notice (tenant_id, notice_id, cause, user_id, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (tenant_id, cause, user_id) WHERE sent_at IS NULL DO NOTHING
        ",
    )
    .bind(tenant.to_string())
    .bind(notice.to_string())
    .bind(cause.code())
    .bind(user.to_string())
    .bind(at.unix_micros())
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes back what nobody was told of yet of `cause` about `user`, where the cause has ended. What comes next is news again.
pub(super) async fn withdraw(
    tx: &mut SqliteConnection,
    tenant: &TenantId,
    cause: NoticeCause,
    user: &UserId,
) -> Step<()> {
    sqlx::query(
        "
        DELETE FROM notice
        WHERE tenant_id = ?1
          AND user_id = ?2
          AND cause = ?3
          AND sent_at IS NULL
        ",
    )
    .bind(tenant.to_string())
    .bind(user.to_string())
    .bind(cause.code())
    .execute(tx)
    .await?;
    Ok(())
}
