//! Where a service under test keeps its data, and the engine that keeps it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use concenter_gateway::config::DataSettings;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection};
use tempfile::TempDir;

use super::shell::Shell;
use crate::support::{self, TestDatabase};

/// The engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// The one that this test binary is about: on PostgreSQL its name says so.
    pub fn under_test() -> Self {
        if env!("CARGO_CRATE_NAME").ends_with("_postgres") { Self::Postgres } else { Self::Sqlite }
    }
}

/// A directory with the key file, and a database: in the directory, or one of its own on the server of PostgreSQL.
pub struct Place {
    directory: TempDir,
    database: Option<TestDatabase>,
}

/// The id of a key-encryption key that every place has a file of, beside that which the service makes for itself.
pub const SPARE_KEK: &str = "5ba7e5ba7e5ba7e5";
/// Another one.
pub const SECOND_SPARE_KEK: &str = "5ba7e5ba7e5ba7e6";

/// Puts a key file where a service finds it that does not know it yet.
fn put_kek(data_dir: &Path, kek_id: &str) {
    let keys = data_dir.join("keys");
    DirBuilder::new().recursive(true).mode(0o700).create(&keys).expect("a directory");
    let checked = format!("cckek1:{kek_id}:{}", "s".repeat(42) + "w");
    let line = format!("{checked}:{:08x}\n", crc32c::crc32c(checked.as_bytes()));
    let file = keys.join(format!("kek-{kek_id}.key"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).expect("a file");
    file.write_all(line.as_bytes()).expect("a key file");
}

impl Place {
    /// Makes an empty place. Where there is no PostgreSQL, a binary that is about it ends here, as there is nothing that it
    /// could show: why has been said, and whether that is a failure has been asked.
    pub async fn new() -> Self {
        let database = match Engine::under_test() {
            Engine::Sqlite => None,
            Engine::Postgres => Some(support::database().await.unwrap_or_else(|| left_out())),
        };
        let directory = tempfile::tempdir().expect("a directory");
        for kek_id in [SPARE_KEK, SECOND_SPARE_KEK] {
            put_kek(&directory.path().join("data"), kek_id);
        }
        Self { directory, database }
    }

    /// The data directory. One inside: the service demands one that nobody else may enter, and makes it so.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The place itself.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// How the service finds its data.
    pub fn settings(&self) -> DataSettings {
        let database_url = self.database.as_ref().map(|database| database.service_url().parse().expect("its URL"));
        DataSettings { database_url, ..DataSettings::in_directory(self.data()) }
    }

    /// Tells the program by its environment where its data is.
    pub fn tell(&self, command: &mut Command) {
        command.env("CONCENTER_DATA_DIR", self.data());
        if let Some(database) = &self.database {
            command.env("CONCENTER_DATABASE_URL", database.service_url());
        }
    }

    /// The database on the server, if that is where it is.
    pub const fn database(&self) -> Option<&TestDatabase> {
        self.database.as_ref()
    }

    /// All that is kept, each part with its name: the files below the data directory, and on PostgreSQL the rows of each table,
    /// cell by cell.
    pub async fn kept(&self) -> Vec<(String, Vec<u8>)> {
        let mut kept = files_below(&self.data(), &self.data());
        if self.database.is_some() {
            let mut reader = self.reader().await;
            for table in reader.tables().await {
                let cells = reader.dump(&table).await.concat();
                kept.push((table, cells.join(&b'\n')));
            }
        }
        kept
    }

    /// Somebody who only looks.
    pub async fn reader(&self) -> Shell {
        match &self.database {
            None => self.connect(SqliteConnectOptions::new().read_only(true)).await,
            Some(database) => after(database.owner().await, "SET default_transaction_read_only = on").await,
        }
    }

    /// Somebody at a SQL shell, held by every rule of the database.
    pub async fn shell(&self) -> Shell {
        match &self.database {
            None => self.connect(SqliteConnectOptions::new().foreign_keys(true)).await,
            Some(database) => database.owner().await.into(),
        }
    }

    /// Somebody at a SQL shell who switched the rules off: foreign keys and triggers, on SQLite checks too.
    pub async fn lawless_shell(&self) -> Shell {
        match &self.database {
            None => {
                let options = SqliteConnectOptions::new().foreign_keys(false).pragma("ignore_check_constraints", "ON");
                self.connect(options).await
            }
            Some(database) => after(database.admin().await, "SET session_replication_role = replica").await,
        }
    }

    async fn connect(&self, options: SqliteConnectOptions) -> Shell {
        options.filename(self.data().join("concenter.db")).connect().await.expect("the database opens").into()
    }
}

/// The files below a directory, by their paths from `root`.
fn files_below(root: &Path, directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(root, &path));
        } else {
            let name = path.strip_prefix(root).expect("it is below").to_string_lossy().into_owned();
            files.push((name, fs::read(&path).expect("a file")));
        }
    }
    files
}

/// A shell of PostgreSQL, after a setting.
async fn after(connection: PgConnection, setting: &'static str) -> Shell {
    let mut shell = Shell::from(connection);
    shell.execute(setting, &[]).await.expect(setting);
    shell
}

#[expect(
    clippy::disallowed_methods,
    reason = "no test of the binary gets further than this, so nothing is left behind"
)]
fn left_out() -> ! {
    std::process::exit(0)
}
