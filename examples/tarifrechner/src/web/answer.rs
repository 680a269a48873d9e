//! How a page becomes an answer.

use askama::Template;
use axum::http::header::{CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use url::Url;

use crate::language::Language;
use crate::pages::{NoticePage, Way};
use crate::random::NoRandom;
use crate::texts::Notice;

/// What pages may load and where their forms may lead: nothing but our own, and where a person may go back to. Browsers
/// check the whole chain of redirects that follows a form.
pub(super) fn content_security_policy(return_url: Option<&Url>) -> String {
    let back = return_url.map(|url| format!(" {}", url.origin().ascii_serialization())).unwrap_or_default();
    format!("default-src 'none'; style-src 'self'; form-action 'self'{back}; frame-ancestors 'none'; base-uri 'none'")
}

/// A page from which the person may leave to `return_url`.
pub(super) fn page(status: StatusCode, language: Language, page: &impl Template, return_url: Option<&Url>) -> Response {
    let rendered = page.render().ok();
    let policy = HeaderValue::try_from(content_security_policy(return_url)).ok();
    let (Some(html), Some(policy)) = (rendered, policy) else {
        tracing::error!("web.page.broken");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let language = [(CONTENT_LANGUAGE, language.tag())];
    (status, language, [(CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}

/// A page instead of what was asked for. Boxed, as it is rare, and much larger than what it stands in for.
pub(super) struct Refusal(Box<Response>);

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// A page that tells one thing.
pub(super) fn notice(status: StatusCode, notice: Notice, language: Language, way: Option<Way>) -> Response {
    page(status, language, &NoticePage::new(notice, language, way), None)
}

/// The page where there is nothing to make ids of.
pub(super) fn broken(error: &NoRandom, language: Language) -> Response {
    tracing::error!(error = error as &dyn std::error::Error, "web.broken");
    notice(StatusCode::INTERNAL_SERVER_ERROR, Notice::Broken, language, None)
}
