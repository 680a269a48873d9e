//! Whose session a browser has, and whether what it sends comes from our own pages.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::header::ORIGIN;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};

use crate::gateway::{Grant, Standing};
use crate::language::Language;
use crate::pages::{way_back, way_to_start};
use crate::session::{Ended, Found, Live, Why};
use crate::settings::Site;
use crate::texts::Notice;

use super::App;
use super::answer::{Refusal, notice};

/// What a cookie is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Holds the id of the session.
    Session,
    /// Holds the nonce until a jump comes.
    Nonce,
}

impl Purpose {
    /// The name. Over https a browser takes the prefix only from this very host, and only for all of it.
    pub(super) fn name(self, site: &Site) -> &'static str {
        match (self, site.is_https()) {
            (Self::Session, true) => "__Host-tarifrechner",
            (Self::Session, false) => "tarifrechner",
            (Self::Nonce, true) => "__Host-tarifrechner-nonce",
            (Self::Nonce, false) => "tarifrechner-nonce",
        }
    }

    /// The cookie with this value; it lasts as long as the browser runs, and the session ends before.
    pub(super) fn cookie(self, site: &Site, value: String) -> Cookie<'static> {
        // The nonce must come along with the form that another site posts. Without it a planted link would be taken for one
        // of a browser that began here without a nonce. Where there is no https, everything is on this machine, one site.
        let same_site = match self {
            Self::Nonce if site.is_https() => SameSite::None,
            Self::Nonce | Self::Session => SameSite::Lax,
        };
        Cookie::build((self.name(site), value))
            .path("/")
            .http_only(true)
            .secure(site.is_https())
            .same_site(same_site)
            .build()
    }

    /// What the browser sent for it.
    pub(super) fn value(self, site: &Site, jar: &CookieJar) -> Option<String> {
        jar.get(self.name(site)).map(|cookie| cookie.value().to_owned())
    }

    /// Has the browser forget it.
    pub(super) fn forget(self, site: &Site, jar: CookieJar) -> CookieJar {
        jar.remove(self.cookie(site, String::new()))
    }
}

/// When the gateway is asked whether a session may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// If its last word is too old.
    WhenDue,
    /// In any case.
    Always,
}

/// The browser's session, which goes on by a click; else the page that says why it does not.
pub(super) async fn session(app: &App, jar: &CookieJar, language: Language, ask: Ask) -> Result<Live, Refusal> {
    let start =
        || notice(StatusCode::FORBIDDEN, Notice::NoSession, language, way_to_start(&app.site.portals, language));
    let Some(id) = Purpose::Session.value(&app.site, jar) else { return Err(start().into()) };
    let forgotten =
        |page: Response| Refusal::from((Purpose::Session.forget(&app.site, jar.clone()), page).into_response());
    let live = match app.sessions.click(&id, app.clock.now()) {
        Found::Live(live) => live,
        Found::Over(ended) => return Err(forgotten(end_page(&ended, language))),
        Found::None => return Err(forgotten(start())),
    };
    if !live.is_due && ask == Ask::WhenDue {
        return Ok(live);
    }
    match app.gateway.introspect(&live.grant.session).await {
        Ok(Standing::Active(limits)) => match app.sessions.go_on(&live.id, limits, app.clock.now()) {
            Ok(()) => Ok(live),
            Err(Some(ended)) => Err(forgotten(end_page(&ended, language))),
            Err(None) => Err(forgotten(start())),
        },
        Ok(Standing::Over) => {
            app.sessions.end(&live.id);
            tracing::info!("session.revoked");
            Err(forgotten(end_page(&Ended { why: Why::Revoked, grant: Arc::clone(&live.grant) }, language)))
        }
        // Nobody knows, so nothing is shown.
        Err(_) => Err(notice(StatusCode::SERVICE_UNAVAILABLE, Notice::Uncertain, language, None).into()),
    }
}

/// Tells why a session ended, with the way back.
fn end_page(ended: &Ended, language: Language) -> Response {
    let grant: &Grant = &ended.grant;
    notice(StatusCode::FORBIDDEN, Notice::Ended(ended.why), language, way_back(grant.return_url.as_ref(), language))
}

/// Lets a form through that comes from one of our own pages.
pub(super) fn own_origin(app: &App, headers: &HeaderMap, language: Language) -> Result<(), Refusal> {
    if origin(headers).is_some_and(|origin| app.site.is_own(origin)) {
        return Ok(());
    }
    Err(notice(StatusCode::FORBIDDEN, Notice::ForeignOrigin, language, None).into())
}

/// Lets a form through that was made in this session.
pub(super) fn own_form(live: &Live, form_mark: &str, language: Language) -> Result<(), Refusal> {
    verify_slices_are_equal(live.form_mark.as_bytes(), form_mark.as_bytes())
        .map_err(|_| notice(StatusCode::FORBIDDEN, Notice::StaleForm, language, None).into())
}

/// Where a form comes from, if the browser says so, once.
pub(super) fn origin(headers: &HeaderMap) -> Option<&str> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let origin = origins.next()?.to_str().ok()?;
    origins.next().is_none().then_some(origin)
}
