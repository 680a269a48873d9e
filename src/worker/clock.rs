//! Learns until when there was a service before, so that a clock that was set back meanwhile is noticed.

use std::error::Error;

use super::Outcome;
use crate::app::App;

/// Reads the newest instant of the audit logs.
pub async fn tick(app: &App) -> Outcome {
    match app.learn_time().await {
        Ok(None) => Outcome::Done(0),
        Ok(Some(behind)) => {
            tracing::error!(
                seconds = behind.by.as_secs(),
                advice = "the clock stands before what this database has seen: nothing is done until it has caught up. If it is \
                          right, and was wrong before, start with --accept-clock",
                "worker.clock.behind"
            );
            Outcome::Done(1)
        }
        Err(failure) => {
            tracing::warn!(error = &failure as &dyn Error, "worker.clock.failed");
            Outcome::Failed
        }
    }
}
