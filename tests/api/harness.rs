//! A running service for each test, and who calls it.
//!
//! [`Service`] is the server as it runs in production, with a clock that the test sets, on data that ends with
//! the test. [`Client`] is a caller with a token; it has one method for each gRPC service. [`World`] is the example of the
//! help page, twice. One more kind of caller: a method of [`Service`].

mod changes;
mod database;
mod forge;
mod log;
mod place;
mod shell;
pub mod stage;
mod status;
pub mod texts;
mod wire;
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use concenter_gateway::app::App;
use concenter_gateway::config::ServerSettings;
use concenter_gateway::domain::caller::Role;
use concenter_gateway::domain::ids::{BrokerId, CustomerId, SubjectId, TargetId, TenantId};
use concenter_gateway::domain::time::{Clock, Timestamp};
use concenter_gateway::proto::admin::v1::catalog_admin_service_client::CatalogAdminServiceClient;
use concenter_gateway::proto::admin::v1::key_service_client::KeyServiceClient;
use concenter_gateway::proto::admin::v1::tenant_service_client::TenantServiceClient;
use concenter_gateway::proto::v1::audit_service_client::AuditServiceClient;
use concenter_gateway::proto::v1::broker_activation_service_client::BrokerActivationServiceClient;
use concenter_gateway::proto::v1::catalog_service_client::CatalogServiceClient;
use concenter_gateway::proto::v1::customer_service_client::CustomerServiceClient;
use concenter_gateway::proto::v1::jump_service_client::JumpServiceClient;
use concenter_gateway::proto::v1::settings_service_client::SettingsServiceClient;
use concenter_gateway::proto::v1::user_service_client::UserServiceClient;
use concenter_gateway::secrets::SystemRandom;
use concenter_gateway::server::{Outside, Running, Server};
use concenter_gateway::token::CallerGrant;
use tokio::sync::Mutex;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

pub use changes::mask;
pub use database::AuditRow;
pub use forge::{Attacker, Forge, Token, decode, encode};
pub use log::Log;
pub use place::{Engine, Place, SECOND_SPARE_KEK, SPARE_KEK};
pub use shell::{Shell, Sql};
pub use status::{
    dependents, error_metadata, everything, fields, reason, retry_after, same_bytes, same_metadata, status_of,
};
pub use wire::{etag_in, method_at, methods, path_of};
pub use world::*;

/// 2026-03-02T09:00:00.25Z: with a fraction, so that what must be whole seconds shows.
const START: Timestamp = Timestamp::from_unix_micros(1_772_442_000_250_000);
/// How long a caller's token is good for, unless a test is about just that.
const CALLER_LIFE: Duration = Duration::from_hours(24);

/// A clock that stands still until the test moves it.
pub struct TestClock(AtomicI64);

impl TestClock {
    /// Moves the clock forward.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// Sets the clock to the beginning of a second.
    pub fn set(&self, unix_seconds: i64) {
        self.0.store(unix_seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.0.load(Ordering::SeqCst))
    }
}

/// A request id that no other request of this process has.
pub fn request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    uuid::Uuid::from_u128(u128::from(NEXT.fetch_add(1, Ordering::Relaxed))).to_string()
}

/// An id that nothing has.
pub const NOBODY: &str = "99999999-0000-7000-8000-000000000009";

/// The server, running on data of its own.
pub struct Service {
    /// What the server takes for the time.
    pub clock: Arc<TestClock>,
    /// The service as it runs, with its addresses.
    pub running: Running,
    channel: Channel,
    /// Who looks at the database, once somebody does.
    onlooker: Mutex<Option<Shell>>,
    // Last, so that it is removed after the server let go of it.
    place: Place,
}

impl Service {
    /// Starts a service without any data.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with other settings.
    pub async fn start_with(change: impl FnOnce(&mut ServerSettings)) -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(START.unix_micros())));
        Self::start_on(Place::new().await, change, clock).await
    }

    async fn start_on(place: Place, change: impl FnOnce(&mut ServerSettings), clock: Arc<TestClock>) -> Self {
        let mut settings = ServerSettings { data: place.settings(), ..ServerSettings::local(place.data()) };
        change(&mut settings);
        let outside = Outside { clock: Arc::clone(&clock) as _, random: Arc::new(SystemRandom), keks: None };
        let running = Server::start_with(settings, outside).await.expect("the service starts");
        let endpoint = Endpoint::from_shared(format!("http://{}", running.grpc_addr)).expect("an address");
        let channel = endpoint.connect().await.expect("the service listens");
        Self { clock, running, channel, onlooker: Mutex::new(None), place }
    }

    /// The same service after a restart with other settings, on the same data and by the same clock. Its callers are to
    /// be asked for anew.
    pub async fn restart(self, change: impl FnOnce(&mut ServerSettings)) -> Self {
        let Self { clock, running, channel, onlooker, place } = self;
        // An open connection would hold up the end.
        drop((channel, onlooker));
        running.shutdown().await;
        Self::start_on(place, change, clock).await
    }

    /// The service without its listeners.
    pub fn app(&self) -> &App {
        &self.running.app
    }

    /// The directory in which the service keeps its key file, and on SQLite its data.
    pub fn directory(&self) -> PathBuf {
        self.place.data()
    }

    /// Where the service keeps its data.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Where HTTP listens.
    pub fn http_addr(&self) -> SocketAddr {
        self.running.http_addr
    }

    /// Where browsers reach the service, unless a test says otherwise.
    pub fn public_url(&self) -> String {
        format!("http://{}", self.http_addr())
    }

    /// The service's own time.
    pub fn now(&self) -> i64 {
        self.clock.now().unix_seconds()
    }

    /// Mints a caller's token.
    pub fn mint(&self, grant: &CallerGrant) -> String {
        self.running.caller_tokens.mint(grant, self.clock.now(), &SystemRandom).expect("a token")
    }

    /// A caller with this token.
    pub fn bearer(&self, token: &str) -> Client {
        self.anonymous().with("authorization", &format!("Bearer {token}"))
    }

    /// A caller without a credential.
    pub fn anonymous(&self) -> Client {
        Client { channel: self.channel.clone(), metadata: Metadata(Vec::new()) }
    }

    /// Us.
    pub fn operator(&self) -> Client {
        self.bearer(&self.mint(&grant(Role::Operator, "operator")))
    }

    /// A target's backend.
    pub fn target(&self, target: &str) -> Client {
        self.bearer(&self.target_token(target))
    }

    /// The token of a target's backend.
    pub fn target_token(&self, target: &str) -> String {
        let target_audience = Some(TargetId::parse(target).expect("a target"));
        self.mint(&CallerGrant { target_audience, ..grant(Role::Target, target) })
    }

    /// The firm's administrator.
    pub fn admin(&self, tenant: &str) -> Client {
        self.bearer(&self.mint(&within(tenant, grant(Role::Admin, "admin"))))
    }

    /// Somebody else who is the firm's administrator.
    pub fn second_admin(&self, tenant: &str) -> Client {
        self.bearer(&self.mint(&within(tenant, grant(Role::Admin, "admin-2"))))
    }

    /// Another one of us.
    pub fn second_operator(&self) -> Client {
        self.bearer(&self.mint(&grant(Role::Operator, "operator-2")))
    }

    /// The firm's portal.
    pub fn portal(&self, tenant: &str) -> Client {
        self.bearer(&self.mint(&within(tenant, grant(Role::Portal, "portal"))))
    }

    /// A broker, by a token whose subject is `subject`.
    pub fn broker(&self, tenant: &str, broker: &str, subject: &str) -> Client {
        let broker_id = Some(BrokerId::parse(broker).expect("a broker"));
        self.bearer(&self.mint(&within(tenant, CallerGrant { broker_id, ..grant(Role::Broker, subject) })))
    }

    /// A customer, or with another `subject` his staff.
    pub fn customer(&self, tenant: &str, customer: &str, subject: &str) -> Client {
        let customer_id = Some(CustomerId::parse(customer).expect("a customer"));
        self.bearer(&self.mint(&within(tenant, CallerGrant { customer_id, ..grant(Role::Customer, subject) })))
    }
}

/// What a token in one role says, for callers who belong nowhere yet.
pub fn grant(role: Role, subject: &str) -> CallerGrant {
    CallerGrant {
        subject: SubjectId::parse(subject).expect("a subject"),
        roles: vec![role],
        tenant: None,
        broker_id: None,
        customer_id: None,
        target_audience: None,
        bound_to: None,
        life: CALLER_LIFE,
    }
}

/// The same within a tenant.
pub fn within(tenant: &str, grant: CallerGrant) -> CallerGrant {
    CallerGrant { tenant: Some(TenantId::parse(tenant).expect("a tenant")), ..grant }
}

/// A caller: a connection and the metadata that he sends with every call.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    metadata: Metadata,
}

/// A connection on which every call has the caller's metadata.
pub type Wire = InterceptedService<Channel, Metadata>;

/// Names and values, in the order in which they are sent.
#[derive(Clone)]
pub struct Metadata(Vec<(&'static str, AsciiMetadataValue)>);

impl Interceptor for Metadata {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        for (name, value) in &self.0 {
            request.metadata_mut().append(*name, value.clone());
        }
        Ok(request)
    }
}

impl Client {
    /// The same caller, with more metadata.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.metadata.0.push((name, value.parse().expect("a metadata value")));
        self
    }

    /// Somebody without a credential, on this connection.
    pub const fn over(channel: Channel) -> Self {
        Self { channel, metadata: Metadata(Vec::new()) }
    }

    /// Somebody without a credential, on the same connection.
    pub fn nobody(&self) -> Self {
        Self::over(self.channel.clone())
    }

    /// The connection, for calls that the generated clients cannot make.
    pub fn wire(&self) -> Wire {
        InterceptedService::new(self.channel.clone(), self.metadata.clone())
    }

    pub fn users(&self) -> UserServiceClient<Wire> {
        UserServiceClient::new(self.wire())
    }

    pub fn activations(&self) -> BrokerActivationServiceClient<Wire> {
        BrokerActivationServiceClient::new(self.wire())
    }

    pub fn customers(&self) -> CustomerServiceClient<Wire> {
        CustomerServiceClient::new(self.wire())
    }

    pub fn settings(&self) -> SettingsServiceClient<Wire> {
        SettingsServiceClient::new(self.wire())
    }

    pub fn audit(&self) -> AuditServiceClient<Wire> {
        AuditServiceClient::new(self.wire())
    }

    pub fn catalog(&self) -> CatalogServiceClient<Wire> {
        CatalogServiceClient::new(self.wire())
    }

    pub fn jumps(&self) -> JumpServiceClient<Wire> {
        JumpServiceClient::new(self.wire())
    }

    pub fn tenants(&self) -> TenantServiceClient<Wire> {
        TenantServiceClient::new(self.wire())
    }

    pub fn keys(&self) -> KeyServiceClient<Wire> {
        KeyServiceClient::new(self.wire())
    }

    pub fn catalog_admin(&self) -> CatalogAdminServiceClient<Wire> {
        CatalogAdminServiceClient::new(self.wire())
    }
}
