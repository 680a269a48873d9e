//! `GET /.well-known/jwks.json`: the keys that verify jump tokens.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

use crate::app::App;

/// Five minutes: a new key is published for longer than this before it signs.
const CACHING: &str = "public, max-age=300";

/// Answers a JWK set (RFC 7517, section 5) with public members only.
pub(super) async fn jwks(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, CACHING)], app.jwks())
}
