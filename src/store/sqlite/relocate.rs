//! The half of a move to PostgreSQL that reads: see `store/relocate.rs`.

use std::path::Path;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Connection as _, Sqlite, SqliteConnection};
use uuid::Uuid;

use super::error::{Failure, Step};
use super::open::{self, LockFile, OpenError};
use super::row::Cells;
use crate::store::StoreError;
use crate::store::relocate::tables::{Cell, Column, Kind, Row, Table};
use crate::store::relocate::{ROWS_AT_ONCE, Side};

/// A database that nobody serves from, open to be moved elsewhere.
pub(in crate::store) struct RelocationSource {
    connection: SqliteConnection,
    _lock: LockFile,
}

impl RelocationSource {
    /// Takes the lock on a data directory and opens its database for reading only. The bytes of the database do not change;
    /// SQLite's `-wal` and `-shm` may come and go beside it.
    pub(in crate::store) async fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let (connection, lock) = open::for_moving(data_dir).await?;
        Ok(Self { connection, _lock: lock })
    }

    /// Closes the database and releases the lock.
    pub(in crate::store) async fn close(self) {
        // It was only read: there is nothing to be lost.
        let _ = self.connection.close().await;
    }
}

#[async_trait]
impl Side for RelocationSource {
    async fn rows_after(&mut self, table: &'static Table, key: &[Cell]) -> Result<Vec<Row>, StoreError> {
        let mut query = sqlx::query(page(table, key));
        for cell in key {
            query = bound(query, cell);
        }
        let rows = query.bind(ROWS_AT_ONCE).fetch_all(&mut self.connection).await.map_err(Failure::from)?;
        let rows: Step<Vec<Row>> = rows.iter().map(|row| row_of(row, table)).collect();
        Ok(rows?)
    }
}

/// The statement for the rows behind a key, or for the first ones.
fn page(table: &Table, key: &[Cell]) -> sqlx::AssertSqlSafe<String> {
    let (columns, by) = (table.column_list(), table.key_list());
    let behind =
        if key.is_empty() { String::new() } else { format!("WHERE ({by}) > ({})", vec!["?"; key.len()].join(", ")) };
    #[expect(clippy::disallowed_methods, reason = "tables take no binds; these are constants of this program")]
    sqlx::AssertSqlSafe(format!("SELECT {columns} FROM {} {behind} ORDER BY {by} LIMIT ?", table.name))
}

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

fn bound<'q>(query: Query<'q>, cell: &Cell) -> Query<'q> {
    match cell {
        Cell::Null => query.bind(None::<i64>),
        Cell::Id(id) => query.bind(id.hyphenated().to_string()),
        Cell::Text(text) => query.bind(text.clone()),
        Cell::Bytes(bytes) => query.bind(bytes.clone()),
        Cell::Number(number) => query.bind(*number),
        Cell::Flag(flag) => query.bind(i64::from(*flag)),
        // No key has one.
        Cell::List(_) => query.bind(None::<i64>),
    }
}

fn row_of(row: &SqliteRow, table: &'static Table) -> Step<Row> {
    let cells = Cells::of(row, table.name);
    table.columns.iter().map(|column| cell_of(cells, column)).collect()
}

fn cell_of(cells: Cells<'_>, Column(name, kind): &Column) -> Step<Cell> {
    Ok(match kind {
        Kind::Id => cells.parsed_or_null(name, id_of)?.map(Cell::Id),
        Kind::Text => cells.parsed_or_null(name, text_of)?.map(Cell::Text),
        Kind::Bytes => cells.plain::<Option<Vec<u8>>>(name)?.map(Cell::Bytes),
        Kind::Number => cells.plain::<Option<i64>>(name)?.map(Cell::Number),
        Kind::Flag => cells.plain::<Option<bool>>(name)?.map(Cell::Flag),
        Kind::List => cells.list_or_null(name, text_of)?.map(Cell::List),
    }
    .unwrap_or(Cell::Null))
}

/// Reads an id in the one form that the service writes: another one would have another place in the order of the keys.
fn id_of(text: &str) -> Result<Uuid, ()> {
    let id = Uuid::try_parse(text).map_err(drop)?;
    if id.hyphenated().to_string() == text { Ok(id) } else { Err(()) }
}

/// Reads a text. PostgreSQL takes every character but one, which the service never takes.
fn text_of(text: &str) -> Result<String, ()> {
    if text.contains('\0') { Err(()) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::store::relocate::tables::all;
    use crate::store::{ServiceStore as _, sqlite::SqliteStore};

    #[tokio::test]
    async fn every_column_of_every_table_is_moved() {
        let directory = tempfile::tempdir().expect("a directory");
        SqliteStore::open(directory.path()).await.expect("a new database").close().await;
        let mut source = RelocationSource::open(directory.path()).await.expect("its database");
        let columns: Vec<(String, String)> = sqlx::query_as(
            "
            SELECT t.name, c.name
            FROM sqlite_schema AS t
            JOIN pragma_table_info(t.name) AS c
            WHERE t.type = 'table'
              AND t.name <> '_sqlx_migrations'
            ",
        )
        .fetch_all(&mut source.connection)
        .await
        .expect("the columns");
        let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (table, column) in &columns {
            found.entry(table).or_default().insert(column);
        }
        let moved = all().map(|table| (table.name, table.columns.iter().map(|column| column.0).collect()));
        assert_eq!(moved.collect::<BTreeMap<_, BTreeSet<_>>>(), found);
    }

    #[tokio::test]
    async fn a_table_is_read_by_its_primary_key() {
        let directory = tempfile::tempdir().expect("a directory");
        SqliteStore::open(directory.path()).await.expect("a new database").close().await;
        let mut source = RelocationSource::open(directory.path()).await.expect("its database");
        for table in all() {
            let key = sqlx::query_scalar("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk");
            let key: Vec<String> = key.bind(table.name).fetch_all(&mut source.connection).await.expect("its key");
            assert_eq!(table.key_list(), key.join(", "), "{}", table.name);
        }
    }

    #[test]
    fn an_id_in_another_form_is_refused() {
        let id = "0190f5fe-7c00-7a00-8000-000000000000";
        assert_eq!(id_of(id).map(|id| id.to_string()).as_deref(), Ok(id));
        for other in ["0190F5FE-7C00-7A00-8000-000000000000", "0190f5fe7c007a008000000000000000", "", "x"] {
            assert_eq!(id_of(other), Err(()), "{other}");
        }
    }
}
