//! `POST /jump`: a jump arrives.
//!
//! It is redeemed before anything is shown, set or stored. Then the browser gets a new session and goes to a URL in which
//! nothing of the jump stands. It goes on to another URL where the redeem is refused, too: whoever reloads the answer to a
//! form posts it again, and a jump that comes twice is taken for a copied one.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use serde::Deserialize;

use crate::gateway::{Grant, RedeemError, Redeemed};
use crate::language::Language;
use crate::pages::way_to_start;
use crate::random::request_id;
use crate::session::{Begun, Moment};
use crate::texts::Notice;

use super::App;
use super::answer::notice;
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
    // Until the redeem a reload is only another try.
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
    // Before the jump is used up. The limits count from here, however slow the answers are.
    let now = app.clock.now();
    if !app.sessions.have_room(now) {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, Notice::Full);
    }
    match open(&app, token, nonce, app.sessions.moment(now)).await {
        Ok(begun) => {
            // What the browser did here before is another session, perhaps another person's.
            if let Some(earlier) = Purpose::Name.value(&app.site, &jar) {
                app.sessions.end(&earlier);
            }
            let jar = Purpose::Nonce
                .forget(&app.site, jar)
                .add(Purpose::Session.cookie(&app.site, begun.id))
                .add(Purpose::Name.cookie(&app.site, begun.name));
            (jar, Redirect::to("/")).into_response()
        }
        Err(error) => Redirect::to(&format!("/jump/{}", page_of(error).0)).into_response(),
    }
}

/// Tells why a jump opened no session. Anybody may ask for it, again and again.
pub(super) async fn tell(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let language = Language::wanted(&headers);
    match RedeemError::ALL.into_iter().map(page_of).find(|(known, ..)| *known == name) {
        Some((_, status, why)) => notice(status, why, language, way_to_start(&app.site.portals, language)),
        None => notice(StatusCode::NOT_FOUND, Notice::NotFound, language, None),
    }
}

/// Redeems a jump and begins the session.
async fn open(app: &Arc<App>, token: String, nonce: Option<String>, moment: Moment) -> Result<Begun, RedeemError> {
    // In a task of its own: a browser that hangs up ends this function, and what follows the redeem must not end with it.
    let redeemed = tokio::spawn(redeem(Arc::clone(app), token, nonce)).await;
    let grant = redeemed.unwrap_or_else(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "jump.broken");
        Err(RedeemError::Unavailable)
    })?;
    app.sessions.begin(grant, moment).map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "jump.broken");
        RedeemError::Unavailable
    })
}

/// Redeems a jump, logs in at con:center, and has the gateway told how that went.
async fn redeem(app: Arc<App>, token: String, nonce: Option<String>) -> Result<Grant, RedeemError> {
    let Redeemed { login, grant } = app.gateway.redeem(token, nonce).await.inspect_err(|error| {
        if *error == RedeemError::Used {
            // The link was copied: the session that its first use opened is one of ours, and is revoked by now.
            app.sessions.distrust_all();
        }
    })?;
    if let Some(login) = login {
        let is_in = app.concenter.log_in(&login.user_name, &login.password).await;
        drop(login);
        // The person does not wait for it.
        tokio::spawn(report(app, grant.session.clone(), is_in));
        if !is_in {
            return Err(RedeemError::Password);
        }
    }
    Ok(grant)
}

/// Tells the gateway how a login went.
async fn report(app: Arc<App>, session: String, is_in: bool) {
    match request_id() {
        Ok(request_id) => app.gateway.report(request_id, session, is_in, &*app.clock).await,
        Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "jump.report.broken"),
    }
}

/// The page of each refusal, by its name in the URL: `docs/token.md#answers-of-redeemjump`.
const fn page_of(error: RedeemError) -> (&'static str, StatusCode, Notice) {
    match error {
        RedeemError::Invalid => ("invalid", StatusCode::FORBIDDEN, Notice::LinkInvalid),
        RedeemError::Used => ("used", StatusCode::GONE, Notice::LinkUsed),
        RedeemError::Expired => ("expired", StatusCode::GONE, Notice::LinkExpired),
        RedeemError::Revoked => ("revoked", StatusCode::GONE, Notice::LinkRevoked),
        RedeemError::Password => ("password", StatusCode::CONFLICT, Notice::Password),
        RedeemError::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE, Notice::RedeemUnavailable),
    }
}

/// Tells whether a text can be a proof at all: what cannot is not carried further.
fn is_proof(text: &str, most: usize, marks: &[u8]) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
}
