//! `GET /healthz`: whether the service can do its work.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::app::App;

/// How long the store may take; whoever asks gives up soon after.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer serves all who ask. Looking costs a write, and anybody may ask.
const FRESH: Duration = Duration::from_secs(1);

/// Looks whether the store works, at most once in [`FRESH`].
pub(super) struct Checkup {
    app: Arc<App>,
    /// When somebody last looked, and whether it was well.
    last: Mutex<Option<(Instant, bool)>>,
}

impl Checkup {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app, last: Mutex::new(None) }
    }

    /// Whoever comes while somebody looks waits for what he finds.
    async fn is_well(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((looked_at, is_well)) = *last
            && looked_at.elapsed() < FRESH
        {
            return is_well;
        }
        let is_well = look(&self.app).await;
        *last = Some((Instant::now(), is_well));
        is_well
    }
}

/// Answers 200 `ok` if the store can be read and written, 503 `unavailable` otherwise. Why stands in the log alone.
pub(super) async fn healthz(State(checkup): State<Arc<Checkup>>) -> impl IntoResponse {
    if checkup.is_well().await { answer(StatusCode::OK, "ok") } else { not_well() }
}

/// Answers 503 `unavailable`, whatever was asked for.
pub(super) async fn unavailable() -> impl IntoResponse {
    not_well()
}

fn not_well() -> Response {
    answer(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
}

fn answer(status: StatusCode, text: &'static str) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], text).into_response()
}

async fn look(app: &App) -> bool {
    match tokio::time::timeout(PATIENCE, app.check()).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "web.healthz.failed");
            false
        }
        Err(_) => {
            tracing::warn!(patience_seconds = PATIENCE.as_secs(), "web.healthz.slow");
            false
        }
    }
}
