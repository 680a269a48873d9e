//! `CatalogAdminService`: the catalogue, for operators.

use tonic::Request;

use super::catalog::persons_out;
use super::convert::{
    Fields, Read, both, etag, line_scope, line_scope_out, person_kind, provider_kind, provider_kind_out, state_out,
    target_kind, target_kind_out,
};
use super::desk::{Answer, Desk};
use crate::app::pages::List;
use crate::domain::error::Version;
use crate::domain::ids::{ProviderId, ReturnUrlId, TargetId};
use crate::domain::jump::PersonKind;
use crate::domain::provider::{ProductProvider, State};
use crate::domain::target::{AcceptedPersons, Delivery, Origin, RedirectOrigins, ReturnUrl, Target, WebUrl};
use crate::domain::text::Line;
use crate::proto::admin::v1;
use crate::proto::admin::v1::catalog_admin_service_server::CatalogAdminService;

/// The service.
pub(super) struct CatalogAdmin {
    pub(super) desk: Desk,
}

#[tonic::async_trait]
impl CatalogAdminService for CatalogAdmin {
    async fn put_product_provider(
        &self,
        request: Request<v1::PutProductProviderRequest>,
    ) -> Answer<v1::PutProductProviderResponse> {
        let (call, (provider, known)) = self.desk.effect(request, |fields, message| provider(fields, &message))?;
        let put = self.desk.checked(self.desk.app.put_provider(&call, &provider, known).await)?;
        Ok(v1::PutProductProviderResponse { product_provider: Some(provider_out(&put)) }.into())
    }

    async fn disable_product_provider(
        &self,
        request: Request<v1::DisableProductProviderRequest>,
    ) -> Answer<v1::DisableProductProviderResponse> {
        let (call, (provider, version)) = self.desk.effect(request, |fields, message| {
            provider_and_etag(fields, &message.product_provider_id, &message.etag)
        })?;
        let changed = self.desk.app.set_provider_state(&call, &provider, version, State::Disabled).await;
        let product_provider = Some(provider_out(&self.desk.checked(changed)?));
        Ok(v1::DisableProductProviderResponse { product_provider }.into())
    }

    async fn enable_product_provider(
        &self,
        request: Request<v1::EnableProductProviderRequest>,
    ) -> Answer<v1::EnableProductProviderResponse> {
        let (call, (provider, version)) = self.desk.effect(request, |fields, message| {
            provider_and_etag(fields, &message.product_provider_id, &message.etag)
        })?;
        let changed = self.desk.app.set_provider_state(&call, &provider, version, State::Active).await;
        let product_provider = Some(provider_out(&self.desk.checked(changed)?));
        Ok(v1::EnableProductProviderResponse { product_provider }.into())
    }

    async fn get_product_provider(
        &self,
        request: Request<v1::GetProductProviderRequest>,
    ) -> Answer<v1::GetProductProviderResponse> {
        let (call, message) = self.desk.open_operators(request)?;
        let provider = self.desk.read(|fields| {
            fields.catalog_key("product_provider_id", ProviderId::parse(&message.product_provider_id))
        })?;
        let found = self.desk.checked(self.desk.app.get_provider(&call, &provider).await)?;
        Ok(v1::GetProductProviderResponse { product_provider: Some(provider_out(&found)) }.into())
    }

    async fn list_product_providers(
        &self,
        request: Request<v1::ListProductProvidersRequest>,
    ) -> Answer<v1::ListProductProvidersResponse> {
        let (call, message) = self.desk.open_operators(request)?;
        let name = "/concenter.admin.v1.CatalogAdminService/ListProductProviders";
        let list = List { caller: &call.caller, name, filter: "" };
        let page = self.desk.read(|fields| self.desk.page(fields, &list, message.page_size, &message.page_token))?;
        let rows = self.desk.checked(self.desk.app.list_providers(&call, &page).await)?;
        let rows = rows.map(|provider| provider_out(&provider));
        let (product_providers, next_page_token) =
            self.desk.page_out(&list, rows, |provider| &provider.product_provider_id);
        Ok(v1::ListProductProvidersResponse { product_providers, next_page_token }.into())
    }

    async fn put_target(&self, request: Request<v1::PutTargetRequest>) -> Answer<v1::PutTargetResponse> {
        let (call, (target, known)) = self.desk.effect(request, target)?;
        let put = self.desk.checked(self.desk.app.put_target(&call, &target, known).await)?;
        Ok(v1::PutTargetResponse { target: Some(target_out(&put)) }.into())
    }

    async fn disable_target(&self, request: Request<v1::DisableTargetRequest>) -> Answer<v1::DisableTargetResponse> {
        let (call, (target, version)) =
            self.desk.effect(request, |fields, message| target_and_etag(fields, &message.target_id, &message.etag))?;
        let changed = self.desk.app.set_target_state(&call, &target, version, State::Disabled).await;
        Ok(v1::DisableTargetResponse { target: Some(target_out(&self.desk.checked(changed)?)) }.into())
    }

    async fn enable_target(&self, request: Request<v1::EnableTargetRequest>) -> Answer<v1::EnableTargetResponse> {
        let (call, (target, version)) =
            self.desk.effect(request, |fields, message| target_and_etag(fields, &message.target_id, &message.etag))?;
        let changed = self.desk.app.set_target_state(&call, &target, version, State::Active).await;
        Ok(v1::EnableTargetResponse { target: Some(target_out(&self.desk.checked(changed)?)) }.into())
    }

    async fn get_target(&self, request: Request<v1::GetTargetRequest>) -> Answer<v1::GetTargetResponse> {
        let (call, message) = self.desk.open_operators(request)?;
        let target = self.desk.read(|fields| fields.catalog_key("target_id", TargetId::parse(&message.target_id)))?;
        let found = self.desk.checked(self.desk.app.get_target(&call, &target).await)?;
        Ok(v1::GetTargetResponse { target: Some(target_out(&found)) }.into())
    }

    async fn list_targets(&self, request: Request<v1::ListTargetsRequest>) -> Answer<v1::ListTargetsResponse> {
        let (call, message) = self.desk.open_operators(request)?;
        let name = "/concenter.admin.v1.CatalogAdminService/ListTargets";
        let list = List { caller: &call.caller, name, filter: "" };
        let page = self.desk.read(|fields| self.desk.page(fields, &list, message.page_size, &message.page_token))?;
        let rows = self.desk.checked(self.desk.app.list_targets(&call, &page).await)?.map(|target| target_out(&target));
        let (targets, next_page_token) = self.desk.page_out(&list, rows, |target| &target.target_id);
        Ok(v1::ListTargetsResponse { targets, next_page_token }.into())
    }

    async fn put_return_url(&self, request: Request<v1::PutReturnUrlRequest>) -> Answer<v1::PutReturnUrlResponse> {
        let (call, (return_url, known)) = self.desk.effect(request, |fields, message| return_url(fields, &message))?;
        let put = self.desk.checked(self.desk.app.put_return_url(&call, &return_url, known).await)?;
        Ok(v1::PutReturnUrlResponse { return_url: Some(return_url_out(&put)) }.into())
    }

    async fn disable_return_url(
        &self,
        request: Request<v1::DisableReturnUrlRequest>,
    ) -> Answer<v1::DisableReturnUrlResponse> {
        let (call, (return_url, version)) = self
            .desk
            .effect(request, |fields, message| return_url_and_etag(fields, &message.return_url_id, &message.etag))?;
        let changed = self.desk.app.set_return_url_state(&call, &return_url, version, State::Disabled).await;
        Ok(v1::DisableReturnUrlResponse { return_url: Some(return_url_out(&self.desk.checked(changed)?)) }.into())
    }

    async fn enable_return_url(
        &self,
        request: Request<v1::EnableReturnUrlRequest>,
    ) -> Answer<v1::EnableReturnUrlResponse> {
        let (call, (return_url, version)) = self
            .desk
            .effect(request, |fields, message| return_url_and_etag(fields, &message.return_url_id, &message.etag))?;
        let changed = self.desk.app.set_return_url_state(&call, &return_url, version, State::Active).await;
        Ok(v1::EnableReturnUrlResponse { return_url: Some(return_url_out(&self.desk.checked(changed)?)) }.into())
    }

    async fn get_return_url(&self, request: Request<v1::GetReturnUrlRequest>) -> Answer<v1::GetReturnUrlResponse> {
        let (call, message) = self.desk.open_operators(request)?;
        let return_url =
            self.desk.read(|fields| fields.catalog_key("return_url_id", ReturnUrlId::parse(&message.return_url_id)))?;
        let found = self.desk.checked(self.desk.app.get_return_url(&call, &return_url).await)?;
        Ok(v1::GetReturnUrlResponse { return_url: Some(return_url_out(&found)) }.into())
    }

    async fn list_return_urls(
        &self,
        request: Request<v1::ListReturnUrlsRequest>,
    ) -> Answer<v1::ListReturnUrlsResponse> {
        let (call, message) = self.desk.open_operators(request)?;
        let name = "/concenter.admin.v1.CatalogAdminService/ListReturnUrls";
        let list = List { caller: &call.caller, name, filter: "" };
        let page = self.desk.read(|fields| self.desk.page(fields, &list, message.page_size, &message.page_token))?;
        let rows = self.desk.checked(self.desk.app.list_return_urls(&page).await)?;
        let rows = rows.map(|return_url| return_url_out(&return_url));
        let (return_urls, next_page_token) = self.desk.page_out(&list, rows, |return_url| &return_url.return_url_id);
        Ok(v1::ListReturnUrlsResponse { return_urls, next_page_token }.into())
    }
}

fn provider_and_etag(fields: &mut Fields, provider_id: &str, etag: &str) -> Read<(ProviderId, Version)> {
    both(fields.catalog_key("product_provider_id", ProviderId::parse(provider_id)), fields.etag(etag))
}

fn target_and_etag(fields: &mut Fields, target_id: &str, etag: &str) -> Read<(TargetId, Version)> {
    both(fields.catalog_key("target_id", TargetId::parse(target_id)), fields.etag(etag))
}

fn return_url_and_etag(fields: &mut Fields, return_url_id: &str, etag: &str) -> Read<(ReturnUrlId, Version)> {
    both(fields.catalog_key("return_url_id", ReturnUrlId::parse(return_url_id)), fields.etag(etag))
}

/// Reads an entry and the version that the caller knows. State and version of the entry count only for a new one.
fn provider(fields: &mut Fields, message: &v1::PutProductProviderRequest) -> Read<(ProductProvider, Option<Version>)> {
    let provider_id = fields.catalog_key("product_provider_id", ProviderId::parse(&message.product_provider_id));
    let known = fields.etag_or_new(&message.etag);
    let display_name = fields.keep("display_name", Line::parse(&message.display_name));
    let kind = fields.word("kind", message.kind, provider_kind);
    let provider = ProductProvider {
        provider_id: provider_id?,
        display_name: display_name?,
        kind: kind?,
        state: State::Active,
        version: Version::FIRST,
    };
    Ok((provider, known?))
}

/// Reads an entry and the version that the caller knows. State and version of the entry count only for a new one.
fn target(fields: &mut Fields, message: v1::PutTargetRequest) -> Read<(Target, Option<Version>)> {
    /// For a flag that says who may see what: absent is refused and never means false.
    const FLAG: &str = "must be set to true or false";

    let target_id = fields.catalog_key("target_id", TargetId::parse(&message.target_id));
    let known = fields.etag_or_new(&message.etag);
    let provider_id = fields.catalog_key("product_provider_id", ProviderId::parse(&message.product_provider_id));
    let kind = fields.word("kind", message.kind, target_kind);
    let display_name = fields.keep("display_name", Line::parse(&message.display_name));
    let url = fields.keep("url", WebUrl::parse(&message.url));
    let delivery = fields.word("delivery", message.delivery, delivery);
    let accepts = accepted_persons(fields, &message.accepted_persons);
    let lines = line_scope(fields, message.lines_of_business);
    let hands_over_secret = fields.needed("hands_over_secret", message.hands_over_secret, FLAG);
    let nonce_required = fields.needed("nonce_required", message.nonce_required, FLAG);
    let redirect_origins = redirect_origins(fields, &message.redirect_origins);
    let target = Target {
        target_id: target_id?,
        provider_id: provider_id?,
        kind: kind?,
        display_name: display_name?,
        state: State::Active,
        url: url?,
        delivery: delivery?,
        accepts: accepts?,
        lines: lines?,
        hands_over_secret: hands_over_secret?,
        nonce_required: nonce_required?,
        redirect_origins: redirect_origins?,
        version: Version::FIRST,
    };
    Ok((target, known?))
}

fn accepted_persons(fields: &mut Fields, kinds: &[i32]) -> Read<AcceptedPersons> {
    if kinds.is_empty() {
        return fields.refuse("accepted_persons", "must name at least one kind of person");
    }
    let kinds = fields.each(kinds, |fields, place, kind| {
        fields.word(format_args!("accepted_persons[{place}]"), *kind, person_kind)
    })?;
    let takes = |kind| kinds.contains(&kind);
    Ok(AcceptedPersons { brokers: takes(PersonKind::Broker), customers: takes(PersonKind::Customer) })
}

fn redirect_origins(fields: &mut Fields, origins: &[String]) -> Read<RedirectOrigins> {
    let origins = fields.each(origins, |fields, place, origin| {
        fields.keep(format_args!("redirect_origins[{place}]"), Origin::parse(origin))
    })?;
    fields.keep("redirect_origins", RedirectOrigins::new(origins))
}

/// Reads an entry and the version that the caller knows. State and version of the entry count only for a new one.
fn return_url(fields: &mut Fields, message: &v1::PutReturnUrlRequest) -> Read<(ReturnUrl, Option<Version>)> {
    let return_url_id = fields.catalog_key("return_url_id", ReturnUrlId::parse(&message.return_url_id));
    let known = fields.etag_or_new(&message.etag);
    let url = fields.keep("url", WebUrl::parse(&message.url));
    let return_url =
        ReturnUrl { return_url_id: return_url_id?, url: url?, state: State::Active, version: Version::FIRST };
    Ok((return_url, known?))
}

const fn delivery(word: v1::Delivery) -> Option<Delivery> {
    match word {
        v1::Delivery::Unspecified => None,
        v1::Delivery::FormPost => Some(Delivery::FormPost),
        v1::Delivery::Fragment => Some(Delivery::Fragment),
        v1::Delivery::GetHandle => Some(Delivery::GetHandle),
    }
}

const fn delivery_out(delivery: Delivery) -> v1::Delivery {
    match delivery {
        Delivery::FormPost => v1::Delivery::FormPost,
        Delivery::Fragment => v1::Delivery::Fragment,
        Delivery::GetHandle => v1::Delivery::GetHandle,
    }
}

fn provider_out(provider: &ProductProvider) -> v1::ProductProvider {
    v1::ProductProvider {
        product_provider_id: provider.provider_id.to_string(),
        display_name: provider.display_name.as_str().to_owned(),
        kind: provider_kind_out(provider.kind).into(),
        state: state_out(provider.state).into(),
        etag: etag(provider.version),
    }
}

fn target_out(target: &Target) -> v1::Target {
    v1::Target {
        target_id: target.target_id.to_string(),
        product_provider_id: target.provider_id.to_string(),
        kind: target_kind_out(target.kind).into(),
        display_name: target.display_name.as_str().to_owned(),
        state: state_out(target.state).into(),
        url: target.url.as_str().to_owned(),
        delivery: delivery_out(target.delivery).into(),
        accepted_persons: persons_out(target.accepts),
        lines_of_business: Some(line_scope_out(&target.lines)),
        hands_over_secret: target.hands_over_secret,
        nonce_required: target.nonce_required,
        etag: etag(target.version),
        redirect_origins: target.redirect_origins.as_slice().iter().map(|origin| origin.as_str().to_owned()).collect(),
    }
}

fn return_url_out(return_url: &ReturnUrl) -> v1::ReturnUrl {
    v1::ReturnUrl {
        return_url_id: return_url.return_url_id.to_string(),
        url: return_url.url.as_str().to_owned(),
        state: state_out(return_url.state).into(),
        etag: etag(return_url.version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Failure;
    use crate::proto::v1 as common;

    fn good() -> v1::PutTargetRequest {
        let all = common::line_of_business_scope::Scope::All(common::line_of_business_scope::All {});
        v1::PutTargetRequest {
            target_id: "rechner".to_owned(),
            product_provider_id: "vergleicher".to_owned(),
            kind: common::TargetKind::TariffCalculator.into(),
            display_name: "Rechner".to_owned(),
            url: "https://rechner.example/start".to_owned(),
            delivery: v1::Delivery::FormPost.into(),
            accepted_persons: vec![2, 1, 1],
            lines_of_business: Some(common::LineOfBusinessScope { scope: Some(all) }),
            hands_over_secret: Some(false),
            nonce_required: Some(false),
            ..Default::default()
        }
    }

    fn read(message: v1::PutTargetRequest) -> Result<(Target, Option<Version>), Vec<String>> {
        let mut fields = Fields::default();
        let target = target(&mut fields, message);
        fields.finish(target).map_err(|failure| match failure {
            Failure::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn a_target_reads_back_with_its_persons_once_and_brokers_first() {
        let (target, known) = read(good()).unwrap();
        let out = target_out(&target);
        assert_eq!(known, None);
        assert_eq!(out.accepted_persons, [1, 2]);
        assert_eq!((out.url.as_str(), out.delivery()), ("https://rechner.example/start", v1::Delivery::FormPost));
    }

    #[test]
    fn an_etag_makes_it_a_change() {
        let (_, known) = read(v1::PutTargetRequest { etag: "v3".to_owned(), ..good() }).unwrap();
        assert_eq!(known, Some(Version::from_number(3)));
    }

    #[test]
    fn every_bad_field_of_a_target_is_named() {
        let expected = [
            "target_id",
            "product_provider_id",
            "kind",
            "display_name",
            "url",
            "delivery",
            "accepted_persons",
            "lines_of_business",
            "hands_over_secret",
            "nonce_required",
        ];
        assert_eq!(read(v1::PutTargetRequest::default()).err(), Some(expected.map(str::to_owned).to_vec()));
    }

    #[test]
    fn redirect_origins_read_back_sorted_and_once() {
        let origins = |names: &[&str]| names.iter().map(|name| format!("https://{name}.example")).collect();
        let message = v1::PutTargetRequest { redirect_origins: origins(&["b", "a", "b"]), ..good() };
        let (target, _) = read(message).unwrap();
        assert_eq!(target_out(&target).redirect_origins, origins(&["a", "b"]));
        let message = v1::PutTargetRequest { redirect_origins: origins(&["b", "A", "c/", "*"]), ..good() };
        let expected = ["redirect_origins[1]", "redirect_origins[2]", "redirect_origins[3]"];
        assert_eq!(read(message).err(), Some(expected.map(str::to_owned).to_vec()));
        let eleven = (0..11).map(|number| format!("https://a{number}.example")).collect();
        let message = v1::PutTargetRequest { redirect_origins: eleven, ..good() };
        assert_eq!(read(message).err(), Some(vec!["redirect_origins".to_owned()]));
    }

    #[test]
    fn an_unknown_kind_of_person_is_refused() {
        let message = v1::PutTargetRequest { accepted_persons: vec![1, 0, 9], ..good() };
        let expected = ["accepted_persons[1]", "accepted_persons[2]"];
        assert_eq!(read(message).err(), Some(expected.map(str::to_owned).to_vec()));
    }
}
