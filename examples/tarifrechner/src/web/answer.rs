//! How a page becomes an answer.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::CONTENT_LANGUAGE;
use axum::response::{Html, IntoResponse, Response};

use crate::language::Language;
use crate::pages::{NoticePage, Way};
use crate::random::NoRandom;
use crate::texts::Notice;

/// What pages may load and where their forms may lead: nothing but our own.
pub(super) const CONTENT_SECURITY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A page.
pub(super) fn page(status: StatusCode, language: Language, page: &impl Template) -> Response {
    let Ok(html) = page.render() else {
        tracing::error!("web.page.broken");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    (status, [(CONTENT_LANGUAGE, language.tag())], Html(html)).into_response()
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
    page(status, language, &NoticePage::new(notice, language, way))
}

/// The page where there is nothing to make ids of.
pub(super) fn broken(error: &NoRandom, language: Language) -> Response {
    tracing::error!(error = error as &dyn std::error::Error, "web.broken");
    notice(StatusCode::INTERNAL_SERVER_ERROR, Notice::Broken, language, None)
}
