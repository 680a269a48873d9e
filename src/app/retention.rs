//! What goes because its time is over (`docs/domain.md#retention`).
//!
//! Everything is done in steps of at most 500 rows, each a transaction of its own: whoever jumps meanwhile waits for one
//! step at most. A run that is cut off is taken up again by the next one.

use super::{App, Failure, service_entry};
use crate::domain::audit::{Action, AuditObject};
use crate::domain::ids::TenantId;
use crate::domain::page::{PageRequest, PageSize};
use crate::domain::retention::{NOTICES_KEPT, Retention};
use crate::domain::tenant::DELETION_GRACE;
use crate::domain::time::Timestamp;
use crate::store::StoreError;

/// Most rows that one transaction deletes: about 10 ms of the writer's time.
const STEP_ROWS: u32 = 500;
/// Most tenants that are asked for at once.
const TENANTS_AT_ONCE: u32 = 100;

impl App {
    /// Deletes the ids of requests that are older than `retention` says, of all tenants and of operators. Tells how
    /// many.
    ///
    /// # Errors
    /// Only when the store fails; what was deleted by then stays so.
    pub async fn delete_expired_requests(&self, retention: &Retention) -> Result<u64, Failure> {
        let before = self.now().minus(retention.of_requests());
        Ok(in_steps(|most| self.store.delete_requests_all_tenants(before, most)).await?)
    }

    /// Deletes the notices of all tenants that were sent longer ago than they are kept. Tells how many.
    ///
    /// # Errors
    /// Only when the store fails; what was deleted by then stays so.
    pub async fn delete_expired_notices(&self) -> Result<u64, Failure> {
        let before = self.now().minus(NOTICES_KEPT);
        Ok(in_steps(|most| self.store.delete_notices_all_tenants(before, most)).await?)
    }

    /// Deletes the jumps that are older than `retention` says, tenant by tenant. Tells how many.
    ///
    /// # Errors
    /// Only when the store fails; what was deleted by then stays so. A tenant that it failed on does not keep those beside it.
    pub async fn delete_expired_jumps(&self, retention: &Retention) -> Result<u64, Failure> {
        let before = self.now().minus(retention.of_jumps());
        let (mut all, mut failed) = (0_u64, None);
        let mut page = PageRequest { size: PageSize::LARGEST, after: None };
        loop {
            let tenants = self.store.list_tenant_ids_all_tenants(&page).await?;
            for tenant in &tenants.rows {
                match in_steps(|most| self.store.delete_jumps(tenant, before, most)).await {
                    Ok(deleted) => all = all.saturating_add(deleted),
                    Err(error) => failed = Some(error.into()),
                }
            }
            if tenants.next.is_none() {
                return failed.map_or(Ok(all), Err);
            }
            page.after = tenants.next;
        }
    }

    /// Destroys what is left of the tenants that were deleted so long ago that nobody takes it back: first the keys,
    /// then the rows. Tells how many tenants.
    ///
    /// # Errors
    /// Only when the store fails. A tenant that it failed on does not keep those beside it.
    pub async fn destroy_deleted_tenants(&self) -> Result<u64, Failure> {
        let now = self.now();
        let before = now.minus(DELETION_GRACE);
        let mut all = 0_u64;
        loop {
            let tenants = self.store.deleted_tenants_all_tenants(before, TENANTS_AT_ONCE).await?;
            let (mut destroyed, mut failed) = (0_u64, None);
            for tenant in &tenants {
                match self.destroy_tenant(tenant, before, now).await {
                    Ok(is_destroyed) => destroyed = destroyed.saturating_add(u64::from(is_destroyed)),
                    Err(failure) => failed = Some(failure),
                }
            }
            all = all.saturating_add(destroyed);
            if let Some(failure) = failed {
                return Err(failure);
            }
            // Whatever is left now would be left the next time too: it waits for the next run.
            if destroyed == 0 {
                return Ok(all);
            }
        }
    }

    /// Takes what was erased, destroyed or deleted out of the log of the database as well. `false` if somebody who reads
    /// kept it from that: it is for the next time then.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn checkpoint(&self) -> Result<bool, Failure> {
        Ok(self.store.checkpoint().await?)
    }

    /// Destroys one tenant; `false` if nothing of it could go, because somebody took its deletion back just now.
    async fn destroy_tenant(&self, tenant: &TenantId, before: Timestamp, now: Timestamp) -> Result<bool, Failure> {
        let entry = service_entry(Action::DestroyTenant, Some(AuditObject::new(tenant)), now, &*self.random);
        self.store.destroy_tenant_keys(tenant, before, &entry).await?;
        let all = in_steps(|most| self.store.delete_tenant_data(tenant, most)).await?;
        if all > 0 {
            tracing::info!(%tenant, rows = all, "app.tenant.destroyed");
        }
        Ok(all > 0)
    }
}

/// Deletes by `step`, which takes the most rows that it may delete and tells how many it did, until nothing is left. Tells how
/// many all steps did.
pub(super) async fn in_steps<S>(step: impl Fn(u32) -> S) -> Result<u64, StoreError>
where
    S: Future<Output = Result<u64, StoreError>>,
{
    let mut all = 0_u64;
    loop {
        let deleted = step(STEP_ROWS).await?;
        all = all.saturating_add(deleted);
        if deleted < u64::from(STEP_ROWS) {
            return Ok(all);
        }
    }
}
