//! The catalogue: its switches, for operators, and what everybody reads of it.

use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::{PersonKind, State, TargetKind};

use super::{Deed, Done, Expected, check_etag, not_found};
use crate::call::{Answer, Call, Request};
use crate::state::{Delivery, Model, Provider, ReturnUrl, Target, Thing, etag, lines_out};

const fn state(active: bool) -> State {
    if active { State::Active } else { State::Disabled }
}

impl Provider {
    pub fn out(&self, id: &str) -> admin::ProductProvider {
        admin::ProductProvider {
            product_provider_id: id.to_owned(),
            display_name: id.to_owned(),
            kind: self.kind.into(),
            state: state(self.active).into(),
            etag: etag(self.version),
        }
    }
}

impl Target {
    pub fn kind(&self) -> TargetKind {
        if self.is_portal { TargetKind::InsurerPortal } else { TargetKind::TariffCalculator }
    }

    fn accepted(&self) -> Vec<i32> {
        let kinds = [(self.brokers, PersonKind::Broker), (self.customers, PersonKind::Customer)];
        kinds.into_iter().filter(|(accepts, _)| *accepts).map(|(_, kind)| kind.into()).collect()
    }

    pub fn out(&self, id: &str) -> admin::Target {
        let delivery = match self.delivery {
            Delivery::Post => admin::Delivery::FormPost,
            Delivery::Fragment => admin::Delivery::Fragment,
            Delivery::Handle => admin::Delivery::GetHandle,
        };
        admin::Target {
            target_id: id.to_owned(),
            product_provider_id: self.provider.clone(),
            kind: self.kind().into(),
            display_name: id.to_owned(),
            state: state(self.active).into(),
            url: self.url.clone(),
            delivery: delivery.into(),
            accepted_persons: self.accepted(),
            lines_of_business: Some(lines_out(self.lines.as_deref())),
            hands_over_secret: self.gets_password,
            nonce_required: self.nonce_required,
            etag: etag(self.version),
            redirect_origins: Vec::new(),
        }
    }

    /// As tenants see it.
    fn out_to_tenants(&self, id: &str) -> v1::Target {
        v1::Target {
            target_id: id.to_owned(),
            kind: self.kind().into(),
            display_name: id.to_owned(),
            product_provider_id: self.provider.clone(),
            state: state(self.active).into(),
            accepted_persons: self.accepted(),
            lines_of_business: Some(lines_out(self.lines.as_deref())),
        }
    }
}

impl ReturnUrl {
    pub fn out(&self, id: &str) -> admin::ReturnUrl {
        let state = state(self.active).into();
        admin::ReturnUrl { return_url_id: id.to_owned(), url: self.url.clone(), state, etag: etag(self.version) }
    }
}

/// A switch of the catalogue: its version and whether it is on.
struct Switch<'m> {
    version: &'m mut i64,
    active: &'m mut bool,
}

/// Throws a switch; gives whether that changed anything.
fn throw(switch: Option<Switch<'_>>, etag: &str, active: bool) -> Result<bool, super::Refused> {
    let switch = switch.ok_or_else(not_found)?;
    check_etag(*switch.version, etag)?;
    let changes = *switch.active != active;
    if changes {
        *switch.active = active;
        *switch.version += 1;
    }
    Ok(changes)
}

impl Model {
    fn set_provider(&mut self, id: &str, etag: &str, active: bool) -> Done {
        let found = self.catalog.providers.get_mut(id);
        let found = found.map(|one| Switch { version: &mut one.version, active: &mut one.active });
        if throw(found, etag, active)? {
            self.kill_all_jumps();
        }
        Ok(Thing::Provider(id.to_owned()))
    }

    fn set_target(&mut self, id: &str, etag: &str, active: bool) -> Done {
        let found = self.catalog.targets.get_mut(id);
        let found = found.map(|one| Switch { version: &mut one.version, active: &mut one.active });
        if throw(found, etag, active)? {
            self.kill_all_jumps();
        }
        Ok(Thing::Target(id.to_owned()))
    }

    fn set_return_url(&mut self, id: &str, etag: &str, active: bool) -> Done {
        let found = self.catalog.return_urls.get_mut(id);
        let found = found.map(|one| Switch { version: &mut one.version, active: &mut one.active });
        if throw(found, etag, active)? {
            self.kill_all_jumps();
        }
        Ok(Thing::ReturnUrl(id.to_owned()))
    }

    pub(super) fn change_by_operator(&mut self, call: &Call) -> Done {
        match &call.request {
            Request::DisableProvider(request) => self.set_provider(&request.product_provider_id, &request.etag, false),
            Request::EnableProvider(request) => self.set_provider(&request.product_provider_id, &request.etag, true),
            Request::DisableTarget(request) => self.set_target(&request.target_id, &request.etag, false),
            Request::EnableTarget(request) => self.set_target(&request.target_id, &request.etag, true),
            Request::DisableReturnUrl(request) => self.set_return_url(&request.return_url_id, &request.etag, false),
            Request::EnableReturnUrl(request) => self.set_return_url(&request.return_url_id, &request.etag, true),
            request => self.change_tenant(request),
        }
    }

    pub(super) fn operators_deed(call: &Call) -> (&'static str, Option<String>) {
        match &call.request {
            Request::DisableProvider(request) => ("provider.disable", Some(request.product_provider_id.clone())),
            Request::EnableProvider(request) => ("provider.enable", Some(request.product_provider_id.clone())),
            Request::DisableTarget(request) => ("target.disable", Some(request.target_id.clone())),
            Request::EnableTarget(request) => ("target.enable", Some(request.target_id.clone())),
            Request::DisableReturnUrl(request) => ("return_url.disable", Some(request.return_url_id.clone())),
            Request::EnableReturnUrl(request) => ("return_url.enable", Some(request.return_url_id.clone())),
            request => {
                let Deed { action, object } = Self::tenants_deed(request);
                (action, object)
            }
        }
    }

    pub(super) fn answer_to_operator(&self, call: &Call, thing: &Thing) -> Option<Answer> {
        let provider = match thing {
            Thing::Provider(id) => self.catalog.providers.get(id).map(|one| one.out(id)),
            _ => None,
        };
        let target = match thing {
            Thing::Target(id) => self.catalog.targets.get(id).map(|one| one.out(id)),
            _ => None,
        };
        let return_url = match thing {
            Thing::ReturnUrl(id) => self.catalog.return_urls.get(id).map(|one| one.out(id)),
            _ => None,
        };
        Some(match (&call.request, thing) {
            (_, Thing::Tenant) => return self.answer_on_tenant(call),
            (Request::DisableProvider(_), Thing::Provider(_)) => {
                Answer::DisableProvider(admin::DisableProductProviderResponse { product_provider: provider })
            }
            (Request::EnableProvider(_), Thing::Provider(_)) => {
                Answer::EnableProvider(admin::EnableProductProviderResponse { product_provider: provider })
            }
            (Request::DisableTarget(_), Thing::Target(_)) => {
                Answer::DisableTarget(admin::DisableTargetResponse { target })
            }
            (Request::EnableTarget(_), Thing::Target(_)) => {
                Answer::EnableTarget(admin::EnableTargetResponse { target })
            }
            (Request::DisableReturnUrl(_), Thing::ReturnUrl(_)) => {
                Answer::DisableReturnUrl(admin::DisableReturnUrlResponse { return_url })
            }
            (Request::EnableReturnUrl(_), Thing::ReturnUrl(_)) => {
                Answer::EnableReturnUrl(admin::EnableReturnUrlResponse { return_url })
            }
            _ => return None,
        })
    }

    /// Answers a read of the catalogue or of a tenant.
    pub(super) fn read_catalog(&self, call: &Call) -> Option<Expected> {
        let catalog = &self.catalog;
        Some(match &call.request {
            Request::GetTenant(request) => {
                let found = self.sides.iter().find(|side| side.id == request.tenant_id);
                let tenant =
                    found.map(|tenant| Answer::GetTenant(admin::GetTenantResponse { tenant: Some(tenant.out()) }));
                tenant.ok_or_else(not_found)
            }
            Request::GetProvider(request) => {
                let found = catalog.providers.get(&request.product_provider_id).ok_or_else(not_found);
                found.map(|one| {
                    let product_provider = Some(one.out(&request.product_provider_id));
                    Answer::GetProvider(admin::GetProductProviderResponse { product_provider })
                })
            }
            Request::GetTarget(request) => {
                let found = catalog.targets.get(&request.target_id).ok_or_else(not_found);
                found.map(|one| {
                    let target = Some(one.out(&request.target_id));
                    Answer::GetTarget(admin::GetTargetResponse { target })
                })
            }
            Request::GetReturnUrl(request) => {
                let found = catalog.return_urls.get(&request.return_url_id).ok_or_else(not_found);
                found.map(|one| {
                    let return_url = Some(one.out(&request.return_url_id));
                    Answer::GetReturnUrl(admin::GetReturnUrlResponse { return_url })
                })
            }
            Request::ListProviders(_) => {
                let product_providers = catalog.providers.iter().map(|(id, one)| v1::ProductProvider {
                    product_provider_id: id.clone(),
                    display_name: id.clone(),
                    kind: one.kind.into(),
                    state: state(one.active).into(),
                });
                let product_providers = product_providers.collect();
                let next_page_token = String::new();
                Ok(Answer::ListProviders(v1::ListProductProvidersResponse { product_providers, next_page_token }))
            }
            Request::ListTargets(_) => {
                let targets = catalog.targets.iter().map(|(id, one)| one.out_to_tenants(id)).collect();
                let next_page_token = String::new();
                Ok(Answer::ListTargets(v1::ListTargetsResponse { targets, next_page_token }))
            }
            _ => return None,
        })
    }
}
