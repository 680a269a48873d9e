//! Backups, and what comes back from one.

use super::audit::AuditEntry;
use super::ids::BackupId;
use super::time::Timestamp;

/// What a backup says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// Its id.
    pub backup_id: BackupId,
    /// When it was begun. Whatever was changed before is in it.
    pub at: Timestamp,
}

/// A restore: what a database is marked with that comes back from a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// When.
    pub at: Timestamp,
    /// The audit row, for the log of what belongs to no tenant.
    pub audit: AuditEntry,
}

/// What a restore did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// The epoch now: no jump of an earlier one is redeemed.
    pub epoch: i64,
    /// How many tenants were marked.
    pub tenants: u64,
    /// The backup that the database comes from; `None` if it does not say so itself.
    pub backup: Option<Backup>,
}
