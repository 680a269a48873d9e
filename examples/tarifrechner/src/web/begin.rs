//! `GET /begin`: gives the browser a nonce, and sends it to a portal that asks for the jump with it.
//!
//! Then a link that somebody else got does not open here: it was made without this nonce. A browser has one at a time, so
//! that a second tab in which somebody begins does not take it from the first.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use serde::Deserialize;

use crate::language::Language;
use crate::random::{is_word, random_word};
use crate::texts::Notice;

use super::App;
use super::answer::{broken, notice};
use super::guard::Purpose;

/// Where to begin.
#[derive(Deserialize)]
pub(super) struct Begin {
    /// A registered portal's URL, exactly.
    #[serde(rename = "return")]
    portal: Option<String>,
}

/// Gives a nonce.
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    jar: CookieJar,
    query: Result<Query<Begin>, QueryRejection>,
) -> Response {
    let language = Language::wanted(&headers);
    let asked = query.ok().and_then(|Query(begin)| begin.portal).unwrap_or_default();
    let Some(portal) = app.site.portals.iter().find(|portal| portal.as_str() == asked) else {
        return notice(StatusCode::NOT_FOUND, Notice::NotFound, language, None);
    };
    let nonce = Purpose::Nonce.value(&app.site, &jar).filter(|nonce| is_word(nonce));
    match nonce.map_or_else(random_word, Ok) {
        Ok(nonce) => {
            let mut portal = portal.clone();
            portal.query_pairs_mut().append_pair("nonce", &nonce);
            (jar.add(Purpose::Nonce.cookie(&app.site, nonce)), Redirect::to(portal.as_str())).into_response()
        }
        Err(error) => broken(&error, language),
    }
}
