//! Tenants: for operators.

use super::{App, Call, Failure, done};
use crate::domain::audit::{Action, AuditObject};
use crate::domain::error::Version;
use crate::domain::ids::{TenantId, UserId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::provider::ProviderScope;
use crate::domain::tenant::{Tenant, TenantState};
use crate::domain::text::{Line, UserName};
use crate::domain::user::{NewUser, UserKind};
use crate::secrets::TenantKeys;
use crate::store::{NewTenant, StoreError};

/// The con:center user of a new installation, as con:center's own documentation names it.
const TRANSFER_USER: &str = "cloudtransfer";

impl App {
    /// Makes a tenant with keys of its own and, if asked for, the Standard user `cloudtransfer` without a secret.
    ///
    /// # Errors
    /// Only when the store or the keys fail.
    pub async fn create_tenant(
        &self,
        call: &Call,
        display_name: Line,
        with_standard_user: bool,
    ) -> Result<Tenant, Failure> {
        let now = self.now();
        let tenant_id = TenantId::new(now, &*self.random);
        let kek_id = self.active_kek().await?;
        let generated = TenantKeys::generate(&*self.keks, &kek_id, tenant_id, &*self.random).await;
        let (_, keys) = generated.map_err(Failure::Key)?;
        let standard_user = if with_standard_user {
            // The name is a constant; one that did not parse would be a defect, and no tenant is better than half of
            // one.
            let name = UserName::parse(TRANSFER_USER).map_err(|_| Failure::CallerUnfit)?;
            Some(NewUser {
                user_id: UserId::new(now, &*self.random),
                name,
                kind: UserKind::Standard,
                scope: ProviderScope::All,
                display_name: None,
                notification_email: None,
                sealed_secret: None,
            })
        } else {
            None
        };
        let effect = self.operator_effect(call, Action::CreateTenant, Some(AuditObject::new(&tenant_id))).await?;
        let new = NewTenant { tenant_id, display_name, keys, standard_user };
        match self.store.create_tenant(&effect, &new).await {
            // The key that it was wrapped with was retired a moment ago.
            Err(StoreError::Constraint(_)) if self.active_kek().await? != kek_id => Err(Failure::Contended),
            made => done(made?),
        }
    }

    /// Reads a tenant.
    ///
    /// # Errors
    /// Refused: `NotFound`.
    pub async fn get_tenant(&self, call: &Call, tenant: &TenantId) -> Result<Tenant, Failure> {
        self.found(call, self.store.get_tenant(tenant).await?).await
    }

    /// Lists tenants, the oldest first.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn list_tenants(&self, page: &PageRequest) -> Result<Page<Tenant>, Failure> {
        Ok(self.store.list_tenants_all_tenants(page).await?)
    }

    /// Gives a tenant another name.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`.
    pub async fn update_tenant(
        &self,
        call: &Call,
        tenant: &TenantId,
        version: Version,
        display_name: &Line,
    ) -> Result<Tenant, Failure> {
        let effect = self.operator_effect(call, Action::UpdateTenant, Some(AuditObject::new(tenant))).await?;
        done(self.store.update_tenant(tenant, &effect, version, display_name).await?)
    }

    /// Stops or starts a tenant; its open jumps are revoked either way.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`, `TenantDeleted`.
    pub async fn set_tenant_state(
        &self,
        call: &Call,
        tenant: &TenantId,
        version: Version,
        state: TenantState,
    ) -> Result<Tenant, Failure> {
        let action = match state {
            TenantState::Active => Action::StartTenant,
            TenantState::Stopped => Action::StopTenant,
        };
        let effect = self.operator_effect(call, action, Some(AuditObject::new(tenant))).await?;
        done(self.store.set_tenant_state(tenant, &effect, version, state).await?)
    }

    /// Deletes a tenant, or takes that back while its keys are there (`docs/domain.md#tenants`).
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`.
    pub async fn set_tenant_deleted(
        &self,
        call: &Call,
        tenant: &TenantId,
        version: Version,
        deleted: bool,
    ) -> Result<Tenant, Failure> {
        let action = if deleted { Action::DeleteTenant } else { Action::UndeleteTenant };
        let effect = self.operator_effect(call, action, Some(AuditObject::new(tenant))).await?;
        done(self.store.set_tenant_deleted(tenant, &effect, version, deleted).await?)
    }
}
