//! `concenter migrate`: brings the database up to date, without serving from it.

use super::out::print;
use crate::config::DataDir;
use crate::store::sqlite::{OpenError, SqliteStore};

/// Bring the database up to date
///
/// Takes the lock, so no service may run on the data directory. `concenter serve` does the same
/// at its start; this is for who wants to do it before. There is no way back: copy the data
/// directory first.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = "Examples:\n  concenter migrate --data-dir /var/lib/concenter")]
pub struct Args {
    /// Where the data is.
    #[command(flatten)]
    pub data_dir: DataDir,
}

/// Migrates, and says what it found.
///
/// # Errors
/// [`OpenError`] if the lock is held, or a migration cannot be made.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let data_dir = &args.data_dir.path;
    let done = match SqliteStore::open_read_only(data_dir).await {
        Ok(store) => {
            store.close().await;
            "was up to date"
        }
        Err(OpenError::NoDatabase { .. }) => "was made",
        Err(OpenError::SchemaOlder { .. }) => "was brought up to date",
        Err(error) => return Err(error.into()),
    };
    // Also where nothing is to be done: whoever asks for it learns that somebody holds the lock.
    SqliteStore::open(data_dir).await?.close().await;
    print(&format!("the database in {} {done}\n", data_dir.display()))
}
