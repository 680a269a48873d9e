//! A call: who makes it, and the request as it goes over the wire.

use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::v1;
use tonic::Status;

use crate::harness::Client;

/// Who calls. A broker, a customer and a target by their place in the lists of [`crate::command`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Admin,
    Portal,
    Broker(usize),
    Customer(usize),
    /// Staff of a customer: another subject, the same person.
    Staff(usize),
    Target(usize),
    Operator,
}

impl Who {
    /// The role, as the audit log spells it.
    pub const fn role(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Portal => "portal",
            Self::Broker(_) => "broker",
            Self::Customer(_) | Self::Staff(_) => "customer",
            Self::Target(_) => "target",
            Self::Operator => "operator",
        }
    }

    /// Whether he belongs to a tenant.
    pub const fn is_within(self) -> bool {
        !matches!(self, Self::Target(_) | Self::Operator)
    }
}

/// A call, ready to be made.
#[derive(Debug, Clone)]
pub struct Call {
    /// Of which tenant the caller is; for an operator and a target whose things he names.
    pub side: usize,
    pub who: Who,
    pub request: Request,
    /// The fields that were put out of bounds, sorted.
    pub spoiled: Vec<String>,
}

/// Lists the RPCs: request, answer, service and method of the client.
macro_rules! rpcs {
    ($($name:ident($request:ty) -> $answer:ty = $service:ident.$method:ident;)+) => {
        /// A request of any RPC.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Request {
            $($name($request)),+
        }

        /// An answer of any RPC.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is gone with its step")]
        pub enum Answer {
            $($name($answer)),+
        }

        /// The name of every request.
        pub const NAMES: &[&str] = &[$(stringify!($name)),+];

        impl Request {
            /// Its name here.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name)),+
                }
            }

            /// Makes the call.
            pub async fn send(&self, client: &Client) -> Result<Answer, Status> {
                match self {
                    $(Self::$name(request) => {
                        let answer = client.$service().$method(request.clone()).await?;
                        Ok(Answer::$name(answer.into_inner()))
                    })+
                }
            }
        }
    };
}

rpcs! {
    CreateUser(v1::CreateUserRequest) -> v1::CreateUserResponse = users.create_user;
    GetUser(v1::GetUserRequest) -> v1::GetUserResponse = users.get_user;
    UpdateUser(v1::UpdateUserRequest) -> v1::UpdateUserResponse = users.update_user;
    SetUserSecret(v1::SetUserSecretRequest) -> v1::SetUserSecretResponse = users.set_user_secret;
    SetStandardUser(v1::SetStandardUserRequest) -> v1::SetStandardUserResponse = users.set_standard_user;
    SetEndCustomer(v1::SetEndCustomerRequest) -> v1::SetEndCustomerResponse = users.set_end_customer;
    AttestEndCustomer(v1::AttestEndCustomerRequest) -> v1::AttestEndCustomerResponse = users.attest_end_customer;
    DisableUser(v1::DisableUserRequest) -> v1::DisableUserResponse = users.disable_user;
    EnableUser(v1::EnableUserRequest) -> v1::EnableUserResponse = users.enable_user;
    DeleteUser(v1::DeleteUserRequest) -> v1::DeleteUserResponse = users.delete_user;
    CreateActivation(v1::CreateBrokerActivationRequest) -> v1::CreateBrokerActivationResponse
        = activations.create_broker_activation;
    GetActivation(v1::GetBrokerActivationRequest) -> v1::GetBrokerActivationResponse
        = activations.get_broker_activation;
    UpdateActivation(v1::UpdateBrokerActivationRequest) -> v1::UpdateBrokerActivationResponse
        = activations.update_broker_activation;
    DisableActivation(v1::DisableBrokerActivationRequest) -> v1::DisableBrokerActivationResponse
        = activations.disable_broker_activation;
    EnableActivation(v1::EnableBrokerActivationRequest) -> v1::EnableBrokerActivationResponse
        = activations.enable_broker_activation;
    DeleteActivation(v1::DeleteBrokerActivationRequest) -> v1::DeleteBrokerActivationResponse
        = activations.delete_broker_activation;
    PutCustomers(v1::PutCustomersRequest) -> v1::PutCustomersResponse = customers.put_customers;
    GetCustomer(v1::GetCustomerRequest) -> v1::GetCustomerResponse = customers.get_customer;
    AssignUser(v1::AssignUserRequest) -> v1::AssignUserResponse = customers.assign_user;
    EraseCustomer(v1::EraseCustomerRequest) -> v1::EraseCustomerResponse = customers.erase_customer;
    UpdateAccess(v1::UpdateCustomerAccessRequest) -> v1::UpdateCustomerAccessResponse
        = customers.update_customer_access;
    UpdateSettings(v1::UpdateSettingsRequest) -> v1::UpdateSettingsResponse = settings.update_settings;
    ListProviders(v1::ListProductProvidersRequest) -> v1::ListProductProvidersResponse
        = catalog.list_product_providers;
    ListTargets(v1::ListTargetsRequest) -> v1::ListTargetsResponse = catalog.list_targets;
    JumpToTarif(v1::JumpToTarifRequest) -> v1::JumpToTarifResponse = jumps.jump_to_tarif;
    JumpToPortal(v1::JumpToInsurerPortalRequest) -> v1::JumpToInsurerPortalResponse = jumps.jump_to_insurer_portal;
    ExplainJump(v1::ExplainJumpRequest) -> v1::ExplainJumpResponse = jumps.explain_jump;
    RedeemJump(v1::RedeemJumpRequest) -> v1::RedeemJumpResponse = jumps.redeem_jump;
    ReportJumpResult(v1::ReportJumpResultRequest) -> v1::ReportJumpResultResponse = jumps.report_jump_result;
    IntrospectJump(v1::IntrospectJumpRequest) -> v1::IntrospectJumpResponse = jumps.introspect_jump;
    GetJump(v1::GetJumpRequest) -> v1::GetJumpResponse = jumps.get_jump;
    ListJumps(v1::ListJumpsRequest) -> v1::ListJumpsResponse = jumps.list_jumps;
    RevokeJump(v1::RevokeJumpRequest) -> v1::RevokeJumpResponse = jumps.revoke_jump;
    GetTenant(admin::GetTenantRequest) -> admin::GetTenantResponse = tenants.get_tenant;
    UpdateTenant(admin::UpdateTenantRequest) -> admin::UpdateTenantResponse = tenants.update_tenant;
    StopTenant(admin::StopTenantRequest) -> admin::StopTenantResponse = tenants.stop_tenant;
    StartTenant(admin::StartTenantRequest) -> admin::StartTenantResponse = tenants.start_tenant;
    DeleteTenant(admin::DeleteTenantRequest) -> admin::DeleteTenantResponse = tenants.delete_tenant;
    UndeleteTenant(admin::UndeleteTenantRequest) -> admin::UndeleteTenantResponse = tenants.undelete_tenant;
    GetProvider(admin::GetProductProviderRequest) -> admin::GetProductProviderResponse
        = catalog_admin.get_product_provider;
    DisableProvider(admin::DisableProductProviderRequest) -> admin::DisableProductProviderResponse
        = catalog_admin.disable_product_provider;
    EnableProvider(admin::EnableProductProviderRequest) -> admin::EnableProductProviderResponse
        = catalog_admin.enable_product_provider;
    GetTarget(admin::GetTargetRequest) -> admin::GetTargetResponse = catalog_admin.get_target;
    DisableTarget(admin::DisableTargetRequest) -> admin::DisableTargetResponse = catalog_admin.disable_target;
    EnableTarget(admin::EnableTargetRequest) -> admin::EnableTargetResponse = catalog_admin.enable_target;
    GetReturnUrl(admin::GetReturnUrlRequest) -> admin::GetReturnUrlResponse = catalog_admin.get_return_url;
    DisableReturnUrl(admin::DisableReturnUrlRequest) -> admin::DisableReturnUrlResponse
        = catalog_admin.disable_return_url;
    EnableReturnUrl(admin::EnableReturnUrlRequest) -> admin::EnableReturnUrlResponse
        = catalog_admin.enable_return_url;
}

impl Request {
    /// The roles that may make the call (`docs/domain.md#three-people`, `docs/domain.md#segment`): what reads and writes
    /// the firm's setting-up is the administrator's, records of customers are the portal's as well.
    pub const fn roles(&self) -> &'static [&'static str] {
        match self {
            Self::PutCustomers(_) | Self::GetCustomer(_) | Self::EraseCustomer(_) => &["portal", "admin"],
            Self::ListProviders(_) | Self::RevokeJump(_) | Self::ExplainJump(_) => &["portal", "admin"],
            Self::ListTargets(_) | Self::GetJump(_) | Self::ListJumps(_) => &["portal", "broker", "customer", "admin"],
            Self::JumpToTarif(_) => &["portal", "broker", "customer"],
            Self::JumpToPortal(_) => &["portal", "broker"],
            Self::RedeemJump(_) | Self::ReportJumpResult(_) | Self::IntrospectJump(_) => &["target"],
            Self::GetTenant(_)
            | Self::UpdateTenant(_)
            | Self::StopTenant(_)
            | Self::StartTenant(_)
            | Self::DeleteTenant(_)
            | Self::UndeleteTenant(_)
            | Self::GetProvider(_)
            | Self::DisableProvider(_)
            | Self::EnableProvider(_)
            | Self::GetTarget(_)
            | Self::DisableTarget(_)
            | Self::EnableTarget(_)
            | Self::GetReturnUrl(_)
            | Self::DisableReturnUrl(_)
            | Self::EnableReturnUrl(_) => &["operator"],
            _ => &["admin"],
        }
    }

    /// The caller's id of the request, where it has one.
    pub const fn request_id_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::CreateUser(request) => Some(&mut request.request_id),
            Self::UpdateUser(request) => Some(&mut request.request_id),
            Self::SetUserSecret(request) => Some(&mut request.request_id),
            Self::SetStandardUser(request) => Some(&mut request.request_id),
            Self::SetEndCustomer(request) => Some(&mut request.request_id),
            Self::AttestEndCustomer(request) => Some(&mut request.request_id),
            Self::DisableUser(request) => Some(&mut request.request_id),
            Self::EnableUser(request) => Some(&mut request.request_id),
            Self::DeleteUser(request) => Some(&mut request.request_id),
            Self::CreateActivation(request) => Some(&mut request.request_id),
            Self::UpdateActivation(request) => Some(&mut request.request_id),
            Self::DisableActivation(request) => Some(&mut request.request_id),
            Self::EnableActivation(request) => Some(&mut request.request_id),
            Self::DeleteActivation(request) => Some(&mut request.request_id),
            Self::PutCustomers(request) => Some(&mut request.request_id),
            Self::AssignUser(request) => Some(&mut request.request_id),
            Self::EraseCustomer(request) => Some(&mut request.request_id),
            Self::UpdateAccess(request) => Some(&mut request.request_id),
            Self::UpdateSettings(request) => Some(&mut request.request_id),
            Self::JumpToTarif(request) => Some(&mut request.request_id),
            Self::JumpToPortal(request) => Some(&mut request.request_id),
            Self::ReportJumpResult(request) => Some(&mut request.request_id),
            Self::RevokeJump(request) => Some(&mut request.request_id),
            Self::UpdateTenant(request) => Some(&mut request.request_id),
            Self::StopTenant(request) => Some(&mut request.request_id),
            Self::StartTenant(request) => Some(&mut request.request_id),
            Self::DeleteTenant(request) => Some(&mut request.request_id),
            Self::UndeleteTenant(request) => Some(&mut request.request_id),
            Self::DisableProvider(request) => Some(&mut request.request_id),
            Self::EnableProvider(request) => Some(&mut request.request_id),
            Self::DisableTarget(request) => Some(&mut request.request_id),
            Self::EnableTarget(request) => Some(&mut request.request_id),
            Self::DisableReturnUrl(request) => Some(&mut request.request_id),
            Self::EnableReturnUrl(request) => Some(&mut request.request_id),
            _ => None,
        }
    }

    /// The caller's id of the request; empty where it has none.
    pub fn request_id(&self) -> String {
        self.clone().request_id_mut().cloned().unwrap_or_default()
    }
}
