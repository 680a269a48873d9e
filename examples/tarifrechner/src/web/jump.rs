//! `POST /jump`: a jump arrives.
//!
//! It is redeemed before anything is shown, set or stored. Then the browser gets a new session and goes to a URL in which
//! nothing of the jump stands.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use serde::Deserialize;

use crate::gateway::{RedeemError, Redeemed};
use crate::language::Language;
use crate::pages::way_to_start;
use crate::random::request_id;
use crate::texts::Notice;

use super::App;
use super::answer::{broken, notice};
use super::guard::{Purpose, origin};

/// Most bytes of a token that the gateway looks at.
const TOKEN_BYTES: usize = 2048;
/// Most bytes of a nonce; ours have fewer.
const NONCE_BYTES: usize = 64;

/// What the landing page posts. It has no `Debug`, so that no log shows it.
#[derive(Deserialize)]
pub(super) struct JumpForm {
    token: String,
}

/// Takes a jump.
pub(super) async fn arrive(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    jar: CookieJar,
    form: Result<Form<JumpForm>, FormRejection>,
) -> Response {
    let language = Language::wanted(&headers);
    let refuse = |status, why| notice(status, why, language, way_to_start(&app.site.portals, language));
    if !origin(&headers).is_some_and(|origin| app.site.takes_jumps_from(origin)) {
        return refuse(StatusCode::FORBIDDEN, Notice::ForeignOrigin);
    }
    let token = match form {
        Ok(Form(form)) => form.token,
        // Its text may repeat the form.
        Err(rejection) => return refuse(rejection.status(), Notice::FormUnreadable),
    };
    let nonce = Purpose::Nonce.value(&app.site, &jar);
    if !is_proof(&token, TOKEN_BYTES, b"-_.")
        || nonce.as_ref().is_some_and(|nonce| !is_proof(nonce, NONCE_BYTES, b"-_"))
    {
        return refuse(StatusCode::FORBIDDEN, Notice::LinkInvalid);
    }
    // Before the jump is used up.
    if !app.sessions.have_room(app.clock.now()) {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, Notice::Full);
    }
    match app.gateway.redeem(token, nonce).await {
        Ok(redeemed) => open(&app, redeemed, jar, language).await,
        Err(error) => {
            if error == RedeemError::Used {
                // The link was copied: the session that its first use opened is one of ours, and is revoked by now.
                app.sessions.distrust_all();
            }
            let (status, why) = page_of(error);
            refuse(status, why)
        }
    }
}

/// Logs in at con:center, tells the gateway how that went, and begins the session.
async fn open(app: &App, redeemed: Redeemed, jar: CookieJar, language: Language) -> Response {
    let Redeemed { login, grant } = redeemed;
    if let Some(login) = login {
        let is_in = app.concenter.log_in(&login.user_name, &login.password).await;
        drop(login);
        match request_id() {
            Ok(request_id) => app.gateway.report(request_id, grant.session.clone(), is_in).await,
            Err(error) => return broken(&error, language),
        }
        if !is_in {
            return notice(StatusCode::CONFLICT, Notice::Password, language, None);
        }
    }
    // What the browser did here before is another session, perhaps another person's.
    if let Some(earlier) = Purpose::Session.value(&app.site, &jar) {
        app.sessions.end(&earlier);
    }
    match app.sessions.begin(grant, app.clock.now()) {
        Ok(id) => {
            let jar = Purpose::Nonce.forget(&app.site, jar).add(Purpose::Session.cookie(&app.site, id));
            (jar, Redirect::to("/")).into_response()
        }
        Err(error) => broken(&error, language),
    }
}

/// The page of each refusal: `docs/token.md#answers-of-redeemjump`.
const fn page_of(error: RedeemError) -> (StatusCode, Notice) {
    match error {
        RedeemError::Invalid => (StatusCode::FORBIDDEN, Notice::LinkInvalid),
        RedeemError::Used => (StatusCode::GONE, Notice::LinkUsed),
        RedeemError::Expired => (StatusCode::GONE, Notice::LinkExpired),
        RedeemError::Revoked => (StatusCode::GONE, Notice::LinkRevoked),
        RedeemError::Password => (StatusCode::CONFLICT, Notice::Password),
        RedeemError::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, Notice::RedeemUnavailable),
    }
}

/// Tells whether a text can be a proof at all: what cannot is not carried further.
fn is_proof(text: &str, most: usize, marks: &[u8]) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
}
