//! What goes wrong inside the engine, as the store says it.

use std::sync::Arc;

use crate::store::{Cause, StoreError};

/// SQLite's primary result code for a full volume.
const SQLITE_FULL: i32 = 13;
/// SQLite's primary result code for a constraint, a foreign key or a trigger's RAISE(ABORT).
const SQLITE_CONSTRAINT: i32 = 19;
/// An extended result code holds the primary one in its lowest byte.
const PRIMARY: i32 = 0xff;

/// What the log's own trigger says of a row that is there already.
const APPENDED_BEFORE: &str = "the audit log is only appended to";

/// A [`StoreError`] that `?` makes of what the driver says.
///
/// A type of the engine's own, because each engine reads the driver's codes its own way.
#[derive(Debug, Clone)]
pub(super) struct Failure(pub(super) StoreError);

/// What a step inside the engine gives.
pub(super) type Step<T> = Result<T, Failure>;

impl Failure {
    /// What it means that a row of the audit log was not taken. There is one rule that a row may break, to be there before;
    /// whatever else keeps it out has made the log one that cannot be written.
    pub(super) fn of_log(error: sqlx::Error) -> Self {
        let is_there = error.as_database_error().is_some_and(|told| told.message() == APPENDED_BEFORE);
        match Self::from(error) {
            Self(StoreError::Constraint(cause)) if !is_there => Self(StoreError::Down(cause)),
            failure => failure,
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(|told| told.code()?.parse::<i32>().ok())
            .map(|extended| extended & PRIMARY);
        let cause: Cause = Arc::new(error);
        Self(match code {
            Some(SQLITE_FULL) => StoreError::Full(cause),
            Some(SQLITE_CONSTRAINT) => StoreError::Constraint(cause),
            _ => StoreError::Down(cause),
        })
    }
}

impl From<serde_json::Error> for Failure {
    /// Does not happen: what is written as JSON here are structs of text and numbers.
    fn from(error: serde_json::Error) -> Self {
        Self(StoreError::Down(Arc::new(error)))
    }
}

/// Why the writer cannot take or finish a write.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(super) enum WriterGone {
    /// The store was opened beside a running server.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The batch ended without an answer: the runtime is shutting down, or an effect panicked.
    #[error("the writer ended before it answered")]
    Ended,
}

impl From<WriterGone> for StoreError {
    fn from(gone: WriterGone) -> Self {
        Self::Down(Arc::new(gone))
    }
}

impl From<WriterGone> for Failure {
    fn from(gone: WriterGone) -> Self {
        Self(gone.into())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, SqliteConnection};

    use super::*;

    async fn failure_of(script: &'static str) -> StoreError {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.expect("a database in memory");
        let told = sqlx::raw_sql(script).execute(&mut connection).await.expect_err("the script fails");
        Failure::from(told).into()
    }

    #[tokio::test]
    async fn every_kind_of_constraint_is_a_constraint() {
        for script in [
            "CREATE TABLE t (a INTEGER CHECK (a > 0)); INSERT INTO t VALUES (0);",
            "CREATE TABLE t (a INTEGER UNIQUE); INSERT INTO t VALUES (1); INSERT INTO t VALUES (1);",
            "CREATE TABLE p (a INTEGER PRIMARY KEY); CREATE TABLE t (a REFERENCES p); INSERT INTO t VALUES (1);",
            "CREATE TABLE t (a); CREATE TRIGGER n BEFORE INSERT ON t BEGIN SELECT RAISE(ABORT, 'no'); END; INSERT INTO t VALUES (1);",
        ] {
            assert!(matches!(failure_of(script).await, StoreError::Constraint(_)), "{script}");
        }
    }

    #[tokio::test]
    async fn a_database_that_cannot_grow_is_full() {
        let script = "PRAGMA max_page_count = 2; CREATE TABLE t (a); CREATE TABLE u (a); CREATE TABLE v (a);";
        assert!(matches!(failure_of(script).await, StoreError::Full(_)));
    }

    #[tokio::test]
    async fn anything_else_is_down() {
        assert!(matches!(failure_of("SELECT * FROM missing;").await, StoreError::Down(_)));
    }
}
