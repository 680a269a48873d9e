//! `TenantService`: the tenants, for operators.

use tonic::Request;

use super::convert::{Fields, Read, both, etag, timestamp};
use super::desk::{Answer, Desk};
use crate::app::pages::List;
use crate::domain::error::Version;
use crate::domain::ids::TenantId;
use crate::domain::page::Page;
use crate::domain::tenant::{Tenant, TenantState};
use crate::domain::text::Line;
use crate::proto::admin::v1;
use crate::proto::admin::v1::tenant_service_server::TenantService;

/// The service.
pub(super) struct Tenants {
    pub(super) desk: Desk,
}

#[tonic::async_trait]
impl TenantService for Tenants {
    async fn create_tenant(&self, request: Request<v1::CreateTenantRequest>) -> Answer<v1::CreateTenantResponse> {
        let (call, (display_name, with_standard_user)) = self.desk.effect(request, |fields, message| {
            let display_name = fields.keep("display_name", Line::parse(&message.display_name))?;
            Ok((display_name, message.create_standard_user.unwrap_or(true)))
        })?;
        let made = self.desk.app.create_tenant(&call, display_name, with_standard_user).await;
        Ok(v1::CreateTenantResponse { tenant: Some(tenant_out(&self.desk.checked(made)?)) }.into())
    }

    async fn get_tenant(&self, request: Request<v1::GetTenantRequest>) -> Answer<v1::GetTenantResponse> {
        let (call, message) = self.desk.open_operators(request)?;
        let tenant = self.desk.read(|fields| fields.uuid("tenant_id", TenantId::parse(&message.tenant_id)))?;
        let found = self.desk.checked(self.desk.app.get_tenant(&call, &tenant).await)?;
        Ok(v1::GetTenantResponse { tenant: Some(tenant_out(&found)) }.into())
    }

    async fn list_tenants(&self, request: Request<v1::ListTenantsRequest>) -> Answer<v1::ListTenantsResponse> {
        let (call, message) = self.desk.open_operators(request)?;
        let list = List { caller: &call.caller, name: "/concenter.admin.v1.TenantService/ListTenants", filter: "" };
        let page = self.desk.read(|fields| self.desk.page(fields, &list, message.page_size, &message.page_token))?;
        let Page { rows, next } = self.desk.checked(self.desk.app.list_tenants(&page).await)?;
        let next_page_token = self.desk.next_page(&list, next.as_deref());
        Ok(v1::ListTenantsResponse { tenants: rows.iter().map(tenant_out).collect(), next_page_token }.into())
    }

    async fn stop_tenant(&self, request: Request<v1::StopTenantRequest>) -> Answer<v1::StopTenantResponse> {
        let (call, (tenant, version)) =
            self.desk.effect(request, |fields, message| tenant_and_etag(fields, &message.tenant_id, &message.etag))?;
        let changed = self.desk.app.set_tenant_state(&call, &tenant, version, TenantState::Stopped).await;
        Ok(v1::StopTenantResponse { tenant: Some(tenant_out(&self.desk.checked(changed)?)) }.into())
    }

    async fn start_tenant(&self, request: Request<v1::StartTenantRequest>) -> Answer<v1::StartTenantResponse> {
        let (call, (tenant, version)) =
            self.desk.effect(request, |fields, message| tenant_and_etag(fields, &message.tenant_id, &message.etag))?;
        let changed = self.desk.app.set_tenant_state(&call, &tenant, version, TenantState::Active).await;
        Ok(v1::StartTenantResponse { tenant: Some(tenant_out(&self.desk.checked(changed)?)) }.into())
    }
}

fn tenant_and_etag(fields: &mut Fields, tenant_id: &str, etag: &str) -> Read<(TenantId, Version)> {
    both(fields.uuid("tenant_id", TenantId::parse(tenant_id)), fields.etag(etag))
}

fn tenant_out(tenant: &Tenant) -> v1::Tenant {
    let state = match tenant.state {
        TenantState::Active => v1::TenantState::Active,
        TenantState::Stopped => v1::TenantState::Stopped,
    };
    v1::Tenant {
        tenant_id: tenant.tenant_id.to_string(),
        display_name: tenant.display_name.as_str().to_owned(),
        state: state.into(),
        created_at: Some(timestamp(tenant.created_at)),
        updated_at: Some(timestamp(tenant.updated_at)),
        etag: etag(tenant.version),
    }
}
