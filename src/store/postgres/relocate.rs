//! The half of a move from SQLite that writes: see `store/relocate.rs`.
//!
//! It works as the owner of the tables, whom row level security does not hold, and on one connection of its own: no caller drops
//! a transaction halfway, and whatever fails ends the connection with it.

use std::fmt::Write as _;

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::{Connection as _, Postgres};
use uuid::Uuid;

use super::error::{Failure, Step};
use super::open::{self, OpenError};
use super::row::Cells;
use crate::store::relocate::tables::{Cell, Column, Kind, Row, SERVICE, SIGNING_KEY, Table, all};
use crate::store::relocate::{ROWS_AT_ONCE, Side};
use crate::store::{DatabaseUrl, StoreError};

/// What keeps a second move out; released with the connection.
const LOCK: i64 = 0x636f_6e63_6d6f_7665;

/// A database that a service is moved to, open as its owner.
pub(in crate::store) struct RelocationTarget {
    connection: PgConnection,
}

/// Whether a database can be moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Claim {
    /// It can: it was empty, or the same source was being moved there.
    Ours,
    /// The same source was moved there, to the end.
    Before,
    /// Another source is being moved there.
    OtherSource,
    /// This table has rows.
    NotEmpty(&'static str),
    /// Another process moves there.
    UnderWay,
}

impl RelocationTarget {
    /// Connects as the owner of a database; makes the schema if it has none.
    pub(in crate::store) async fn open(owner: &DatabaseUrl) -> Result<Self, OpenError> {
        Ok(Self { connection: open::for_moving(owner).await? })
    }

    /// Claims the database for a source, which its `service` row tells from others. An empty one gets the mark of the move
    /// and the source's signing keys in one transaction, so that from then on nobody serves from it.
    pub(in crate::store) async fn claim(&mut self, service: &[Cell], keys: &[Row]) -> Result<Claim, StoreError> {
        Ok(claim(&mut self.connection, service, keys).await?)
    }

    /// Reads the key of the last row of a table; empty where it has none.
    pub(in crate::store) async fn last_key(&mut self, table: &'static Table) -> Result<Row, StoreError> {
        let by: Vec<_> = table.key_columns().map(|column| format!("{} DESC", column.0)).collect();
        let statement = format!("SELECT {} FROM {} ORDER BY {} LIMIT 1", table.key_list(), table.name, by.join(", "));
        let row = sqlx::query(constant(statement)).fetch_optional(&mut self.connection).await.map_err(Failure::from)?;
        let cells =
            row.iter().flat_map(|row| table.key_columns().map(|column| cell_of(Cells::of(row, table.name), column)));
        Ok(cells.collect::<Step<_>>()?)
    }

    /// Appends rows, all or none of them.
    pub(in crate::store) async fn append(&mut self, table: &'static Table, rows: &[Row]) -> Result<(), StoreError> {
        let mut tx = self.connection.begin().await.map_err(Failure::from)?;
        append(&mut tx, table, rows).await?;
        tx.commit().await.map_err(Failure::from)?;
        Ok(())
    }

    /// Has the server count what came, so that its plans are those of a full database from the first question on.
    pub(in crate::store) async fn analyze(&mut self) -> Result<(), StoreError> {
        for table in all() {
            let statement = constant(format!("ANALYZE {}", table.name));
            sqlx::query(statement).execute(&mut self.connection).await.map_err(Failure::from)?;
        }
        Ok(())
    }

    /// Ends a move that was verified: writes the row of the service and takes the mark away, in one transaction. Gives
    /// the row as it stands there; if that is another one nothing is done.
    pub(in crate::store) async fn finish(&mut self, service: &Row) -> Result<Vec<Row>, StoreError> {
        let mut tx = self.connection.begin().await.map_err(Failure::from)?;
        append(&mut tx, SERVICE, std::slice::from_ref(service)).await?;
        let found = rows_after(&mut tx, SERVICE, &[]).await?;
        if found == std::slice::from_ref(service) {
            sqlx::query("DROP TABLE relocation").execute(&mut *tx).await.map_err(Failure::from)?;
            tx.commit().await.map_err(Failure::from)?;
        }
        Ok(found)
    }

    /// Closes the connection.
    pub(in crate::store) async fn close(self) {
        // What was done is committed.
        let _ = self.connection.close().await;
    }
}

#[async_trait]
impl Side for RelocationTarget {
    async fn rows_after(&mut self, table: &'static Table, key: &[Cell]) -> Result<Vec<Row>, StoreError> {
        Ok(rows_after(&mut self.connection, table, key).await?)
    }
}

async fn claim(connection: &mut PgConnection, service: &[Cell], keys: &[Row]) -> Step<Claim> {
    // A process that was killed leaves its lock behind until the server has noticed.
    sqlx::query("SET lock_timeout = '10s'").execute(&mut *connection).await?;
    let locked = sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut *connection).await;
    match locked.map_err(Failure::from) {
        Ok(_) => {}
        Err(Failure(StoreError::Contended(_))) => return Ok(Claim::UnderWay),
        Err(failure) => return Err(failure),
    }
    let canary = SERVICE.cell(service, "kek_canary");
    let mut tx = connection.begin().await?;
    let marked: bool = sqlx::query_scalar("SELECT to_regclass('relocation') IS NOT NULL").fetch_one(&mut *tx).await?;
    if marked {
        let source: Vec<u8> = sqlx::query_scalar("SELECT source FROM relocation").fetch_one(&mut *tx).await?;
        let is_same = canary == Some(&Cell::Bytes(source));
        return Ok(if is_same { Claim::Ours } else { Claim::OtherSource });
    }
    if let Some(there) = rows_after(&mut tx, SERVICE, &[]).await?.first() {
        let is_same = canary == SERVICE.cell(there, "kek_canary");
        return Ok(if is_same { Claim::Before } else { Claim::NotEmpty(SERVICE.name) });
    }
    for table in all() {
        let statement = constant(format!("SELECT EXISTS (SELECT 1 FROM {})", table.name));
        if sqlx::query_scalar(statement).fetch_one(&mut *tx).await? {
            return Ok(Claim::NotEmpty(table.name));
        }
    }
    mark(&mut tx, canary).await?;
    append(&mut tx, SIGNING_KEY, keys).await?;
    tx.commit().await?;
    Ok(Claim::Ours)
}

/// Writes down which source is being moved. The table is there as long as a move is not finished; no service has rights on it.
async fn mark(tx: &mut PgConnection, canary: Option<&Cell>) -> Step<()> {
    sqlx::query("CREATE TABLE relocation (source BYTEA NOT NULL)").execute(&mut *tx).await?;
    let mark = sqlx::query("INSERT INTO relocation (source) VALUES ($1)");
    let mark = canary.into_iter().fold(mark, bound);
    mark.execute(tx).await?;
    Ok(())
}

async fn append(tx: &mut PgConnection, table: &'static Table, rows: &[Row]) -> Step<()> {
    // Of the transaction alone: whatever ends it early switches them on again.
    for trigger in table.triggers {
        let statement = constant(format!("ALTER TABLE {} DISABLE TRIGGER {trigger}", table.name));
        sqlx::query(statement).execute(&mut *tx).await?;
    }
    let mut copy = tx.copy_in_raw(&format!("COPY {} ({}) FROM STDIN", table.name, table.column_list())).await?;
    copy.send(copied(rows).into_bytes()).await?;
    copy.finish().await?;
    for trigger in table.triggers {
        let statement = constant(format!("ALTER TABLE {} ENABLE TRIGGER {trigger}", table.name));
        sqlx::query(statement).execute(&mut *tx).await?;
    }
    Ok(())
}

async fn rows_after(connection: &mut PgConnection, table: &'static Table, key: &[Cell]) -> Step<Vec<Row>> {
    let (columns, by) = (table.column_list(), table.key_list());
    let places: Vec<_> = (2..).take(key.len()).map(|place| format!("${place}")).collect();
    let behind = if key.is_empty() { String::new() } else { format!("WHERE ({by}) > ({})", places.join(", ")) };
    let statement = constant(format!("SELECT {columns} FROM {} {behind} ORDER BY {by} LIMIT $1", table.name));
    let query = key.iter().fold(sqlx::query(statement).bind(ROWS_AT_ONCE), bound);
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(|row| row_of(row, table)).collect()
}

fn constant(statement: String) -> sqlx::AssertSqlSafe<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tables, columns and triggers take no binds; these are constants of this program"
    )]
    sqlx::AssertSqlSafe(statement)
}

type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

fn bound<'q>(query: Query<'q>, cell: &Cell) -> Query<'q> {
    match cell {
        Cell::Null => query.bind(None::<i64>),
        Cell::Id(id) => query.bind(*id),
        Cell::Text(text) => query.bind(text.clone()),
        Cell::Bytes(bytes) => query.bind(bytes.clone()),
        Cell::Number(number) => query.bind(*number),
        Cell::Flag(flag) => query.bind(*flag),
        Cell::List(list) => query.bind(list.clone()),
    }
}

fn row_of(row: &PgRow, table: &'static Table) -> Step<Row> {
    let cells = Cells::of(row, table.name);
    table.columns.iter().map(|column| cell_of(cells, column)).collect()
}

fn cell_of(cells: Cells<'_>, Column(name, kind): &Column) -> Step<Cell> {
    Ok(match kind {
        Kind::Id => cells.plain::<Option<Uuid>>(name)?.map(Cell::Id),
        Kind::Text => cells.plain::<Option<String>>(name)?.map(Cell::Text),
        Kind::Bytes => cells.plain::<Option<Vec<u8>>>(name)?.map(Cell::Bytes),
        Kind::Number => cells.plain::<Option<i64>>(name)?.map(Cell::Number),
        Kind::Flag => cells.plain::<Option<bool>>(name)?.map(Cell::Flag),
        Kind::List => cells.plain::<Option<Vec<String>>>(name)?.map(Cell::List),
    }
    .unwrap_or(Cell::Null))
}

/// Rows in the text format of COPY: a line for each, with a tab between two cells.
fn copied(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        for (place, cell) in row.iter().enumerate() {
            if place > 0 {
                text.push('\t');
            }
            copy_cell(&mut text, cell);
        }
        text.push('\n');
    }
    text
}

fn copy_cell(text: &mut String, cell: &Cell) {
    // Writing to a string does not fail.
    let _ = match cell {
        Cell::Null => write!(text, "\\N"),
        Cell::Id(id) => write!(text, "{id}"),
        Cell::Text(words) => {
            copy_text(text, words);
            Ok(())
        }
        Cell::Bytes(bytes) => {
            text.push_str("\\\\x");
            bytes.iter().try_for_each(|byte| write!(text, "{byte:02x}"))
        }
        Cell::Number(number) => write!(text, "{number}"),
        Cell::Flag(flag) => write!(text, "{flag}"),
        Cell::List(entries) => {
            copy_text(text, &array(entries));
            Ok(())
        }
    };
}

fn copy_text(text: &mut String, words: &str) {
    for c in words.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c => text.push(c),
        }
    }
}

/// An array of texts as PostgreSQL writes it.
fn array(entries: &[String]) -> String {
    let quoted: Vec<_> =
        entries.iter().map(|entry| format!("\"{}\"", entry.replace('\\', "\\\\").replace('"', "\\\""))).collect();
    format!("{{{}}}", quoted.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_cell_or_its_row() {
        let row = vec![
            Cell::Text("a\tb\nc\r\\.\\N".to_owned()),
            Cell::Null,
            Cell::List(vec!["a\"b".to_owned(), "c\\,{}".to_owned(), "NULL".to_owned()]),
            Cell::Bytes(vec![0, 0x5c, 0xff]),
            Cell::Text(String::new()),
        ];
        let line = "a\\tb\\nc\\r\\\\.\\\\N\t\\N\t{\"a\\\\\"b\",\"c\\\\\\\\,{}\",\"NULL\"}\t\\\\x005cff\t\n";
        assert_eq!(copied(&[row]), line);
    }
}
