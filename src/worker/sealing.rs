//! Seals the audit log (`docs/audit.md`).

use std::error::Error;

use super::Outcome;
use crate::app::App;
use crate::app::sealing::Reach;

/// Seals the rows that have no seal yet, as far back as `reach` says.
pub async fn tick(app: &App, reach: Reach) -> Outcome {
    match app.seal_audit_logs(reach).await {
        Ok(sealed) => Outcome::Done(sealed),
        Err(failure) => {
            tracing::warn!(error = &failure as &dyn Error, "worker.sealing.failed");
            Outcome::Failed
        }
    }
}

/// Writes signed checkpoints of what was sealed.
pub async fn tick_checkpoints(app: &App) -> Outcome {
    match app.write_checkpoints().await {
        Ok(written) => Outcome::Done(written),
        Err(failure) => {
            tracing::warn!(error = &failure as &dyn Error, "worker.checkpoints.failed");
            Outcome::Failed
        }
    }
}
