//! A SQL shell on the database of a service, whatever its engine.

use std::fmt;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, PgConnection, Row as _, SqliteConnection, TypeInfo as _, ValueRef as _};

/// A statement as each engine spells it. Parameters are texts: `$1`, `$2`.
#[derive(Debug, Clone, Copy)]
pub struct Sql {
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

/// Both spell it alike.
impl From<&'static str> for Sql {
    fn from(both: &'static str) -> Self {
        Self { sqlite: both, postgres: both }
    }
}

/// The tables of the schema, by name.
const TABLES: Sql = Sql {
    sqlite: "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
    postgres: "SELECT relname::TEXT FROM pg_class WHERE relnamespace = 'public'::REGNAMESPACE AND relkind = 'r' ORDER BY 1",
};

/// A connection to the database.
pub struct Shell(Connection);

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl From<SqliteConnection> for Shell {
    fn from(connection: SqliteConnection) -> Self {
        Self(Connection::Sqlite(connection))
    }
}

impl From<PgConnection> for Shell {
    fn from(connection: PgConnection) -> Self {
        Self(Connection::Postgres(connection))
    }
}

impl Shell {
    /// Executes a statement, or without parameters several; tells how many rows it changed.
    pub async fn execute(&mut self, sql: impl Into<Sql>, parameters: &[&str]) -> Result<u64, sqlx::Error> {
        let Sql { sqlite, postgres } = sql.into();
        match &mut self.0 {
            Connection::Sqlite(connection) => {
                let query = parameters.iter().fold(sqlx::query(sqlite), |query, text| query.bind(*text));
                Ok(query.execute(connection).await?.rows_affected())
            }
            Connection::Postgres(connection) if parameters.is_empty() => {
                Ok(sqlx::raw_sql(postgres).execute(connection).await?.rows_affected())
            }
            Connection::Postgres(connection) => {
                let query = parameters.iter().fold(sqlx::query(postgres), |query, text| query.bind(*text));
                Ok(query.execute(connection).await?.rows_affected())
            }
        }
    }

    /// Reads rows.
    pub async fn rows(&mut self, sql: impl Into<Sql>, parameters: &[&str]) -> Vec<Row> {
        let Sql { sqlite, postgres } = sql.into();
        match &mut self.0 {
            Connection::Sqlite(connection) => {
                let query = parameters.iter().fold(sqlx::query(sqlite), |query, text| query.bind(*text));
                let rows = query.fetch_all(connection).await.expect(sqlite);
                rows.iter().map(Row::of_sqlite).collect()
            }
            Connection::Postgres(connection) => {
                let query = parameters.iter().fold(sqlx::query(postgres), |query, text| query.bind(*text));
                let rows = query.fetch_all(connection).await.expect(postgres);
                rows.iter().map(Row::of_postgres).collect()
            }
        }
    }

    /// Reads one number.
    pub async fn integer(&mut self, sql: impl Into<Sql>, parameters: &[&str]) -> i64 {
        match self.rows(sql, parameters).await.first().and_then(|row| row.0.first()) {
            Some((_, Cell::Integer(number))) => *number,
            other => panic!("no number: {other:?}"),
        }
    }

    /// Reads the one column of rows.
    pub async fn texts(&mut self, sql: impl Into<Sql>, parameters: &[&str]) -> Vec<String> {
        self.rows(sql, parameters).await.iter().map(|row| row.0[0].1.to_string()).collect()
    }

    /// Names every table of the schema.
    pub async fn tables(&mut self) -> Vec<String> {
        self.texts(TABLES, &[]).await
    }

    /// Reads every row of a table, each cell as the bytes that it is; a text is in them as it is.
    pub async fn dump(&mut self, table: &str) -> Vec<Vec<Vec<u8>>> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the names are those of the schema: a new table must be searched, too"
        )]
        let sql = sqlx::AssertSqlSafe(format!("SELECT * FROM \"{table}\""));
        match &mut self.0 {
            Connection::Sqlite(connection) => {
                let rows = sqlx::query(sql).fetch_all(connection).await.expect(table);
                let cell = |row: &SqliteRow, at: usize| {
                    row.try_get_unchecked::<Option<Vec<u8>>, _>(at).expect("a cell").unwrap_or_default()
                };
                rows.iter().map(|row| (0..row.len()).map(|at| cell(row, at)).collect()).collect()
            }
            Connection::Postgres(connection) => {
                let rows = sqlx::query(sql).fetch_all(connection).await.expect(table);
                let cell = |row: &PgRow, at: usize| {
                    let value = row.try_get_raw(at).expect("a cell");
                    if value.is_null() { Vec::new() } else { value.as_bytes().expect("bytes").to_vec() }
                };
                rows.iter().map(|row| (0..row.len()).map(|at| cell(row, at)).collect()).collect()
            }
        }
    }
}

/// What stands in a column of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Null,
    Integer(i64),
    Bytes(Vec<u8>),
    Text(String),
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Integer(number) => number.fmt(f),
            Self::Bytes(bytes) => write!(f, "{bytes:02x?}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A row, column by column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(Vec<(String, Cell)>);

impl Row {
    /// The text of a column, or NULL.
    pub fn text_or_null(&self, column: &str) -> Option<String> {
        match self.cell(column) {
            Cell::Null => None,
            cell => Some(cell.to_string()),
        }
    }

    /// The text of a column.
    pub fn text(&self, column: &str) -> String {
        self.text_or_null(column).expect(column)
    }

    /// The bytes of a column.
    pub fn bytes(&self, column: &str) -> Vec<u8> {
        match self.cell(column) {
            Cell::Bytes(bytes) => bytes.clone(),
            other => panic!("{column} holds no bytes: {other:?}"),
        }
    }

    fn cell(&self, column: &str) -> &Cell {
        let found = self.0.iter().find(|(name, _)| name == column);
        &found.unwrap_or_else(|| panic!("there is no {column}: {self:?}")).1
    }

    fn of_sqlite(row: &SqliteRow) -> Self {
        let cell = |at: usize| {
            let value = row.try_get_raw(at).expect("a cell");
            match (value.is_null(), value.type_info().name()) {
                (true, _) => Cell::Null,
                (false, "INTEGER") => Cell::Integer(row.get(at)),
                (false, "BLOB") => Cell::Bytes(row.get(at)),
                (false, _) => Cell::Text(row.get(at)),
            }
        };
        Self(row.columns().iter().map(|column| (column.name().to_owned(), cell(column.ordinal()))).collect())
    }

    fn of_postgres(row: &PgRow) -> Self {
        let cell = |at: usize| {
            let value = row.try_get_raw(at).expect("a cell");
            match (value.is_null(), value.type_info().name()) {
                (true, _) => Cell::Null,
                (false, "INT8") => Cell::Integer(row.get(at)),
                (false, "BYTEA") => Cell::Bytes(row.get(at)),
                (false, "BOOL") => Cell::Text(row.get::<bool, _>(at).to_string()),
                (false, "UUID") => Cell::Text(row.get::<uuid::Uuid, _>(at).to_string()),
                (false, "TEXT[]") => Cell::Text(row.get::<Vec<String>, _>(at).join(",")),
                (false, _) => Cell::Text(row.get(at)),
            }
        };
        Self(row.columns().iter().map(|column| (column.name().to_owned(), cell(column.ordinal()))).collect())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, cell)) in self.0.iter().enumerate() {
            let between = if at == 0 { "" } else { " " };
            write!(f, "{between}{name}={cell}")?;
        }
        Ok(())
    }
}
