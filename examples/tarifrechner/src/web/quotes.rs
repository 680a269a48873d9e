//! Quotes: `POST /quotes` calculates and saves one, `GET /quotes/{id}` shows one.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use serde::Deserialize;

use crate::language::Language;
use crate::pages::{QuotePage, Shown, Typed};
use crate::premium::{AGES, MOST_CLAIM_FREE_YEARS, MOST_KM, Risk, premium};
use crate::quotes::Quote;
use crate::random::random_word;
use crate::session::Live;
use crate::texts::Notice;

use super::App;
use super::answer::{Refusal, broken, notice, page};
use super::calculator::{calculator, offered};
use super::guard::{Ask, own_form, own_origin, session};

/// The form of the calculator.
#[derive(Deserialize)]
pub(super) struct QuoteForm {
    form_mark: String,
    provider: String,
    km: String,
    age: String,
    claim_free_years: String,
}

/// Calculates a quote and saves it.
pub(super) async fn save(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    jar: CookieJar,
    form: Result<Form<QuoteForm>, FormRejection>,
) -> Result<Response, Refusal> {
    let language = Language::wanted(&headers);
    own_origin(&app, &headers, language)?;
    let live = session(&app, &jar, language, Ask::Always).await?;
    let Form(form) = form.map_err(|rejection| notice(rejection.status(), Notice::FormUnreadable, language, None))?;
    own_form(&live, &form.form_mark, language)?;
    if !offered(&app, &live.grant).iter().any(|provider| provider.id == form.provider) {
        return Err(notice(StatusCode::FORBIDDEN, Notice::ProviderNotOffered, language, None).into());
    }
    match risk(&form) {
        Some(risk) => keep(&app, &live, form.provider, risk, language),
        None => Ok(calculator(&app, &live, StatusCode::UNPROCESSABLE_ENTITY, language, typed(form))),
    }
}

fn keep(app: &App, live: &Live, provider: String, risk: Risk, language: Language) -> Result<Response, Refusal> {
    let id = random_word().map_err(|error| broken(&error, language))?;
    let place = app.site.providers.iter().position(|known| known.id == provider).unwrap_or_default();
    let quote = Quote { id: id.clone(), provider, risk, premium: premium(risk, place) };
    match app.quotes.save(&live.grant.subject, quote) {
        Ok(()) => Ok(Redirect::to(&format!("/quotes/{id}")).into_response()),
        Err(_) => Err(notice(StatusCode::SERVICE_UNAVAILABLE, Notice::Full, language, None).into()),
    }
}

/// Shows a quote to the person who saved it. To everybody else there is none.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    jar: CookieJar,
) -> Result<Response, Refusal> {
    let language = Language::wanted(&headers);
    let live = session(&app, &jar, language, Ask::WhenDue).await?;
    let Some(quote) = app.quotes.find(&live.grant.subject, &id) else {
        return Err(notice(StatusCode::NOT_FOUND, Notice::NotFound, language, None).into());
    };
    let shown = Shown::new(quote, &app.site.providers, language);
    let shown = QuotePage::new(language, &live.grant, &live.form_mark, shown);
    Ok(page(StatusCode::OK, language, &shown))
}

/// What was typed, if all of it fits.
fn risk(form: &QuoteForm) -> Option<Risk> {
    Some(Risk { km: km(&form.km)?, age: age(&form.age)?, claim_free_years: claim_free_years(&form.claim_free_years)? })
}

/// What was typed, with marks on what does not fit.
fn typed(form: QuoteForm) -> Typed {
    let (no_km, no_age) = (km(&form.km).is_none(), age(&form.age).is_none());
    let no_years = claim_free_years(&form.claim_free_years).is_none();
    Typed {
        provider: Some(form.provider),
        km: (form.km, no_km),
        age: (form.age, no_age),
        claim_free_years: (form.claim_free_years, no_years),
    }
}

fn km(text: &str) -> Option<u32> {
    text.trim().parse().ok().filter(|km| (1..=MOST_KM).contains(km))
}

fn age(text: &str) -> Option<u8> {
    text.trim().parse().ok().filter(|age| AGES.contains(age))
}

fn claim_free_years(text: &str) -> Option<u8> {
    text.trim().parse().ok().filter(|years| *years <= MOST_CLAIM_FREE_YEARS)
}
