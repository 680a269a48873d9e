//! The pages over HTTP: which there are, what all of them have in common, and whose session a browser has.
//!
//! One more page: a route below, and a handler in the file of its noun.

mod answer;
mod begin;
mod calculator;
mod guard;
mod jump;
mod leave;
mod quotes;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::clock::Clock;
use crate::concenter::ConCenter;
use crate::gateway::Gateway;
use crate::language::Language;
use crate::quotes::Quotes;
use crate::session::Sessions;
use crate::settings::Site;
use crate::texts::Notice;

use self::answer::{CONTENT_SECURITY, notice};

/// Most bytes of a form: with a jump in it, or one of ours.
const FORM_BYTES: usize = 4 * 1024;
/// Keeps other windows from reaching into ours.
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// What the handlers work with.
pub(crate) struct App {
    pub(crate) site: Site,
    pub(crate) gateway: Gateway,
    pub(crate) concenter: Arc<dyn ConCenter>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sessions: Sessions,
    pub(crate) quotes: Quotes,
}

/// All pages.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(calculator::show))
        .route("/begin", get(begin::begin))
        .route("/jump", post(jump::arrive))
        .route("/jump/{outcome}", get(jump::tell))
        .route("/quotes", get(calculator::show).post(quotes::save))
        .route("/quotes/{id}", get(quotes::show))
        .route("/leave", post(leave::leave))
        .route("/left/{session}", get(leave::left))
        .route("/style.css", get(style))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), finish))
        .with_state(app)
}

async fn style() -> Response {
    let kind = [(CONTENT_TYPE, "text/css; charset=utf-8")];
    (kind, include_str!("../../assets/style.css")).into_response()
}

async fn not_found(headers: HeaderMap) -> Response {
    notice(StatusCode::NOT_FOUND, Notice::NotFound, Language::wanted(&headers), None)
}

async fn wrong_method(headers: HeaderMap) -> Response {
    notice(StatusCode::METHOD_NOT_ALLOWED, Notice::WrongMethod, Language::wanted(&headers), None)
}

/// Adds what every answer has, and writes it into the log: never a URL, whose path or query may hold something.
async fn finish(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let mut response = next.run(request).await;
    tracing::info!(%method, route = route.as_deref().unwrap_or("none"), status = response.status().as_u16(), "web.answered");

    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, CONTENT_SECURITY),
        (CACHE_CONTROL, "no-store"),
        // Not `no-referrer`: with it browsers send our own forms with the origin `null`.
        (REFERRER_POLICY, "strict-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
        (VARY, "Accept-Language, Cookie"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if app.site.is_https() {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}
