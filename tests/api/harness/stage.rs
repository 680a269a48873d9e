//! A firm that can make every call of the contract: for tests that walk all RPCs.
//!
//! [`Stage::good`] makes, for each RPC and each role that may call it, a request that is answered well, with all that it
//! rests on. One more RPC: a line in the file of its service below; the walks fail until then.

mod jumps;
mod management;
mod operators;

use std::cell::RefCell;

use concenter_gateway::domain::caller::Role;
use concenter_gateway::domain::ids::{BrokerId, CustomerId, Random as _, TargetId};
use concenter_gateway::edge::policy::{self, Access};
use concenter_gateway::secrets::SystemRandom;
use concenter_gateway::token::CallerGrant;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};
use tonic::Response;

pub use operators::stage_catalogue;

use super::texts::text_at;
use super::{Client, grant, method_at, path_of, request_id, within};

/// The broker that role broker is.
pub const STAGE_BROKER: &str = "m.meier";
/// The private customer that role customer is.
pub const STAGE_CUSTOMER: &str = "c-1";
/// A calculator that takes a POST and gets passwords; role target is this one.
pub const POSTED: &str = "rechner-post";
/// A calculator that reads the token from the fragment and gets passwords.
pub const LINKED: &str = "rechner-link";
/// A calculator that takes only GET and gets passwords.
pub const HANDLED: &str = "rechner-get";
/// An insurer's portal.
const STAGE_PORTAL: &str = "auskunft";
/// The insurer to which all targets belong.
const PROVIDER: &str = "sicher";
/// A registered return URL.
const BACK: &str = "https://portal.example/zurueck";

/// What a text is that must not come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Confidence {
    /// The password of a con:center user.
    Password,
    /// What a portal says for a target alone.
    Context,
    /// What ties a jump to a browser session of the target.
    Nonce,
    /// Which page a portal has the target open.
    Page,
}

/// An id and the etag that goes with it.
#[derive(Debug, Clone)]
pub struct Row {
    pub id: String,
    pub etag: String,
}

/// People of one firm, in whose names something happened there.
pub struct People {
    pub broker: String,
    pub customer: Row,
    pub actor: String,
    pub mvp_user: String,
}

/// Finds the client for a grant.
pub type Hire<'a> = Box<dyn Fn(&CallerGrant) -> Client + 'a>;

/// A firm, with its callers and those of the operator and the target.
pub struct Stage<'a> {
    pub tenant: String,
    callers: Vec<(Role, Client)>,
    hire: Hire<'a>,
    /// The activation of [`STAGE_BROKER`].
    activation: String,
    /// What went in that must not come out.
    told: RefCell<Vec<(Confidence, String)>>,
}

/// Who may call a method: these roles, or with `None` whoever comes.
pub fn roles(method: &MethodDescriptor) -> Vec<Option<Role>> {
    let row = policy::find(&path_of(method)).unwrap_or_else(|| panic!("nobody may call {}", method.full_name()));
    match row.access {
        Access::Anyone => vec![None],
        Access::Roles(roles) => roles.iter().copied().map(Some).collect(),
    }
}

/// 32 characters that stand nowhere else.
pub fn marker() -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefgh";
    let mut bytes = [0; 32];
    SystemRandom.fill(&mut bytes);
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

impl<'a> Stage<'a> {
    /// Makes a firm by its own calls, on a service that has the [`stage_catalogue`].
    pub async fn make(hire: Hire<'a>) -> Self {
        let create = method("admin.v1.TenantService/CreateTenant");
        let wish = message(&create, json!({ "request_id": request_id(), "display_name": "Firma" }));
        let operator = hire(&grant(Role::Operator, "operator"));
        let made = operator.send_dynamic(&path_of(&create), &wish).await.expect("a tenant").into_inner();
        let tenant = text_at(&made, "tenant.tenant_id");

        let callers = Role::ALL.map(|role| (role, hire(&grant_of(role, &tenant)))).to_vec();
        let (activation, told) = (String::new(), RefCell::default());
        let mut stage = Self { tenant, callers, hire, activation, told };
        stage.furnish().await;
        stage
    }

    /// What the examples rest on: an activation, a customer, shared users, and two rows for each list.
    async fn furnish(&mut self) {
        self.activation = self.activation_of(STAGE_BROKER).await.id;
        self.activation().await;
        self.customer(STAGE_CUSTOMER).await;
        self.customer("c-2").await;
        let access = self.access_wish().await;
        self.ask(Role::Admin, "v1.CustomerService/UpdateCustomerAccess", access).await;
        for role in [Role::Broker, Role::Customer] {
            self.jump(role).await;
            self.jump(role).await;
        }
    }

    /// A good request of this role, with everything that it rests on; `None` if nobody wrote one down.
    pub async fn good(&self, method: &MethodDescriptor, role: Option<Role>) -> Option<DynamicMessage> {
        self.good_about(method, role, "").await
    }

    /// The same, such that the text field `about` has its place in it.
    pub async fn good_about(
        &self,
        method: &MethodDescriptor,
        role: Option<Role>,
        about: &str,
    ) -> Option<DynamicMessage> {
        let service = method.parent_service();
        let wish = match service.full_name() {
            "concenter.v1.UserService" => self.users(method.name()).await,
            "concenter.v1.BrokerActivationService" => self.activations(method.name()).await,
            "concenter.v1.CustomerService" => self.customers(method.name()).await,
            "concenter.v1.SettingsService" => self.settings(method.name()).await,
            "concenter.v1.AuditService" => audit(method.name()),
            "concenter.v1.CatalogService" => catalog(method.name()),
            "concenter.v1.JumpService" => self.jumps(method.name(), role, about).await,
            "concenter.admin.v1.TenantService" => self.tenants(method.name()).await,
            "concenter.admin.v1.CatalogAdminService" => self.catalog_admin(method.name()).await,
            "concenter.admin.v1.KeyService" => self.keys(method.name()).await,
            _ => None,
        };
        wish.map(|wish| message(method, wish))
    }

    /// Who calls in a role; with `None` somebody without a credential.
    pub fn caller(&self, role: Option<Role>) -> Client {
        match role {
            Some(role) => {
                let found = self.callers.iter().find(|(known, _)| *known == role);
                found.map(|(_, client)| client.clone()).expect("a caller in every role")
            }
            None => self.caller(Some(Role::Operator)).nobody(),
        }
    }

    /// The backend of a target.
    pub fn target(&self, target: &str) -> Client {
        let target_audience = Some(TargetId::parse(target).expect("a target"));
        (self.hire)(&CallerGrant { target_audience, ..grant(Role::Target, target) })
    }

    /// Calls in a role, which must go well.
    pub async fn ask(&self, role: Role, name: &str, wish: Value) -> DynamicMessage {
        let method = method(name);
        let answer = self.caller(Some(role)).send_dynamic(&path_of(&method), &message(&method, wish)).await;
        answer.map_or_else(|status| panic!("{name} as {}: {status:?}", role.as_str()), Response::into_inner)
    }

    /// A text that goes in and must not come out.
    fn tell(&self, confidence: Confidence) -> String {
        let text = marker();
        self.told.borrow_mut().push((confidence, text.clone()));
        text
    }

    /// What went in so far and must not come out.
    pub fn told(&self) -> Vec<(Confidence, String)> {
        self.told.borrow().clone()
    }
}

/// The method of a name without `concenter.`.
pub fn method(name: &str) -> MethodDescriptor {
    method_at(&format!("/concenter.{name}"))
}

/// The request that a wish spells.
pub fn message(method: &MethodDescriptor, wish: Value) -> DynamicMessage {
    let read = DynamicMessage::deserialize(method.input(), wish);
    read.unwrap_or_else(|error| panic!("a request of {}: {error}", method.full_name()))
}

/// A name or id that nothing else of this process has, always 8 characters long.
pub fn fresh(letter: char) -> String {
    let id = request_id();
    format!("{letter}-{}", &id[id.len() - 6..])
}

fn grant_of(role: Role, tenant: &str) -> CallerGrant {
    match role {
        Role::Operator => grant(role, "operator"),
        Role::Admin | Role::Portal => within(tenant, grant(role, role.as_str())),
        Role::Broker => {
            let broker_id = Some(BrokerId::parse(STAGE_BROKER).expect("a broker"));
            within(tenant, CallerGrant { broker_id, ..grant(role, STAGE_BROKER) })
        }
        Role::Customer => {
            let customer_id = Some(CustomerId::parse(STAGE_CUSTOMER).expect("a customer"));
            within(tenant, CallerGrant { customer_id, ..grant(role, STAGE_CUSTOMER) })
        }
        Role::Target => {
            let target_audience = Some(TargetId::parse(POSTED).expect("a target"));
            CallerGrant { target_audience, ..grant(role, POSTED) }
        }
    }
}

/// Requests of the audit log.
fn audit(method: &str) -> Option<Value> {
    Some(match method {
        "ListAuditEntries" => first_of_many(),
        "VerifyAuditLog" => json!({}),
        _ => return None,
    })
}

/// Requests of the catalogue as a tenant sees it.
fn catalog(method: &str) -> Option<Value> {
    Some(match method {
        "ListProductProviders" | "ListTargets" => first_of_many(),
        _ => return None,
    })
}

/// The first page of a list that has a second one.
fn first_of_many() -> Value {
    json!({ "page_size": 1 })
}
