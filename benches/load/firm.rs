//! Firms with their people, set up as people set them up: through the API.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use concenter_gateway::domain::ids::TenantId;
use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::admin::v1::catalog_admin_service_client::CatalogAdminServiceClient;
use concenter_gateway::proto::admin::v1::tenant_service_client::TenantServiceClient;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::broker_activation_service_client::BrokerActivationServiceClient;
use concenter_gateway::proto::v1::customer_service_client::CustomerServiceClient;
use concenter_gateway::proto::v1::user_service_client::UserServiceClient;
use concenter_gateway::proto::v1::{line_of_business_scope as lines, provider_scope as providers};
use tonic::Request;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;

use super::data::Issuer;
use super::service::{Service, connect_channel};
use super::traffic::{Crowd, People};

/// The product provider of the only target.
pub(crate) const PROVIDER: &str = "vergleich";
/// The only target.
pub(crate) const TARGET: &str = "rechner";
/// Where it is.
pub(crate) const TARGET_URL: &str = "https://rechner.example/absprung";
/// Every user's password.
pub(crate) const PASSWORD: &str = "geheim~im~Test";
/// Brokers of an activation, as many as one may have.
pub(crate) const BROKERS_OF_ACTIVATION: u32 = 100;
/// Customers of a batch, as many as one may have.
const BATCH: usize = 1_000;

/// How many there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Firms.
    pub(crate) firms: u32,
    /// Activations of each firm, each with a user of its own.
    pub(crate) activations: u32,
    /// Private customers of each firm.
    pub(crate) customers: u32,
}

/// Sets up firms on a new service, and gives those who jump there.
pub(crate) async fn set_up(service: &Service, size: Size) -> anyhow::Result<Arc<Crowd>> {
    let issuer = service.data().issuer().await?;
    let channel = connect_channel(&service.grpc).await?;
    set_up_catalogue(channel.clone(), &issuer).await?;
    let mut portals = Vec::new();
    for _ in 0..size.firms {
        let tenant = new_tenant(channel.clone(), &issuer).await?;
        let [admin, portal] = [issuer.admin(tenant)?, issuer.portal(tenant)?];
        set_up_brokers(channel.clone(), &admin, size.activations).await?;
        set_up_customers(channel.clone(), &admin, &portal, size.customers).await?;
        portals.push(portal);
    }
    let brokers = size.activations * BROKERS_OF_ACTIVATION;
    Ok(Crowd::new(portals, People { firms: size.firms, brokers, customers: size.customers }))
}

/// Sets up the product provider and its target.
pub(crate) async fn set_up_catalogue(channel: Channel, issuer: &Issuer) -> anyhow::Result<()> {
    let operator = issuer.operator()?;
    let mut catalogue = CatalogAdminServiceClient::new(channel);
    let provider = admin::PutProductProviderRequest {
        request_id: request_id(),
        product_provider_id: PROVIDER.to_owned(),
        etag: String::new(),
        display_name: "Vergleicher".to_owned(),
        kind: v1::ProductProviderKind::Comparator.into(),
    };
    catalogue.put_product_provider(by(&operator, provider)).await?;
    let target = admin::PutTargetRequest {
        request_id: request_id(),
        target_id: TARGET.to_owned(),
        etag: String::new(),
        product_provider_id: PROVIDER.to_owned(),
        kind: v1::TargetKind::TariffCalculator.into(),
        display_name: "Tarifrechner".to_owned(),
        url: TARGET_URL.to_owned(),
        delivery: admin::Delivery::FormPost.into(),
        accepted_persons: vec![v1::PersonKind::Broker.into(), v1::PersonKind::Customer.into()],
        lines_of_business: Some(v1::LineOfBusinessScope { scope: Some(lines::Scope::All(lines::All {})) }),
        hands_over_secret: Some(true),
        nonce_required: Some(false),
        redirect_origins: Vec::new(),
    };
    catalogue.put_target(by(&operator, target)).await?;
    Ok(())
}

async fn new_tenant(channel: Channel, issuer: &Issuer) -> anyhow::Result<TenantId> {
    let new = admin::CreateTenantRequest {
        request_id: request_id(),
        display_name: "Firma".to_owned(),
        create_standard_user: Some(false),
    };
    let made = TenantServiceClient::new(channel).create_tenant(by(&issuer.operator()?, new)).await?;
    Ok(TenantId::parse(&made.into_inner().tenant.context("a tenant")?.tenant_id)?)
}

/// Activations with a broker user and as many brokers as one takes.
async fn set_up_brokers(channel: Channel, admin: &AsciiMetadataValue, activations: u32) -> anyhow::Result<()> {
    let all = v1::ProviderScope { scope: Some(providers::Scope::All(providers::All {})) };
    let mut service = BrokerActivationServiceClient::new(channel.clone());
    for activation in 0..activations {
        let name = format!("vm.{activation}");
        let user_id = new_user(channel.clone(), admin, name, v1::UserKind::Broker, all.clone()).await?;
        let first = activation * BROKERS_OF_ACTIVATION;
        let new = v1::CreateBrokerActivationRequest {
            request_id: request_id(),
            display_name: String::new(),
            broker_ids: (first..first + BROKERS_OF_ACTIVATION).map(broker_id).collect(),
            user_id,
            sharing_reason: String::new(),
        };
        service.create_broker_activation(by(admin, new)).await?;
    }
    Ok(())
}

/// Private customers, and the user that they share.
async fn set_up_customers(
    channel: Channel,
    admin: &AsciiMetadataValue,
    portal: &AsciiMetadataValue,
    customers: u32,
) -> anyhow::Result<()> {
    let user = new_user_of_customers(channel.clone(), admin, "kunden".to_owned()).await?;
    share(channel.clone(), admin, Some(user), None).await?;
    let mut service = CustomerServiceClient::new(channel);
    let segment = v1::Segment::Private.into();
    for first in (0..customers).step_by(BATCH) {
        let customers = (first..customers).take(BATCH);
        let customers =
            customers.map(|number| v1::CustomerRecord { customer_id: customer_id(number), segment }).collect();
        service.put_customers(by(portal, v1::PutCustomersRequest { request_id: request_id(), customers })).await?;
    }
    Ok(())
}

/// Has customers share a user, those of the segments that one is named for.
async fn share(
    channel: Channel,
    admin: &AsciiMetadataValue,
    private_user_id: Option<String>,
    commercial_user_id: Option<String>,
) -> anyhow::Result<()> {
    let mut service = CustomerServiceClient::new(channel);
    let access = service.get_customer_access(by(admin, v1::GetCustomerAccessRequest {})).await?.into_inner();
    let change = v1::UpdateCustomerAccessRequest {
        request_id: request_id(),
        etag: access.customer_access.context("the customers' access")?.etag,
        private_user_id,
        commercial_user_id,
        commercial_falls_back_to_private: None,
    };
    service.update_customer_access(by(admin, change)).await?;
    Ok(())
}

/// A commercial customer who comes behind all others, and the user that he alone has. Gives its id.
pub(crate) async fn set_up_last_customer(
    channel: Channel,
    admin: &AsciiMetadataValue,
    portal: &AsciiMetadataValue,
) -> anyhow::Result<String> {
    let user = new_user_of_customers(channel.clone(), admin, "gewerbe".to_owned()).await?;
    share(channel.clone(), admin, None, Some(user.clone())).await?;
    let last = v1::CustomerRecord { customer_id: "letzter".to_owned(), segment: v1::Segment::Commercial.into() };
    let put = v1::PutCustomersRequest { request_id: request_id(), customers: vec![last] };
    CustomerServiceClient::new(channel).put_customers(by(portal, put)).await?;
    Ok(user)
}

/// A user of customers.
pub(crate) async fn new_user_of_customers(
    channel: Channel,
    admin: &AsciiMetadataValue,
    user_name: String,
) -> anyhow::Result<String> {
    let only = providers::Only { product_provider_ids: vec![PROVIDER.to_owned()] };
    let scope = v1::ProviderScope { scope: Some(providers::Scope::Only(only)) };
    new_user(channel, admin, user_name, v1::UserKind::EndCustomer, scope).await
}

async fn new_user(
    channel: Channel,
    admin: &AsciiMetadataValue,
    user_name: String,
    kind: v1::UserKind,
    scope: v1::ProviderScope,
) -> anyhow::Result<String> {
    let new = v1::CreateUserRequest {
        request_id: request_id(),
        user_name,
        kind: kind.into(),
        provider_scope: Some(scope),
        display_name: String::new(),
        notification_email: String::new(),
        password: Some(PASSWORD.to_owned()),
    };
    let made = UserServiceClient::new(channel).create_user(by(admin, new)).await?;
    Ok(made.into_inner().user.context("a user")?.user_id)
}

/// The id of a firm's broker.
pub(crate) fn broker_id(number: u32) -> String {
    format!("vermittler-{number}")
}

/// The id of a firm's customer.
pub(crate) fn customer_id(number: u32) -> String {
    format!("kunde-{number}")
}

/// A request with a caller's credential.
pub(crate) fn by<T>(credential: &AsciiMetadataValue, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", credential.clone());
    request
}

/// The id of a request that sets something up; jumps have ids of another kind.
fn request_id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    uuid::Uuid::from_u128(NEXT.fetch_add(1, Ordering::Relaxed).into()).to_string()
}
