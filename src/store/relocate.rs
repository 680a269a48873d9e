//! Moving everything from SQLite to PostgreSQL, and the proof that it arrived.
//!
//! The only part of the store that knows both engines. Each has a half of it in its own `relocate`, with the SQL; between
//! them go rows that are of no engine (`tables`).
//!
//! - **The source is only read.** Its lock is held, so no service writes meanwhile.
//! - **A batch is a transaction**, in the order of the keys. So the last key that is there says where an interrupted
//!   move goes on: the rows themselves are its progress.
//! - **A half-moved database serves nobody.** The signing keys come first and the service's own row comes last, in the
//!   transaction that ends the move: what has keys and no service is damaged to whoever starts on it.
//! - **Nothing is believed.** When all rows are there both sides are read again, in the order of the keys, and summed up
//!   in one form by the same code. A source that somebody changed between two attempts shows itself there, too.
//!
//! Nothing else is changed: epoch and versions stay, so a jump that was issued before the move is redeemed after it, once,
//! if there is time left.
//!
//! The checksum is SHA-256: equal sums are equal rows, whoever made them, and can be kept as the record of a move.

pub(in crate::store) mod tables;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

use self::tables::{Cell, Row, SERVICE, SIGNING_KEY, TABLES, Table};
use super::postgres::{Claim, RelocationTarget};
use super::sqlite::RelocationSource;
use super::{DatabaseUrl, OpenError, StoreError};

/// Most rows that are read, held and written at once.
pub(in crate::store) const ROWS_AT_ONCE: i64 = 1_000;

/// How a move ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relocated {
    /// Everything is there, and is the same.
    Verified(Vec<Compared>),
    /// Not everything is the same. The target serves nobody.
    Differs(Vec<Compared>),
    /// It was moved, and verified, before.
    Before,
}

/// What a table has on either side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The table.
    pub table: &'static str,
    /// In SQLite.
    pub source: Sum,
    /// In PostgreSQL.
    pub target: Sum,
}

impl Compared {
    /// Tells whether both sides have the same rows.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.source == self.target
    }
}

/// What the rows of a table sum up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// How many they are.
    pub rows: u64,
    /// SHA-256 over all their cells, in the order of the keys.
    pub checksum: [u8; 32],
}

/// Why a move did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RelocateError {
    /// Source or target does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no service in the source.
    #[error("the database in {} was never served from: there is nothing to move", from.display())]
    NeverServed {
        /// The data directory.
        from: PathBuf,
    },
    /// The target has rows that no move of this source brought there.
    #[error("{to} has rows in {table} already: name an empty database (createdb)")]
    NotEmpty {
        /// Server and database.
        to: DatabaseUrl,
        /// The first table that has some.
        table: &'static str,
    },
    /// Another source is being moved there.
    #[error(
        "{to} holds an unfinished move of another database: go on with that one, or name an empty database (createdb)"
    )]
    OtherSource {
        /// Server and database.
        to: DatabaseUrl,
    },
    /// Another process moves there.
    #[error("another move to {to} is under way: wait for its end")]
    UnderWay {
        /// Server and database.
        to: DatabaseUrl,
    },
    /// The source cannot be read.
    #[error("the database in {} cannot be read", from.display())]
    Source {
        /// The data directory.
        from: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// The target cannot be written or read.
    #[error("{to} did not take everything: the same command again goes on from there")]
    Target {
        /// Server and database.
        to: DatabaseUrl,
        /// Why.
        source: StoreError,
    },
}

impl RelocateError {
    /// Tells whether the same attempt a little later may end otherwise without that anybody does anything here.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Open(error) => error.may_pass(),
            Self::UnderWay { .. } => true,
            Self::Source { source, .. } | Self::Target { source, .. } => {
                !matches!(source, StoreError::Corrupt { .. } | StoreError::Constraint(_))
            }
            Self::NeverServed { .. } | Self::NotEmpty { .. } | Self::OtherSource { .. } => false,
        }
    }
}

/// One of the two databases, as far as both are read.
#[async_trait]
pub(in crate::store) trait Side: Send {
    /// Reads rows in the order of their keys: those behind `key`, the first ones where it is empty; at most
    /// [`ROWS_AT_ONCE`].
    async fn rows_after(&mut self, table: &'static Table, key: &[Cell]) -> Result<Vec<Row>, StoreError>;
}

/// Moves what is in the data directory `from` to the database `to`, as the owner of that; goes on with a move that was
/// interrupted.
///
/// # Errors
/// [`RelocateError`]. Nothing is lost by any of them.
pub async fn relocate(from: &Path, to: &DatabaseUrl) -> Result<Relocated, RelocateError> {
    let mut source = RelocationSource::open(from).await.map_err(OpenError::Sqlite)?;
    let told = |why: Why| why.of(from, to);
    let service = source.rows_after(SERVICE, &[]).await.map_err(|error| told(Why::Source(error)))?.pop();
    let Some(service) = service else {
        return Err(RelocateError::NeverServed { from: from.to_owned() });
    };
    let mut target = RelocationTarget::open(to).await.map_err(OpenError::Postgres)?;
    let keys = source.rows_after(SIGNING_KEY, &[]).await.map_err(|error| told(Why::Source(error)))?;
    match target.claim(&service, &keys).await.map_err(|error| told(Why::Target(error)))? {
        Claim::Ours => {}
        Claim::Before => return Ok(Relocated::Before),
        Claim::OtherSource => return Err(RelocateError::OtherSource { to: to.clone() }),
        Claim::NotEmpty(table) => return Err(RelocateError::NotEmpty { to: to.clone(), table }),
        Claim::UnderWay => return Err(RelocateError::UnderWay { to: to.clone() }),
    }
    let mut sides = Sides { source, target };
    let ended = sides.relocate(&service).await.map_err(told)?;
    sides.source.close().await;
    sides.target.close().await;
    Ok(ended)
}

/// Which side failed, and why.
enum Why {
    Source(StoreError),
    Target(StoreError),
}

impl Why {
    fn of(self, from: &Path, to: &DatabaseUrl) -> RelocateError {
        match self {
            Self::Source(source) => RelocateError::Source { from: from.to_owned(), source },
            Self::Target(source) => RelocateError::Target { to: to.clone(), source },
        }
    }
}

/// Both databases; the target is claimed for the source.
struct Sides {
    source: RelocationSource,
    target: RelocationTarget,
}

impl Sides {
    /// Moves and compares all tables, and ends the move if they are the same.
    async fn relocate(&mut self, service: &Row) -> Result<Relocated, Why> {
        for table in TABLES {
            self.move_rows(table).await?;
        }
        self.target.analyze().await.map_err(Why::Target)?;
        let mut compared = Vec::new();
        for table in std::iter::once(SIGNING_KEY).chain(TABLES) {
            compared.push(self.compare(table).await?);
        }
        if !compared.iter().all(Compared::is_same) {
            return Ok(Relocated::Differs(compared));
        }
        let arrived = self.target.finish(service).await.map_err(Why::Target)?;
        let source = summed(&mut self.source, SERVICE).await.map_err(Why::Source)?;
        compared.push(Compared { table: SERVICE.name, source, target: sum_of(&arrived) });
        let same = compared.iter().all(Compared::is_same);
        Ok(if same { Relocated::Verified(compared) } else { Relocated::Differs(compared) })
    }

    /// Moves those rows of a table that are not there yet. While some are written the next are read.
    async fn move_rows(&mut self, table: &'static Table) -> Result<(), Why> {
        let mut key = self.target.last_key(table).await.map_err(Why::Target)?;
        let mut rows = self.source.rows_after(table, &key).await.map_err(Why::Source)?;
        let mut moved = 0;
        while let Some(last) = rows.last() {
            key = table.key_of(last);
            let (written, next) = tokio::join!(self.target.append(table, &rows), self.source.rows_after(table, &key));
            written.map_err(Why::Target)?;
            moved += rows.len();
            rows = next.map_err(Why::Source)?;
        }
        tracing::info!(table = table.name, rows = moved, "relocate.table.moved");
        Ok(())
    }

    /// Reads a table on both sides.
    async fn compare(&mut self, table: &'static Table) -> Result<Compared, Why> {
        let (source, target) = tokio::join!(summed(&mut self.source, table), summed(&mut self.target, table));
        let compared =
            Compared { table: table.name, source: source.map_err(Why::Source)?, target: target.map_err(Why::Target)? };
        tracing::info!(table = table.name, same = compared.is_same(), "relocate.table.compared");
        Ok(compared)
    }
}

/// Sums up all rows of a table.
async fn summed(side: &mut dyn Side, table: &'static Table) -> Result<Sum, StoreError> {
    let mut so_far = SoFar::default();
    let mut key = Row::new();
    loop {
        let rows = side.rows_after(table, &key).await?;
        let Some(last) = rows.last() else { return Ok(so_far.sum()) };
        key = table.key_of(last);
        for row in &rows {
            so_far.add(row);
        }
    }
}

fn sum_of(rows: &[Row]) -> Sum {
    let mut so_far = SoFar::default();
    for row in rows {
        so_far.add(row);
    }
    so_far.sum()
}

/// The sum of the rows that were looked at so far.
#[derive(Default)]
struct SoFar {
    rows: u64,
    hasher: Sha256,
}

impl SoFar {
    fn add(&mut self, row: &[Cell]) {
        self.rows += 1;
        for cell in row {
            self.add_cell(cell);
        }
    }

    /// Each kind begins with a byte of its own and what may have any length with its length: two rows never read the same.
    fn add_cell(&mut self, cell: &Cell) {
        match cell {
            Cell::Null => self.hasher.update([0]),
            Cell::Id(id) => self.add_bytes(1, id.as_bytes()),
            Cell::Text(text) => self.add_bytes(2, text.as_bytes()),
            Cell::Bytes(bytes) => self.add_bytes(3, bytes),
            Cell::Number(number) => self.add_bytes(4, &number.to_be_bytes()),
            Cell::Flag(flag) => self.add_bytes(5, &[u8::from(*flag)]),
            Cell::List(entries) => {
                self.add_bytes(6, &length(entries.len()));
                for entry in entries {
                    self.add_bytes(2, entry.as_bytes());
                }
            }
        }
    }

    fn add_bytes(&mut self, kind: u8, bytes: &[u8]) {
        self.hasher.update([kind]);
        self.hasher.update(length(bytes.len()));
        self.hasher.update(bytes);
    }

    fn sum(self) -> Sum {
        Sum { rows: self.rows, checksum: self.hasher.finalize().into() }
    }
}

/// The same on every machine.
fn length(bytes: usize) -> [u8; 8] {
    u64::try_from(bytes).unwrap_or(u64::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_differ_have_different_sums() {
        let text = |text: &str| Cell::Text(text.to_owned());
        let list = |entries: &[&str]| Cell::List(entries.iter().map(|entry| (*entry).to_owned()).collect());
        let rows = [
            vec![],
            vec![Cell::Null],
            vec![Cell::Null, Cell::Null],
            vec![text("")],
            vec![text(""), text("ab")],
            vec![text("a"), text("b")],
            vec![text("ab"), text("")],
            vec![Cell::Bytes(b"ab".to_vec()), text("")],
            vec![list(&["a", "b"])],
            vec![list(&["ab"])],
            vec![list(&["a"]), text("b")],
            vec![Cell::Number(1)],
            vec![Cell::Flag(true)],
            vec![Cell::Id(uuid::Uuid::nil())],
        ];
        let sums: std::collections::BTreeSet<_> =
            rows.iter().map(|row| sum_of(std::slice::from_ref(row)).checksum).collect();
        assert_eq!(sums.len(), rows.len());
    }

    #[test]
    fn the_order_of_rows_counts() {
        let (one, other) = (vec![Cell::Number(1)], vec![Cell::Number(2)]);
        assert_ne!(sum_of(&[one.clone(), other.clone()]), sum_of(&[other, one]));
    }
}
