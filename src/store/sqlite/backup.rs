//! Backups of a data directory, and the way back.
//!
//! A backup is one file: a whole copy of the database as it was at one moment, made beside a running service. It holds no
//! key; whatever is secret in it is sealed.
//!
//! What comes back is made ready in a directory of its own below the data directory, where nobody serves it: looked over,
//! brought up to date and marked, all jumps dead. Only then it takes the place of the database, in one step.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::{Connection as _, SqliteConnection};

use super::SqliteStore;
use super::audit::{self, AuditRow};
use super::error::{Failure, Step};
use super::open::{self, BESIDE, DATABASE_FILE, LockFile, OpenError, Schema};
use super::row::Cells;
use crate::domain::audit::AuditOutcome;
use crate::domain::backup::{Backup, Restore, Restored};
use crate::domain::ids::{BackupId, TenantId};
use crate::store::{Cause, StoreError};

/// Where in the data directory a backup is made ready to come back.
const STAGING: &str = "restoring";
/// SQLite's primary result code for a database that does not hold together.
const SQLITE_CORRUPT: &str = "11";
/// SQLite's primary result code for a file that is no database.
const SQLITE_NOTADB: &str = "26";

/// Why a backup was not made, or did not come back. Nothing was changed but what the variant says.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is a file of that name.
    #[error("{} is there already: choose another name, or move it away", path.display())]
    FileExists {
        /// The file.
        path: PathBuf,
    },
    /// There is a database in the place of the one that should come back.
    #[error(
        "there is a database at {}: restore into another data directory, or say --replace, which keeps the present one \
         under another name",
        path.display()
    )]
    DatabaseExists {
        /// The database.
        path: PathBuf,
    },
    /// There is no file of that name.
    #[error("there is no backup at {}", path.display())]
    NoBackup {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A log or journal of SQLite's lies beside the file, so the file is not whole without it.
    #[error(
        "{} has a log of SQLite beside it, so it is the database of a service and no backup: make one with \
         `concenter backup`",
        path.display()
    )]
    NotWhole {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is no database of this program", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The database does not hold together.
    #[error("{} is damaged ({found}): use another backup", path.display())]
    Damaged {
        /// The database that was looked over.
        path: PathBuf,
        /// The first thing that SQLite found.
        found: String,
    },
    /// A database does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file cannot be made, copied or moved.
    #[error("cannot write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The copy cannot be made.
    #[error("cannot copy the database {}", path.display())]
    Copy {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The database cannot be read or marked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    fn copy(path: &Path, error: sqlx::Error) -> Self {
        Self::Copy { path: path.to_owned(), source: Arc::new(error) }
    }
}

impl SqliteStore {
    /// Writes the database in `data_dir` as it is now into the new file `to` (0600), beside a running server or none: no
    /// write waits. The copy holds the row of `backup`, unless its schema is older than that.
    ///
    /// # Errors
    /// [`BackupError`]; then there is no file.
    pub async fn backup(data_dir: &Path, to: &Path, backup: &Backup) -> Result<(), BackupError> {
        let path = data_dir.join(DATABASE_FILE);
        let (mut source, schema) = open::for_copying(&path).await?;
        if schema == Schema::None {
            return Err(BackupError::NotOurs { path });
        }
        let unfinished = Unfinished::begin(to)?;
        let into = unfinished.path.display().to_string();
        let copied = sqlx::query("VACUUM main INTO ?1").bind(into).execute(&mut source).await;
        copied.map_err(|error| BackupError::copy(&path, error))?;
        let _ = source.close().await;

        let mut copy = open::for_adding(&unfinished.path).await?;
        write_down(&mut copy, backup).await.map_err(|error| BackupError::copy(&path, error))?;
        look_over(&mut copy, &path).await?;
        copy.close().await.map_err(|error| BackupError::copy(&path, error))?;
        unfinished.finish()
    }

    /// Makes a backup ready to come back into `data_dir`, which is kept from every other process meanwhile; what is there
    /// stays as it is. Without `replace` there must be no database.
    ///
    /// # Errors
    /// [`BackupError`].
    pub async fn stage_backup(from: &Path, data_dir: &Path, replace: bool) -> Result<StagedBackup, BackupError> {
        check_file(from)?;
        let lock = open::hold(data_dir)?;
        let database = data_dir.join(DATABASE_FILE);
        if database.exists() && !replace {
            return Err(BackupError::DatabaseExists { path: database });
        }
        let staging = Staging::begin(data_dir.join(STAGING))?;
        let copy = staging.0.join(DATABASE_FILE);
        copy_file(from, &copy)?;
        check_copy(&copy, from).await?;
        let store = Self::open(&staging.0).await?;
        Ok(StagedBackup { store, staging, data_dir: data_dir.to_owned(), _lock: lock })
    }
}

/// A backup that is ready to come back, and is served by nobody yet. Dropped, it leaves the data directory as it was.
#[derive(Debug)]
pub struct StagedBackup {
    store: SqliteStore,
    staging: Staging,
    data_dir: PathBuf,
    _lock: LockFile,
}

impl StagedBackup {
    /// What comes back, to look at.
    #[must_use]
    pub const fn store(&self) -> &SqliteStore {
        &self.store
    }

    /// Marks what comes back and puts it in the place of the database. Also gives the name that the one before is kept
    /// under, if there was one.
    ///
    /// # Errors
    /// [`BackupError`]; then the database is the one before.
    pub async fn finish(self, restore: &Restore) -> Result<(Restored, Option<PathBuf>), BackupError> {
        let Self { store, staging, data_dir, _lock } = self;
        let restored = restore_marks(&store, restore).await?;
        store.shut().await;
        let (ready, database) = (staging.0.join(DATABASE_FILE), data_dir.join(DATABASE_FILE));
        // Closed, it is one file. With a log it would come back without its marks.
        if beside(&ready, "-wal").exists() {
            return Err(BackupError::NotWhole { path: ready });
        }
        sync(&ready)?;
        let kept = if database.exists() { Some(set_aside(&database, restore).await?) } else { None };
        fs::rename(&ready, &database).map_err(|error| BackupError::file(&database, error))?;
        sync(&data_dir)?;
        Ok((restored, kept))
    }
}

/// Writes all that a restore changes, or nothing of it: every jump dies, and every tenant says that it came back.
async fn restore_marks(store: &SqliteStore, restore: &Restore) -> Result<Restored, StoreError> {
    let restore = restore.clone();
    store.writer()?.effect(move |tx| Box::pin(async move { mark(tx, &restore).await })).await
}

async fn mark(tx: &mut SqliteConnection, restore: &Restore) -> Step<Restored> {
    let epoch: Option<i64> =
        sqlx::query_scalar("UPDATE service SET epoch = epoch + 1 RETURNING epoch").fetch_optional(&mut *tx).await?;
    let epoch = epoch.ok_or(Failure(StoreError::Corrupt { table: "service" }))?;
    let tenants = sqlx::query(
        "
        UPDATE tenant
        SET restored_at = ?1,
            version = version + 1,
            updated_at = ?1
        ",
    )
    .bind(restore.at.unix_micros())
    .execute(&mut *tx)
    .await?;
    let row = AuditRow::new(&TenantId::SYSTEM, &restore.audit)?.with(AuditOutcome::Accepted);
    audit::append(tx, std::iter::once(row)).await?;
    Ok(Restored { epoch, tenants: tenants.rows_affected(), backup: newest(tx).await? })
}

/// The backup that the database comes from: of those that it knows the last one.
async fn newest(tx: &mut SqliteConnection) -> Step<Option<Backup>> {
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
    let backup_id = cells.parsed("backup_id", BackupId::parse)?;
    Ok(Some(Backup { backup_id, at: cells.instant("at")? }))
}

/// Writes the row of a backup into the copy, so that it stands in no database that never was one.
async fn write_down(copy: &mut SqliteConnection, backup: &Backup) -> Result<(), sqlx::Error> {
    let exists = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'backup')");
    if exists.fetch_one(&mut *copy).await? {
        sqlx::query("INSERT INTO backup (backup_id, at) VALUES (?1, ?2)")
            .bind(backup.backup_id.to_string())
            .bind(backup.at.unix_micros())
            .execute(copy)
            .await?;
    }
    Ok(())
}

/// Asks SQLite whether the database holds together; `path` is named if it does not.
async fn look_over(connection: &mut SqliteConnection, path: &Path) -> Result<(), BackupError> {
    let found = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(connection).await;
    // What it cannot even read it does not list.
    let found: String = found.unwrap_or_else(|error| error.to_string());
    if found == "ok" { Ok(()) } else { Err(BackupError::Damaged { path: path.to_owned(), found }) }
}

fn check_file(from: &Path) -> Result<(), BackupError> {
    if !from.is_file() {
        return Err(BackupError::NoBackup { path: from.to_owned() });
    }
    // Also where they are empty: somebody is at work then.
    let is_whole = !BESIDE.iter().any(|suffix| beside(from, suffix).exists());
    if is_whole { Ok(()) } else { Err(BackupError::NotWhole { path: from.to_owned() }) }
}

/// Looks a copy of the backup `from` over before anything is done to it.
async fn check_copy(copy: &Path, from: &Path) -> Result<(), BackupError> {
    let not_ours = || BackupError::NotOurs { path: from.to_owned() };
    let (mut connection, schema) = match open::for_copying(copy).await {
        Err(OpenError::Database { source, .. }) if is_told(&source, SQLITE_NOTADB) => return Err(not_ours()),
        Err(OpenError::Database { source, .. }) if is_told(&source, SQLITE_CORRUPT) => {
            return Err(BackupError::Damaged { path: from.to_owned(), found: source.to_string() });
        }
        Err(OpenError::SchemaNewer { version, .. }) => {
            return Err(OpenError::SchemaNewer { path: from.to_owned(), version }.into());
        }
        opened => opened?,
    };
    if schema == Schema::None {
        return Err(not_ours());
    }
    look_over(&mut connection, from).await?;
    let _ = connection.close().await;
    Ok(())
}

/// Tells whether the cause is that SQLite said this.
fn is_told(cause: &Cause, code: &str) -> bool {
    cause.downcast_ref().is_some_and(|error| open::is_told(error, code))
}

/// Keeps a database under a name that says so, and its log if that cannot be written back: it may be damaged, which is why
/// somebody restores. Until the other one takes its place it stays where it is.
async fn set_aside(database: &Path, restore: &Restore) -> Result<PathBuf, BackupError> {
    if let Ok(connection) = open::for_writing_back(database).await {
        let _ = connection.close().await;
    }
    let kept = beside(database, &format!(".replaced-{}", restore.at.unix_seconds()));
    fs::hard_link(database, &kept).map_err(|error| BackupError::file(&kept, error))?;
    for suffix in BESIDE {
        let (now, then) = (beside(database, suffix), beside(&kept, suffix));
        if now.exists() {
            // It must not be taken for the log of what comes back.
            fs::rename(&now, &then).map_err(|error| BackupError::file(&then, error))?;
        }
    }
    Ok(kept)
}

/// The file whose name is that of `path` and `suffix`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn make_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn copy_file(from: &Path, to: &Path) -> Result<(), BackupError> {
    let copied = File::open(from).and_then(|mut source| io::copy(&mut source, &mut make_file(to)?));
    copied.map(drop).map_err(|error| BackupError::file(to, error))
}

/// Waits until a file or directory is on the volume.
fn sync(path: &Path) -> Result<(), BackupError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| BackupError::file(path, error))
}

/// A file that is being written under another name. It and its name go unless it is finished.
struct Unfinished {
    path: PathBuf,
    /// Its name when it is finished: an empty file until then, so that nobody else takes it.
    to: PathBuf,
    is_finished: bool,
}

impl Unfinished {
    fn begin(to: &Path) -> Result<Self, BackupError> {
        make_file(to).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::FileExists { path: to.to_owned() },
            _ => BackupError::file(to, error),
        })?;
        let unfinished = Self { path: beside(to, ".unfinished"), to: to.to_owned(), is_finished: false };
        // One that was cut off earlier is nobody's any more, and what would undo its last write is not for this one.
        unfinished.remove();
        // SQLite would make it readable to the group; it takes an empty one.
        make_file(&unfinished.path).map_err(|error| BackupError::file(&unfinished.path, error))?;
        Ok(unfinished)
    }

    /// Nothing else is to be done about a file that does not go.
    fn remove(&self) {
        let _ = fs::remove_file(&self.path);
        for suffix in BESIDE {
            let _ = fs::remove_file(beside(&self.path, suffix));
        }
    }

    fn finish(mut self) -> Result<(), BackupError> {
        sync(&self.path)?;
        fs::rename(&self.path, &self.to).map_err(|error| BackupError::file(&self.to, error))?;
        self.is_finished = true;
        let directory = self.to.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync(directory.unwrap_or(Path::new(".")))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_finished {
            self.remove();
            let _ = fs::remove_file(&self.to);
        }
    }
}

/// The directory in which a backup is made ready; it goes with all that is left in it.
#[derive(Debug)]
struct Staging(PathBuf);

impl Staging {
    fn begin(path: PathBuf) -> Result<Self, BackupError> {
        // A restore that was cut off may have left one.
        let _ = fs::remove_dir_all(&path);
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| BackupError::file(&path, error))?;
        Ok(Self(path))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
