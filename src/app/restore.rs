//! Backups and restores, as the database keeps them in mind.
//!
//! Who makes one works on the data itself and not through the service, which may not even run.

use super::service_entry;
use crate::domain::audit::Action;
use crate::domain::backup::{Backup, Restore};
use crate::domain::ids::{BackupId, Random};
use crate::domain::time::Timestamp;

/// A new backup, begun at `at`.
#[must_use]
pub fn new_backup(at: Timestamp, random: &dyn Random) -> Backup {
    Backup { backup_id: BackupId::new(at, random), at }
}

/// A restore at `at`, with the row that tells the audit log of it.
#[must_use]
pub fn new_restore(at: Timestamp, random: &dyn Random) -> Restore {
    Restore { at, audit: service_entry(Action::RestoreService, None, at, random) }
}
