//! What the HTTP listener serves: public keys, the landing pages of targets, whether we are well, and numbers where that is
//! switched on. Everything else is not there.
//!
//! May use `app` and `domain`. One more page: a file of its own with a handler, and a line in [`router`].

mod healthz;
mod jwks;
mod landing;
mod metrics;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use self::healthz::Checkup;
use self::landing::LandingPages;
use crate::app::App;
use crate::domain::target::WebUrl;

/// What `/metrics` answers with.
#[derive(Clone)]
pub struct MetricsPage {
    /// Makes the text, and waits for nobody.
    pub text: Arc<dyn Fn() -> String + Send + Sync>,
    /// Its media type.
    pub content_type: &'static str,
}

/// The whole of HTTP, as one service; without a page for them there are no metrics. Pages lead back to `portal_url`, where there is
/// one.
pub fn router(app: Arc<App>, metrics: Option<MetricsPage>, portal_url: Option<WebUrl>) -> Router {
    let checkup = Arc::new(Checkup::new(Arc::clone(&app)));
    let landing_pages = Arc::new(LandingPages::new(Arc::clone(&app), portal_url));
    let mut router = Router::new();
    if let Some(page) = metrics {
        router = router.route("/metrics", get(metrics::metrics).with_state(page));
    }
    router
        .route("/.well-known/jwks.json", get(jwks::jwks).with_state(app))
        .route("/healthz", get(healthz::healthz).with_state(checkup))
        .layer(map_response(harden))
        // Behind the layer, which costs a twentieth of such an answer: these pages bring the header along.
        .route("/j/{target_id}", get(landing::landing).with_state(landing_pages))
        .fallback(not_found)
        // Whoever asks in another way than we answer gets nothing either.
        .method_not_allowed_fallback(not_found)
}

/// HTTP while there is no [`App`] yet: not well, and nothing else to be had.
pub fn closed_router() -> Router {
    Router::new().fallback(healthz::unavailable).layer(map_response(harden))
}

async fn not_found() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, [(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF)])
}

/// Keeps browsers from guessing what an answer is.
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

async fn harden(mut response: Response) -> Response {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    response
}
