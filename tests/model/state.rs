//! The model: two tenants, the catalogue, the log of requests and the audit log, as maps.
//!
//! It knows nothing of versions, transactions or tables. An open jump dies when something happens that
//! `docs/domain.md#open-jumps` names, and stays dead.

use std::collections::{BTreeMap, BTreeSet};

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::{ActorRole, JumpState, PersonKind, ResolutionWay, Segment, State, UserKind};
use concenter_gateway::proto::v1::{line_of_business_scope, provider_scope};
use prost_types::{Duration, Timestamp};

use crate::call::{Request, Who};
use crate::harness::AuditRow;

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// How late a token may come, for clocks that differ (`docs/catalogue.md#jump-and-redeem`, J12): 5 s.
const LEEWAY: i64 = 5 * SECOND;
/// The log that belongs to no tenant.
pub const SYSTEM: &str = "00000000-0000-0000-0000-000000000000";

/// Everything.
#[derive(Debug, Clone)]
pub struct Model {
    /// The instant, in microseconds.
    pub now: i64,
    pub sides: [Tenant; 2],
    pub catalog: Catalog,
    /// Requests that had an effect, by who asked and under which id.
    pub requests: BTreeMap<RequestKey, Handled>,
    /// What the audit log must have.
    pub log: Vec<AuditRow>,
    /// The pairwise names that targets were told, by tenant, target, kind and id.
    pub subjects: BTreeMap<SubjectKey, String>,
    /// Every password that was ever sent.
    pub passwords: u32,
}

/// Scope, caller, and his id of the request.
pub type RequestKey = (String, Who, String);
/// Tenant, target, kind of name, name.
pub type SubjectKey = (String, String, &'static str, String);

/// A request that had its effect, and what it was on.
#[derive(Debug, Clone)]
pub struct Handled {
    /// `None` once nobody can say any more what it was: its customer was erased.
    pub request: Option<Request>,
    pub thing: Thing,
}

/// What an effect was on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    User(String),
    /// The new Standard user and the one before.
    Moved(String, Option<String>),
    Activation(String),
    Customer(String),
    Access,
    Settings,
    /// What is not there any more.
    Nothing,
    /// Created, changed, unchanged.
    Counts(i32, i32, i32),
    /// Jumps, sessions.
    Revoked(i32, i32),
    Jump(String),
    Tenant,
    Provider(String),
    Target(String),
    ReturnUrl(String),
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub id: String,
    pub name: String,
    pub stopped: bool,
    pub deleted_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
    pub version: i64,
    pub users: BTreeMap<String, User>,
    pub activations: BTreeMap<String, Activation>,
    pub customers: BTreeMap<String, Customer>,
    pub access: Access,
    pub settings: Settings,
    pub jumps: BTreeMap<String, Jump>,
    /// Ids in the order in which they were made, of what is deleted too.
    pub made: Made,
    /// Customers who stand in the audit log under a pseudonym that can still be led back to them.
    pub salted: BTreeSet<String>,
    /// What somebody is to be told of, and about which user.
    pub notices: BTreeSet<(&'static str, String)>,
}

/// Ids that were ever given out, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    pub users: Vec<String>,
    pub activations: Vec<String>,
    pub jumps: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub kind: UserKind,
    pub active: bool,
    /// `None` is every provider.
    pub scope: Option<BTreeSet<String>>,
    pub display_name: String,
    pub email: String,
    pub password: Option<String>,
    pub passwords_set: i64,
    pub password_set_at: Option<i64>,
    /// Logins that failed in a row with the password.
    pub failed_logins: u32,
    pub suspect_since: Option<i64>,
    pub last_login_succeeded_at: Option<i64>,
    pub last_login_failed_at: Option<i64>,
    /// When Endkunde was set.
    pub marked_at: Option<i64>,
    /// What con:center says, and since when that is known.
    pub remote: v1::RemoteEndCustomer,
    pub remote_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
    pub version: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    pub display_name: String,
    pub brokers: BTreeSet<String>,
    pub user: String,
    pub active: bool,
    pub sharing_reason: String,
    pub created_at: i64,
    pub updated_at: i64,
    pub version: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    pub segment: Segment,
    pub user: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
    pub version: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub private: Option<String>,
    pub commercial: Option<String>,
    pub falls_back: bool,
    pub version: i64,
}

/// Spans in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub jump_ttl: i64,
    pub customer_idle: i64,
    pub customer_absolute: i64,
    pub broker_idle: i64,
    pub broker_absolute: i64,
    pub import_limit: i32,
    pub default_mvp_user: String,
    pub version: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jump {
    pub person_kind: PersonKind,
    /// Empty once erased.
    pub person: String,
    pub actor: Option<(String, ActorRole)>,
    pub target: String,
    pub user: String,
    pub way: ResolutionWay,
    pub segment: Option<Segment>,
    pub activation: String,
    pub customer_context: Option<String>,
    pub line: Option<String>,
    pub provider: Option<String>,
    pub context: Option<String>,
    pub nonce: Option<String>,
    pub return_url: Option<String>,
    pub page: Option<String>,
    pub issued_at: i64,
    pub expires_at: i64,
    /// When the request was handled: with the fraction that `issued_at` has not.
    pub made_at: i64,
    pub redeemed_at: Option<i64>,
    pub revoked_at: Option<i64>,
    pub session_revoked_at: Option<i64>,
    /// Which password of the user left with it, if one did.
    pub used_password: Option<i64>,
    /// How its login went, and when that was told.
    pub result: Option<(v1::JumpResult, i64)>,
    /// Something that it rests on has changed since.
    pub dead: bool,
    pub proof: Proof,
}

/// What redeems a jump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    Token(String),
    Handle(String),
}

#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Where browsers reach the service.
    pub public_url: String,
    pub providers: BTreeMap<String, Provider>,
    pub targets: BTreeMap<String, Target>,
    pub return_urls: BTreeMap<String, ReturnUrl>,
    /// Whether it was changed since it was made.
    pub changed: bool,
}

#[derive(Debug, Clone)]
pub struct Provider {
    pub active: bool,
    pub kind: v1::ProductProviderKind,
    pub version: i64,
}

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "as many switches as a target has")]
pub struct Target {
    pub provider: String,
    pub is_portal: bool,
    pub active: bool,
    pub url: String,
    pub delivery: Delivery,
    pub brokers: bool,
    pub customers: bool,
    /// `None` is every line.
    pub lines: Option<Vec<String>>,
    pub gets_password: bool,
    pub nonce_required: bool,
    pub version: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    Post,
    Fragment,
    Handle,
}

#[derive(Debug, Clone)]
pub struct ReturnUrl {
    pub url: String,
    pub active: bool,
    pub version: i64,
}

/// An etag as it is spelled today.
pub fn etag(version: i64) -> String {
    format!("v{version}")
}

/// An instant on the wire.
#[expect(clippy::unnecessary_wraps, reason = "as the fields of messages are")]
pub fn instant(micros: i64) -> Option<Timestamp> {
    let nanos = i32::try_from(micros.rem_euclid(SECOND) * 1_000).expect("less than a second");
    Some(Timestamp { seconds: micros.div_euclid(SECOND), nanos })
}

/// A span on the wire.
#[expect(clippy::unnecessary_wraps, reason = "as the fields of messages are")]
pub const fn span(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

/// Who did what only administrators do, if it was done: there is one.
fn by_admin(at: Option<i64>) -> String {
    at.map(|_| "admin".to_owned()).unwrap_or_default()
}

/// A user name as two of them are compared. The commands have nothing that needs more than this of NFKC and case folding.
pub fn name_key(name: &str) -> String {
    name.trim().to_lowercase().replace('ß', "ss")
}

const fn state(active: bool) -> State {
    if active { State::Active } else { State::Disabled }
}

/// A scope on the wire.
pub fn scope_out(scope: Option<&BTreeSet<String>>) -> v1::ProviderScope {
    let scope = match scope {
        None => provider_scope::Scope::All(provider_scope::All {}),
        Some(ids) => {
            provider_scope::Scope::Only(provider_scope::Only { product_provider_ids: ids.iter().cloned().collect() })
        }
    };
    v1::ProviderScope { scope: Some(scope) }
}

/// A scope as the wire has it; `None` is every provider.
pub fn scope_in(scope: &v1::ProviderScope) -> Option<BTreeSet<String>> {
    match scope.scope.as_ref().expect("a scope") {
        provider_scope::Scope::All(_) => None,
        provider_scope::Scope::Only(only) => Some(only.product_provider_ids.iter().cloned().collect()),
    }
}

impl Tenant {
    /// A tenant that was just made, with `cloudtransfer` if there is such a user.
    pub fn new(id: String, name: &str, standard: Option<String>, now: i64) -> Self {
        let users: BTreeMap<_, _> = standard.into_iter().map(|id| (id, User::cloudtransfer(now))).collect();
        Self {
            id,
            name: name.to_owned(),
            stopped: false,
            deleted_at: None,
            created_at: now,
            updated_at: now,
            version: 1,
            made: Made { users: users.keys().cloned().collect(), ..Made::default() },
            users,
            activations: BTreeMap::new(),
            customers: BTreeMap::new(),
            access: Access { private: None, commercial: None, falls_back: false, version: 1 },
            settings: Settings {
                jump_ttl: 60,
                customer_idle: 15 * 60,
                customer_absolute: 30 * 60,
                broker_idle: 30 * 60,
                broker_absolute: 480 * 60,
                import_limit: 20,
                default_mvp_user: String::new(),
                version: 1,
            },
            jumps: BTreeMap::new(),
            salted: BTreeSet::new(),
            notices: BTreeSet::new(),
        }
    }

    /// Something that decisions may rest on has changed: no open jump survives it.
    pub fn kill_jumps(&mut self) {
        for jump in self.jumps.values_mut() {
            jump.dead = true;
        }
    }

    /// The same for the jumps of one customer.
    pub fn kill_jumps_of(&mut self, customer: &str) {
        let his = |jump: &&mut Jump| jump.person_kind == PersonKind::Customer && jump.person == customer;
        for jump in self.jumps.values_mut().filter(his) {
            jump.dead = true;
        }
    }

    /// What depends on a user: activations, customers, shared users, each kind sorted.
    pub fn dependents(&self, user: &str) -> [Vec<String>; 3] {
        let activations = self.activations.iter().filter(|(_, one)| one.user == user).map(|(id, _)| id.clone());
        let customers =
            self.customers.iter().filter(|(_, one)| one.user.as_deref() == Some(user)).map(|(id, _)| id.clone());
        let shared = [("PRIVATE", &self.access.private), ("COMMERCIAL", &self.access.commercial)];
        let shared =
            shared.into_iter().filter(|(_, one)| one.as_deref() == Some(user)).map(|(slot, _)| slot.to_owned());
        [activations.collect(), customers.collect(), shared.collect()]
    }

    pub fn access_out(&self) -> v1::CustomerAccess {
        v1::CustomerAccess {
            private_user_id: self.access.private.clone().unwrap_or_default(),
            commercial_user_id: self.access.commercial.clone().unwrap_or_default(),
            commercial_falls_back_to_private: self.access.falls_back,
            etag: etag(self.access.version),
        }
    }

    pub fn users_out(&self) -> Vec<v1::ConcenterUser> {
        self.users.iter().map(|(id, user)| user.out(id)).collect()
    }

    pub fn activations_out(&self) -> Vec<v1::BrokerActivation> {
        self.activations.iter().map(|(id, activation)| activation.out(id)).collect()
    }

    pub fn customers_out(&self) -> Vec<v1::Customer> {
        self.customers.iter().map(|(id, customer)| customer.out(id)).collect()
    }

    /// The newest first.
    pub fn jumps_out(&self, now: i64) -> Vec<v1::Jump> {
        self.jumps.iter().rev().map(|(id, jump)| jump.out(id, now)).collect()
    }
}

impl User {
    fn cloudtransfer(now: i64) -> Self {
        Self {
            name: "cloudtransfer".to_owned(),
            kind: UserKind::Standard,
            active: true,
            scope: None,
            display_name: String::new(),
            email: String::new(),
            password: None,
            passwords_set: 0,
            password_set_at: None,
            failed_logins: 0,
            suspect_since: None,
            last_login_succeeded_at: None,
            last_login_failed_at: None,
            marked_at: None,
            remote: v1::RemoteEndCustomer::Unknown,
            remote_at: None,
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }

    pub fn out(&self, id: &str) -> v1::ConcenterUser {
        v1::ConcenterUser {
            user_id: id.to_owned(),
            user_name: self.name.clone(),
            kind: self.kind.into(),
            state: state(self.active).into(),
            provider_scope: Some(scope_out(self.scope.as_ref())),
            display_name: self.display_name.clone(),
            notification_email: self.email.clone(),
            secret_set_at: self.password_set_at.and_then(instant),
            secret_version: self.passwords_set,
            created_at: instant(self.created_at),
            updated_at: instant(self.updated_at),
            etag: etag(self.version),
            remote_end_customer: self.remote.into(),
            remote_end_customer_at: self.remote_at.and_then(instant),
            remote_end_customer_source: match self.remote_at {
                Some(_) => v1::RemoteEndCustomerSource::Attestation,
                None => v1::RemoteEndCustomerSource::Unspecified,
            }
            .into(),
            remote_end_customer_by: by_admin(self.remote_at),
            end_customer_at: self.marked_at.and_then(instant),
            end_customer_by: by_admin(self.marked_at),
            last_login_succeeded_at: self.last_login_succeeded_at.and_then(instant),
            last_login_failed_at: self.last_login_failed_at.and_then(instant),
            credential_suspect_since: self.suspect_since.and_then(instant),
        }
    }

    /// What was told of logins was of another password or account.
    pub const fn forget_logins(&mut self) {
        (self.failed_logins, self.last_login_succeeded_at, self.last_login_failed_at) = (0, None, None);
    }

    /// It was edited.
    pub const fn touch(&mut self, now: i64) {
        self.version += 1;
        self.updated_at = now;
    }
}

impl Activation {
    pub fn out(&self, id: &str) -> v1::BrokerActivation {
        v1::BrokerActivation {
            activation_id: id.to_owned(),
            display_name: self.display_name.clone(),
            broker_ids: self.brokers.iter().cloned().collect(),
            user_id: self.user.clone(),
            state: state(self.active).into(),
            sharing_reason: self.sharing_reason.clone(),
            created_at: instant(self.created_at),
            updated_at: instant(self.updated_at),
            etag: etag(self.version),
        }
    }
}

impl Customer {
    pub fn out(&self, id: &str) -> v1::Customer {
        v1::Customer {
            customer_id: id.to_owned(),
            segment: self.segment.into(),
            user_id: self.user.clone().unwrap_or_default(),
            created_at: instant(self.created_at),
            updated_at: instant(self.updated_at),
            etag: etag(self.version),
        }
    }
}

impl Settings {
    pub fn out(&self) -> v1::Settings {
        v1::Settings {
            jump_ttl: span(self.jump_ttl),
            customer_session_idle: span(self.customer_idle),
            customer_session_absolute: span(self.customer_absolute),
            broker_session_idle: span(self.broker_idle),
            broker_session_absolute: span(self.broker_absolute),
            import_change_limit_percent: self.import_limit,
            default_mvp_user_id: self.default_mvp_user.clone(),
            etag: etag(self.version),
        }
    }

    /// How long the session of a kind of person may last, idle and in all.
    pub fn session(&self, kind: PersonKind) -> (i64, i64) {
        let (idle, absolute) = match kind {
            PersonKind::Customer => (self.customer_idle, self.customer_absolute),
            _ => (self.broker_idle, self.broker_absolute),
        };
        (idle.min(absolute), absolute)
    }
}

impl Jump {
    /// What became of it.
    pub const fn state(&self, now: i64) -> JumpState {
        if self.redeemed_at.is_some() {
            JumpState::Redeemed
        } else if now >= self.expires_at + LEEWAY {
            JumpState::Expired
        } else if self.dead || self.revoked_at.is_some() {
            JumpState::Revoked
        } else {
            JumpState::Issued
        }
    }

    pub fn updated_at(&self) -> i64 {
        let result_at = self.result.map(|(_, at)| at);
        let marks = [self.redeemed_at, self.revoked_at, self.session_revoked_at, result_at];
        marks.into_iter().flatten().fold(self.issued_at, i64::max)
    }

    pub fn out(&self, id: &str, now: i64) -> v1::Jump {
        let (actor_id, actor_role) = self.actor.clone().unwrap_or((String::new(), ActorRole::Unspecified));
        v1::Jump {
            jump_id: id.to_owned(),
            state: self.state(now).into(),
            person_kind: self.person_kind.into(),
            person_id: self.person.clone(),
            actor_id,
            actor_role: actor_role.into(),
            target_id: self.target.clone(),
            user_id: self.user.clone(),
            way: self.way.into(),
            segment: self.segment.unwrap_or(Segment::Unspecified).into(),
            activation_id: self.activation.clone(),
            customer_context_id: self.customer_context.clone().unwrap_or_default(),
            line_of_business: self.line.clone().unwrap_or_default(),
            product_provider_id: self.provider.clone().unwrap_or_default(),
            issued_at: instant(self.issued_at),
            expires_at: instant(self.expires_at),
            redeemed_at: self.redeemed_at.and_then(instant),
            revoked_at: self.revoked_at.and_then(instant),
            session_revoked_at: self.session_revoked_at.and_then(instant),
            updated_at: instant(self.updated_at()),
            result: self.result.map_or(v1::JumpResult::Unspecified, |(result, _)| result).into(),
            result_at: self.result.and_then(|(_, at)| instant(at)),
        }
    }
}

/// Lines of business on the wire.
pub fn lines_out(lines: Option<&[String]>) -> v1::LineOfBusinessScope {
    let scope = match lines {
        None => line_of_business_scope::Scope::All(line_of_business_scope::All {}),
        Some(codes) => {
            line_of_business_scope::Scope::Only(line_of_business_scope::Only { lines_of_business: codes.to_vec() })
        }
    };
    v1::LineOfBusinessScope { scope: Some(scope) }
}
