//! `concenter check`: looks a data directory over, and changes nothing.

use super::out::print;
use crate::app::startup::{self, UnlockError};
use crate::config::DataSettings;
use crate::server::keks;
use crate::store::{OpenError, postgres, sqlite};

/// Look a data directory over
///
/// Says of each of these whether it is in order, and stops at the first that is not: the
/// database, its schema, whether its file is damaged, whether it was ever served from, the key
/// file, whether that is the key of this database, and whether the keys of the service open. The
/// data is only read, an embedded database from its beginning to its end; a service may run on it.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  concenter check --data-dir /var/lib/concenter && echo ready"
)]
pub struct Args {
    /// Where the data is.
    #[command(flatten)]
    pub data: DataSettings,
}

/// What is looked at, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Database,
    Schema,
    File,
    Initialised,
    KeyFile,
    KeyFits,
    Keys,
}

impl Item {
    const ALL: [Self; 7] =
        [Self::Database, Self::Schema, Self::File, Self::Initialised, Self::KeyFile, Self::KeyFits, Self::Keys];

    const fn name(self) -> &'static str {
        match self {
            Self::Database => "the database opens",
            Self::Schema => "its schema is that of this program",
            Self::File => "nothing of it is damaged",
            Self::Initialised => "it holds the keys of a service",
            Self::KeyFile => "the key file is whole and private",
            Self::KeyFits => "the key file is that of this database",
            Self::Keys => "the keys of the service open",
        }
    }
}

/// Prints one line for each thing that was looked at.
///
/// # Errors
/// What is not in order.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let outcome = look_over(&args).await;
    let failed = outcome.as_ref().err().map(|(item, _)| *item);
    let passed = Item::ALL.iter().take_while(|item| failed != Some(**item));
    let passed = passed.flat_map(|item| ["ok      ", item.name(), "\n"]);
    let failed = failed.iter().flat_map(|item| ["FAILED  ", item.name(), "\n"]);
    let printed = print(&passed.chain(failed).collect::<String>());
    // What is not in order counts for more than that nobody reads it here.
    outcome.map_err(|(_, error)| error).and(printed)
}

/// Looks at everything; gives the first thing that is not in order, and why.
async fn look_over(args: &Args) -> Result<(), (Item, anyhow::Error)> {
    let location = args.data.location().map_err(|error| (Item::Database, error.into()))?;
    let store = location.open_read_only().await.map_err(|error| (item_of_open(&error), error.into()))?;
    if let Err(error) = location.check_file().await {
        store.close().await;
        return Err((Item::File, error.into()));
    }
    let keks = match keks(&args.data) {
        Ok(keks) => keks,
        Err(error) => {
            store.close().await;
            return Err((Item::KeyFile, error.into()));
        }
    };
    let unlocked = startup::unlock_existing(&*store, &keks).await;
    store.close().await;
    let (keys, _) = unlocked.map_err(|error| (item_of_unlock(&error), error.into()))?;
    match keys.unreadable.into_iter().next() {
        Some(kid) => Err((Item::Keys, UnlockError::SigningKey { kid }.into())),
        None => Ok(()),
    }
}

const fn item_of_open(error: &OpenError) -> Item {
    match error {
        OpenError::Sqlite(error) => item_of_sqlite(error),
        OpenError::Postgres(error) => item_of_postgres(error),
    }
}

const fn item_of_sqlite(error: &sqlite::OpenError) -> Item {
    use sqlite::OpenError;

    match error {
        OpenError::SchemaNewer { .. } | OpenError::SchemaOlder { .. } | OpenError::Migration { .. } => Item::Schema,
        OpenError::Damaged { .. } => Item::File,
        OpenError::Directory { .. }
        | OpenError::Lock { .. }
        | OpenError::Held { .. }
        | OpenError::NoDatabase { .. }
        | OpenError::SqliteTooOld { .. }
        | OpenError::Unfinished { .. }
        | OpenError::Database { .. } => Item::Database,
    }
}

const fn item_of_postgres(error: &postgres::OpenError) -> Item {
    use postgres::OpenError;

    match error {
        OpenError::SchemaNewer { .. } | OpenError::SchemaOlder { .. } | OpenError::Migration { .. } => Item::Schema,
        OpenError::Url(_)
        | OpenError::Unreachable { .. }
        | OpenError::Credentials { .. }
        | OpenError::NoDatabase { .. }
        | OpenError::ServerTooOld { .. }
        | OpenError::ReadOnly { .. }
        | OpenError::RoleTooMighty { .. }
        | OpenError::RoleUnfit
        | OpenError::NotOwner { .. }
        | OpenError::NothingThere { .. }
        | OpenError::Role(_)
        | OpenError::Database { .. } => Item::Database,
    }
}

const fn item_of_unlock(error: &UnlockError) -> Item {
    match error {
        UnlockError::NotInitialised => Item::Initialised,
        UnlockError::KekFile(_) | UnlockError::Kek(_) => Item::KeyFile,
        UnlockError::WrongKek { .. } => Item::KeyFits,
        UnlockError::SigningKey { .. }
        | UnlockError::NoSigningKey
        | UnlockError::Damaged { .. }
        | UnlockError::Make(_)
        | UnlockError::Seal(_) => Item::Keys,
        UnlockError::Store(_) => Item::Database,
    }
}
