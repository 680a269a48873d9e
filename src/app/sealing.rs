//! Sealing the audit log: a hash for each row, a chain for each tenant (`docs/audit.md`).

use std::collections::{HashSet, VecDeque};
use std::mem;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::chains::{Chains, Tally};
use super::{App, Failure};
use crate::domain::audit_log::{ChainEnd, ChainHash, LATEST_ENTRY, LogSeals, Unsealed, UnsealedQuery, made_at};
use crate::domain::ids::{AuditId, TenantId};
use crate::domain::time::Timestamp;
use crate::secrets::seal_entry;

/// Most rows that are sealed in one transaction: about 10 ms of the writer's time.
const STEP_ROWS: u32 = 500;
/// Most logs whose rows are sealed in one, each of them as many as there is room for.
const STEP_LOGS: usize = 100;
/// Most rows of one log before the others have their turn again.
const ROWS_OF_TURN: u32 = 20 * STEP_ROWS;
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
            // What is left is looked for again.
            self.seal_logs(turns_of(&page, reach, now), &mut tally).await;
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
        let mut tenants = self.written.take();
        tenants.insert(TenantId::SYSTEM);
        let tenants: Vec<_> = tenants.into_iter().collect();
        let (mut tally, mut due, mut left) = (Tally::default(), Vec::new(), Vec::new());
        for some in tenants.chunks(STEP_LOGS) {
            match self.store.chain_ends(some).await {
                Ok(chains) => due.extend(turns_of(&chains, Reach::Now, now)),
                Err(error) => {
                    tally.add(Err(error.into()));
                    left.extend_from_slice(some);
                }
            }
        }
        left.extend(self.seal_logs(due, &mut tally).await);
        if left.is_empty() {
            self.written.all_sealed_at.store(now.unix_micros(), Ordering::Relaxed);
        }
        // Next time again.
        for tenant in left {
            self.written.note(tenant);
        }
        tally.ended()
    }

    /// Seals logs, many at a time, each as far as it is one log's turn. Gives those of which rows are left.
    async fn seal_logs(&self, due: impl IntoIterator<Item = Turn>, tally: &mut Tally) -> Vec<TenantId> {
        let mut waiting: VecDeque<_> = due.into_iter().collect();
        let mut left = Vec::new();
        while !waiting.is_empty() {
            let turns: Vec<_> = waiting.drain(..waiting.len().min(STEP_LOGS)).collect();
            for (turn, sealed) in self.seal_step_or_each(&turns).await {
                match sealed {
                    Ok(sealed) => {
                        tally.add(Ok(sealed.rows.into()));
                        match turn.after(&sealed) {
                            Some(turn) if turn.is_over() => left.push(turn.log.tenant),
                            next => waiting.extend(next),
                        }
                    }
                    Err(failure) => {
                        tally.add(Err(failure));
                        left.push(turn.log.tenant);
                    }
                }
            }
        }
        left
    }

    /// Seals some rows of these logs; each log by itself where it fails with all of them, so that no other waits for the one that
    /// it failed on.
    async fn seal_step_or_each(&self, turns: &[Turn]) -> Vec<(Turn, Result<SealedRows, Failure>)> {
        match self.seal_step(turns).await {
            Ok(sealed) => return turns.iter().copied().zip(sealed.into_iter().map(Ok)).collect(),
            Err(failure) if turns.len() == 1 => return turns.iter().copied().zip([Err(failure)]).collect(),
            Err(_) => {}
        }
        let mut each = Vec::with_capacity(turns.len());
        for turn in turns {
            let sealed = self.seal_step(std::slice::from_ref(turn)).await;
            each.push((*turn, sealed.map(|sealed| sealed.first().copied().unwrap_or_default())));
        }
        each
    }

    /// Seals some rows of these logs in one transaction.
    async fn seal_step(&self, turns: &[Turn]) -> Result<Vec<SealedRows>, Failure> {
        let logs: Vec<_> = turns.iter().map(|turn| turn.log).collect();
        let most = STEP_ROWS / u32::try_from(logs.len()).unwrap_or(STEP_ROWS).clamp(1, STEP_ROWS);
        let seals: Vec<_> = self.store.unsealed_entries(&logs, most).await?.iter().map(seals_of).collect();
        let taken = self.store.append_seals(&seals).await?;
        let rows = |(log, taken): (&LogSeals, bool)| {
            let rows = u32::try_from(log.seals.len()).unwrap_or(u32::MAX);
            let last = log.seals.last().and_then(|seal| AuditId::parse(&seal.audit_id).ok());
            if taken {
                SealedRows { rows, next: last.filter(|_| rows >= most).map(Next::Behind) }
            } else {
                // Somebody else seals this log, and is further: what he leaves is looked for again.
                SealedRows { rows: 0, next: Some(Next::Again) }
            }
        };
        Ok(seals.iter().zip(taken).map(rows).collect())
    }
}

/// A log whose turn it is.
#[derive(Debug, Clone, Copy)]
struct Turn {
    log: UnsealedQuery,
    /// How many of its rows are still sealed before others have their turn again.
    rows: u32,
}

impl Turn {
    /// What is left of it after a step; `None` if all of its rows are sealed.
    fn after(self, sealed: &SealedRows) -> Option<Self> {
        let (after, rows) = match sealed.next? {
            Next::Behind(id) => (id, sealed.rows),
            Next::Again => (self.log.after, STEP_ROWS),
        };
        Some(Self { log: UnsealedQuery { after, ..self.log }, rows: self.rows.saturating_sub(rows) })
    }

    const fn is_over(&self) -> bool {
        self.rows == 0
    }
}

/// What a step did to one log.
#[derive(Debug, Clone, Copy, Default)]
struct SealedRows {
    rows: u32,
    /// Where it is gone on; `None` if no rows are left.
    next: Option<Next>,
}

/// Where a log is gone on with.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// Behind the last row that was sealed.
    Behind(AuditId),
    /// Where it was begun.
    Again,
}

/// The turns of logs in which rows are looked for.
fn turns_of(chains: &[ChainEnd], reach: Reach, now: Timestamp) -> impl Iterator<Item = Turn> {
    chains.iter().filter(move |chain| is_due(chain, reach, now)).map(move |chain| Turn {
        log: UnsealedQuery { tenant: chain.tenant, after: sealed_before(chain, reach, now) },
        rows: ROWS_OF_TURN,
    })
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

/// The seals of a log's rows, in the order of the rows, behind the last one.
fn seals_of(unsealed: &Unsealed) -> LogSeals {
    let (mut seq, mut prev) = unsealed.last.as_ref().map_or((0, ChainHash::START), |last| (last.seq, last.hash));
    let seal = |entry| {
        seq = i64::saturating_add(seq, 1);
        let seal = seal_entry(&unsealed.tenant, seq, prev, entry);
        prev = seal.hash;
        seal
    };
    LogSeals { tenant: unsealed.tenant, seals: unsealed.entries.iter().map(seal).collect() }
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
