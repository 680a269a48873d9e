//! `GET /metrics`: numbers about the running service, where that is switched on.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

use super::MetricsPage;

/// Answers with the text that it is given. There is no tenant, no person and nothing that a caller sent in it.
pub(super) async fn metrics(State(page): State<MetricsPage>) -> impl IntoResponse {
    ([(CONTENT_TYPE, page.content_type), (CACHE_CONTROL, "no-store")], (page.text)())
}
