//! Looks after key-encryption keys, and wraps anew what is under an older one
//! (`docs/operations.md#changing-the-key-encryption-key`).

use std::error::Error;

use super::Outcome;
use crate::app::App;

/// Does what is due about key-encryption keys.
pub async fn tick(app: &App) -> Outcome {
    match app.keep_keks().await {
        Ok(rewrapped) => {
            if rewrapped > 0 {
                tracing::info!(rewrapped, "worker.keks.rewrapped");
            }
            Outcome::Done(rewrapped)
        }
        Err(failure) => {
            tracing::warn!(error = &failure as &dyn Error, "worker.keks.failed");
            Outcome::Failed
        }
    }
}
