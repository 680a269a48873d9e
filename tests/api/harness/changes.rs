//! More of what a firm's administrator and we do, as one call each; what a test is about stands in the test.

use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::v1;
use prost_types::FieldMask;
use tonic::{Response, Status};

use super::{Firm, World, request_id};

/// The fields that an update is about.
#[expect(clippy::unnecessary_wraps, reason = "a request may do without one, and its field is an `Option`")]
pub fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

impl Firm {
    /// Changes the fields of a user that the mask names.
    pub async fn update_user(
        &self,
        user: v1::ConcenterUser,
        paths: &[&str],
    ) -> Result<Response<v1::UpdateUserResponse>, Status> {
        let update = v1::UpdateUserRequest { request_id: request_id(), user: Some(user), update_mask: mask(paths) };
        self.admin.users().update_user(update).await
    }

    /// Deletes a user as it is now.
    pub async fn delete_user(&self, user: &str) -> Result<Response<v1::DeleteUserResponse>, Status> {
        let (user_id, etag) = (user.to_owned(), self.user(user).await.etag);
        let delete = v1::DeleteUserRequest { request_id: request_id(), user_id, etag };
        self.admin.users().delete_user(delete).await
    }

    /// Changes the fields of an activation that the mask names.
    pub async fn update_activation(
        &self,
        activation: v1::BrokerActivation,
        paths: &[&str],
    ) -> Result<Response<v1::UpdateBrokerActivationResponse>, Status> {
        let update = v1::UpdateBrokerActivationRequest {
            request_id: request_id(),
            activation: Some(activation),
            update_mask: mask(paths),
        };
        self.admin.activations().update_broker_activation(update).await
    }

    /// Deletes an activation as it is now.
    pub async fn delete_activation(
        &self,
        activation: &str,
    ) -> Result<Response<v1::DeleteBrokerActivationResponse>, Status> {
        let (activation_id, etag) = (activation.to_owned(), self.activation(activation).await.etag);
        let delete = v1::DeleteBrokerActivationRequest { request_id: request_id(), activation_id, etag };
        self.admin.activations().delete_broker_activation(delete).await
    }

    /// Forgets a customer.
    pub async fn erase(&self, customer: &str) -> Result<Response<v1::EraseCustomerResponse>, Status> {
        let erase = v1::EraseCustomerRequest { request_id: request_id(), customer_id: customer.to_owned() };
        self.portal.customers().erase_customer(erase).await
    }

    /// Writes the records of private customers.
    pub async fn put_private(&self, customers: &[&str]) {
        let customers = customers.iter().map(|id| super::record(id, v1::Segment::Private)).collect();
        let put = v1::PutCustomersRequest { request_id: request_id(), customers };
        self.portal.customers().put_customers(put).await.expect("records");
    }

    /// Reads the settings.
    pub async fn settings(&self) -> v1::Settings {
        let got = self.admin.settings().get_settings(v1::GetSettingsRequest {}).await.expect("settings");
        got.into_inner().settings.expect("settings")
    }

    /// Changes the settings that the mask names, under the etag of `settings`.
    pub async fn update_settings(
        &self,
        settings: v1::Settings,
        paths: &[&str],
    ) -> Result<Response<v1::UpdateSettingsResponse>, Status> {
        let update =
            v1::UpdateSettingsRequest { request_id: request_id(), settings: Some(settings), update_mask: mask(paths) };
        self.admin.settings().update_settings(update).await
    }

    /// Revokes jumps as the administrator.
    pub async fn revoke(
        &self,
        jumps: v1::revoke_jump_request::Jumps,
    ) -> Result<Response<v1::RevokeJumpResponse>, Status> {
        let revoke = v1::RevokeJumpRequest { request_id: request_id(), jumps: Some(jumps) };
        self.admin.jumps().revoke_jump(revoke).await
    }

    /// Reads a jump as the administrator.
    pub async fn jump_record(&self, jump: &str) -> v1::Jump {
        let get = v1::GetJumpRequest { jump_id: jump.to_owned() };
        self.admin.jumps().get_jump(get).await.expect("a jump").into_inner().jump.expect("a jump")
    }
}

impl World {
    /// Reads a tenant.
    pub async fn tenant(&self, tenant: &str) -> admin::Tenant {
        let get = admin::GetTenantRequest { tenant_id: tenant.to_owned() };
        let got = self.service.operator().tenants().get_tenant(get).await.expect("a tenant");
        got.into_inner().tenant.expect("a tenant")
    }

    /// Makes one more tenant, without users.
    pub async fn new_tenant(&self) -> admin::Tenant {
        let new = admin::CreateTenantRequest {
            request_id: request_id(),
            display_name: "Firma".to_owned(),
            create_standard_user: Some(false),
        };
        let made = self.service.operator().tenants().create_tenant(new).await.expect("a tenant");
        made.into_inner().tenant.expect("a tenant")
    }

    /// Stops a tenant as it is now.
    pub async fn stop(&self, tenant: &str) -> admin::Tenant {
        let (tenant_id, etag) = (tenant.to_owned(), self.tenant(tenant).await.etag);
        let stop = admin::StopTenantRequest { request_id: request_id(), tenant_id, etag };
        let stopped = self.service.operator().tenants().stop_tenant(stop).await.expect("stopped");
        stopped.into_inner().tenant.expect("a tenant")
    }

    /// Starts a tenant as it is now.
    pub async fn start(&self, tenant: &str) -> Result<Response<admin::StartTenantResponse>, Status> {
        let (tenant_id, etag) = (tenant.to_owned(), self.tenant(tenant).await.etag);
        let start = admin::StartTenantRequest { request_id: request_id(), tenant_id, etag };
        self.service.operator().tenants().start_tenant(start).await
    }

    /// Deletes a tenant as it is now.
    pub async fn delete(&self, tenant: &str) -> admin::Tenant {
        let (tenant_id, etag) = (tenant.to_owned(), self.tenant(tenant).await.etag);
        let delete = admin::DeleteTenantRequest { request_id: request_id(), tenant_id, etag };
        let deleted = self.service.operator().tenants().delete_tenant(delete).await.expect("deleted");
        deleted.into_inner().tenant.expect("a tenant")
    }

    /// Takes the deletion of a tenant back.
    pub async fn undelete(&self, tenant: &str) -> admin::Tenant {
        let (tenant_id, etag) = (tenant.to_owned(), self.tenant(tenant).await.etag);
        let undelete = admin::UndeleteTenantRequest { request_id: request_id(), tenant_id, etag };
        let back = self.service.operator().tenants().undelete_tenant(undelete).await.expect("back");
        back.into_inner().tenant.expect("a tenant")
    }

    /// Reads a target as an operator.
    pub async fn target(&self, target: &str) -> admin::Target {
        let get = admin::GetTargetRequest { target_id: target.to_owned() };
        let got = self.service.operator().catalog_admin().get_target(get).await.expect("a target");
        got.into_inner().target.expect("a target")
    }

    /// Reads a provider as an operator.
    pub async fn provider(&self, provider: &str) -> admin::ProductProvider {
        let get = admin::GetProductProviderRequest { product_provider_id: provider.to_owned() };
        let got = self.service.operator().catalog_admin().get_product_provider(get).await.expect("a provider");
        got.into_inner().product_provider.expect("a provider")
    }

    /// Reads a return URL as an operator.
    pub async fn return_url(&self, return_url: &str) -> admin::ReturnUrl {
        let get = admin::GetReturnUrlRequest { return_url_id: return_url.to_owned() };
        let got = self.service.operator().catalog_admin().get_return_url(get).await.expect("a return URL");
        got.into_inner().return_url.expect("a return URL")
    }
}
