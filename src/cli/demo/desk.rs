//! The desk: where everybody of the story makes his calls, each with a token of his own.
//!
//! Calls go over the socket, as those of any other client. The only thing taken from the running service directly is a
//! token, because somebody has to issue the first one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use super::script::{Caller, FIRM, OTHER_FIRM, PROVIDERS, Provider, RETURN_URL, TARGETS, Target};
use crate::domain::caller::Role;
use crate::domain::ids::{BrokerId, CustomerId, RequestId, SubjectId, TargetId, TenantId};
use crate::proto::admin::v1::catalog_admin_service_client::CatalogAdminServiceClient;
use crate::proto::admin::v1::tenant_service_client::TenantServiceClient;
use crate::proto::admin::v1::{CreateTenantRequest, PutProductProviderRequest, PutReturnUrlRequest, PutTargetRequest};
use crate::proto::v1::line_of_business_scope::{All, Scope};
use crate::proto::v1::{LineOfBusinessScope, PersonKind, TargetKind};
use crate::server::{Outside, Running};
use crate::token::{CallerGrant, CallerTokens};

/// How long the tokens live: a day of trying things out.
pub(super) const TOKEN_LIFE: Duration = Duration::from_hours(8);
/// Patience with one call. The service itself gives up after 10 s.
const PATIENCE: Duration = Duration::from_secs(15);

/// Calls the service in everybody's name.
pub(super) struct Desk {
    channel: Channel,
    tokens: Arc<CallerTokens>,
    outside: Outside,
    firm: Option<TenantId>,
    other_firm: Option<TenantId>,
}

impl Desk {
    /// Connects to the running service.
    pub(super) async fn connect(service: &Running, outside: Outside) -> anyhow::Result<Self> {
        let channel = Channel::from_shared(format!("http://{}", service.grpc_addr))?
            .timeout(PATIENCE)
            .connect()
            .await
            .context("the service does not answer")?;
        let tokens = Arc::clone(&service.caller_tokens);
        Ok(Self { channel, tokens, outside, firm: None, other_firm: None })
    }

    /// The connection, for a client.
    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A request id that nobody has used.
    pub(super) fn request_id(&self) -> String {
        RequestId::new(self.outside.clock.now(), &*self.outside.random).to_string()
    }

    /// Random bytes, for passwords.
    pub(super) fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.outside.random.fill(&mut bytes);
        bytes
    }

    /// The request, with the caller's token.
    pub(super) fn signed<T>(&self, caller: Caller, message: T) -> anyhow::Result<Request<T>> {
        let mut credential: MetadataValue<Ascii> = format!("Bearer {}", self.token(caller)?).parse()?;
        credential.set_sensitive(true);
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", credential);
        Ok(request)
    }

    /// A token of the caller, good for [`TOKEN_LIFE`].
    pub(super) fn token(&self, caller: Caller) -> anyhow::Result<String> {
        let grant = self.grant(caller)?;
        Ok(self.tokens.mint(&grant, self.outside.clock.now(), &*self.outside.random)?)
    }

    fn grant(&self, caller: Caller) -> anyhow::Result<CallerGrant> {
        let firm = || self.firm.context("the firm is not there yet");
        let of = |subject: &str, role: Role| -> anyhow::Result<CallerGrant> {
            Ok(CallerGrant {
                subject: SubjectId::parse(subject)?,
                roles: vec![role],
                tenant: None,
                broker_id: None,
                customer_id: None,
                target_audience: None,
                bound_to: None,
                life: TOKEN_LIFE,
            })
        };
        Ok(match caller {
            Caller::Operator => of("demo-operator", Role::Operator)?,
            Caller::Admin => CallerGrant { tenant: Some(firm()?), ..of("demo-admin", Role::Admin)? },
            Caller::OtherAdmin => {
                let tenant = Some(self.other_firm.context("the other firm is not there yet")?);
                CallerGrant { tenant, ..of("demo-other-admin", Role::Admin)? }
            }
            Caller::Portal => CallerGrant { tenant: Some(firm()?), ..of("demo-portal", Role::Portal)? },
            Caller::Broker(id) => {
                let broker_id = Some(BrokerId::parse(id)?);
                CallerGrant { tenant: Some(firm()?), broker_id, ..of(id, Role::Broker)? }
            }
            Caller::Customer { id, at_screen } => {
                let customer_id = Some(CustomerId::parse(id)?);
                CallerGrant { tenant: Some(firm()?), customer_id, ..of(at_screen, Role::Customer)? }
            }
            Caller::Target(id) => CallerGrant { target_audience: Some(TargetId::parse(id)?), ..of(id, Role::Target)? },
        })
    }

    /// What the operator does before the story: the catalogue and the two firms.
    pub(super) async fn open(&mut self) -> anyhow::Result<()> {
        for provider in &PROVIDERS {
            self.put_provider(provider).await.with_context(|| format!("put product provider {}", provider.id))?;
        }
        for target in &TARGETS {
            self.put_target(target, target.url).await.with_context(|| format!("put target {}", target.id))?;
        }
        let (id, url) = RETURN_URL;
        self.put_return_url(id, url).await.context("put the return URL")?;
        self.firm = Some(self.create_tenant(FIRM).await.context("create the firm")?);
        self.other_firm = Some(self.create_tenant(OTHER_FIRM).await.context("create the other firm")?);
        Ok(())
    }

    async fn put_provider(&self, provider: &Provider) -> anyhow::Result<()> {
        let request = PutProductProviderRequest {
            request_id: self.request_id(),
            product_provider_id: provider.id.to_owned(),
            etag: String::new(),
            display_name: provider.name.to_owned(),
            kind: provider.kind.into(),
        };
        let request = self.signed(Caller::Operator, request)?;
        CatalogAdminServiceClient::new(self.channel()).put_product_provider(request).await?;
        Ok(())
    }

    /// Registers a target, reached at this URL.
    pub(super) async fn put_target(&self, target: &Target, url: &str) -> anyhow::Result<()> {
        let accepted_persons = match target.kind {
            TargetKind::InsurerPortal => vec![PersonKind::Broker.into()],
            TargetKind::TariffCalculator | TargetKind::Unspecified => {
                vec![PersonKind::Broker.into(), PersonKind::Customer.into()]
            }
        };
        let request = PutTargetRequest {
            request_id: self.request_id(),
            target_id: target.id.to_owned(),
            etag: String::new(),
            product_provider_id: target.provider.to_owned(),
            kind: target.kind.into(),
            display_name: target.name.to_owned(),
            url: url.to_owned(),
            delivery: target.delivery.into(),
            accepted_persons,
            lines_of_business: Some(LineOfBusinessScope { scope: Some(Scope::All(All {})) }),
            hands_over_secret: Some(target.gets_password),
            nonce_required: Some(false),
            redirect_origins: Vec::new(),
        };
        let request = self.signed(Caller::Operator, request)?;
        CatalogAdminServiceClient::new(self.channel()).put_target(request).await?;
        Ok(())
    }

    /// Registers where targets may send the browser back to.
    pub(super) async fn put_return_url(&self, id: &str, url: &str) -> anyhow::Result<()> {
        let request = PutReturnUrlRequest {
            request_id: self.request_id(),
            return_url_id: id.to_owned(),
            etag: String::new(),
            url: url.to_owned(),
        };
        let request = self.signed(Caller::Operator, request)?;
        CatalogAdminServiceClient::new(self.channel()).put_return_url(request).await?;
        Ok(())
    }

    async fn create_tenant(&self, name: &str) -> anyhow::Result<TenantId> {
        let request = CreateTenantRequest {
            request_id: self.request_id(),
            display_name: name.to_owned(),
            create_standard_user: None,
        };
        let request = self.signed(Caller::Operator, request)?;
        let answer = TenantServiceClient::new(self.channel()).create_tenant(request).await?.into_inner();
        let tenant = answer.tenant.context("the answer names no tenant")?;
        Ok(TenantId::parse(&tenant.tenant_id)?)
    }
}
