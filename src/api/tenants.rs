//! `TenantService`: the tenants, for operators.

use tonic::Request;

use super::convert::{Fields, Mask, Read, Resource, both, etag, timestamp, update};
use super::desk::{Answer, Desk};
use crate::app::pages::List;
use crate::domain::error::Version;
use crate::domain::ids::TenantId;
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
        let rows = self.desk.checked(self.desk.app.list_tenants(&page).await)?.map(|tenant| tenant_out(&tenant));
        let (tenants, next_page_token) = self.desk.page_out(&list, rows, |tenant| &tenant.tenant_id);
        Ok(v1::ListTenantsResponse { tenants, next_page_token }.into())
    }

    async fn update_tenant(&self, request: Request<v1::UpdateTenantRequest>) -> Answer<v1::UpdateTenantResponse> {
        let (call, ((tenant, version), display_name)) = self.desk.effect(request, |fields, message| {
            update(fields, message.tenant.as_ref(), message.update_mask.as_ref(), change)
        })?;
        let changed = self.desk.app.update_tenant(&call, &tenant, version, &display_name).await;
        Ok(v1::UpdateTenantResponse { tenant: Some(tenant_out(&self.desk.checked(changed)?)) }.into())
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

    async fn delete_tenant(&self, request: Request<v1::DeleteTenantRequest>) -> Answer<v1::DeleteTenantResponse> {
        let (call, (tenant, version)) =
            self.desk.effect(request, |fields, message| tenant_and_etag(fields, &message.tenant_id, &message.etag))?;
        let changed = self.desk.app.set_tenant_deleted(&call, &tenant, version, true).await;
        Ok(v1::DeleteTenantResponse { tenant: Some(tenant_out(&self.desk.checked(changed)?)) }.into())
    }

    async fn undelete_tenant(&self, request: Request<v1::UndeleteTenantRequest>) -> Answer<v1::UndeleteTenantResponse> {
        let (call, (tenant, version)) =
            self.desk.effect(request, |fields, message| tenant_and_etag(fields, &message.tenant_id, &message.etag))?;
        let changed = self.desk.app.set_tenant_deleted(&call, &tenant, version, false).await;
        Ok(v1::UndeleteTenantResponse { tenant: Some(tenant_out(&self.desk.checked(changed)?)) }.into())
    }
}

impl Resource for v1::Tenant {
    const NAME: &'static str = "tenant";

    fn updatable(&self) -> Vec<(&'static str, bool)> {
        vec![("display_name", !self.display_name.is_empty())]
    }
}

fn tenant_and_etag(fields: &mut Fields, tenant_id: &str, etag: &str) -> Read<(TenantId, Version)> {
    both(fields.uuid("tenant_id", TenantId::parse(tenant_id)), fields.etag(etag))
}

fn change(fields: &mut Fields, mask: &Mask, tenant: &v1::Tenant) -> Read<((TenantId, Version), Line)> {
    let known = tenant_and_etag(fields, &tenant.tenant_id, &tenant.etag);
    let display_name =
        mask.only(fields, "display_name", |fields, path| fields.keep(path, Line::parse(&tenant.display_name)));
    both(known, display_name)
}

fn tenant_out(tenant: &Tenant) -> v1::Tenant {
    let state = match (tenant.deleted_at, tenant.state) {
        (Some(_), _) => v1::TenantState::Deleted,
        (None, TenantState::Active) => v1::TenantState::Active,
        (None, TenantState::Stopped) => v1::TenantState::Stopped,
    };
    v1::Tenant {
        tenant_id: tenant.tenant_id.to_string(),
        display_name: tenant.display_name.as_str().to_owned(),
        state: state.into(),
        created_at: Some(timestamp(tenant.created_at)),
        updated_at: Some(timestamp(tenant.updated_at)),
        etag: etag(tenant.version),
        destroyed_after: tenant.destroyed_after().map(timestamp),
        restored_at: tenant.restored_at.map(timestamp),
    }
}

#[cfg(test)]
mod tests {
    use prost_types::FieldMask;

    use super::*;
    use crate::app::Failure;
    use crate::domain::time::Timestamp;

    const ID: &str = "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c";

    fn wire(display_name: &str) -> v1::Tenant {
        v1::Tenant {
            tenant_id: ID.to_owned(),
            display_name: display_name.to_owned(),
            etag: "v3".to_owned(),
            ..Default::default()
        }
    }

    fn read(tenant: Option<&v1::Tenant>, paths: &[&str]) -> Result<String, Vec<String>> {
        let mask = FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
        let mut fields = Fields::default();
        let read = update(&mut fields, tenant, Some(&mask), change);
        let ((tenant, version), display_name) = fields.finish(read).map_err(|failure| match failure {
            Failure::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect::<Vec<_>>(),
            other => panic!("{other}"),
        })?;
        assert_eq!((Ok(tenant), version), (TenantId::parse(ID), Version::from_number(3)));
        Ok(display_name.as_str().to_owned())
    }

    #[test]
    fn the_display_name_of_a_tenant_changes_with_and_without_a_mask() {
        for paths in [&[] as &[&str], &["display_name"], &["display_name", "display_name"]] {
            assert_eq!(read(Some(&wire("Makler")), paths), Ok("Makler".to_owned()), "{paths:?}");
        }
    }

    #[test]
    fn the_display_name_of_a_tenant_is_not_cleared() {
        assert_eq!(read(Some(&wire("")), &["display_name"]), Err(vec!["tenant.display_name".to_owned()]));
        assert_eq!(read(Some(&wire("")), &[]), Err(vec!["update_mask".to_owned()]));
    }

    #[test]
    fn every_other_field_of_a_tenant_is_refused() {
        for path in [
            "tenant_id",
            "state",
            "created_at",
            "updated_at",
            "etag",
            "destroyed_after",
            "restored_at",
            "displayName",
            "*",
            "",
        ] {
            let expected = Err(vec!["update_mask.paths[0]".to_owned()]);
            assert_eq!(read(Some(&wire("Makler")), &[path]), expected, "{path:?}");
        }
    }

    #[test]
    fn every_bad_field_of_an_update_is_named_within_the_tenant() {
        let bad = v1::Tenant { display_name: "a\nb".to_owned(), ..v1::Tenant::default() };
        let expected = ["tenant.tenant_id", "tenant.etag", "tenant.display_name"].map(str::to_owned).to_vec();
        assert_eq!(read(Some(&bad), &[]), Err(expected));
        assert_eq!(read(None, &[]), Err(vec!["tenant".to_owned()]));
    }

    #[test]
    fn a_tenant_is_deleted_whatever_it_was_before_and_says_until_when_it_is_kept() {
        let at = Timestamp::from_unix_seconds(1_000);
        let tenant = |state, deleted_at| Tenant {
            tenant_id: TenantId::parse(ID).unwrap(),
            display_name: Line::parse("Makler").unwrap(),
            state,
            deleted_at,
            restored_at: None,
            created_at: at,
            updated_at: at,
            version: Version::FIRST,
        };
        let told = |state, deleted_at| {
            let out = tenant_out(&tenant(state, deleted_at));
            (out.state(), out.destroyed_after.map(|after| after.seconds))
        };
        assert_eq!(told(TenantState::Active, None), (v1::TenantState::Active, None));
        assert_eq!(told(TenantState::Stopped, None), (v1::TenantState::Stopped, None));
        let after = Some(1_000 + 30 * 24 * 60 * 60);
        assert_eq!(told(TenantState::Stopped, Some(at)), (v1::TenantState::Deleted, after));
        assert_eq!(told(TenantState::Active, Some(at)), (v1::TenantState::Deleted, after));
    }
}
