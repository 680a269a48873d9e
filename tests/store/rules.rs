//! Every rule that stands in the schema, tried from plain SQL on a database that the service made.
//!
//! What is shown here holds against the next RPC, an import and a repair by hand at night alike. A case says which
//! wall stands in the way, not only that something did; and what is close to a refused row but good is taken, so
//! that a wall in the wrong place shows too. One more rule in a migration: a case in the file of its noun.

mod assignments;
mod audit;
mod catalog;
mod jumps;
mod service;
mod users;

use sqlx::SqliteConnection;
use tempfile::TempDir;

use crate::sqlite;

const A: &str = "00000000-0000-7000-8000-00000000000a";
const B: &str = "00000000-0000-7000-8000-00000000000b";
const STANDARD: &str = "10000000-0000-7000-8000-00000000000a";
const MEIER: &str = "20000000-0000-7000-8000-00000000000a";
const SCHULZE: &str = "30000000-0000-7000-8000-00000000000a";
const PRIVATE: &str = "40000000-0000-7000-8000-00000000000a";
const COMMERCIAL: &str = "50000000-0000-7000-8000-00000000000a";
const OWN: &str = "60000000-0000-7000-8000-00000000000a";
const MEIER_OF_B: &str = "20000000-0000-7000-8000-00000000000b";
const PRIVATE_OF_B: &str = "40000000-0000-7000-8000-00000000000b";
const ACTIVATION: &str = "a0000000-0000-7000-8000-00000000000a";
const OPEN_JUMP: &str = "d0000000-0000-7000-8000-000000000001";
const REDEEMED_JUMP: &str = "d0000000-0000-7000-8000-000000000002";
/// An id that nothing has.
const FRESH: &str = "99999999-0000-7000-8000-000000000009";

/// What stands in the way of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wall {
    Check,
    ForeignKey,
    NotNull,
    PrimaryKey,
    Trigger,
    Unique,
    /// A STRICT table takes no value of another type.
    Type,
    /// Not a constraint: the statement itself fails, for example on text that is not JSON.
    Statement,
}

impl Wall {
    /// SQLite's extended result code (<https://www.sqlite.org/rescode.html>).
    const fn code(self) -> &'static str {
        match self {
            Self::Statement => "1",
            Self::Check => "275",
            Self::ForeignKey => "787",
            Self::NotNull => "1299",
            Self::PrimaryKey => "1555",
            Self::Trigger => "1811",
            Self::Unique => "2067",
            Self::Type => "3091",
        }
    }
}

/// Somebody at a SQL shell, with foreign keys on, in front of the rows of `rules/seed.sql`.
struct Shell {
    connection: SqliteConnection,
    _directory: TempDir,
}

impl Shell {
    async fn open() -> Self {
        let directory = sqlite::made_and_closed().await;
        let mut connection = sqlite::shell(directory.path(), true).await;
        sqlx::raw_sql(include_str!("rules/seed.sql")).execute(&mut connection).await.expect("the seed is good");
        Self { connection, _directory: directory }
    }

    /// Asserts that `sql` is refused by `wall`, with a message that holds `saying`.
    async fn refuses(&mut self, wall: Wall, saying: &str, sql: &'static str, binds: &[&str]) {
        let error = self.execute(sql, binds).await.expect_err(sql);
        let refusal = error.as_database_error().expect("the database says so");
        assert_eq!(refusal.code().as_deref(), Some(wall.code()), "{wall:?} for {sql}: {refusal}");
        assert!(refusal.message().contains(saying), "{saying:?} for {sql}: {refusal}");
    }

    /// Asserts that `sql` is taken and changes one row, then takes it back.
    async fn takes(&mut self, sql: &'static str, binds: &[&str]) {
        self.execute("SAVEPOINT try", &[]).await.expect("a savepoint");
        assert_eq!(self.execute(sql, binds).await.expect(sql), 1, "rows of {sql}");
        self.execute("ROLLBACK TO try", &[]).await.expect("a way back");
    }

    /// Does what is only the way to a case.
    async fn does(&mut self, sql: &'static str, binds: &[&str]) {
        assert!(self.execute(sql, binds).await.expect(sql) > 0, "rows of {sql}");
    }

    /// Takes a wall away, to try the one behind it.
    async fn without(&mut self, drop: &'static str) {
        self.execute(drop, &[]).await.expect(drop);
    }

    async fn execute(&mut self, sql: &'static str, binds: &[&str]) -> Result<u64, sqlx::Error> {
        let query = binds.iter().fold(sqlx::query(sql), |query, bind| query.bind(*bind));
        Ok(query.execute(&mut self.connection).await?.rows_affected())
    }
}
