//! Dropping what the audit log was kept long enough for (`docs/audit.md#the-floor`).
//!
//! Of each log: the part that goes is verified; its last place and the hash there are signed and written down, the floor; and
//! then rows below it go, in steps, each with its seal. The database lets no others go. What somebody changed is not signed
//! away, and a floor that the service did not sign lets nothing go.

use super::audit::{opened_floor, verify_until};
use super::chains::{Chains, Tally};
use super::retention::in_steps;
use super::{App, Failure, service_entry};
use crate::domain::audit::{Action, AuditObject};
use crate::domain::audit_log::{AuditFloor, ChainEnd, Checkpoint};
use crate::domain::ids::{AuditId, TenantId};
use crate::domain::retention::Retention;
use crate::domain::time::Timestamp;
use crate::token::sign_floor;

impl App {
    /// Drops rows of the audit log that are older than `retention` says, of all tenants, those that are gone included. The newest
    /// sealed row of a log always stays. Tells how many went.
    ///
    /// # Errors
    /// Only when the store fails, or a signature; what was dropped by then stays so. A log that it failed on does not keep those
    /// beside it.
    pub async fn drop_expired_entries(&self, retention: &Retention) -> Result<u64, Failure> {
        let before = retention.audit_log_before(self.now());
        let (mut tally, mut chains) = (Tally::default(), Chains::of(&*self.store));
        while let Some(page) = chains.next().await? {
            for chain in &page {
                tally.add(self.drop_log(chain, before).await);
            }
        }
        tally.ended()
    }

    async fn drop_log(&self, chain: &ChainEnd, before: Timestamp) -> Result<u64, Failure> {
        let tenant = &chain.tenant;
        let known = match self.store.audit_floor(tenant).await? {
            None => None,
            Some(floor) => {
                let signed = opened_floor(&floor, tenant, &|text| self.open_floor(text));
                if signed.is_none() {
                    tracing::error!(%tenant, seq = floor.seq, "app.audit_floor.forged");
                    return Ok(0);
                }
                signed
            }
        };
        if chain.newest_sealed.is_some() {
            self.raise_floor(tenant, known.as_ref(), before).await?;
        }
        Ok(in_steps(|most| self.store.delete_dropped_entries(tenant, most)).await?)
    }

    /// Raises the floor of a log to the last place before the first row that stays, if that is higher.
    async fn raise_floor(
        &self,
        tenant: &TenantId,
        known: Option<&Checkpoint>,
        before: Timestamp,
    ) -> Result<(), Failure> {
        let now = self.now();
        let first_kept = match self.store.first_sealed_since(tenant, &AuditId::floor(before)).await? {
            Some(first) => first,
            // All are older.
            None => match self.last_seal(tenant).await? {
                Some(last) => last.seq,
                None => return Ok(()),
            },
        };
        let seq = first_kept.saturating_sub(1);
        if seq <= known.map_or(0, |floor| floor.seq) {
            return Ok(());
        }
        let Some(hash) = verify_until(&*self.store, tenant, known, seq).await? else {
            tracing::error!(%tenant, seq, "app.audit_floor.refused");
            return Ok(());
        };
        let signed = sign_floor(self.jump_tokens.ring(), &Checkpoint { tenant: *tenant, seq, hash, at: now })?;
        let entry = service_entry(Action::DropAuditEntries, Some(AuditObject::new(&seq)), now, &*self.random);
        self.written.note(*tenant);
        if self.store.raise_audit_floor(tenant, &AuditFloor { seq, hash, signed }, &entry).await? {
            tracing::info!(%tenant, seq, "app.audit_floor.raised");
        }
        Ok(())
    }
}
