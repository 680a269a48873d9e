//! A stand-in for the portal, so that the demonstration can be seen in a browser: a page with a button for each person, which
//! makes a fresh jump. It listens on this machine alone, because it knows no login.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Query, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use prost_types::Duration;
use serde::Deserialize;

use super::desk::Desk;
use super::play::person;
use super::script::{Caller, EXAMPLE_CALCULATOR, MEIER, PRIVATE_1, PRIVATE_2, Person};
use super::seen::Refused;
use crate::proto::v1::JumpToTarifRequest;
use crate::proto::v1::jump_service_client::JumpServiceClient;

/// Where the calculator sends the browser back to.
pub(super) const RETURN_PATH: &str = "/zurueck";
/// How long the links live, in seconds: as long as they may, for who looks at each step.
const LINK_LIFE: i64 = 120;

/// Somebody who can be at the screen.
struct Visitor {
    key: &'static str,
    name: &'static str,
    tells: &'static str,
    person: Person,
}

const VISITORS: [Visitor; 3] = [
    Visitor {
        key: "broker",
        name: "Broker Meier",
        tells: "his personal con:center user",
        person: Person::Broker(MEIER),
    },
    Visitor {
        key: "private-1",
        name: "First customer",
        tells: "the con:center user that private customers share",
        person: Person::Customer(PRIVATE_1),
    },
    Visitor {
        key: "private-2",
        name: "Second customer",
        tells: "the same one, and sees nothing of the first",
        person: Person::Customer(PRIVATE_2),
    },
];

/// Where everything is.
pub(super) struct Places {
    /// Origin of this portal.
    pub(super) own: String,
    /// Origin of the calculator.
    pub(super) calculator: String,
    /// Origin of the landing page.
    pub(super) landing: String,
}

struct Portal {
    desk: Arc<Desk>,
    places: Places,
    /// What the pages may load and where their forms may lead: to a jump, which leads on to the landing page.
    policy: HeaderValue,
}

/// The pages of the portal.
///
/// # Errors
/// If a place is no origin.
pub(super) fn router(desk: Arc<Desk>, places: Places) -> anyhow::Result<Router> {
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {}; frame-ancestors 'none'; base-uri 'none'",
        places.landing
    );
    let portal = Arc::new(Portal { desk, places, policy: policy.try_into()? });
    Ok(Router::new()
        .route("/", get(home))
        .route(RETURN_PATH, get(back))
        .route("/jump", post(jump))
        .route("/style.css", get(style))
        .layer(middleware::from_fn_with_state(Arc::clone(&portal), harden))
        .with_state(portal))
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../../../templates/demo_portal.css")).into_response()
}

async fn harden(State(portal): State<Arc<Portal>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let fixed: [(HeaderName, HeaderValue); 4] = [
        (CONTENT_SECURITY_POLICY, portal.policy.clone()),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("strict-origin")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    response.headers_mut().extend(fixed);
    response
}

#[derive(Template)]
#[template(path = "demo_portal.html")]
struct Page<'a> {
    message: Option<&'a str>,
    visitors: &'a [Visitor],
    nonce: Option<&'a str>,
    begin: String,
}

impl Portal {
    fn page(&self, status: StatusCode, message: Option<&str>, nonce: Option<&str>) -> Response {
        let own = format!("{}/", self.places.own);
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("return", &own).finish();
        let begin = format!("{}/begin?{query}", self.places.calculator);
        match (Page { message, visitors: &VISITORS, nonce, begin }).render() {
            Ok(html) => (status, Html(html)).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }

    /// A fresh jump; gives the link to open.
    async fn make_jump(&self, who: Person, nonce: Option<String>) -> anyhow::Result<String> {
        let request = JumpToTarifRequest {
            request_id: self.desk.request_id(),
            target_id: EXAMPLE_CALCULATOR.id.to_owned(),
            person: Some(person(who)),
            line_of_business: Some("050".to_owned()),
            nonce,
            return_url: Some(format!("{}{RETURN_PATH}", self.places.own)),
            ttl: Some(Duration { seconds: LINK_LIFE, nanos: 0 }),
            ..Default::default()
        };
        let request = self.desk.signed(Caller::Portal, request)?;
        Ok(JumpServiceClient::new(self.desk.channel()).jump_to_tarif(request).await?.into_inner().deep_link)
    }
}

/// What the calculator sends along when a session begins there.
#[derive(Deserialize)]
struct Begun {
    nonce: Option<String>,
}

async fn home(State(portal): State<Arc<Portal>>, Query(begun): Query<Begun>) -> Response {
    portal.page(StatusCode::OK, None, begun.nonce.as_deref())
}

async fn back(State(portal): State<Arc<Portal>>) -> Response {
    portal.page(StatusCode::OK, Some("You are back from the Tarifrechner, where your session has ended."), None)
}

#[derive(Deserialize)]
struct JumpForm {
    who: String,
    nonce: Option<String>,
}

async fn jump(
    State(portal): State<Arc<Portal>>,
    headers: HeaderMap,
    form: Result<Form<JumpForm>, FormRejection>,
) -> Response {
    // Another site's page must not make jumps in somebody's browser.
    if headers.get(ORIGIN).is_none_or(|origin| origin.as_bytes() != portal.places.own.as_bytes()) {
        return portal.page(StatusCode::FORBIDDEN, Some("This form did not come from here."), None);
    }
    let Ok(Form(form)) = form else {
        return portal.page(StatusCode::BAD_REQUEST, Some("This form cannot be read."), None);
    };
    let Some(visitor) = VISITORS.iter().find(|visitor| visitor.key == form.who) else {
        return portal.page(StatusCode::BAD_REQUEST, Some("Nobody here has this name."), None);
    };
    match portal.make_jump(visitor.person, form.nonce).await {
        Ok(link) => Redirect::to(&link).into_response(),
        Err(error) => {
            let refused = error.downcast_ref::<tonic::Status>().map(|status| Refused::from(status).text);
            let message = refused.unwrap_or_else(|| "The gateway does not answer.".to_owned());
            portal.page(StatusCode::BAD_GATEWAY, Some(&message), None)
        }
    }
}
