//! The SQLite engine: embedded, one process, the default. See `docs/adr/0002-embedded-sqlite-with-one-writer.md`.
//!
//! The map: `open` takes the lock and brings the schema up to date; `writer` owns the connection that writes and
//! commits in groups; `hot` is what it does for jumps, many at once; `questions` reads in groups what they rest on;
//! `requests` is what every other effect has in common; `versions` moves the numbers that revoke jumps; `row` reads
//! cells; `relocate` reads everything. Then a file for each noun, with the same name and functions as in the other
//! engines.
//!
//! Reads go to a pool of read-only connections. A read of several statements takes a transaction, so that all of them
//! see the same moment.
//!
//! One more method: its statements in the file of its noun, as literals with binds; a change goes through
//! `SqliteStore::change`, with its checks before its first write.

mod activations;
mod audit;
mod audit_chain;
mod audit_floor;
mod backup;
mod catalog;
mod customers;
mod error;
mod hot;
mod isolation;
mod jump_history;
mod jumps;
mod keks;
mod keys;
mod notices;
mod open;
mod plans;
mod questions;
mod relocate;
mod requests;
mod results;
mod retention;
mod row;
mod service;
mod settings;
mod simulation;
mod tenants;
mod users;
mod versions;
mod writer;

use std::path::Path;

use sqlx::{Connection as _, SqlitePool};

use self::error::WriterGone;
use self::open::Schema;
use self::questions::{PoolReads, READERS};
use self::writer::Writer;
use super::reader::Reader;
use super::{Migrated, MostInABatch, StoreError};

pub use self::backup::{BackupError, StagedBackup};
pub use self::open::OpenError;
pub(in crate::store) use self::relocate::RelocationSource;
pub use self::writer::WriterHold;

/// A database of the SQLite engine, open.
#[derive(Debug)]
pub struct SqliteStore {
    readers: SqlitePool,
    reader: Reader,
    /// `None` where it was opened for reading only.
    writer: Option<Writer>,
}

impl SqliteStore {
    /// Opens the database in `data_dir` for a server: makes directory (0700) and database (0600) if they are missing,
    /// takes the lock file and brings the schema up to date. Needs a Tokio runtime, on which its writer lives.
    ///
    /// # Errors
    /// [`OpenError`], most of all [`OpenError::Held`] if another process has the lock.
    pub async fn open(data_dir: &Path) -> Result<Self, OpenError> {
        Self::open_with(data_dir, MostInABatch::DEFAULT).await
    }

    /// The same, with at most so many writes in one transaction.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open_with(data_dir: &Path, most: MostInABatch) -> Result<Self, OpenError> {
        let opened = open::for_writing(data_dir).await?;
        let writer = Writer::start(opened.connection, opened.options, opened.lock, most);
        Ok(Self::of(opened.readers, Some(writer)))
    }

    /// Brings the schema of the database in `data_dir` up to date, and makes what is missing.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub async fn migrate(data_dir: &Path) -> Result<Migrated, OpenError> {
        let opened = open::for_writing(data_dir).await?;
        opened.readers.close().await;
        let _ = opened.connection.close().await;
        Ok(match opened.found {
            Schema::None => Migrated::Made,
            Schema::Older => Migrated::BroughtUpToDate,
            Schema::Current => Migrated::WasUpToDate,
        })
    }

    /// Opens the database in `data_dir` beside a running server, or none: takes no lock and changes nothing. Every
    /// effect answers [`StoreError::Down`].
    ///
    /// # Errors
    /// [`OpenError`], most of all [`OpenError::NoDatabase`] and, where the schema is not this program's,
    /// [`OpenError::SchemaOlder`] and [`OpenError::SchemaNewer`].
    pub async fn open_read_only(data_dir: &Path) -> Result<Self, OpenError> {
        let readers = open::for_reading(data_dir).await?;
        Ok(Self::of(readers, None))
    }

    fn of(readers: SqlitePool, writer: Option<Writer>) -> Self {
        let reader = Reader::start(&PoolReads(readers.clone()), READERS);
        Self { readers, reader, writer }
    }

    /// Reads the whole database in `data_dir`, beside a running server or none, and looks whether it is as SQLite left
    /// it. Takes as long as reading the file does, so it is not part of opening it.
    ///
    /// # Errors
    /// [`OpenError::Damaged`].
    pub async fn check_file(data_dir: &Path) -> Result<(), OpenError> {
        open::check_file(data_dir).await
    }

    /// Makes the writer stand still until the hold is dropped, so that a test can fill one batch.
    ///
    /// # Errors
    /// [`StoreError::Busy`] with a full queue, [`StoreError::Down`] without a writer.
    #[doc(hidden)]
    pub async fn hold_writer(&self) -> Result<WriterHold, StoreError> {
        self.writer()?.hold().await
    }

    /// Closes the database and releases the lock.
    async fn shut(&self) {
        // Readers first: the last connection to close writes the log back into the database, and they may not.
        self.readers.close().await;
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
    }

    /// Where is read what deciding and redeeming need.
    const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Where all else is read.
    const fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Where writes go.
    fn writer(&self) -> Result<&Writer, StoreError> {
        self.writer.as_ref().ok_or_else(|| WriterGone::ReadOnly.into())
    }
}
