//! Reads signing keys again, makes the next ones and overwrites old ones (`docs/operations.md#signing-keys`).

use std::error::Error;

use super::Outcome;
use crate::app::App;

/// Does what is due about signing keys.
pub async fn tick(app: &App) -> Outcome {
    match app.keep_signing_keys().await {
        Ok(changed) => {
            if changed > 0 {
                tracing::info!(changed, "worker.keys.changed");
            }
            Outcome::Done(changed)
        }
        Err(failure) => {
            tracing::warn!(error = &failure as &dyn Error, "worker.keys.failed");
            Outcome::Failed
        }
    }
}
