//! `POST /leave`: ends the session, and sends the browser back to where the jump said. No other place is taken.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use serde::Deserialize;

use crate::language::Language;
use crate::texts::Notice;

use super::App;
use super::answer::{Refusal, notice};
use super::guard::{Ask, Purpose, own_form, own_origin, session};

/// The form in the head of each page.
#[derive(Deserialize)]
pub(super) struct LeaveForm {
    form_mark: String,
}

/// Leaves.
pub(super) async fn leave(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    jar: CookieJar,
    form: Result<Form<LeaveForm>, FormRejection>,
) -> Result<Response, Refusal> {
    let language = Language::wanted(&headers);
    own_origin(&app, &headers, language)?;
    let live = session(&app, &jar, language, Ask::WhenDue).await?;
    let Form(form) = form.map_err(|rejection| notice(rejection.status(), Notice::FormUnreadable, language, None))?;
    own_form(&live, &form.form_mark, language)?;
    app.sessions.end(&live.id);
    let jar = Purpose::Session.forget(&app.site, jar);
    let response = match &live.grant.return_url {
        Some(url) => Redirect::to(url.as_str()).into_response(),
        None => notice(StatusCode::OK, Notice::Left, language, None),
    };
    Ok((jar, response).into_response())
}
