//! Deletes what was kept long enough (`docs/domain.md#retention`).

use std::error::Error;

use super::Outcome;
use crate::app::{App, Failure};
use crate::domain::retention::Retention;

/// Deletes the ids of requests that are old enough.
pub async fn tick_requests(app: &App, retention: &Retention) -> Outcome {
    told("requests", app.delete_expired_requests(retention).await)
}

/// Deletes the jumps that are old enough.
pub async fn tick_jumps(app: &App, retention: &Retention) -> Outcome {
    told("jumps", app.delete_expired_jumps(retention).await)
}

/// Destroys the tenants that were deleted long enough ago.
pub async fn tick_tenants(app: &App) -> Outcome {
    told("tenants", app.destroy_deleted_tenants().await)
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
