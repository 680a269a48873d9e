//! Whose session a browser has, and whether what it sends comes from our own pages.

use std::sync::Arc;
use std::time::Duration;

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

/// How long a nonce waits for its jump. Until then no jump without it opens in the browser.
const NONCE_LIFE: Duration = Duration::from_mins(10);

/// What a cookie is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Holds the id of the session, and opens it.
    Session,
    /// Holds the name of the session, by which the next jump ends it, and opens nothing.
    Name,
    /// Holds the nonce until a jump comes.
    Nonce,
}

impl Purpose {
    /// The name. Over https a browser takes the prefix only from this very host, and only for all of it.
    pub(super) fn name(self, site: &Site) -> &'static str {
        match (self, site.is_https()) {
            (Self::Session, true) => "__Host-tarifrechner",
            (Self::Session, false) => "tarifrechner",
            (Self::Name, true) => "__Host-tarifrechner-name",
            (Self::Name, false) => "tarifrechner-name",
            (Self::Nonce, true) => "__Host-tarifrechner-nonce",
            (Self::Nonce, false) => "tarifrechner-nonce",
        }
    }

    /// The cookie with this value. But for the nonce it lasts as long as the browser runs, and the session ends before.
    pub(super) fn cookie(self, site: &Site, value: String) -> Cookie<'static> {
        // These come along with the form that another site posts, as the session does not. Without its nonce a planted link would
        // be taken for one of a browser that began here without. Where there is no https, everything is on this machine, one site.
        let same_site = match self {
            Self::Nonce | Self::Name if site.is_https() => SameSite::None,
            Self::Nonce | Self::Name | Self::Session => SameSite::Lax,
        };
        let cookie = Cookie::build((self.name(site), value))
            .path("/")
            .http_only(true)
            .secure(site.is_https())
            .same_site(same_site);
        match self {
            Self::Nonce => cookie.max_age(NONCE_LIFE.try_into().unwrap_or_default()).build(),
            Self::Session | Self::Name => cookie.build(),
        }
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

/// Has the browser forget its session.
pub(super) fn forget_session(site: &Site, jar: CookieJar) -> CookieJar {
    Purpose::Name.forget(site, Purpose::Session.forget(site, jar))
}

/// When the gateway is asked whether a session may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// Never: what is asked for must not wait for it.
    Never,
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
    let forgotten = |page: Response| Refusal::from((forget_session(&app.site, jar.clone()), page).into_response());
    let live = match app.sessions.find(&id, app.clock.now()) {
        Found::Live(live) => live,
        Found::Over(ended) => return Err(forgotten(end_page(&ended, language))),
        Found::None => return Err(forgotten(start())),
    };
    let must_ask = match ask {
        Ask::Never => false,
        Ask::WhenDue => live.is_due,
        Ask::Always => true,
    };
    let told = if must_ask { Some(app.gateway.introspect(&live.grant.session).await) } else { None };
    let limits = match told {
        None => None,
        Some(Ok(Standing::Active(limits))) => Some(limits),
        Some(Ok(Standing::Over)) => {
            app.sessions.end(&live.name);
            tracing::info!("session.revoked");
            return Err(forgotten(end_page(&Ended { why: Why::Revoked, grant: Arc::clone(&live.grant) }, language)));
        }
        // Nobody knows, so nothing is shown.
        Some(Err(_)) => {
            return Err(notice(StatusCode::SERVICE_UNAVAILABLE, Notice::Uncertain, language, None).into());
        }
    };
    match app.sessions.go_on(&live, limits) {
        Ok(()) => Ok(live),
        Err(Some(ended)) => Err(forgotten(end_page(&ended, language))),
        Err(None) => Err(forgotten(start())),
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
