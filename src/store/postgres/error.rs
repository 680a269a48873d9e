//! What goes wrong inside the engine, as the store says it.

use std::borrow::Cow;
use std::sync::Arc;

use sqlx::error::DatabaseError;

use crate::store::{Cause, StoreError};

// SQLSTATEs (PostgreSQL 15, appendix A).
/// The volume of the database is full.
const DISK_FULL: &str = "53100";
/// A serialization failure.
const SERIALIZATION_FAILURE: &str = "40001";
/// Two transactions waited for each other.
const DEADLOCK_DETECTED: &str = "40P01";
/// A lock was not to be had within `lock_timeout`.
const LOCK_NOT_AVAILABLE: &str = "55P03";
/// Every constraint's class; our triggers raise in it as well.
const INTEGRITY_CONSTRAINT_VIOLATION: &str = "23";
/// The server ends a connection: it is told to, it stops, or it crashed.
const OPERATOR_INTERVENTION: &str = "57P";
/// A row of another tenant, refused by row level security; or a right that was taken away.
const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// A key that is there already.
const UNIQUE_VIOLATION: &str = "23505";

/// A [`StoreError`] that `?` makes of what the driver says.
///
/// A type of the engine's own, because each engine reads the driver's codes its own way.
#[derive(Debug, Clone)]
pub(super) struct Failure(pub(super) StoreError);

/// What a step inside the engine gives.
pub(super) type Step<T> = Result<T, Failure>;

impl Failure {
    /// Another transaction did what this one was about to do.
    pub(super) fn overtaken() -> Self {
        Self(StoreError::Contended(Arc::new(Gone::Overtaken)))
    }

    /// What it means that a row of the audit log was not taken. There is one rule that a row may break, to be there before;
    /// whatever else keeps it out has made the log one that cannot be written.
    pub(super) fn of_log(error: sqlx::Error) -> Self {
        let is_there = error.as_database_error().and_then(DatabaseError::code).as_deref() == Some(UNIQUE_VIOLATION);
        match Self::from(error) {
            Self(StoreError::Constraint(cause)) if !is_there => Self(StoreError::Down(cause)),
            failure => failure,
        }
    }

    /// Tells whether another transaction was in the way.
    pub(super) const fn is_contention(&self) -> bool {
        matches!(self.0, StoreError::Contended(_))
    }

    /// Tells whether running the whole transaction again may end otherwise before the caller gives up. Who waited for a
    /// lock has waited long enough.
    pub(super) fn may_be_retried(&self) -> bool {
        let StoreError::Contended(cause) = &self.0 else { return false };
        let told = cause.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
        told.and_then(DatabaseError::code).as_deref() != Some(LOCK_NOT_AVAILABLE)
    }

    /// Tells whether the connection ended, for a reason that a new one may not have.
    pub(super) fn is_disconnection(&self) -> bool {
        let StoreError::Down(cause) = &self.0 else { return false };
        match cause.downcast_ref::<sqlx::Error>() {
            Some(sqlx::Error::Io(_)) => true,
            Some(sqlx::Error::Database(told)) => {
                told.code().is_some_and(|code| code.starts_with(OPERATOR_INTERVENTION))
            }
            Some(_) | None => false,
        }
    }

    /// Tells whether the connection may be gone, so that nobody knows what became of a COMMIT.
    pub(super) const fn leaves_commit_open(&self) -> bool {
        matches!(self.0, StoreError::Down(_))
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
        let code = error.as_database_error().and_then(DatabaseError::code).map(Cow::into_owned);
        let is_crowded = matches!(error, sqlx::Error::PoolTimedOut);
        let cause: Cause = Arc::new(error);
        Self(match code.as_deref() {
            Some(DISK_FULL) => StoreError::Full(cause),
            Some(SERIALIZATION_FAILURE | DEADLOCK_DETECTED | LOCK_NOT_AVAILABLE) => StoreError::Contended(cause),
            Some(code) if code.starts_with(INTEGRITY_CONSTRAINT_VIOLATION) || code == INSUFFICIENT_PRIVILEGE => {
                StoreError::Constraint(cause)
            }
            None if is_crowded => StoreError::Busy,
            Some(_) | None => StoreError::Down(cause),
        })
    }
}

/// Why the engine cannot take or finish what it was asked to.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(super) enum Gone {
    /// The database does not answer; what was asked may go on there.
    #[error("the database does not answer")]
    Silent,
    /// Another transaction did the same at the same time.
    #[error("another transaction did the same at the same time")]
    Overtaken,
    /// The store was opened beside running servers.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The work ended without an answer: the runtime is shutting down, or it panicked.
    #[error("the work ended before it answered")]
    Ended,
}

impl From<Gone> for StoreError {
    fn from(gone: Gone) -> Self {
        Self::Down(Arc::new(gone))
    }
}

impl From<Gone> for Failure {
    fn from(gone: Gone) -> Self {
        Self(gone.into())
    }
}
