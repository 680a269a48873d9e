//! A page, rendered once for everybody who asks for it.
//!
//! Script and style are the same on every page, so the policy names them by their hash: that needs no random number for each
//! answer, and a page can be kept. What else stands in the page cannot run, whatever it is.

use askama::Template;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use super::super::NOSNIFF;
use super::language::Language;
use super::texts::Texts;
use crate::app::landing::Entrance;
use crate::domain::target::{Origin, Target, WebUrl};
use crate::domain::text::Line;
use crate::domain::time::Timestamp;

const SCRIPT: &str = include_str!("../../../templates/landing.js");
const STYLE: &str = include_str!("../../../templates/landing.css");

/// How long a browser that was here once comes by TLS alone: a year.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// What follows where a value does not fit into a header: nothing may run, and nothing may be posted.
const NOTHING_ALLOWED: HeaderValue =
    HeaderValue::from_static("default-src 'none'; form-action 'none'; base-uri 'none'");

/// What all pages of a service have in common.
pub(super) struct Layout {
    portal_url: Option<WebUrl>,
    is_https: bool,
    /// The policy up to where a form may be posted, without what follows.
    policy: String,
}

/// What a page is about.
enum Kind<'a> {
    Open { name: &'a str, action: &'a str, now: i64 },
    Closed { name: &'a str },
    Missing,
    Unavailable,
}

impl Kind<'_> {
    /// The word for it in the document, which the script replaces where there is a form.
    const fn state(&self) -> &'static str {
        match self {
            Self::Open { .. } => "waiting",
            Self::Closed { .. } => "closed",
            Self::Missing => "missing",
            Self::Unavailable => "unavailable",
        }
    }

    fn heading(&self, texts: &Texts) -> String {
        match self {
            Self::Open { name, .. } => format!("{} {name}", texts.heading),
            Self::Closed { name } => (*name).to_owned(),
            Self::Missing => texts.heading_missing.to_owned(),
            Self::Unavailable => texts.heading_unavailable.to_owned(),
        }
    }
}

#[derive(Template)]
#[template(path = "landing.html")]
struct Document<'a> {
    language: Language,
    texts: &'static Texts,
    heading: String,
    kind: &'a Kind<'a>,
    portal: Option<&'a str>,
    script: &'static str,
    style: &'static str,
}

/// A page in both languages, ready to be sent.
pub(super) struct Page {
    status: StatusCode,
    german: Rendered,
    english: Rendered,
}

struct Rendered {
    headers: HeaderMap,
    body: Bytes,
}

impl Layout {
    pub(super) fn new(public_url: &Origin, portal_url: Option<WebUrl>) -> Self {
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; frame-ancestors 'none'; base-uri 'none'; form-action",
            hash(SCRIPT),
            hash(STYLE)
        );
        Self { portal_url, is_https: public_url.is_https(), policy }
    }

    /// The page of an entrance, as found at `now`.
    pub(super) fn page(&self, entrance: &Entrance, now: Timestamp) -> Page {
        match entrance {
            Entrance::Nowhere => self.missing(),
            Entrance::Closed { name } => self.closed(name),
            Entrance::Open(target) => {
                let Some(form_action) = form_action(target) else {
                    tracing::warn!(target_id = %target.target_id, "web.landing.no_origin");
                    return self.closed(&target.display_name);
                };
                let (name, action) = (target.display_name.as_str(), target.url.as_str());
                let kind = Kind::Open { name, action, now: now.unix_seconds() };
                self.rendered(StatusCode::OK, &kind, &form_action)
            }
        }
    }

    /// The page of a target that leads nowhere.
    fn closed(&self, name: &Line) -> Page {
        self.rendered(StatusCode::FORBIDDEN, &Kind::Closed { name: name.as_str() }, "'none'")
    }

    /// The page of what is not there.
    pub(super) fn missing(&self) -> Page {
        self.rendered(StatusCode::NOT_FOUND, &Kind::Missing, "'none'")
    }

    /// The page while nobody knows what is there.
    pub(super) fn unavailable(&self) -> Page {
        self.rendered(StatusCode::SERVICE_UNAVAILABLE, &Kind::Unavailable, "'none'")
    }

    fn rendered(&self, status: StatusCode, kind: &Kind<'_>, form_action: &str) -> Page {
        let in_language = |language: Language| Rendered {
            headers: self.headers(language, form_action),
            body: self.body(language, kind),
        };
        Page { status, german: in_language(Language::German), english: in_language(Language::English) }
    }

    fn body(&self, language: Language, kind: &Kind<'_>) -> Bytes {
        let texts = Texts::of(language);
        let portal = self.portal_url.as_ref().map(WebUrl::as_str);
        let heading = kind.heading(texts);
        let document = Document { language, texts, heading, kind, portal, script: SCRIPT, style: STYLE };
        match document.render() {
            Ok(text) => text.into(),
            Err(error) => {
                // A page without anything does nothing.
                tracing::error!(error = &error as &dyn std::error::Error, "web.landing.not_rendered");
                Bytes::new()
            }
        }
    }

    fn headers(&self, language: Language, form_action: &str) -> HeaderMap {
        let policy = format!("{} {form_action}", self.policy);
        let policy = HeaderValue::try_from(policy).unwrap_or(NOTHING_ALLOWED);
        let mut headers: HeaderMap = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag())),
            (header::VARY, HeaderValue::from_static("accept-language")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::CONTENT_SECURITY_POLICY, policy),
            // Not `no-referrer`, which would make the Origin of what is posted `null`.
            (header::REFERRER_POLICY, HeaderValue::from_static("strict-origin")),
            (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
            (header::X_CONTENT_TYPE_OPTIONS, NOSNIFF),
            (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        ]
        .into_iter()
        .collect();
        if self.is_https {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
        }
        headers
    }
}

impl Page {
    /// The answer to somebody who wishes for this language.
    pub(super) fn answer(&self, language: Language) -> Response {
        let Rendered { headers, body } = match language {
            Language::German => &self.german,
            Language::English => &self.english,
        };
        // Not by `into_response`, which puts one header after the other into a new map.
        let mut response = Response::new(body.clone().into());
        *response.status_mut() = self.status;
        *response.headers_mut() = headers.clone();
        response
    }
}

/// Where the form may be posted, and where the answer to that may redirect: browsers check each step. `None` if the target's own URL
/// has no origin that a policy could name: it was registered by earlier rules, and has to be put anew.
fn form_action(target: &Target) -> Option<String> {
    let own = target.url.origin()?;
    let others = target.redirect_origins.as_slice().iter().filter(|origin| **origin != own);
    Some(others.fold(own.as_str().to_owned(), |all, origin| all + " " + origin.as_str()))
}

/// The hash of a script or style, as the policy names it (CSP level 3, section 2.3.1).
fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hashed_is_what_stands_in_the_page() {
        for (text, end) in [(SCRIPT, "</script"), (STYLE, "</style")] {
            assert!(!text.contains(end) && !text.contains("<!--"), "it would end early");
            assert!(!text.contains('\r'), "browsers hash what they have read, with line feeds alone");
        }
        let layout = Layout::new(&Origin::parse("https://jump.example").unwrap(), None);
        let page = layout.missing();
        let policy = page.german.headers.get(header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap();
        let body = std::str::from_utf8(&page.german.body).unwrap();
        for (name, directive) in [("script", "script-src"), ("style", "style-src")] {
            let (_, rest) = body.split_once(&format!("<{name}>")).unwrap();
            let (text, _) = rest.split_once(&format!("</{name}>")).unwrap();
            assert!(policy.contains(&format!("{directive} '{}'", hash(text))), "{policy}");
        }
    }
}
