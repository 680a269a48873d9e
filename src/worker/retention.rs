//! Deletes what was kept long enough (`docs/domain.md#retention`).

use std::error::Error;

use super::Outcome;
use crate::app::{App, Failure};
use crate::domain::retention::Retention;

/// Deletes the ids of requests that are old enough.
pub async fn tick_requests(app: &App, retention: &Retention) -> Outcome {
    told("requests", app.delete_expired_requests(retention).await)
}

/// Deletes the notices that were sent long enough ago.
pub async fn tick_notices(app: &App) -> Outcome {
    told("notices", app.delete_expired_notices().await)
}

/// Deletes the jumps that are old enough.
pub async fn tick_jumps(app: &App, retention: &Retention) -> Outcome {
    told("jumps", app.delete_expired_jumps(retention).await)
}

/// Destroys the tenants that were deleted long enough ago, in the log of the database too.
pub async fn tick_tenants(app: &App) -> Outcome {
    let outcome = told("tenants", app.destroy_deleted_tenants().await);
    if matches!(outcome, Outcome::Done(1..)) && tick_log(app).await == Outcome::Failed {
        return Outcome::Failed;
    }
    outcome
}

/// Drops the rows of the audit log that are old enough.
pub async fn tick_audit(app: &App, retention: &Retention) -> Outcome {
    told("audit", app.drop_expired_entries(retention).await)
}

/// Empties the log of the database, in which what was erased stands on until then; `Done(0)` if a reader kept it.
pub async fn tick_log(app: &App) -> Outcome {
    match app.checkpoint().await {
        Ok(is_empty) => {
            if !is_empty {
                tracing::info!("worker.log.kept");
            }
            Outcome::Done(is_empty.into())
        }
        Err(failure) => {
            tracing::warn!(error = &failure as &dyn Error, "worker.log.failed");
            Outcome::Failed
        }
    }
}

/// Writes into the log what went, if anything did.
fn told(what: &'static str, deleted: Result<u64, Failure>) -> Outcome {
    match deleted {
        Ok(deleted) => {
            if deleted > 0 {
                tracing::info!(what, deleted, "worker.retention.deleted");
            }
            Outcome::Done(deleted)
        }
        Err(failure) => {
            tracing::warn!(what, error = &failure as &dyn Error, "worker.retention.failed");
            Outcome::Failed
        }
    }
}
