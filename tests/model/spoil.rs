//! I10: a request with one field out of bounds (`docs/catalogue.md#status-codes`).

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::UserKind;
use prost_types::{Duration, FieldMask, Timestamp};

use crate::call::Request;
use crate::harness::{all, only};

/// Puts one field out of bounds: which, and how, is chosen by a number. Gives the fields that the refusal must name, sorted;
/// none where the request has no bounds.
pub fn spoil(request: &mut Request, which: usize) -> Vec<String> {
    let mut ways = ways(request);
    if ways.is_empty() {
        return Vec::new();
    }
    let (path, spoil) = ways.swap_remove(which % ways.len());
    spoil(request);
    vec![path.to_owned()]
}

/// A field, and what puts it out of bounds.
type Way = (&'static str, Box<dyn Fn(&mut Request)>);

fn ways(request: &Request) -> Vec<Way> {
    let mut ways = on_users(request);
    ways.extend(on_assignments(request));
    ways.extend(on_settings(request));
    ways.extend(on_jumps(request));
    ways.extend(on_lists(request));
    ways.extend(by_operator(request));
    if !request.request_id().is_empty() {
        for id in ["", "7", "99999999-0000-7000-8000-00000000000g"] {
            let set = move |request: &mut Request| *request.request_id_mut().expect("an id") = id.to_owned();
            ways.push(("request_id", Box::new(set)));
        }
    }
    ways
}

/// Writes down the ways of one request: field, and what is done to it.
macro_rules! spoils {
    ($of:expr, $name:ident: $($path:literal => |$request:ident| $spoil:expr),+ $(,)?) => {
        if matches!($of, Request::$name(_)) {
            return vec![$((
                $path,
                Box::new(|request: &mut Request| {
                    if let Request::$name($request) = request {
                        $spoil;
                    }
                }) as Box<dyn Fn(&mut Request)>,
            )),+];
        }
    };
}

fn long(characters: usize) -> String {
    "ü".repeat(characters)
}

#[expect(clippy::unnecessary_wraps, reason = "as the fields of messages are")]
fn paths(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

/// One product provider more than a scope has.
fn too_many_providers() -> v1::ProviderScope {
    let ids: Vec<_> = (0..201).map(|at| format!("p-{at}")).collect();
    only(&ids.iter().map(String::as_str).collect::<Vec<_>>())
}

fn masked_user(request: &mut v1::UpdateUserRequest, path: &str) -> v1::ConcenterUser {
    request.update_mask = paths(&[path]);
    request.user.clone().expect("a user")
}

#[expect(clippy::too_many_lines, reason = "a table: a line for each field and bound")]
fn on_users(request: &Request) -> Vec<Way> {
    spoils!(request, CreateUser:
        "user_name" => |request| request.user_name = String::new(),
        "user_name" => |request| request.user_name = long(257),
        "user_name" => |request| request.user_name = "x".repeat(1_025),
        "user_name" => |request| request.user_name = "a\u{202e}b".to_owned(),
        "kind" => |request| request.kind = 0,
        "kind" => |request| request.kind = UserKind::Standard.into(),
        "kind" => |request| request.kind = 17,
        "provider_scope" => |request| request.provider_scope = None,
        "provider_scope" => |request| request.set_all_for_end_customer(),
        "provider_scope.only.product_provider_ids" => |request| request.provider_scope = Some(only(&[])),
        "provider_scope.only.product_provider_ids" => |request| request.provider_scope = Some(too_many_providers()),
        "provider_scope.only.product_provider_ids[1]" => |request| request.provider_scope = Some(only(&["a", "A"])),
        "display_name" => |request| request.display_name = long(201),
        "notification_email" => |request| request.notification_email = "a@b.example, c@d.example".to_owned(),
        "notification_email" => |request| request.notification_email = format!("{}@b.example", "a".repeat(255)),
        "password" => |request| request.password = Some(String::new()),
        "password" => |request| request.password = Some(format!("{}{}", crate::aim::PASSWORD, "x".repeat(506))),
        "password" => |request| request.password = Some(format!("{}\0", crate::aim::PASSWORD)),
    );
    spoils!(request, UpdateUser:
        "user" => |request| (request.user, request.update_mask) = (None, None),
        "update_mask" => |request| (request.update_mask, request.user) = (None, request.bare()),
        "update_mask.paths[0]" => |request| request.update_mask = paths(&["*"]),
        "update_mask.paths[0]" => |request| request.update_mask = paths(&["kind"]),
        "update_mask.paths[0]" => |request| request.update_mask = paths(&["secret_version"]),
        "user.user_id" => |request| request.user.as_mut().expect("a user").user_id = "x".to_owned(),
        "user.etag" => |request| request.user.as_mut().expect("a user").etag = "v0".to_owned(),
        "user.user_name" => |request| {
            let user = masked_user(request, "user_name");
            request.user = Some(v1::ConcenterUser { user_name: String::new(), ..user });
        },
        "user.user_name" => |request| {
            let user = masked_user(request, "user_name");
            request.user = Some(v1::ConcenterUser { user_name: long(257), ..user });
        },
        "user.provider_scope" => |request| {
            let user = masked_user(request, "provider_scope");
            request.user = Some(v1::ConcenterUser { provider_scope: None, ..user });
        },
        "user.provider_scope.only.product_provider_ids" => |request| {
            let user = masked_user(request, "provider_scope");
            request.user = Some(v1::ConcenterUser { provider_scope: Some(only(&[])), ..user });
        },
        "user.display_name" => |request| {
            let user = masked_user(request, "display_name");
            request.user = Some(v1::ConcenterUser { display_name: long(201), ..user });
        },
        "user.notification_email" => |request| {
            let user = masked_user(request, "notification_email");
            request.user = Some(v1::ConcenterUser { notification_email: "niemand".to_owned(), ..user });
        },
    );
    spoils!(request, SetUserSecret:
        "password" => |request| request.password = String::new(),
        "password" => |request| request.password = format!("{}{}", crate::aim::PASSWORD, "x".repeat(506)),
        "password" => |request| request.password = format!("{}\0", crate::aim::PASSWORD),
        "user_id" => |request| request.user_id = String::new(),
        "etag" => |request| request.etag = String::new(),
    );
    spoils!(request, SetEndCustomer:
        "end_customer" => |request| request.end_customer = None,
        "provider_scope" => |request| request.provider_scope = Some(v1::ProviderScope { scope: None }),
        "provider_scope.only.product_provider_ids" => |request| request.provider_scope = Some(only(&[])),
        "user_id" => |request| request.user_id = "x".to_owned(),
        "etag" => |request| request.etag = "1".to_owned(),
    );
    spoils!(request, SetStandardUser:
        "user_id" => |request| request.user_id = "x".to_owned(),
        "etag" => |request| request.etag = String::new(),
    );
    spoils!(request, AttestEndCustomer:
        "user_id" => |request| request.user_id = "x".to_owned(),
        "etag" => |request| request.etag = String::new(),
        "remote_end_customer" => |request| request.remote_end_customer = 0,
        "remote_end_customer" => |request| request.remote_end_customer = 4,
    );
    spoils!(request, DisableUser:
        "user_id" => |request| request.user_id = "x".to_owned(),
        "etag" => |request| request.etag = "v99999999999999999999".to_owned(),
    );
    spoils!(request, EnableUser:
        "user_id" => |request| request.user_id = "x".to_owned(),
        "etag" => |request| request.etag = "v-1".to_owned(),
    );
    spoils!(request, DeleteUser:
        "user_id" => |request| request.user_id = String::new(),
        "etag" => |request| request.etag = String::new(),
    );
    spoils!(request, GetUser: "user_id" => |request| request.user_id = "' OR 1=1 --".to_owned());
    Vec::new()
}

/// What [`spoils`] does that takes more than a word.
trait Spoilt {
    /// An Endkunde user of all product providers.
    fn set_all_for_end_customer(&mut self) {}

    /// The user with nothing to change.
    fn bare(&self) -> Option<v1::ConcenterUser> {
        None
    }
}

impl Spoilt for v1::CreateUserRequest {
    fn set_all_for_end_customer(&mut self) {
        self.kind = UserKind::EndCustomer.into();
        self.provider_scope = Some(all());
    }
}

impl Spoilt for v1::UpdateUserRequest {
    fn bare(&self) -> Option<v1::ConcenterUser> {
        let user = self.user.clone().unwrap_or_default();
        Some(v1::ConcenterUser { user_id: user.user_id, etag: user.etag, ..v1::ConcenterUser::default() })
    }
}

fn masked_activation(request: &mut v1::UpdateBrokerActivationRequest, path: &str) -> v1::BrokerActivation {
    request.update_mask = paths(&[path]);
    request.activation.clone().expect("an activation")
}

fn many(count: usize, prefix: &str) -> Vec<String> {
    (0..count).map(|at| format!("{prefix}{at}")).collect()
}

#[expect(clippy::too_many_lines, reason = "a table: a line for each field and bound")]
fn on_assignments(request: &Request) -> Vec<Way> {
    spoils!(request, CreateActivation:
        "broker_ids" => |request| request.broker_ids.clear(),
        "broker_ids" => |request| request.broker_ids = many(101, "b"),
        "broker_ids[0]" => |request| request.broker_ids = vec!["b 1".to_owned()],
        "broker_ids[1]" => |request| request.broker_ids = vec!["b".to_owned(), "b".repeat(129)],
        "user_id" => |request| request.user_id = String::new(),
        "display_name" => |request| request.display_name = long(201),
        "sharing_reason" => |request| request.sharing_reason = long(201),
    );
    spoils!(request, UpdateActivation:
        "activation" => |request| (request.activation, request.update_mask) = (None, None),
        "update_mask.paths[0]" => |request| request.update_mask = paths(&["state"]),
        "update_mask.paths[0]" => |request| request.update_mask = paths(&["*"]),
        "activation.activation_id" => |request| {
            request.activation.as_mut().expect("an activation").activation_id = "x".to_owned();
        },
        "activation.etag" => |request| request.activation.as_mut().expect("an activation").etag = String::new(),
        "activation.broker_ids" => |request| {
            let activation = masked_activation(request, "broker_ids");
            request.activation = Some(v1::BrokerActivation { broker_ids: Vec::new(), ..activation });
        },
        "activation.user_id" => |request| {
            let activation = masked_activation(request, "user_id");
            request.activation = Some(v1::BrokerActivation { user_id: String::new(), ..activation });
        },
        "activation.sharing_reason" => |request| {
            let activation = masked_activation(request, "sharing_reason");
            request.activation = Some(v1::BrokerActivation { sharing_reason: long(201), ..activation });
        },
    );
    spoils!(request, DisableActivation:
        "activation_id" => |request| request.activation_id = "x".to_owned(),
        "etag" => |request| request.etag = " v1".to_owned(),
    );
    spoils!(request, EnableActivation:
        "activation_id" => |request| request.activation_id = "x".to_owned(),
        "etag" => |request| request.etag = "v01".to_owned(),
    );
    spoils!(request, DeleteActivation:
        "activation_id" => |request| request.activation_id = "x".to_owned(),
        "etag" => |request| request.etag = String::new(),
    );
    spoils!(request, GetActivation: "activation_id" => |request| request.activation_id = String::new());
    spoils!(request, PutCustomers:
        "customers" => |request| request.customers.clear(),
        "customers" => |request| request.customers = many(1_001, "c").into_iter().map(record).collect(),
        "customers[1].customer_id" => |request| request.customers = vec![record("c".to_owned()), record("c".to_owned())],
        "customers[0].customer_id" => |request| request.customers = vec![record("c".repeat(129))],
        "customers[0].segment" => |request| request.customers[0].segment = 0,
    );
    spoils!(request, AssignUser:
        "customer_id" => |request| request.customer_id = String::new(),
        "user_id" => |request| request.user_id = Some(String::new()),
        "etag" => |request| request.etag = String::new(),
    );
    spoils!(request, EraseCustomer:
        "customer_id" => |request| request.customer_id = "c 1".to_owned(),
        "customer_id" => |request| request.customer_id = "c".repeat(129),
    );
    spoils!(request, GetCustomer: "customer_id" => |request| request.customer_id = "c/1".to_owned());
    spoils!(request, UpdateAccess:
        "private_user_id" => |request| request.private_user_id = Some("x".to_owned()),
        "commercial_user_id" => |request| request.commercial_user_id = Some("x".to_owned()),
        "etag" => |request| request.etag = String::new(),
    );
    Vec::new()
}

fn record(customer_id: String) -> v1::CustomerRecord {
    v1::CustomerRecord { customer_id, segment: v1::Segment::Private.into() }
}

fn masked_settings(request: &mut v1::UpdateSettingsRequest, path: &str, settings: v1::Settings) {
    request.update_mask = paths(&[path]);
    let etag = request.settings.as_ref().map(|settings| settings.etag.clone()).unwrap_or_default();
    request.settings = Some(v1::Settings { etag, ..settings });
}

#[expect(clippy::unnecessary_wraps, reason = "as the fields of messages are")]
const fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

fn on_settings(request: &Request) -> Vec<Way> {
    spoils!(request, UpdateSettings:
        "settings" => |request| (request.settings, request.update_mask) = (None, None),
        "settings.etag" => |request| request.settings.as_mut().expect("settings").etag = String::new(),
        "update_mask.paths[0]" => |request| request.update_mask = paths(&["etag"]),
        "settings.jump_ttl" => |request| {
            masked_settings(request, "jump_ttl", v1::Settings { jump_ttl: seconds(9), ..Default::default() });
        },
        "settings.jump_ttl" => |request| {
            masked_settings(request, "jump_ttl", v1::Settings { jump_ttl: seconds(121), ..Default::default() });
        },
        "settings.customer_session_idle" => |request| {
            let settings = v1::Settings { customer_session_idle: seconds(16 * 60), ..Default::default() };
            masked_settings(request, "customer_session_idle", settings);
        },
        "settings.customer_session_absolute" => |request| {
            let settings = v1::Settings { customer_session_absolute: seconds(31 * 60), ..Default::default() };
            masked_settings(request, "customer_session_absolute", settings);
        },
        "settings.broker_session_idle" => |request| {
            let settings = v1::Settings { broker_session_idle: seconds(90), ..Default::default() };
            masked_settings(request, "broker_session_idle", settings);
        },
        "settings.broker_session_absolute" => |request| {
            let settings = v1::Settings { broker_session_absolute: seconds(481 * 60), ..Default::default() };
            masked_settings(request, "broker_session_absolute", settings);
        },
        "settings.import_change_limit_percent" => |request| {
            let settings = v1::Settings { import_change_limit_percent: 101, ..Default::default() };
            masked_settings(request, "import_change_limit_percent", settings);
        },
        "settings.import_change_limit_percent" => |request| {
            masked_settings(request, "import_change_limit_percent", v1::Settings::default());
        },
        "settings.default_mvp_user_id" => |request| {
            let settings = v1::Settings { default_mvp_user_id: "m".repeat(129), ..Default::default() };
            masked_settings(request, "default_mvp_user_id", settings);
        },
    );
    Vec::new()
}

fn on_jumps(request: &Request) -> Vec<Way> {
    spoils!(request, JumpToTarif:
        "target_id" => |request| request.target_id = "Rechner X".to_owned(),
        "target_id" => |request| request.target_id = "x".repeat(65),
        "person.broker_id" => |request| request.person = Some(crate::harness::broker("m meier")),
        "person.customer.customer_id" => |request| request.person = Some(crate::harness::customer("")),
        "actor_id" => |request| request.actor_id = Some(String::new()),
        "activation_id" => |request| request.activation_id = Some("x".to_owned()),
        "customer_context_id" => |request| request.customer_context_id = Some("c".repeat(129)),
        "line_of_business" => |request| request.line_of_business = Some("50".to_owned()),
        "product_provider_id" => |request| request.product_provider_id = Some("A B".to_owned()),
        "context" => |request| request.context = Some("x".repeat(4_097)),
        "context" => |request| request.context = Some("a\0b".to_owned()),
        "nonce" => |request| request.nonce = Some("n".repeat(65)),
        "nonce" => |request| request.nonce = Some(String::new()),
        "return_url" => |request| request.return_url = Some("javascript:alert(1)".to_owned()),
        "target_page" => |request| request.target_page = Some(String::new()),
        "target_page" => |request| request.target_page = Some("x".repeat(257)),
        "target_page" => |request| request.target_page = Some("//evil.example".to_owned()),
        "ttl" => |request| request.ttl = seconds(9),
        "ttl" => |request| request.ttl = seconds(121),
        "ttl" => |request| request.ttl = seconds(0),
        "ttl" => |request| request.ttl = Some(Duration { seconds: 60, nanos: 1 }),
    );
    spoils!(request, JumpToPortal:
        "target_id" => |request| request.target_id = String::new(),
        "nonce" => |request| request.nonce = Some("a b".to_owned()),
        "context" => |request| request.context = Some("x".repeat(4_097)),
        "ttl" => |request| request.ttl = seconds(-1),
    );
    spoils!(request, ExplainJump:
        "target_id" => |request| request.target_id = "x".repeat(65),
        "line_of_business" => |request| request.line_of_business = Some("0500".to_owned()),
        "activation_id" => |request| request.activation_id = Some("x".to_owned()),
    );
    spoils!(request, ReportJumpResult:
        "session" => |request| request.session = String::new(),
        "session" => |request| request.session.push('x'),
        "result" => |request| request.result = 0,
        "result" => |request| request.result = 3,
    );
    spoils!(request, IntrospectJump:
        "session" => |request| request.session = "x".repeat(129),
        "session" => |request| request.session = "x.y".to_owned(),
    );
    spoils!(request, GetJump: "jump_id" => |request| request.jump_id = "x".to_owned());
    spoils!(request, RevokeJump:
        "jumps" => |request| request.jumps = None,
        "jump_id" => |request| request.jumps = Some(v1::revoke_jump_request::Jumps::JumpId("x".to_owned())),
        "customer_id" => |request| request.jumps = Some(v1::revoke_jump_request::Jumps::CustomerId(String::new())),
    );
    Vec::new()
}

fn on_lists(request: &Request) -> Vec<Way> {
    spoils!(request, ListJumps:
        "page_size" => |request| request.page_size = -1,
        "page_token" => |request| request.page_token = "x".to_owned(),
        "state" => |request| request.state = Some(0),
        "state" => |request| request.state = Some(99),
        "target_id" => |request| request.target_id = Some("A B".to_owned()),
        "updated_after" => |request| request.updated_after = Some(Timestamp { seconds: 0, nanos: -1 }),
    );
    spoils!(request, ListTargets:
        "page_size" => |request| request.page_size = i32::MIN,
        "page_token" => |request| request.page_token = "' OR 1=1 --".to_owned(),
    );
    spoils!(request, ListProviders: "page_size" => |request| request.page_size = -1);
    Vec::new()
}

fn by_operator(request: &Request) -> Vec<Way> {
    spoils!(request, UpdateTenant:
        "tenant" => |request| request.tenant = None,
        "tenant.display_name" => |request| request.tenant.as_mut().expect("a tenant").display_name = long(201),
        "tenant.tenant_id" => |request| request.tenant.as_mut().expect("a tenant").tenant_id = "x".to_owned(),
        "update_mask.paths[0]" => |request| request.update_mask = paths(&["state"]),
    );
    spoils!(request, StopTenant:
        "tenant_id" => |request| request.tenant_id = "x".to_owned(),
        "etag" => |request| request.etag = String::new(),
    );
    spoils!(request, StartTenant:
        "tenant_id" => |request| request.tenant_id = "x".to_owned(),
        "etag" => |request| request.etag = String::new(),
    );
    spoils!(request, DeleteTenant:
        "tenant_id" => |request| request.tenant_id = String::new(),
        "etag" => |request| request.etag = String::new(),
    );
    spoils!(request, UndeleteTenant:
        "tenant_id" => |request| request.tenant_id = String::new(),
        "etag" => |request| request.etag = "x".to_owned(),
    );
    spoils!(request, DisableProvider: "etag" => |request| request.etag = String::new());
    spoils!(request, DisableTarget:
        "target_id" => |request| request.target_id = "A B".to_owned(),
        "etag" => |request| request.etag = String::new(),
    );
    Vec::new()
}
