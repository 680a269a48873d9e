//! The catalogue: product providers, targets and return URLs. Operators change it, tenants read it.

use super::{App, Call, Failure, done};
use crate::domain::audit::{Action, AuditObject};
use crate::domain::caller::Caller;
use crate::domain::error::Version;
use crate::domain::ids::{ProviderId, ReturnUrlId, TargetId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::provider::{ProductProvider, State};
use crate::domain::target::{Delivery, ReturnUrl, Target, TargetKind};

impl App {
    /// Puts a product provider: makes it (`known` is `None`) or changes it.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`.
    pub async fn put_provider(
        &self,
        call: &Call,
        provider: &ProductProvider,
        known: Option<Version>,
    ) -> Result<ProductProvider, Failure> {
        let object = Some(AuditObject::new(&provider.provider_id));
        let effect = self.operator_effect(call, Action::PutProvider, object).await?;
        done(self.store.put_provider(&effect, provider, known).await?)
    }

    /// Disables or enables a product provider: the kill switch for all its targets.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`.
    pub async fn set_provider_state(
        &self,
        call: &Call,
        provider: &ProviderId,
        version: Version,
        state: State,
    ) -> Result<ProductProvider, Failure> {
        let action = match state {
            State::Active => Action::EnableProvider,
            State::Disabled => Action::DisableProvider,
        };
        let effect = self.operator_effect(call, action, Some(AuditObject::new(provider))).await?;
        done(self.store.set_provider_state(&effect, provider, version, state).await?)
    }

    /// Reads a product provider, for operators.
    ///
    /// # Errors
    /// Refused: `NotFound`.
    pub async fn get_provider(&self, call: &Call, provider: &ProviderId) -> Result<ProductProvider, Failure> {
        self.found(call, self.store.get_provider(provider).await?).await
    }

    /// Lists product providers by key.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn list_providers(&self, call: &Call, page: &PageRequest) -> Result<Page<ProductProvider>, Failure> {
        self.check_reader(call).await?;
        Ok(self.store.list_providers(page).await?)
    }

    /// Puts a target: makes it (`known` is `None`) or changes it.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`. Invalid: an insurer's portal that takes customers, a target that takes
    /// nobody, or one with redirects that nobody posts to.
    pub async fn put_target(&self, call: &Call, target: &Target, known: Option<Version>) -> Result<Target, Failure> {
        if target.kind == TargetKind::InsurerPortal && target.accepts.customers {
            return Err(Failure::field("accepted_persons", "an insurer's portal never takes customers"));
        }
        if !target.accepts.brokers && !target.accepts.customers {
            return Err(Failure::field("accepted_persons", "must name at least one kind of person"));
        }
        if target.delivery != Delivery::FormPost && !target.redirect_origins.as_slice().is_empty() {
            return Err(Failure::field("redirect_origins", "are for targets that are posted to"));
        }
        let effect = self.operator_effect(call, Action::PutTarget, Some(AuditObject::new(&target.target_id))).await?;
        done(self.store.put_target(&effect, target, known).await?)
    }

    /// Disables or enables a target: its kill switch.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`.
    pub async fn set_target_state(
        &self,
        call: &Call,
        target: &TargetId,
        version: Version,
        state: State,
    ) -> Result<Target, Failure> {
        let action = match state {
            State::Active => Action::EnableTarget,
            State::Disabled => Action::DisableTarget,
        };
        let effect = self.operator_effect(call, action, Some(AuditObject::new(target))).await?;
        done(self.store.set_target_state(&effect, target, version, state).await?)
    }

    /// Reads a target, for operators.
    ///
    /// # Errors
    /// Refused: `NotFound`.
    pub async fn get_target(&self, call: &Call, target: &TargetId) -> Result<Target, Failure> {
        self.found(call, self.store.get_target(target).await?).await
    }

    /// Lists targets by key.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn list_targets(&self, call: &Call, page: &PageRequest) -> Result<Page<Target>, Failure> {
        self.check_reader(call).await?;
        Ok(self.store.list_targets(page).await?)
    }

    /// Puts a return URL: makes it (`known` is `None`) or changes it.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`, `AlreadyExists`.
    pub async fn put_return_url(
        &self,
        call: &Call,
        return_url: &ReturnUrl,
        known: Option<Version>,
    ) -> Result<ReturnUrl, Failure> {
        let object = Some(AuditObject::new(&return_url.return_url_id));
        let effect = self.operator_effect(call, Action::PutReturnUrl, object).await?;
        done(self.store.put_return_url(&effect, return_url, known).await?)
    }

    /// Disables or enables a return URL.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`.
    pub async fn set_return_url_state(
        &self,
        call: &Call,
        return_url: &ReturnUrlId,
        version: Version,
        state: State,
    ) -> Result<ReturnUrl, Failure> {
        let action = match state {
            State::Active => Action::EnableReturnUrl,
            State::Disabled => Action::DisableReturnUrl,
        };
        let effect = self.operator_effect(call, action, Some(AuditObject::new(return_url))).await?;
        done(self.store.set_return_url_state(&effect, return_url, version, state).await?)
    }

    /// Reads a return URL, for operators.
    ///
    /// # Errors
    /// Refused: `NotFound`.
    pub async fn get_return_url(&self, call: &Call, return_url: &ReturnUrlId) -> Result<ReturnUrl, Failure> {
        self.found(call, self.store.get_return_url(return_url).await?).await
    }

    /// Lists return URLs by key.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn list_return_urls(&self, page: &PageRequest) -> Result<Page<ReturnUrl>, Failure> {
        Ok(self.store.list_return_urls(page).await?)
    }

    /// Lets operators read the catalogue, and everybody whose tenant is there.
    async fn check_reader(&self, call: &Call) -> Result<(), Failure> {
        if let Caller::Tenant { .. } = call.caller {
            self.known_tenant(call).await?;
        }
        Ok(())
    }
}
