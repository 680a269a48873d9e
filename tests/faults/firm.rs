//! A firm whose brokers may jump, and those who call for it.
//!
//! A jump that still hands the password over shows that every key is whole: the key file opens the tenant's keys, those
//! the password, and the signing key knows its token again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use concenter_gateway::app::startup;
use concenter_gateway::domain::caller::Role;
use concenter_gateway::domain::ids::{SubjectId, TargetId, TenantId};
use concenter_gateway::domain::time::Clock;
use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::admin::v1::catalog_admin_service_client::CatalogAdminServiceClient;
use concenter_gateway::proto::admin::v1::tenant_service_client::TenantServiceClient;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::broker_activation_service_client::BrokerActivationServiceClient;
use concenter_gateway::proto::v1::jump_service_client::JumpServiceClient;
use concenter_gateway::proto::v1::redeem_jump_request::Proof;
use concenter_gateway::proto::v1::user_service_client::UserServiceClient;
use concenter_gateway::proto::v1::{line_of_business_scope as lines, provider_scope as providers};
use concenter_gateway::secrets::{LocalKeks, SystemRandom};
use concenter_gateway::server::{SystemClock, embedded_issuer};
use concenter_gateway::store::ServiceStore as _;
use concenter_gateway::store::postgres::PostgresStore;
use concenter_gateway::token::{CallerGrant, CallerTokens};
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

/// How many brokers may jump; each at most 30 times a minute.
pub(crate) const BROKERS: usize = 100;
/// What a target gets for its one redemption.
pub(crate) const PASSWORD: &str = "geheim~meier";
const PROVIDER: &str = "vergleich";
/// The target that they jump to.
pub(crate) const TARGET: &str = "rechner";

/// Mints callers' tokens by the embedded issuer of one database.
#[derive(Clone)]
pub(crate) struct Callers {
    tokens: Arc<CallerTokens>,
    clock: Arc<dyn Clock>,
}

impl Callers {
    pub(crate) fn new(tokens: &Arc<CallerTokens>, clock: Arc<dyn Clock>) -> Self {
        Self { tokens: Arc::clone(tokens), clock }
    }

    /// Those of a database that other processes serve from, as `concenter token` makes them.
    pub(crate) async fn of(url: &str, data_dir: &Path) -> Self {
        let url = url.parse().expect("a URL");
        let store = PostgresStore::open_read_only(&url).await.expect("the database opens");
        let (_, ring) = startup::unlock_existing(&store, &LocalKeks::beside(data_dir)).await.expect("its keys open");
        store.close().await;
        Self::new(&Arc::new(embedded_issuer(ring)), Arc::new(SystemClock))
    }

    fn signed<T>(&self, caller: &CallerGrant, message: T) -> Request<T> {
        let token = self.tokens.mint(caller, self.clock.now(), &SystemRandom).expect("a token");
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a credential"));
        request
    }
}

/// A firm: its brokers 0 to 99 jump with one user. Its calls go over the connection that each is given.
#[derive(Clone)]
pub(crate) struct Firm {
    callers: Callers,
    tenant: TenantId,
    /// The user that the brokers jump with.
    pub(crate) user: String,
}

impl Firm {
    /// Makes the catalogue and the firm.
    pub(crate) async fn make(channel: &Channel, callers: Callers) -> Self {
        let operator = grant(Role::Operator, "operator");
        let mut catalog = CatalogAdminServiceClient::new(channel.clone());
        catalog.put_product_provider(callers.signed(&operator, provider())).await.expect("a provider");
        catalog.put_target(callers.signed(&operator, target())).await.expect("a target");
        let made = TenantServiceClient::new(channel.clone()).create_tenant(callers.signed(&operator, firm())).await;
        let tenant = made.expect("a tenant").into_inner().tenant.expect("a tenant").tenant_id;
        let tenant = TenantId::parse(&tenant).expect("a tenant");

        let mut firm = Self { callers, tenant, user: String::new() };
        firm.user = firm.create_user(channel, &request_id(), "vm.meier").await.expect("a user").user_id;
        let activation = firm.signed(activation(firm.user.clone()));
        let mut activations = BrokerActivationServiceClient::new(channel.clone());
        activations.create_broker_activation(activation).await.expect("an activation");
        firm
    }

    /// Makes a user of this name, with the password.
    pub(crate) async fn create_user(
        &self,
        channel: &Channel,
        request_id: &str,
        name: &str,
    ) -> Result<v1::ConcenterUser, Status> {
        let request = self.signed(user(request_id, name));
        let made = UserServiceClient::new(channel.clone()).create_user(request).await?;
        Ok(made.into_inner().user.expect("a user"))
    }

    /// Reads the user that the brokers jump with.
    pub(crate) async fn get_user(&self, channel: &Channel) -> Result<v1::ConcenterUser, Status> {
        let request = self.signed(v1::GetUserRequest { user_id: self.user.clone() });
        Ok(UserServiceClient::new(channel.clone()).get_user(request).await?.into_inner().user.expect("a user"))
    }

    /// The names of all users, in no order.
    pub(crate) async fn user_names(&self, channel: &Channel) -> Result<Vec<String>, Status> {
        let (mut names, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = self.signed(v1::ListUsersRequest { page_size: 500, page_token });
            let page = UserServiceClient::new(channel.clone()).list_users(request).await?.into_inner();
            names.extend(page.users.into_iter().map(|user| user.user_name));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(names);
            }
        }
    }

    /// Takes the brokers' user out of use, or lets him be used again.
    pub(crate) async fn set_usable(&self, channel: &Channel, is_usable: bool) -> Result<v1::ConcenterUser, Status> {
        let v1::ConcenterUser { user_id, etag, .. } = self.get_user(channel).await?;
        let mut users = UserServiceClient::new(channel.clone());
        let user = if is_usable {
            let request = v1::EnableUserRequest { request_id: request_id(), user_id, etag };
            users.enable_user(self.signed(request)).await?.into_inner().user
        } else {
            let request = v1::DisableUserRequest { request_id: request_id(), user_id, etag };
            users.disable_user(self.signed(request)).await?.into_inner().user
        };
        Ok(user.expect("a user"))
    }

    /// Jumps as the portal does for one of the brokers. Gives the token in the link.
    pub(crate) async fn jump(&self, channel: &Channel, request_id: &str, broker: usize) -> Result<String, Status> {
        let portal = CallerGrant { tenant: Some(self.tenant), ..grant(Role::Portal, "portal") };
        let wish = v1::JumpToTarifRequest {
            request_id: request_id.to_owned(),
            target_id: TARGET.to_owned(),
            person: Some(v1::Person { person: Some(v1::person::Person::BrokerId(broker_of(broker))) }),
            ..v1::JumpToTarifRequest::default()
        };
        let wish = self.callers.signed(&portal, wish);
        let link = JumpServiceClient::new(channel.clone()).jump_to_tarif(wish).await?.into_inner().deep_link;
        Ok(link.split_once("#token=").expect("a token in the link").1.to_owned())
    }

    /// Redeems as the target does. Gives the password.
    pub(crate) async fn redeem(&self, channel: &Channel, token: &str) -> Result<String, Status> {
        Ok(self.arrive(channel, token).await?.password.take().expect("a password"))
    }

    /// Redeems as the target does. Gives all that it gets.
    pub(crate) async fn arrive(&self, channel: &Channel, token: &str) -> Result<v1::RedeemJumpResponse, Status> {
        let redeem = v1::RedeemJumpRequest { proof: Some(Proof::Token(token.to_owned())), nonce: None };
        Ok(JumpServiceClient::new(channel.clone()).redeem_jump(self.as_target(redeem)).await?.into_inner())
    }

    /// Asks as the target does whether a session may go on.
    pub(crate) async fn session_state(&self, channel: &Channel, session: &str) -> Result<v1::SessionState, Status> {
        let ask = self.as_target(v1::IntrospectJumpRequest { session: session.to_owned() });
        Ok(JumpServiceClient::new(channel.clone()).introspect_jump(ask).await?.into_inner().state())
    }

    /// Revokes a jump, and the session that it opened.
    pub(crate) async fn revoke(&self, channel: &Channel, jump_id: &str) -> Result<(), Status> {
        let jumps = Some(v1::revoke_jump_request::Jumps::JumpId(jump_id.to_owned()));
        let revoke = self.signed(v1::RevokeJumpRequest { request_id: request_id(), jumps });
        JumpServiceClient::new(channel.clone()).revoke_jump(revoke).await?;
        Ok(())
    }

    /// A call of the target.
    fn as_target<T>(&self, message: T) -> Request<T> {
        let target_audience = Some(TargetId::parse(TARGET).expect("a target"));
        self.callers.signed(&CallerGrant { target_audience, ..grant(Role::Target, TARGET) }, message)
    }

    /// A call of the operator.
    pub(crate) fn as_operator<T>(&self, message: T) -> Request<T> {
        self.callers.signed(&grant(Role::Operator, "operator"), message)
    }

    /// A call of the firm's administrator.
    fn signed<T>(&self, message: T) -> Request<T> {
        self.callers.signed(&CallerGrant { tenant: Some(self.tenant), ..grant(Role::Admin, "admin") }, message)
    }
}

/// The reason of a refusal or failure; empty if it says none.
pub(crate) fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// Asserts that the database is said to be away, and when to come back.
#[track_caller]
pub(crate) fn is_unavailable(status: &Status) {
    assert_eq!((status.code(), reason(status).as_str()), (tonic::Code::Unavailable, "STORAGE_DOWN"), "{status:?}");
    let info = status.get_details_retry_info();
    assert!(info.is_some_and(|info| info.retry_delay.is_some_and(|delay| !delay.is_zero())), "{status:?}");
}

/// A request id that no other request of this process has.
pub(crate) fn request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    uuid::Uuid::from_u128(u128::from(NEXT.fetch_add(1, Ordering::Relaxed))).to_string()
}

fn broker_of(number: usize) -> String {
    format!("makler-{}", number % BROKERS)
}

fn grant(role: Role, subject: &str) -> CallerGrant {
    CallerGrant {
        subject: SubjectId::parse(subject).expect("a subject"),
        roles: vec![role],
        tenant: None,
        broker_id: None,
        customer_id: None,
        target_audience: None,
        bound_to: None,
        life: Duration::from_hours(1),
    }
}

fn provider() -> admin::PutProductProviderRequest {
    admin::PutProductProviderRequest {
        request_id: request_id(),
        product_provider_id: PROVIDER.to_owned(),
        etag: String::new(),
        display_name: "Vergleicher".to_owned(),
        kind: v1::ProductProviderKind::Comparator.into(),
    }
}

/// A calculator that finds its token in the fragment of its URL, and gets passwords.
fn target() -> admin::PutTargetRequest {
    admin::PutTargetRequest {
        request_id: request_id(),
        target_id: TARGET.to_owned(),
        etag: String::new(),
        product_provider_id: PROVIDER.to_owned(),
        kind: v1::TargetKind::TariffCalculator.into(),
        display_name: "Tarifrechner".to_owned(),
        url: "https://rechner.example/start".to_owned(),
        delivery: admin::Delivery::Fragment.into(),
        accepted_persons: vec![v1::PersonKind::Broker.into()],
        lines_of_business: Some(v1::LineOfBusinessScope { scope: Some(lines::Scope::All(lines::All {})) }),
        hands_over_secret: Some(true),
        nonce_required: Some(false),
        redirect_origins: Vec::new(),
    }
}

fn firm() -> admin::CreateTenantRequest {
    admin::CreateTenantRequest {
        request_id: request_id(),
        display_name: "Firma A".to_owned(),
        create_standard_user: None,
    }
}

fn user(request_id: &str, name: &str) -> v1::CreateUserRequest {
    v1::CreateUserRequest {
        request_id: request_id.to_owned(),
        user_name: name.to_owned(),
        kind: v1::UserKind::Broker.into(),
        provider_scope: Some(v1::ProviderScope { scope: Some(providers::Scope::All(providers::All {})) }),
        display_name: String::new(),
        notification_email: String::new(),
        password: Some(PASSWORD.to_owned()),
    }
}

fn activation(user_id: String) -> v1::CreateBrokerActivationRequest {
    v1::CreateBrokerActivationRequest {
        request_id: request_id(),
        display_name: String::new(),
        broker_ids: (0..BROKERS).map(broker_of).collect(),
        user_id,
        sharing_reason: String::new(),
    }
}
