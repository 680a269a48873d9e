//! `GET /`: the calculator, with the quotes that the person saved.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum_extra::extract::CookieJar;

use crate::gateway::Grant;
use crate::language::Language;
use crate::pages::{CalculatorPage, Shown, Typed};
use crate::session::Live;
use crate::settings::Provider;

use super::App;
use super::answer::{Refusal, page};
use super::guard::{Ask, session};

/// Shows it.
pub(super) async fn show(State(app): State<Arc<App>>, headers: HeaderMap, jar: CookieJar) -> Result<Response, Refusal> {
    let language = Language::wanted(&headers);
    let live = session(&app, &jar, language, Ask::WhenDue).await?;
    Ok(calculator(&app, &live, StatusCode::OK, language, Typed::nothing()))
}

/// The calculator, with what was typed.
pub(super) fn calculator(app: &App, live: &Live, status: StatusCode, language: Language, typed: Typed) -> Response {
    let grant = &live.grant;
    let quotes = app.quotes.of(&grant.subject).into_iter();
    let quotes = quotes.map(|quote| Shown::new(quote, &app.site.providers, language)).collect();
    let offered = offered(app, grant);
    let shown = CalculatorPage::new(language, grant, &live.form_mark, &offered, typed, quotes);
    page(status, language, &shown)
}

/// What may be offered in a session: what this calculator has, as far as the jump lets it.
pub(super) fn offered<'a>(app: &'a App, grant: &Grant) -> Vec<&'a Provider> {
    app.site.providers.iter().filter(|provider| grant.providers.allow(&provider.id)).collect()
}
