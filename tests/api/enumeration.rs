//! Ids of somebody else, in every id field of every RPC: they answer as if they had never been.
//!
//! RPCs and fields come from the contract. One more RPC: a good request in [`Stage`]. One more kind of id: an arm of
//! [`Walk::strangers`]. Both fail until then.

use concenter_gateway::domain::caller::Role;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use tonic::metadata::MetadataMap;
use tonic::{Response, Status};

use crate::harness::stage::{self, LINKED, People, Row, Stage, roles, stage_catalogue};
use crate::harness::texts::{TextField, map_texts, text_at, text_fields, texts};
use crate::harness::*;

/// Ids that no tenant has for itself: the package that they stand in, the field, and why.
const GLOBAL: &[(&str, &str, &str)] = &[
    ("concenter.", "target_id", "the operator's catalogue is the same for all"),
    ("concenter.", "product_provider_id", "the operator's catalogue is the same for all"),
    ("concenter.v1.", "disable_product_provider_id", "the operator's catalogue is the same for all"),
    ("concenter.", "product_provider_ids", "the operator's catalogue is the same for all"),
    ("concenter.admin.", "return_url_id", "the operator's catalogue is the same for all"),
    ("concenter.admin.", "kek_id", "the key-encryption keys are the operator's"),
    ("concenter.admin.", "tenant_id", "all tenants are the operator's"),
];

/// What two answers to the same wish differ in, whatever the wish: what is new each time.
const NEW_EACH_TIME: &[&str] = &[
    "concenter.v1.BrokerActivation.activation_id",
    "concenter.v1.FormPost.token",
    "concenter.v1.JumpToInsurerPortalResponse.deep_link",
    "concenter.v1.JumpToInsurerPortalResponse.jump_id",
    "concenter.v1.JumpToTarifResponse.deep_link",
    "concenter.v1.JumpToTarifResponse.jump_id",
    "concenter.v1.Settings.etag",
];

/// A page token that nobody made.
const MADE_UP: &str = "AAAAAAAAAAAAAAAAAAAAAHd3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3dw";

/// What a customer gets who is to jump into an insurer's portal.
const FORBIDDEN: &str = "INSURER_PORTAL_FORBIDDEN";

/// Two tenants on one service: A, who calls, and B, whom it must not reach.
struct Walk<'a> {
    service: &'a Service,
    a: Stage<'a>,
    b: Stage<'a>,
}

/// What came of a call.
enum Came {
    Answer(MetadataMap, DynamicMessage),
    Refusal(Status),
}

/// An id field of a role's requests to a method.
struct Asked<'a> {
    method: &'a MethodDescriptor,
    role: Option<Role>,
    field: &'a TextField,
}

impl Asked<'_> {
    /// How it reads where something is wrong.
    fn name(&self) -> String {
        let role = self.role.map_or("nobody", Role::as_str);
        format!("{} of {} as {role}", self.field, self.method.full_name())
    }
}

/// T05, T23, I4
#[tokio::test]
async fn an_id_of_another_tenant_answers_like_one_that_never_was() {
    let service = Service::start().await;
    let walk = Walk::begin(&service).await;
    let mut new_each_time = Vec::new();
    for method in methods() {
        for role in roles(&method) {
            walk.a_good_request_is_answered(&method, role, "").await;
            for field in id_fields(&method).iter().filter(|field| !is_global(field)) {
                let good = walk.a_good_request_is_answered(&method, role, &field.to_string()).await;
                new_each_time.extend(walk.tells_nothing(&Asked { method: &method, role, field }, &good).await);
            }
        }
    }
    new_each_time.sort_unstable();
    new_each_time.dedup();
    assert_eq!(new_each_time, NEW_EACH_TIME, "what is new each time");
}

/// T05, T23, I4
#[tokio::test]
async fn a_page_token_of_another_tenant_list_or_filter_answers_like_one_that_was_made_up() {
    let service = Service::start().await;
    let walk = Walk::begin(&service).await;
    let lists: Vec<_> = methods().filter(|method| page_token(method).is_some()).collect();
    let mut foreign = Vec::new();
    for list in &lists {
        let field = page_token(list).expect("a list");
        for role in roles(list) {
            let tokens = walk.foreign_page_tokens(&Asked { method: list, role, field: &field }, &lists).await;
            foreign.push((list, role, field.clone(), tokens));
        }
    }
    // Not before: what B itself reads may leave a row in its log.
    let before = (walk.state_of_b().await, walk.audit_of_b().await);
    for (list, role, field, tokens) in foreign {
        let asked = Asked { method: list, role, field: &field };
        let made_up = walk.refused_page(&asked, MADE_UP).await;
        for (what, token) in tokens {
            let refused = walk.refused_page(&asked, &token).await;
            same_bytes(&refused, &made_up, &format!("a token of {what} as {}", asked.name()));
        }
        walk.other_filters_are_other_lists(&asked).await;
    }
    let after = (walk.state_of_b().await, walk.audit_of_b().await);
    assert_eq!(after, before, "B or its audit log changed");
}

#[test]
fn every_exception_is_a_field_of_the_contract() {
    let fields: Vec<_> = methods().flat_map(|method| id_fields(&method)).collect();
    for (package, name, why) in GLOBAL {
        let stands = fields.iter().any(|field| field.name() == *name && field.message().starts_with(package));
        assert!(stands, "no request has {name} any more, of which was said: {why}");
    }
}

/// The id fields of a method's requests. Whoever chooses the id of a request chooses it for himself.
fn id_fields(method: &MethodDescriptor) -> Vec<TextField> {
    let is_id = |field: &TextField| {
        let name = field.name();
        name != "request_id" && (name == "session" || name.ends_with("_id") || name.ends_with("_ids"))
    };
    text_fields(&method.input()).into_iter().filter(is_id).collect()
}

/// The field of the page token, in the requests of a list.
fn page_token(method: &MethodDescriptor) -> Option<TextField> {
    text_fields(&method.input()).into_iter().find(|field| field.name() == "page_token")
}

fn is_global(field: &TextField) -> bool {
    let message = field.message();
    GLOBAL.iter().any(|(package, name, _)| field.name() == *name && message.starts_with(package))
}

impl<'a> Walk<'a> {
    async fn begin(service: &'a Service) -> Self {
        stage_catalogue(&service.operator()).await;
        let hire = || -> stage::Hire<'a> { Box::new(|grant| service.bearer(&service.mint(grant))) };
        let (a, b) = (Stage::make(hire()).await, Stage::make(hire()).await);
        Self { service, a, b }
    }

    async fn good(&self, method: &MethodDescriptor, role: Option<Role>, about: &str) -> DynamicMessage {
        let good = self.a.good_about(method, role, about).await;
        good.unwrap_or_else(|| panic!("no good request of {} is written down", method.full_name()))
    }

    async fn call(&self, asked: &Asked<'_>, message: &DynamicMessage) -> Came {
        let caller = self.a.caller(asked.role);
        match caller.send(&path_of(asked.method), message.encode_to_vec()).await {
            Ok(answer) => {
                let (metadata, bytes, _) = answer.into_parts();
                let body = DynamicMessage::decode(asked.method.output(), bytes.as_slice()).expect("an answer");
                assert_eq!(body.encode_to_vec(), bytes, "the answer of {} is more than the contract", asked.name());
                Came::Answer(metadata, body)
            }
            Err(status) => Came::Refusal(status),
        }
    }

    /// Otherwise what follows would show nothing. Gives the request.
    async fn a_good_request_is_answered(
        &self,
        method: &MethodDescriptor,
        role: Option<Role>,
        about: &str,
    ) -> DynamicMessage {
        self.minute_passes();
        let good = self.good(method, role, about).await;
        if let Err(status) = self.a.caller(role).send_dynamic(&path_of(method), &good).await {
            let role = role.map_or("nobody", Role::as_str);
            // Never good: customers do not get there, whoever they are.
            let is_never = about.starts_with("person.customer.") && reason(&status).1 == FORBIDDEN;
            assert!(is_never, "the good request of {} as {role} is not: {status:?}", method.full_name());
        }
        good
    }

    /// The jumps of the last minute no longer count.
    fn minute_passes(&self) {
        self.service.clock.advance(61);
    }

    /// Everything of B, but for its audit log.
    async fn state_of_b(&self) -> Vec<String> {
        let column = format!("tenant_id={}", self.b.tenant);
        let lines: Vec<_> = self.service.state().await.into_iter().filter(|line| line.contains(&column)).collect();
        assert!(!lines.is_empty(), "B has nothing");
        lines
    }

    /// The audit log of B.
    async fn audit_of_b(&self) -> Vec<AuditRow> {
        self.service.audit().await.into_iter().filter(|row| row.tenant == self.b.tenant).collect()
    }

    /// Asserts that ids of others and ids of nobody are answered alike in this field, and that B does not notice. Gives the
    /// fields of the answers that were not compared because they are new each time.
    async fn tells_nothing(&self, asked: &Asked<'_>, good: &DynamicMessage) -> Vec<&'static str> {
        let strangers = self.strangers(asked).await;
        let before = (self.state_of_b().await, self.audit_of_b().await);
        let mut new_each_time = Vec::new();
        for stranger in strangers {
            // As A's own has it; and as the stranger's has it, so that nothing but the tenant stands in the way.
            let differs = |etag: &TextField| text_at(good, &etag.to_string()) != stranger.etag;
            let etags = asked.field.beside("etag").filter(|etag| !stranger.etag.is_empty() && differs(etag));
            for etag in [None].into_iter().chain(etags.map(|field| Some((field, stranger.etag.as_str())))) {
                self.minute_passes();
                let theirs = self.ask_for(asked, &stranger.id, etag.as_ref()).await;
                let nobodys = self.ask_for(asked, &like_nobody(&stranger.id), etag.as_ref()).await;
                new_each_time.extend(same_answer(asked, theirs, nobodys));
            }
        }
        let after = (self.state_of_b().await, self.audit_of_b().await);
        assert_eq!(after, before, "{} changed B or its audit log", asked.name());
        new_each_time
    }

    /// Puts an id into a good request and calls. What is known of the request stands as words in the answer.
    async fn ask_for(
        &self,
        asked: &Asked<'_>,
        id: &str,
        etag: Option<&(TextField, &str)>,
    ) -> (Came, Vec<&'static str>) {
        let mut message = self.good(asked.method, asked.role, &asked.field.to_string()).await;
        if let Some((field, etag)) = etag {
            field.put(&mut message, etag);
        }
        asked.field.put(&mut message, id);
        let sent = texts(&message);
        let mut new_each_time = Vec::new();
        let came = match self.call(asked, &message).await {
            Came::Answer(metadata, mut body) => {
                map_texts(&mut body, &mut |field, text| {
                    if let Some(known) = NEW_EACH_TIME.iter().find(|known| **known == field) {
                        new_each_time.push(*known);
                        // As long as it was: a length tells as well, but for that of a number which grows.
                        let is_etag = field.rsplit('.').next() == Some("etag");
                        return Some("?".repeat(if is_etag { 1 } else { text.len() }));
                    }
                    sent.iter().find(|(_, known)| known == text).map(|(field, _)| format!("as sent in {field}"))
                });
                Came::Answer(metadata, body)
            }
            Came::Refusal(status) => {
                assert!(!everything(&status).contains(id), "{} echoes the id: {status:?}", asked.name());
                assert_refusal_is_of_the_id(asked, &status);
                Came::Refusal(status)
            }
        };
        (came, new_each_time)
    }

    /// Ids that somebody else has: B, and for a broker or customer another one of A.
    async fn strangers(&self, asked: &Asked<'_>) -> Vec<Row> {
        let portals = |id: String| Row { id, etag: String::new() };
        match asked.field.name() {
            "user_id"
            | "private_user_id"
            | "commercial_user_id"
            | "standard_user_id"
            | "end_customer_off_user_id"
            | "disable_user_id" => {
                let mut users = self.b.users_in_use().await;
                users.push(self.b.user("USER_KIND_BROKER").await);
                users
            }
            "activation_id" => vec![self.b.activation().await],
            // The caller is no firm's: what is not his is what another target redeemed, of whichever firm.
            "session" => vec![portals(self.b.session(LINKED).await), portals(self.a.session(LINKED).await)],
            "jump_id" => {
                let mut jumps =
                    vec![portals(self.b.jump(Role::Broker).await), portals(self.b.jump(Role::Customer).await)];
                match asked.role {
                    Some(Role::Broker) => jumps.push(portals(self.a.jump(Role::Customer).await)),
                    Some(Role::Customer) => jumps.push(portals(self.a.jump(Role::Broker).await)),
                    _ => {}
                }
                jumps
            }
            name => {
                let People { broker, customer, actor, mvp_user } = self.b.people().await;
                match name {
                    "broker_id" | "broker_ids" => vec![portals(broker)],
                    "customer_id" | "customer_context_id" => vec![customer],
                    "actor_id" => vec![portals(actor)],
                    "default_mvp_user_id" => vec![portals(mvp_user)],
                    _ => panic!("whose ids are in {}?", asked.name()),
                }
            }
        }
    }

    /// The refusal of a page token.
    async fn refused_page(&self, asked: &Asked<'_>, token: &str) -> Status {
        let mut message = self.good(asked.method, asked.role, "").await;
        asked.field.put(&mut message, token);
        match self.call(asked, &message).await {
            Came::Refusal(status) => {
                assert_eq!(reason(&status).1, "FIELD_INVALID", "{}", asked.name());
                assert!(!everything(&status).contains(token), "{} echoes the token", asked.name());
                status
            }
            Came::Answer(..) => panic!("{} was answered", asked.name()),
        }
    }

    /// Tokens of B's own list and of A's other ones. The operator's lists belong to nobody else.
    async fn foreign_page_tokens(&self, asked: &Asked<'_>, lists: &[MethodDescriptor]) -> Vec<(String, String)> {
        let mut tokens = Vec::new();
        if asked.role != Some(Role::Operator) {
            tokens.push(("B".to_owned(), next_page(&self.b, asked.method, asked.role).await));
        }
        for other in lists.iter().filter(|other| *other != asked.method) {
            for role in roles(other) {
                tokens.push((other.full_name().to_owned(), next_page(&self.a, other, role).await));
            }
        }
        tokens
    }

    /// Asserts that a token of the whole list is none of the list of one id, and looks like one that was made up.
    async fn other_filters_are_other_lists(&self, asked: &Asked<'_>) {
        let whole = next_page(&self.a, asked.method, asked.role).await;
        for filter in id_fields(asked.method) {
            let mut statuses = Vec::new();
            for token in [whole.as_str(), MADE_UP] {
                let mut message = self.good(asked.method, asked.role, &filter.to_string()).await;
                filter.put(&mut message, NOBODY);
                asked.field.put(&mut message, token);
                let Came::Refusal(status) = self.call(asked, &message).await else {
                    panic!("{} takes the token of another filter than {filter}", asked.name());
                };
                let is_of_the_token = fields(&status) == ["page_token"];
                assert!(is_of_the_token || is_for_himself(asked), "{} with {filter}: {status:?}", asked.name());
                statuses.push(status);
            }
            same_bytes(&statuses[0], &statuses[1], &format!("{} with {filter}", asked.name()));
        }
    }
}

/// Where the second page of a list begins.
async fn next_page(stage: &Stage<'_>, list: &MethodDescriptor, role: Option<Role>) -> String {
    let good = stage.good(list, role).await.expect("a good request");
    let page = stage.caller(role).send_dynamic(&path_of(list), &good).await.map(Response::into_inner);
    let token = text_at(&page.expect("a page"), "next_page_token");
    assert!(!token.is_empty(), "{} has one page only", list.full_name());
    token
}

/// An id like this one, and as long, that nothing has.
fn like_nobody(id: &str) -> String {
    match id.split_once('.') {
        // A session: the tenant is there, the jump never was.
        Some((tenant, jump)) if uuid::Uuid::try_parse(jump).is_ok() => format!("{tenant}.{NOBODY}"),
        _ if uuid::Uuid::try_parse(id).is_ok() => NOBODY.to_owned(),
        _ => stage::fresh('n'),
    }
}

/// Asserts that two answers are the same, but for what is new each time; gives what that was.
fn same_answer(
    asked: &Asked<'_>,
    (theirs, new_each_time): (Came, Vec<&'static str>),
    (nobodys, _): (Came, Vec<&'static str>),
) -> Vec<&'static str> {
    match (theirs, nobodys) {
        (Came::Refusal(theirs), Came::Refusal(nobodys)) => same_bytes(&theirs, &nobodys, &asked.name()),
        (Came::Answer(metadata, theirs), Came::Answer(others, nobodys)) => {
            same_metadata(&metadata, &others, &asked.name());
            let bytes = [&theirs, &nobodys].map(DynamicMessage::encode_to_vec);
            assert_eq!(bytes[0], bytes[1], "{}: {theirs} and {nobodys}", asked.name());
        }
        (Came::Refusal(status), Came::Answer(..)) => {
            panic!("{} is refused for an id of another only: {status:?}", asked.name())
        }
        (Came::Answer(..), Came::Refusal(status)) => {
            panic!("{} is refused for an id of nobody only: {status:?}", asked.name())
        }
    }
    new_each_time
}

/// Asserts that a request which is good but for one id is refused for that, and not for something that hides it.
fn assert_refusal_is_of_the_id(asked: &Asked<'_>, status: &Status) {
    let reason = reason(status).1;
    let is_fit = match reason.as_str() {
        // A jump by an activation or for a broker that is not there, and for a customer of whom nothing is known.
        "NOT_FOUND" | "NO_USER_ASSIGNED" | "SEGMENT_UNKNOWN" => true,
        FORBIDDEN => asked.field.to_string() == "person.customer.customer_id",
        "ROLE" | "FIELD_INVALID" => is_for_himself(asked),
        _ => false,
    };
    assert!(is_fit, "{}: {status:?}", asked.name());
}

/// Tells whether the caller is the person by his token: he names nobody.
fn is_for_himself(asked: &Asked<'_>) -> bool {
    matches!(asked.role, Some(Role::Broker | Role::Customer))
}
