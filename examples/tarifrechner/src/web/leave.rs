//! `POST /leave`: ends the session. `GET /left/{session}` says so, and leads on to where the jump said, and to no other place.
//!
//! Not by the redirect that follows the form: browsers hold all of its chain against `form-action`, and where a portal
//! redirects to is not known here.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use serde::Deserialize;

use crate::language::Language;
use crate::pages::{NoticePage, way_back};
use crate::texts::Notice;

use super::App;
use super::answer::{Refusal, notice, page};
use super::guard::{Ask, forget_session, own_form, own_origin, session};

/// The form in the head of each page.
#[derive(Deserialize)]
pub(super) struct LeaveForm {
    form_mark: String,
}

/// Leaves. The gateway is not asked: whoever leaves has left, whether it answers or not.
pub(super) async fn leave(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    jar: CookieJar,
    form: Result<Form<LeaveForm>, FormRejection>,
) -> Result<Response, Refusal> {
    let language = Language::wanted(&headers);
    own_origin(&app, &headers, language)?;
    let live = session(&app, &jar, language, Ask::Never).await?;
    let Form(form) = form.map_err(|rejection| notice(rejection.status(), Notice::FormUnreadable, language, None))?;
    own_form(&live, &form.form_mark, language)?;
    app.sessions.leave(&live);
    let jar = forget_session(&app.site, jar);
    Ok((jar, Redirect::to(&format!("/left/{}", live.name))).into_response())
}

/// Says that the person has left, and leads on where there is a way back.
pub(super) async fn left(State(app): State<Arc<App>>, Path(session): Path<String>, headers: HeaderMap) -> Response {
    let language = Language::wanted(&headers);
    let return_url = app.sessions.way_back(&session);
    let shown = NoticePage::new(Notice::Left, language, way_back(return_url.as_ref(), language));
    page(StatusCode::OK, language, &shown.leading_on())
}
