//! Sealing the audit log: a hash for each row, a chain for each tenant (`docs/audit.md`).

use std::collections::HashSet;
use std::mem;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::chains::{Chains, Tally};
use super::{App, Failure};
use crate::domain::audit_log::{AuditSeal, ChainEnd, ChainHash, LATEST_ENTRY, Unsealed, made_at};
use crate::domain::ids::{AuditId, TenantId};
use crate::domain::time::Timestamp;
use crate::secrets::seal_entry;

/// Most rows that are sealed in one transaction: about 10 ms of the writer's time.
const STEP_ROWS: u32 = 500;
/// Most steps for one tenant before it is the next one's turn.
const STEPS_OF_TENANT: u32 = 20;
/// How much older than the newest sealed row a row may be that is looked for each second: those that were written at the same
/// time come to the log in any order.
const SOON: Duration = Duration::from_secs(2);

/// Tenants to whose logs this process wrote lately. Only a hint, so that nobody looks at all logs each second: what it
/// misses, such as the rows of a process that was killed, is found within a minute.
#[derive(Default)]
pub(super) struct Written {
    noted: Mutex<Noted>,
    /// When the last look at them began that left none without a seal, in microseconds; 0 before the first.
    all_sealed_at: AtomicI64,
}

#[derive(Default)]
struct Noted {
    /// Since they were taken last.
    now: HashSet<TenantId>,
    /// In the time before that: a row that was noted then may have been committed only now.
    before: HashSet<TenantId>,
}

impl Written {
    /// Notes that a row for the log of a tenant is about to be written.
    pub(super) fn note(&self, tenant: TenantId) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).now.insert(tenant);
    }

    /// Those that were noted since the last time but one.
    fn take(&self) -> HashSet<TenantId> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = mem::take(&mut noted.now);
        let mut taken = mem::replace(&mut noted.before, now.clone());
        taken.extend(now);
        taken
    }
}

/// How far back it is looked for rows without a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// What this process wrote just now.
    Now,
    /// Whatever may still be sealed ([`LATEST_ENTRY`]), of those who wrote anything for as long.
    Late,
    /// Whatever may still be sealed, of everybody: after a stop of the service, or of the sealing.
    Everybody,
}

impl Reach {
    /// How much older than the newest sealed row a row may be.
    const fn late(self) -> Duration {
        match self {
            Self::Now => SOON,
            Self::Late | Self::Everybody => LATEST_ENTRY,
        }
    }
}

impl App {
    /// Seals rows that have no seal yet, of all tenants, those that are gone included. Tells how many.
    ///
    /// # Errors
    /// Only when the store fails; what was sealed by then stays so. A tenant that it failed on does not keep those beside it.
    pub async fn seal_audit_logs(&self, reach: Reach) -> Result<u64, Failure> {
        if reach == Reach::Now {
            return self.seal_what_was_written().await;
        }
        let now = self.now();
        let (mut tally, mut chains) = (Tally::default(), Chains::of(&*self.store));
        while let Some(page) = chains.next().await? {
            for chain in page.iter().filter(|chain| is_due(chain, reach, now)) {
                tally.add(self.seal_log(chain, reach, now).await);
            }
        }
        tally.ended()
    }

    /// How old a row may be that this process wrote and that has no seal; `None` before the first look.
    #[must_use]
    pub fn seal_lag(&self) -> Option<Duration> {
        let all_sealed_at = self.written.all_sealed_at.load(Ordering::Relaxed);
        (all_sealed_at != 0).then(|| self.now().since(Timestamp::from_unix_micros(all_sealed_at)))
    }

    /// Seals the logs that this process wrote to just now, and the service's own.
    async fn seal_what_was_written(&self) -> Result<u64, Failure> {
        let now = self.now();
        let (mut tally, mut is_all) = (Tally::default(), true);
        let mut tenants = self.written.take();
        tenants.insert(TenantId::SYSTEM);
        for tenant in tenants {
            let sealed = match self.store.chain_end(&tenant).await {
                Ok(chain) if is_due(&chain, Reach::Now, now) => self.seal_log(&chain, Reach::Now, now).await,
                Ok(_) => Ok(0),
                Err(error) => Err(error.into()),
            };
            if sealed.is_err() {
                // Next time again.
                self.written.note(tenant);
            }
            is_all &= sealed.as_ref().is_ok_and(|sealed| *sealed < u64::from(STEP_ROWS * STEPS_OF_TENANT));
            tally.add(sealed);
        }
        if is_all {
            self.written.all_sealed_at.store(now.unix_micros(), Ordering::Relaxed);
        }
        tally.ended()
    }

    /// Seals what a tenant's log has to be sealed, as far as it is one tenant's turn.
    async fn seal_log(&self, chain: &ChainEnd, reach: Reach, now: Timestamp) -> Result<u64, Failure> {
        let mut all = 0_u64;
        let mut after = sealed_before(chain, reach, now);
        for _ in 0..STEPS_OF_TENANT {
            let unsealed = self.store.unsealed_entries(&chain.tenant, &after, STEP_ROWS).await?;
            let seals = seals_of(&chain.tenant, &unsealed);
            let Some(last) = seals.last() else { break };
            if !self.store.append_seals(&chain.tenant, &seals).await? {
                // Somebody else seals this log, and is further: what he leaves is looked for again.
                continue;
            }
            let sealed = u64::try_from(seals.len()).unwrap_or(u64::MAX);
            all = all.saturating_add(sealed);
            if sealed < u64::from(STEP_ROWS) {
                break;
            }
            match AuditId::parse(&last.audit_id) {
                Ok(id) => after = id,
                Err(_) => break,
            }
        }
        Ok(all)
    }
}

/// Whether rows of this log are looked for.
fn is_due(chain: &ChainEnd, reach: Reach, now: Timestamp) -> bool {
    let Some(newest) = &chain.newest_entry else {
        return false;
    };
    // Texts of one form: they sort as the ids do.
    let goes_on = chain.newest_sealed.as_ref().is_none_or(|sealed| newest > sealed);
    // There may be a row that came after a newer one.
    let is_fresh = made_at(newest).is_none_or(|at| at >= now.minus(reach.late().saturating_mul(2)));
    goes_on || is_fresh || reach == Reach::Everybody
}

/// Behind which id rows are looked for; all rows of a log that has no seal.
fn sealed_before(chain: &ChainEnd, reach: Reach, now: Timestamp) -> AuditId {
    let newest = chain.newest_sealed.as_deref().and_then(made_at);
    // One of the future, of a clock that was wrong or of somebody who wanted that, does not hide what is written now.
    newest.map_or(AuditId::floor(Timestamp::from_unix_micros(0)), |newest| {
        AuditId::floor(newest.min(now).minus(reach.late()))
    })
}

/// The seals of rows, in the order of the rows, behind the last one.
fn seals_of(tenant: &TenantId, unsealed: &Unsealed) -> Vec<AuditSeal> {
    let (mut seq, mut prev) = unsealed.last.as_ref().map_or((0, ChainHash::START), |last| (last.seq, last.hash));
    let seal = |entry| {
        seq = i64::saturating_add(seq, 1);
        let seal = seal_entry(tenant, seq, prev, entry);
        prev = seal.hash;
        seal
    };
    unsealed.entries.iter().map(seal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn id(before: u64) -> String {
        AuditId::floor(NOW.minus(Duration::from_secs(before))).to_string()
    }

    fn chain(entry: Option<u64>, sealed: Option<u64>) -> ChainEnd {
        ChainEnd { tenant: TenantId::SYSTEM, newest_entry: entry.map(id), newest_sealed: sealed.map(id) }
    }

    #[test]
    fn a_log_is_looked_at_that_goes_on_behind_its_chain_or_was_written_lately() {
        for (entry, sealed, now, late) in [
            (None, None, false, false),
            (Some(5_000), None, true, true),
            (Some(5_000), Some(6_000), true, true),
            (Some(5_000), Some(5_000), false, false),
            (Some(1), Some(1), true, true),
            (Some(60), Some(60), false, true),
        ] {
            let chain = chain(entry, sealed);
            assert_eq!(is_due(&chain, Reach::Now, NOW), now, "{chain:?}");
            assert_eq!(is_due(&chain, Reach::Late, NOW), late, "{chain:?}");
            assert_eq!(is_due(&chain, Reach::Everybody, NOW), entry.is_some(), "{chain:?}");
        }
    }

    #[test]
    fn whoever_was_noted_is_looked_at_twice() {
        let written = Written::default();
        let tenant = TenantId::SYSTEM;
        assert!(written.take().is_empty());
        written.note(tenant);
        written.note(tenant);
        for _ in 0..2 {
            assert_eq!(written.take(), HashSet::from([tenant]), "it may have been committed after the first look");
        }
        assert!(written.take().is_empty());
    }

    #[test]
    fn a_row_of_the_future_hides_nothing() {
        let future =
            ChainEnd { newest_sealed: Some("ffffffff-ffff-7fff-bfff-ffffffffffff".to_owned()), ..chain(Some(1), None) };
        assert_eq!(sealed_before(&future, Reach::Now, NOW), AuditId::floor(NOW.minus(SOON)));
        assert!(is_due(&future, Reach::Now, NOW));
    }

    #[test]
    fn a_log_without_a_seal_is_sealed_from_its_beginning() {
        assert_eq!(
            sealed_before(&chain(Some(1), None), Reach::Now, NOW),
            AuditId::floor(Timestamp::from_unix_micros(0))
        );
    }
}
