//! The PostgreSQL engine: one database, many replicas. See `docs/adr/0006-postgresql-for-many-replicas.md`.
//!
//! The map: `open` connects, refuses a role that could switch the second lock off, and brings the schema up to date;
//! `session` is where transactions begin and end; `pulse` knows whether the database answers; `timeline` kills the open
//! jumps after a failover; `writer` commits jumps in groups, on two connections of its own; `hot` is what it does, many at
//! once; `reader` reads in groups what they rest on, and `questions` is how; `requests` is what every other effect
//! has in common; `versions` moves the numbers that revoke jumps; `row` reads cells; `relocate` takes in what is moved from
//! SQLite. Then a file for each noun, with the
//! same name and functions as in the other engines.
//!
//! One more method: its statements in the file of its noun, as literals with binds; a read goes through
//! `PostgresStore::read`, a change through `PostgresStore::change`, with its checks before its first write.

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
mod pulse;
mod questions;
mod reader;
mod relocate;
mod requests;
mod results;
mod retention;
mod row;
mod service;
mod session;
mod settings;
mod simulation;
mod tenants;
mod timeline;
mod users;
mod versions;
mod writer;

use std::sync::Arc;

use sqlx::PgPool;

use self::error::Gone;
use self::pulse::{Pulse, PulseTask};
use self::reader::{PoolReads, READERS};
use self::session::Turns;
use self::writer::Writer;
use super::reader::Reader;
use super::{DatabaseUrl, Migrated, MostInABatch, StoreError};
use crate::domain::time::Clock;

pub use self::backup::{BackupError, StagedBackup};
pub use self::open::{InvalidRoleName, NewRole, OpenError, RoleName};
pub(in crate::store) use self::relocate::{Claim, RelocationTarget};
pub use self::writer::WriterHold;

/// A database of the PostgreSQL engine, open. A clone is the same database.
#[derive(Debug, Clone)]
pub struct PostgresStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: PgPool,
    /// `None` where it was opened for reading only.
    writer: Option<Writer>,
    reader: Reader,
    turns: Turns,
    pulse: Pulse,
    _pulse_task: PulseTask,
    worker_role: String,
}

impl PostgresStore {
    /// Opens the database for a server. Needs a Tokio runtime, on which its writers live.
    ///
    /// # Errors
    /// [`OpenError`], most of all [`OpenError::Unreachable`] where waiting may help, [`OpenError::SchemaOlder`] where
    /// somebody has to migrate first, and [`OpenError::RoleTooMighty`].
    pub async fn open(url: &DatabaseUrl) -> Result<Self, OpenError> {
        Self::open_with(url, MostInABatch::DEFAULT).await
    }

    /// The same, with at most so many writes of jumps in one transaction.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open_with(url: &DatabaseUrl, most: MostInABatch) -> Result<Self, OpenError> {
        let opened = open::for_serving(url).await?;
        let writer = Writer::start(&opened.connector, opened.pulse.clone(), most);
        Ok(Self::of(opened, Some(writer)))
    }

    /// Opens the database beside running servers, or none, and changes nothing. Every effect answers
    /// [`StoreError::Down`].
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open_read_only(url: &DatabaseUrl) -> Result<Self, OpenError> {
        Ok(Self::of(open::for_looking(url).await?, None))
    }

    /// Brings the schema up to date, as its owner. With a role: makes it, and gives it the rights of a service.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn migrate(owner: &DatabaseUrl, role: Option<&NewRole>) -> Result<Migrated, OpenError> {
        open::migrate(owner, role).await
    }

    fn of(opened: open::Opened, writer: Option<Writer>) -> Self {
        let open::Opened { connector: _, pool, pulse, pulse_task, worker_role } = opened;
        let reader = Reader::start(&PoolReads(pool.clone()), READERS);
        Self(Arc::new(Shared {
            pool,
            writer,
            reader,
            turns: Turns::new(),
            pulse,
            _pulse_task: pulse_task,
            worker_role,
        }))
    }

    /// The clock of the database, so that all replicas have one.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.0.pulse.clock()
    }

    /// Makes the writers of jumps stand still until the hold is dropped, so that a test can fill one batch.
    ///
    /// # Errors
    /// [`StoreError::Busy`] with a full queue, [`StoreError::Down`] without a writer.
    #[doc(hidden)]
    pub async fn hold_writer(&self) -> Result<WriterHold, StoreError> {
        self.writer()?.hold().await
    }

    /// Closes the database.
    async fn shut(&self) {
        if let Some(writer) = &self.0.writer {
            writer.close().await;
        }
        self.0.pool.close().await;
    }

    /// Where everything but jumps is read and written.
    fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    /// Where jumps are written.
    fn writer(&self) -> Result<&Writer, StoreError> {
        self.0.writer.as_ref().ok_or_else(|| Gone::ReadOnly.into())
    }

    /// Where is read what deciding and redeeming need.
    fn reader(&self) -> &Reader {
        &self.0.reader
    }

    /// Whose turn it is to be written for.
    fn turns(&self) -> &Turns {
        &self.0.turns
    }

    fn pulse(&self) -> &Pulse {
        &self.0.pulse
    }

    fn worker_role(&self) -> &str {
        &self.0.worker_role
    }
}
