//! `GET /.well-known/jwks.json`: the keys that verify jump tokens.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

use crate::app::{App, JWKS_MAX_AGE};

/// Answers a JWK set (RFC 7517, section 5) with public members only.
pub(super) async fn jwks(State(app): State<Arc<App>>) -> impl IntoResponse {
    let caching = format!("public, max-age={}", JWKS_MAX_AGE.as_secs());
    ([(CONTENT_TYPE, "application/json")], [(CACHE_CONTROL, caching)], app.jwks())
}
