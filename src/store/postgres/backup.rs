//! Backups of a server's database, and the way back.
//!
//! PostgreSQL's own tools copy the database and bring it back. What is left to this program are the marks: a backup holds a
//! row that says when it was begun; what comes back is marked, all jumps dead, before anybody serves it. Both are done by the
//! owner of the database: no transaction of a service may touch all tenants.

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::PostgresStore;
use super::audit::{self, AuditRow};
use super::error::{Failure, Step};
use super::open::{self, OpenError};
use super::row::{Cells, uuid};
use super::service;
use super::session::READ_WRITE;
use crate::domain::audit::AuditOutcome;
use crate::domain::backup::{Backup, Restore, Restored};
use crate::domain::ids::{BackupId, TenantId};
use crate::domain::service::ServiceState;
use crate::store::{DatabaseUrl, StoreError};

/// Why a backup was not written down, or what came back not marked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database cannot be read or marked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Failure> for BackupError {
    fn from(failure: Failure) -> Self {
        Self::Store(failure.into())
    }
}

impl PostgresStore {
    /// Writes down, as the owner of the database, that a backup is begun now. Services may run.
    ///
    /// # Errors
    /// [`BackupError`], most of all [`OpenError::NotOwner`].
    pub async fn backup(owner: &DatabaseUrl, backup: &Backup) -> Result<(), BackupError> {
        let mut connection = open::for_owner(owner).await?;
        write_down(&mut connection, backup).await?;
        let _ = connection.close().await;
        Ok(())
    }

    /// Looks, as the owner, at a database that came back by PostgreSQL's own tools.
    ///
    /// # Errors
    /// [`BackupError`], most of all [`OpenError::NotOwner`].
    pub async fn stage_backup(owner: &DatabaseUrl) -> Result<StagedBackup, BackupError> {
        Ok(StagedBackup { connection: open::for_owner(owner).await?, owner: owner.clone() })
    }
}

/// A database that came back, and is served by nobody yet.
#[derive(Debug)]
pub struct StagedBackup {
    connection: PgConnection,
    owner: DatabaseUrl,
}

impl StagedBackup {
    /// Reads the state of the service without its signing keys, of which an earlier schema knows less; `None` in a database that
    /// nobody ever served.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn service(&mut self) -> Result<Option<ServiceState>, StoreError> {
        // The owner sees all tenants.
        let has_tenants = service::has_tenants(&mut self.connection).await?;
        Ok(service::load_row(&mut self.connection, has_tenants).await?)
    }

    /// Brings the schema of what came back up to date, and marks it.
    ///
    /// # Errors
    /// [`BackupError`]; then nothing is marked.
    pub async fn finish(mut self, restore: &Restore) -> Result<Restored, BackupError> {
        open::migrate(&self.owner, None).await?;
        let restored = restore_marks(&mut self.connection, restore).await?;
        let _ = self.connection.close().await;
        Ok(restored)
    }
}

/// Writes all that a restore changes, or nothing of it: every jump dies, and every tenant says that it came back.
async fn restore_marks(connection: &mut PgConnection, restore: &Restore) -> Step<Restored> {
    let mut tx = connection.begin_with(READ_WRITE).await?;
    let restored = mark(&mut tx, restore).await?;
    tx.commit().await?;
    Ok(restored)
}

async fn mark(tx: &mut PgConnection, restore: &Restore) -> Step<Restored> {
    let epoch = sqlx::query_scalar(
        "
        UPDATE service
        SET epoch = epoch + 1,
            -- No service moves it once more.
            timeline = left(pg_walfile_name(pg_current_wal_lsn()), 8)
        RETURNING epoch
        ",
    );
    let epoch: Option<i64> = epoch.fetch_optional(&mut *tx).await?;
    let epoch = epoch.ok_or(Failure(StoreError::Corrupt { table: "service" }))?;
    let tenants = sqlx::query(
        "
        UPDATE tenant
        SET restored_at = $1,
            version = version + 1,
            updated_at = $1
        ",
    )
    .bind(restore.at.unix_micros())
    .execute(&mut *tx)
    .await?;
    let row = AuditRow::new(&TenantId::SYSTEM, &restore.audit);
    audit::append(tx, std::iter::once(row.with(AuditOutcome::Accepted))).await?;
    Ok(Restored { epoch, tenants: tenants.rows_affected(), backup: newest(tx).await? })
}

/// The backup that the database comes from: of those that it knows the last one.
async fn newest(tx: &mut PgConnection) -> Step<Option<Backup>> {
    let row = sqlx::query(
        "
        SELECT backup_id, at
        FROM backup
        ORDER BY at DESC, backup_id DESC
        LIMIT 1
        ",
    )
    .fetch_optional(tx)
    .await?;
    let Some(row) = &row else { return Ok(None) };
    let cells = Cells::of(row, "backup");
    let backup_id = cells.id("backup_id", BackupId::parse)?;
    Ok(Some(Backup { backup_id, at: cells.instant("at")? }))
}

/// Writes the row of a backup into the database, because the tools copy what is there.
async fn write_down(connection: &mut PgConnection, backup: &Backup) -> Step<()> {
    let mut tx = connection.begin_with(READ_WRITE).await?;
    // A schema of an earlier program, which is to be migrated, has no place for it.
    let has_table = sqlx::query_scalar("SELECT to_regclass('backup') IS NOT NULL");
    if has_table.fetch_one(&mut *tx).await? {
        sqlx::query("INSERT INTO backup (backup_id, at) VALUES ($1, $2)")
            .bind(uuid(backup.backup_id.as_bytes()))
            .bind(backup.at.unix_micros())
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(())
}
