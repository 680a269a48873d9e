//! The audit logs of all tenants, one after the other: what sealing, checkpoints, retention and the clock walk through.

use super::{App, Failure};
use crate::domain::audit_log::{AuditSeal, ChainEnd, UnsealedQuery};
use crate::domain::ids::{AuditId, TenantId};
use crate::domain::page::{PageRequest, PageSize};
use crate::store::{Store, StoreError};

/// How far log and chain of each tenant reach, a page at a time, in the order of their ids.
pub struct Chains<'s> {
    store: &'s dyn Store,
    /// `None` behind the last page.
    next: Option<PageRequest>,
}

impl<'s> Chains<'s> {
    /// Begins with the first tenant.
    pub fn of(store: &'s dyn Store) -> Self {
        Self { store, next: Some(PageRequest { size: PageSize::LARGEST, after: None }) }
    }

    /// The next page, at least one; `None` when there are no more.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read; the walk is over then.
    pub async fn next(&mut self) -> Result<Option<Vec<ChainEnd>>, StoreError> {
        let Some(page) = self.next.take() else { return Ok(None) };
        let chains = self.store.list_chains_all_tenants(&page).await?;
        self.next = chains.next.map(|after| PageRequest { after: Some(after), ..page });
        Ok(Some(chains.rows))
    }
}

/// What came of many logs. One that failed does not keep those beside it from their turn.
#[derive(Default)]
pub(super) struct Tally {
    done: u64,
    failed: Option<Failure>,
}

impl Tally {
    /// Adds what came of one of them.
    pub(super) fn add(&mut self, result: Result<u64, Failure>) {
        match result {
            Ok(done) => self.done = self.done.saturating_add(done),
            Err(failure) => self.failed = Some(failure),
        }
    }

    /// How much was done in all.
    ///
    /// # Errors
    /// The last failure, if there was one.
    pub(super) fn ended(self) -> Result<u64, Failure> {
        self.failed.map_or(Ok(self.done), Err)
    }
}

impl App {
    /// The last seal of a log; `None` where there is none yet.
    pub(super) async fn last_seal(&self, tenant: &TenantId) -> Result<Option<AuditSeal>, StoreError> {
        // The seal is wanted, and no row.
        let log = UnsealedQuery { tenant: *tenant, after: AuditId::floor(self.now()) };
        Ok(self.store.unsealed_entries(&[log], 1).await?.pop().and_then(|log| log.last))
    }
}
