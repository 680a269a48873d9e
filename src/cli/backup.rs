//! `concenter backup`: a copy of the database, made while a service runs on it.

use std::path::{Path, PathBuf};

use super::out::print;
use super::shell::quoted;
use crate::app::restore::new_backup;
use crate::config::DataSettings;
use crate::domain::backup::Backup;
use crate::server::Outside;
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{DatabaseUrl, Location};

/// Make a backup of the database
///
/// Of a data directory it writes a whole copy into one new file, for its owner alone. A service may
/// run on it and goes on without waiting.
///
/// Of a PostgreSQL (--database-url, as the owner) it writes down that a backup is begun, and prints
/// the commands of PostgreSQL that make it.
///
/// The key file is no part of it: without that file a backup opens no secret, and whoever has both
/// opens all of them. Keep a copy of it elsewhere.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
    concenter backup --data-dir /var/lib/concenter /backup/concenter.db\n  \
    concenter backup --database-url postgres://owner@db.example/makler"
)]
pub struct Args {
    /// Where the data is.
    #[command(flatten)]
    pub data: DataSettings,

    /// File to write, which must not be there yet
    #[arg(value_name = "OUT.db", required_unless_present = "database_url", conflicts_with = "database_url")]
    pub out: Option<PathBuf>,
}

/// Makes the backup, or says how it is made, and says what it is not.
///
/// # Errors
/// Why there is none.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let Outside { clock, random, .. } = Outside::system();
    let backup = new_backup(clock.now(), &*random);
    let keys = keys_of(&args.data);
    match (args.data.location()?, args.out) {
        (Location::Directory(data_dir), Some(out)) => of_directory(&data_dir, &out, &keys, &backup).await,
        // Not both, and not neither: the command line says so.
        (Location::Server(url), _) => of_server(&url, &keys, &backup).await,
        (Location::Directory(_), None) => anyhow::bail!("no file was named to write the backup into"),
    }
}

async fn of_directory(data_dir: &Path, out: &Path, keys: &str, backup: &Backup) -> anyhow::Result<()> {
    SqliteStore::backup(data_dir, out, backup).await?;
    print(&format!("{} is a backup of the database in {}\n{}", out.display(), data_dir.display(), without(keys)))
}

async fn of_server(url: &DatabaseUrl, keys: &str, backup: &Backup) -> anyhow::Result<()> {
    PostgresStore::backup(url, backup).await?;
    let at = url.for_tools();
    let tools = quoted(&at);
    print(&format!(
        "The database {url} was told that a backup is begun. Now run one of these; the password comes from \
         ~/.pgpass or PGPASSWORD.\n\
         The database alone, as its owner:\n  \
         pg_dump --format=custom --file=concenter.dump --dbname={tools}\n\
         The whole server, as a role with REPLICATION:\n  \
         pg_basebackup --checkpoint=fast --wal-method=stream --pgdata=concenter-base --dbname={tools}\n\
         Either way `concenter restore` comes after PostgreSQL's own tools.\n{}",
        without(keys)
    ))
}

/// Where the keys are that a backup needs.
fn keys_of(data: &DataSettings) -> String {
    let files = data.kek_files.iter().map(|path| path.display().to_string());
    let environment = data.kek_text.iter().map(|_| "what CONCENTER_KEK holds".to_owned());
    let named: Vec<_> = files.chain(environment).collect();
    if named.is_empty() { data.dir.path.join("keys").display().to_string() } else { named.join(" and ") }
}

/// What a backup does not hold.
fn without(keys: &str) -> String {
    format!("It holds no key: keep a copy of {keys} apart from it. Without the key file it opens no secret.\n")
}
