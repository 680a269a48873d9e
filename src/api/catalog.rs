//! `CatalogService`: product providers and targets as tenants see them.

use tonic::Request;

use super::convert::{line_scope_out, person_kind_out, provider_kind_out, state_out, target_kind_out};
use super::desk::{Answer, Desk};
use crate::app::pages::List;
use crate::domain::jump::PersonKind;
use crate::domain::provider::ProductProvider;
use crate::domain::target::{AcceptedPersons, Target};
use crate::proto::v1;
use crate::proto::v1::catalog_service_server::CatalogService;

/// The service.
pub(super) struct Catalog {
    pub(super) desk: Desk,
}

#[tonic::async_trait]
impl CatalogService for Catalog {
    async fn list_product_providers(
        &self,
        request: Request<v1::ListProductProvidersRequest>,
    ) -> Answer<v1::ListProductProvidersResponse> {
        let (call, message) = self.desk.open_tenants(request)?;
        let name = "/concenter.v1.CatalogService/ListProductProviders";
        let list = List { caller: &call.caller, name, filter: "" };
        let page = self.desk.read(|fields| self.desk.page(fields, &list, message.page_size, &message.page_token))?;
        let rows = self.desk.checked(self.desk.app.list_providers(&call, &page).await)?;
        let rows = rows.map(|provider| provider_out(&provider));
        let (product_providers, next_page_token) =
            self.desk.page_out(&list, rows, |provider| &provider.product_provider_id);
        Ok(v1::ListProductProvidersResponse { product_providers, next_page_token }.into())
    }

    async fn list_targets(&self, request: Request<v1::ListTargetsRequest>) -> Answer<v1::ListTargetsResponse> {
        let (call, message) = self.desk.open_tenants(request)?;
        let list = List { caller: &call.caller, name: "/concenter.v1.CatalogService/ListTargets", filter: "" };
        let page = self.desk.read(|fields| self.desk.page(fields, &list, message.page_size, &message.page_token))?;
        let rows = self.desk.checked(self.desk.app.list_targets(&call, &page).await)?.map(|target| target_out(&target));
        let (targets, next_page_token) = self.desk.page_out(&list, rows, |target| &target.target_id);
        Ok(v1::ListTargetsResponse { targets, next_page_token }.into())
    }
}

fn provider_out(provider: &ProductProvider) -> v1::ProductProvider {
    v1::ProductProvider {
        product_provider_id: provider.provider_id.to_string(),
        display_name: provider.display_name.as_str().to_owned(),
        kind: provider_kind_out(provider.kind).into(),
        state: state_out(provider.state).into(),
    }
}

fn target_out(target: &Target) -> v1::Target {
    v1::Target {
        target_id: target.target_id.to_string(),
        product_provider_id: target.provider_id.to_string(),
        kind: target_kind_out(target.kind).into(),
        display_name: target.display_name.as_str().to_owned(),
        state: state_out(target.state).into(),
        accepted_persons: persons_out(target.accepts),
        lines_of_business: Some(line_scope_out(&target.lines)),
    }
}

/// The kinds of person that a target takes, brokers first.
pub(super) fn persons_out(accepts: AcceptedPersons) -> Vec<i32> {
    let brokers = accepts.brokers.then_some(PersonKind::Broker);
    let customers = accepts.customers.then_some(PersonKind::Customer);
    brokers.into_iter().chain(customers).map(|kind| person_kind_out(kind).into()).collect()
}
