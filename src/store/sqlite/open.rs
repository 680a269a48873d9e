//! Opening the database: the lock file, the pragmas, the version of SQLite and the schema.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection, SqlitePool};

use crate::store::Cause;

/// The database.
pub(super) const DATABASE_FILE: &str = "concenter.db";
/// What SQLite appends to the name of a database for the files that it keeps beside it: those of the log, and what undoes a
/// write into a file that has no log yet.
pub(super) const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];
/// What keeps a second process out.
const LOCK_FILE: &str = "concenter.lock";
/// Read-only connections.
const READERS: u32 = 4;
/// Longest wait for somebody else's lock on the database, a shell's or a backup's, and for a reader to be free. Whoever writes
/// may have to wait twice, for the batch before his and for his own: that must be shorter than a call may take, 10 s, or he
/// learns nothing of why.
const BUSY_TIMEOUT: Duration = Duration::from_secs(4);
/// Statements that a connection keeps prepared; more than the engine has.
const STATEMENTS_KEPT: usize = 256;
/// Earlier ones can corrupt the write-ahead log when it is reset.
const OLDEST_SQLITE: [u32; 3] = [3, 51, 3];

/// What SQLite says where a write must be undone first, and the connection may not write.
const SQLITE_READONLY_ROLLBACK: &str = "776";

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory cannot be made.
    #[error("cannot make the data directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The lock file cannot be opened or written.
    #[error("cannot use the lock file {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process has the database open.
    #[error("{} is held by {}: stop it first, or choose another data directory", path.display(), holder(*pid))]
    Held {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, as it wrote it there; `None` if it cannot be read.
        pid: Option<u32>,
    },
    /// There is no database to read.
    #[error("there is no database at {}: start the server once, or name its data directory", path.display())]
    NoDatabase {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The program was built with an SQLite that can corrupt its log.
    #[error("SQLite {found} is older than 3.51.3 and can corrupt the database: build with the bundled one")]
    SqliteTooOld {
        /// The version that it was built with.
        found: String,
    },
    /// A newer program has changed the schema.
    #[error("the database {} has schema {version}, which this program does not know: use the newer program", path.display())]
    SchemaNewer {
        /// The database.
        path: PathBuf,
        /// The first migration that is not known.
        version: i64,
    },
    /// The schema lacks migrations of this program, which opens the database for reading only.
    #[error("the database {} has an older schema than this program: run `concenter migrate`", path.display())]
    SchemaOlder {
        /// The database.
        path: PathBuf,
    },
    /// The process that made the file was killed meanwhile. Whoever opens it for writing undoes what it left.
    #[error("the database {} was not made to its end: run `concenter migrate`", path.display())]
    Unfinished {
        /// The database.
        path: PathBuf,
    },
    /// A migration failed, or one that was applied is not the one that this program knows.
    #[error("cannot bring the schema of {} up to date", path.display())]
    Migration {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The file is not as SQLite left it.
    #[error("the database {} is damaged: restore a backup", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
    },
    /// The database cannot be opened.
    #[error("cannot open the database {}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: Cause,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// A database that is open for writing.
pub(super) struct Opened {
    pub(super) connection: SqliteConnection,
    /// How to open the connection anew.
    pub(super) options: SqliteConnectOptions,
    pub(super) readers: SqlitePool,
    pub(super) lock: LockFile,
    /// What was there before.
    pub(super) found: Schema,
}

/// The lock on the data directory; released when it is dropped.
#[derive(Debug)]
pub(super) struct LockFile {
    file: File,
}

/// Opens for writing; see [`super::SqliteStore::open`].
pub(super) async fn for_writing(data_dir: &Path) -> Result<Opened, OpenError> {
    let lock = hold(data_dir)?;
    let path = data_dir.join(DATABASE_FILE);
    make_database(&path)?;

    let options = writing(&path);
    let mut connection = options.connect().await.map_err(|error| cannot_open(&path, error))?;
    check_sqlite(&mut connection, &path).await?;
    let found = read_schema(&mut connection, &path).await?;
    let migrated = MIGRATIONS.run_direct(None, &mut connection, false).await;
    migrated.map_err(|error| OpenError::Migration { path: path.clone(), source: Arc::new(error) })?;
    let readers = connect_readers(&path).await?;
    Ok(Opened { connection, options, readers, lock, found })
}

/// Opens for reading only; see [`super::SqliteStore::open_read_only`].
pub(super) async fn for_reading(data_dir: &Path) -> Result<SqlitePool, OpenError> {
    let path = data_dir.join(DATABASE_FILE);
    if !path.is_file() {
        return Err(OpenError::NoDatabase { path });
    }
    let readers = connect_readers(&path).await?;
    let mut connection = readers.acquire().await.map_err(|error| cannot_open(&path, error))?;
    check_sqlite(&mut connection, &path).await?;
    check_schema(&mut connection, &path).await?;
    drop(connection);
    Ok(readers)
}

/// Makes the directory if it is missing, and keeps every other process out of it.
pub(super) fn hold(data_dir: &Path) -> Result<LockFile, OpenError> {
    make_directory(data_dir)?;
    LockFile::take(&data_dir.join(LOCK_FILE))
}

/// What there is of the schema in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// Nothing.
    None,
    /// That of an earlier program.
    Older,
    /// That of this program.
    Current,
}

/// Opens for reading only, a schema of an earlier program too. What is read may be written into a database beside it.
pub(super) async fn for_copying(path: &Path) -> Result<(SqliteConnection, Schema), OpenError> {
    if !path.is_file() {
        return Err(OpenError::NoDatabase { path: path.to_owned() });
    }
    // Without `query_only`, which holds for every database of a connection.
    let options = common(path).read_only(true);
    let mut connection = options.connect().await.map_err(|error| cannot_open(path, error))?;
    check_sqlite(&mut connection, path).await?;
    let schema = read_schema(&mut connection, path).await?;
    Ok((connection, schema))
}

/// Opens a copy that nobody else has, so that something can be added to it and it stays one file.
pub(super) async fn for_adding(path: &Path) -> Result<SqliteConnection, OpenError> {
    let options = common(path).journal_mode(SqliteJournalMode::Delete).synchronous(SqliteSynchronous::Full);
    options.connect().await.map_err(|error| cannot_open(path, error))
}

/// Opens a database that nobody else has, as it is, for what stands in its log alone to be written back.
pub(super) async fn for_writing_back(path: &Path) -> Result<SqliteConnection, OpenError> {
    writing(path).connect().await.map_err(|error| cannot_open(path, error))
}

/// Opens to be moved elsewhere; see [`super::RelocationSource::open`].
pub(super) async fn for_moving(data_dir: &Path) -> Result<(SqliteConnection, LockFile), OpenError> {
    let path = data_dir.join(DATABASE_FILE);
    if !path.is_file() {
        return Err(OpenError::NoDatabase { path });
    }
    let lock = LockFile::take(&data_dir.join(LOCK_FILE))?;
    let mut connection = reading(&path).connect().await.map_err(|error| cannot_open(&path, error))?;
    check_sqlite(&mut connection, &path).await?;
    check_schema(&mut connection, &path).await?;
    Ok((connection, lock))
}

/// Reads the whole file and looks whether it is whole; see [`super::SqliteStore::check_file`].
pub(super) async fn check_file(data_dir: &Path) -> Result<(), OpenError> {
    let path = data_dir.join(DATABASE_FILE);
    let mut connection = common(&path).read_only(true).connect().await.map_err(|error| cannot_open(&path, error))?;
    let first: Result<String, _> = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut connection).await;
    // What it cannot read at all is as damaged.
    if first.is_ok_and(|first| first == "ok") { Ok(()) } else { Err(OpenError::Damaged { path }) }
}

fn make_directory(path: &Path) -> Result<(), OpenError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| OpenError::Directory { path: path.to_owned(), source })
}

/// Makes the file, because SQLite would make it readable to the group; it gives its log files the same mode.
fn make_database(path: &Path) -> Result<(), OpenError> {
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(drop).map_err(|source| OpenError::Database { path: path.to_owned(), source: Arc::new(source) })
}

impl LockFile {
    fn take(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Lock { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Held { path: path.to_owned(), pid: read_pid(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        write_pid(&mut file).map_err(failed)?;
        Ok(Self { file })
    }
}

impl Drop for LockFile {
    /// Releases it for every copy of the file: a process that is just being started has one until it runs its own program, and
    /// closing ours alone would leave the lock to it.
    fn drop(&mut self) {
        // Where that fails, closing releases it.
        let _ = self.file.unlock();
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// What every connection to the database has.
fn common(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .statement_cache_capacity(STATEMENTS_KEPT)
        // A schema that somebody tampered with runs no function that has side effects.
        .pragma("trusted_schema", "OFF")
        // What a statement puts aside stays in memory: a file in the system's directory for temporary files would hold rows of
        // ours outside the data directory, and a batch would open and write one each time.
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
}

fn writing(path: &Path) -> SqliteConnectOptions {
    common(path)
        .journal_mode(SqliteJournalMode::Wal)
        // What was answered survives a loss of power.
        .synchronous(SqliteSynchronous::Full)
        // What was replaced is overwritten, sealed secrets most of all.
        .pragma("secure_delete", "ON")
        // In KiB, where negative. SQLite's default of 2 MB would have the upper pages of the indexes read again for
        // each batch; what is more than them the system caches as well. This is what the memory grows by under load.
        .pragma("cache_size", "-12288")
        // In pages. The slowest commits are those that write the log back; ten times SQLite's default makes them rare.
        .pragma("wal_autocheckpoint", "10000")
}

fn reading(path: &Path) -> SqliteConnectOptions {
    common(path).read_only(true).pragma("query_only", "ON")
}

async fn connect_readers(path: &Path) -> Result<SqlitePool, OpenError> {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(BUSY_TIMEOUT)
        // There is no network in between: a connection that was good is good.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(reading(path))
        .await
        .map_err(|error| cannot_open(path, error))
}

pub(super) fn cannot_open(path: &Path, error: sqlx::Error) -> OpenError {
    let path = path.to_owned();
    if is_told(&error, SQLITE_READONLY_ROLLBACK) {
        return OpenError::Unfinished { path };
    }
    OpenError::Database { path, source: Arc::new(error) }
}

/// Tells whether SQLite said this.
pub(super) fn is_told(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().is_some_and(|told| told.code().as_deref() == Some(code))
}

async fn check_sqlite(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let version = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(connection).await;
    let found: String = version.map_err(|error| cannot_open(path, error))?;
    if is_recent(&found) { Ok(()) } else { Err(OpenError::SqliteTooOld { found }) }
}

/// Tells whether a version, for example `3.51.3`, is recent enough. What is no version is not.
fn is_recent(version: &str) -> bool {
    let parts: Result<Vec<u32>, _> = version.split('.').map(str::parse).collect();
    parts.is_ok_and(|parts| parts.as_slice() >= OLDEST_SQLITE.as_slice())
}

async fn check_schema(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    match read_schema(connection, path).await? {
        Schema::Current => Ok(()),
        Schema::Older | Schema::None => Err(OpenError::SchemaOlder { path: path.to_owned() }),
    }
}

async fn read_schema(connection: &mut SqliteConnection, path: &Path) -> Result<Schema, OpenError> {
    let exists = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')");
    let exists: bool = exists.fetch_one(&mut *connection).await.map_err(|error| cannot_open(path, error))?;
    if !exists {
        return Ok(Schema::None);
    }
    let applied = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version");
    let applied: Vec<i64> = applied.fetch_all(connection).await.map_err(|error| cannot_open(path, error))?;
    if let Some(version) = applied.iter().find(|version| !MIGRATIONS.version_exists(**version)) {
        return Err(OpenError::SchemaNewer { path: path.to_owned(), version: *version });
    }
    let is_current = MIGRATIONS.iter().all(|migration| applied.contains(&migration.version));
    Ok(if is_current { Schema::Current } else { Schema::Older })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sqlite_with_the_log_fault_is_too_old() {
        for (version, recent) in [
            ("3.51.3", true),
            ("3.51.4", true),
            ("3.52.0", true),
            ("4.0.0", true),
            ("3.51.2", false),
            ("3.46.1", false),
            ("", false),
            ("3.x", false),
        ] {
            assert_eq!(is_recent(version), recent, "{version}");
        }
    }

    #[test]
    fn a_second_lock_says_who_has_the_first() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(LOCK_FILE);
        let first = LockFile::take(&path).expect("the first lock");
        let refused = LockFile::take(&path).expect_err("the second lock");
        assert!(matches!(refused, OpenError::Held { pid: Some(pid), .. } if pid == std::process::id()));
        drop(first);
        LockFile::take(&path).expect("the lock after its release");
    }

    #[test]
    fn a_process_that_is_being_started_does_not_keep_the_lock() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(LOCK_FILE);
        let lock = LockFile::take(&path).expect("the first lock");
        let copy = lock.file.try_clone().expect("the copy that it has");
        drop(lock);
        LockFile::take(&path).expect("the lock after its release");
        drop(copy);
    }

    #[tokio::test]
    async fn a_newer_schema_is_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut opened = for_writing(directory.path()).await.expect("a new database");
        sqlx::query("INSERT INTO _sqlx_migrations VALUES (9999, 'later', 0, TRUE, x'00', 0)")
            .execute(&mut opened.connection)
            .await
            .expect("a migration of the future");
        drop(opened);
        let refused = for_reading(directory.path()).await.expect_err("a newer schema");
        assert!(matches!(refused, OpenError::SchemaNewer { version: 9999, .. }));
        let refused = for_writing(directory.path()).await.err().expect("a newer schema");
        assert!(matches!(refused, OpenError::SchemaNewer { version: 9999, .. }));
    }

    #[tokio::test]
    async fn reading_needs_a_database_of_this_schema() {
        let directory = tempfile::tempdir().expect("a directory");
        let refused = for_reading(directory.path()).await.expect_err("no database");
        assert!(matches!(refused, OpenError::NoDatabase { .. }));
        make_database(&directory.path().join(DATABASE_FILE)).expect("an empty database");
        let refused = for_reading(directory.path()).await.expect_err("an empty database");
        assert!(matches!(refused, OpenError::SchemaOlder { .. }));
    }

    /// Leaves a new file in the middle of its first write, as a process that is killed does.
    async fn cut_off(data_dir: &Path) {
        let elsewhere = tempfile::tempdir().expect("a directory");
        let path = elsewhere.path().join(DATABASE_FILE);
        let options = common(&path).create_if_missing(true).journal_mode(SqliteJournalMode::Delete);
        // What does not fit into memory is written before the commit.
        let mut connection = options.pragma("cache_size", "1").connect().await.expect("a new database");
        for statement in ["CREATE TABLE half (cell BLOB)", "BEGIN", "INSERT INTO half VALUES (zeroblob(1000000))"] {
            sqlx::query(statement).execute(&mut connection).await.expect(statement);
        }
        for name in [DATABASE_FILE, "concenter.db-journal"] {
            std::fs::copy(elsewhere.path().join(name), data_dir.join(name)).expect(name);
        }
    }

    #[tokio::test]
    async fn a_file_that_was_not_made_to_its_end_is_undone_by_whoever_writes() {
        let directory = tempfile::tempdir().expect("a directory");
        cut_off(directory.path()).await;
        let refused = for_reading(directory.path()).await.expect_err("a write to undo");
        assert!(matches!(refused, OpenError::Unfinished { .. }), "{refused:?}");
        let refused = for_copying(&directory.path().join(DATABASE_FILE)).await.expect_err("a write to undo");
        assert!(matches!(refused, OpenError::Unfinished { .. }), "{refused:?}");

        let opened = for_writing(directory.path()).await.expect("a database");
        assert_eq!(opened.found, Schema::None);
        drop(opened);
        for_reading(directory.path()).await.expect("a whole database");
    }

    #[tokio::test]
    async fn the_connection_that_writes_is_durable() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut opened = for_writing(directory.path()).await.expect("a new database");
        for (pragma, expected) in [
            ("PRAGMA synchronous", 2_i64),
            ("PRAGMA foreign_keys", 1),
            ("PRAGMA secure_delete", 1),
            ("PRAGMA trusted_schema", 0),
            ("PRAGMA temp_store", 2),
            ("PRAGMA wal_autocheckpoint", 10_000),
        ] {
            let value: i64 = sqlx::query_scalar(pragma).fetch_one(&mut opened.connection).await.expect(pragma);
            assert_eq!(value, expected, "{pragma}");
        }
        let mode: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut opened.connection).await.expect("a mode");
        assert_eq!(mode, "wal");
    }

    #[tokio::test]
    async fn only_the_owner_may_read_the_files() {
        use std::os::unix::fs::PermissionsExt as _;

        let parent = tempfile::tempdir().expect("a directory");
        let directory = parent.path().join("data");
        let _opened = for_writing(&directory).await.expect("a new database");
        let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        for name in ["concenter.db", "concenter.db-wal", "concenter.db-shm", "concenter.lock"] {
            assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
        }
    }
}
