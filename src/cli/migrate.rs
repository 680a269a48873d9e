//! `concenter migrate`: brings the database up to date, without serving from it; or moves it to another engine.

use std::path::PathBuf;

use super::out::print;
use super::relocate;
use crate::config::{DataSettings, DatabaseUrlParser, read_password};
use crate::store::postgres::{NewRole, PostgresStore, RoleName};
use crate::store::sqlite::SqliteStore;
use crate::store::{DatabaseUrl, Location, Migrated, OpenError};

/// Bring the database up to date
///
/// Of a data directory it takes the lock, so no service may run on it; `concenter serve` does the
/// same at its start, this is for who wants to do it before.
///
/// Of a PostgreSQL (--database-url) it is run by the owner of the database, before any service of
/// the new version starts; those of the version before may go on. `--create-role` makes the role
/// that services connect as, which cannot change the schema and sees no tenant's rows but those it
/// asks for.
///
/// There is no way back: make a backup first.
///
/// With --from and --to it moves everything from the first to the second, which is empty, as the
/// owner of that. The service on the data directory is stopped before, and the directory stays as
/// it was. Then both are read again and compared, table by table. A move that was interrupted goes
/// on when the same command is given again; until it has ended nobody can serve from the target.
/// Where the data is otherwise (--data-dir, --database-url) does not count then.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
    concenter migrate --data-dir /var/lib/concenter\n  \
    concenter migrate --database-url postgres://owner@db.example/makler --create-role concenter\n  \
    concenter migrate --from /var/lib/concenter --to postgres://owner@db.example/makler"
)]
pub struct Args {
    /// Where the data is.
    #[command(flatten)]
    pub data: DataSettings,

    /// Role that services connect as; made if it is missing, and given the rights it needs
    ///
    /// A second one, named after it with `_worker` behind, is for what crosses tenants: nobody connects as it.
    #[arg(long, value_name = "NAME", value_parser = RoleName::parse, requires = "database_url")]
    pub create_role: Option<RoleName>,

    /// File with the password of that role; without one its password is left as it is
    #[arg(long, value_name = "PATH", requires = "create_role")]
    pub role_password_file: Option<PathBuf>,

    /// Data directory that is moved to --to
    #[arg(long, value_name = "DIR", requires = "to", conflicts_with_all = ["create_role", "role_password_file"])]
    pub from: Option<PathBuf>,

    /// PostgreSQL that --from is moved to: postgres://OWNER@HOST:PORT/DATABASE
    ///
    /// It is empty, or holds an unfinished move of the same data.
    #[arg(long, value_name = "URL", requires = "from", value_parser = DatabaseUrlParser)]
    pub to: Option<DatabaseUrl>,

    /// File with the password of the user of --to
    ///
    /// One line break at the end is dropped.
    #[arg(long, value_name = "PATH", requires = "to")]
    pub to_password_file: Option<PathBuf>,
}

/// Migrates or moves, and says what it found.
///
/// # Errors
/// Why the database does not open, a migration cannot be made, the role cannot, or the data does not move.
pub async fn run(args: Args) -> anyhow::Result<()> {
    if let (Some(from), Some(to)) = (&args.from, args.to.clone()) {
        let to = match &args.to_password_file {
            Some(path) => to.with_password(&read_password("--to-password-file", path)?),
            None => to,
        };
        return relocate::run(from, &to).await;
    }
    match args.data.location()? {
        Location::Directory(_) => migrate_directory(&args).await,
        Location::Server(url) => migrate_server(&url, &args).await,
    }
}

async fn migrate_directory(args: &Args) -> anyhow::Result<()> {
    let data_dir = &args.data.dir.path;
    let done = SqliteStore::migrate(data_dir).await.map_err(OpenError::from)?;
    print(&format!("the database in {} {}\n", data_dir.display(), told(done)))
}

async fn migrate_server(url: &DatabaseUrl, args: &Args) -> anyhow::Result<()> {
    let file = args.role_password_file.as_deref();
    let password = file.map(|path| read_password("--role-password-file", path)).transpose()?;
    let role = args.create_role.clone().map(|name| NewRole { name, password });
    let done = PostgresStore::migrate(url, role.as_ref()).await.map_err(OpenError::from)?;
    print(&format!("the database {url} {}\n", told(done)))?;
    match role {
        Some(NewRole { name, .. }) => print(&format!("services connect as the role {}\n", name.as_str())),
        None => Ok(()),
    }
}

const fn told(done: Migrated) -> &'static str {
    match done {
        Migrated::Made => "was made",
        Migrated::BroughtUpToDate => "was brought up to date",
        Migrated::WasUpToDate => "was up to date",
    }
}
