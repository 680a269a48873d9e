//! `concenter restore`: a backup comes back, and says so.

use std::path::{Path, PathBuf};

use super::out::print;
use super::remote::instant;
use crate::app::restore::new_restore;
use crate::app::startup::{self, UnlockError};
use crate::config::DataSettings;
use crate::domain::backup::{Restore, Restored};
use crate::secrets::KekProvider;
use crate::server::{Outside, keks};
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{DatabaseUrl, Location};

/// Bring a backup back
///
/// Into a data directory that no service runs on: the backup is copied, looked over, brought up to
/// date and marked, and only then takes the place of the database.
///
/// Of a PostgreSQL (--database-url, as the owner): after its own tools brought the database back and
/// before any service starts on it, this marks it.
///
/// The key file must be there before, from its own copy. Every open jump dies, and every tenant
/// shows since when it is back: what was changed after the backup is undone, so users who were
/// disabled and customers who were erased since must be looked over.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
    concenter restore /backup/concenter.db --data-dir /var/lib/concenter\n  \
    concenter restore /backup/concenter.db --data-dir /var/lib/concenter --replace\n  \
    concenter restore --database-url postgres://owner@db.example/makler --data-dir /var/lib/concenter"
)]
pub struct Args {
    /// Where the data is.
    #[command(flatten)]
    pub data: DataSettings,

    /// Backup to bring back, which stays as it is
    #[arg(value_name = "BACKUP.db", required_unless_present = "database_url", conflicts_with = "database_url")]
    pub backup: Option<PathBuf>,

    /// Take the place of a database that is there; it is kept under another name
    #[arg(long, conflicts_with = "database_url")]
    pub replace: bool,
}

/// Restores, and says what there is to do now.
///
/// # Errors
/// Why nothing was restored.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let Outside { clock, random, .. } = Outside::system();
    let restore = new_restore(clock.now(), &*random);
    let keks = keks(&args.data)?;
    let (restored, kept) = match (args.data.location()?, args.backup) {
        (Location::Directory(data_dir), Some(backup)) => {
            into_directory(&backup, &data_dir, args.replace, &keks, &restore).await?
        }
        // Not both, and not neither: the command line says so.
        (Location::Server(url), _) => (on_server(&url, &keks, &restore).await?, None),
        (Location::Directory(_), None) => anyhow::bail!("no backup was named to restore"),
    };
    print(&told(&restored, kept.as_deref()))
}

async fn into_directory(
    backup: &Path,
    data_dir: &Path,
    replace: bool,
    keks: &dyn KekProvider,
    restore: &Restore,
) -> anyhow::Result<(Restored, Option<PathBuf>)> {
    let staged = SqliteStore::stage_backup(backup, data_dir, replace).await?;
    // Before anything is replaced: what nobody can open is no restore.
    startup::unlock_existing(staged.store(), keks).await?;
    Ok(staged.finish(restore).await?)
}

async fn on_server(url: &DatabaseUrl, keks: &dyn KekProvider, restore: &Restore) -> anyhow::Result<Restored> {
    let mut staged = PostgresStore::stage_backup(url).await?;
    let service = staged.service().await.map_err(UnlockError::from)?.ok_or(UnlockError::NotInitialised)?;
    startup::open_keys(&service, keks).await?;
    Ok(staged.finish(restore).await?)
}

fn told(restored: &Restored, kept: Option<&Path>) -> String {
    let Restored { epoch, tenants, backup } = restored;
    let at = backup.map(|backup| prost_types::Timestamp {
        seconds: backup.at.unix_seconds(),
        ..prost_types::Timestamp::default()
    });
    let from = at.map_or_else(
        || "a backup that does not say when it was made".to_owned(),
        |at| format!("the backup of {}", instant(Some(&at))),
    );
    let kept = kept.map(|kept| format!("the database before is kept as {}\n", kept.display())).unwrap_or_default();
    format!(
        "restored from {from}: {tenants} tenants, in epoch {epoch}; no jump from before is redeemed\n{kept}\
         Now look over what was changed after the backup: it is undone. Users who were disabled, and customers who \
         were erased, are back; `concenter tenant list` shows which tenants.\n"
    )
}
