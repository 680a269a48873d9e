//! Sealing the audit log: a hash for each row, a chain for each tenant (`docs/audit.md`).

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use super::chains::{Chains, Tally};
use super::{App, Failure};
use crate::domain::audit_log::{
    AuditSeal, ChainEnd, ChainHash, LATEST_ENTRY, LogSeals, Unsealed, UnsealedQuery, made_at,
};
use crate::domain::ids::{AuditId, TenantId};
use crate::domain::time::Timestamp;
use crate::secrets::seal_entry;

/// Most rows that are sealed in one transaction: about 10 ms of the writer's time.
const STEP_ROWS: u32 = 500;
/// Most logs whose rows are sealed in one, each of them as many as there is room for.
const STEP_LOGS: usize = 100;
/// Most rows of one log before the others have their turn again.
const ROWS_OF_TURN: u32 = 20 * STEP_ROWS;
/// Of how many logs the newest sealed row is remembered, some 100 bytes each.
const MOST_LOGS_KNOWN: u64 = 16_384;
/// How much older than the newest sealed row a row may be that is looked for each second: those that were written at the same
/// time come to the log in any order.
const SOON: Duration = Duration::from_secs(2);

/// Tenants to whose logs this process wrote lately. Only a hint, so that nobody looks at all logs each second: what it
/// misses, such as the rows of a process that was killed, is found within a minute.
pub(super) struct Written {
    noted: Mutex<HashMap<TenantId, Noted>>,
    /// The newest row of a log that this process knows to be sealed, so that the end of its chain need not be asked for. Where
    /// another one sealed since, it is looked further back than it has to be, once: each look learns of the last seal.
    sealed: Cache<TenantId, AuditId>,
    /// When the last look at them began that left none without a seal, in microseconds; 0 before the first.
    all_sealed_at: AtomicI64,
}

/// Rows of one log that were noted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Noted {
    /// How many of them were not seen yet. One that is about to be written need not be written in the end.
    rows: u64,
    /// Whether they were looked for before: who was noted may be committed only later, and is looked for twice.
    again: bool,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            noted: Mutex::default(),
            sealed: Cache::builder().max_capacity(MOST_LOGS_KNOWN).build(),
            all_sealed_at: AtomicI64::new(0),
        }
    }
}

impl Written {
    /// Notes that a row for the log of a tenant is about to be written.
    pub(super) fn note(&self, tenant: TenantId) {
        self.put(tenant, Noted { rows: 1, again: false });
    }

    /// Notes what is to be looked for the next time.
    fn put(&self, tenant: TenantId, more: Noted) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let known = noted.entry(tenant).or_insert(Noted { rows: 0, again: true });
        *known = Noted { rows: known.rows.saturating_add(more.rows), again: known.again && more.again };
    }

    /// What was noted since the last time.
    fn take(&self) -> HashMap<TenantId, Noted> {
        mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Learns what came of a look for what was `noted`; tells whether rows are left that are there.
    fn looked(&self, noted: Noted, ended: &Ended) -> bool {
        if let Some(newest) = ended.newest {
            self.sealed.insert(ended.tenant, newest);
        }
        if ended.is_left {
            self.put(ended.tenant, Noted { again: false, ..noted });
        } else if ended.rows < noted.rows && !noted.again {
            self.put(ended.tenant, Noted { rows: noted.rows - ended.rows, again: true });
        }
        ended.is_left
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
        let mut noted = self.written.take();
        noted.entry(TenantId::SYSTEM).or_default();
        let (mut tally, mut due, mut ended, mut unknown) = (Tally::default(), Vec::new(), Vec::new(), Vec::new());
        for tenant in noted.keys() {
            match self.written.sealed.get(tenant) {
                Some(newest) => due.push(Turn::new(*tenant, Some(newest), Reach::Now, now)),
                None => unknown.push(*tenant),
            }
        }
        for some in unknown.chunks(STEP_LOGS) {
            match self.store.chain_ends(some).await {
                Ok(chains) => {
                    due.extend(turns_of(&chains, Reach::Now, now));
                    // What was noted may be committed only later.
                    let idle = chains.iter().filter(|chain| !is_due(chain, Reach::Now, now));
                    ended.extend(idle.map(|chain| Ended::nothing_in(chain.tenant)));
                }
                Err(error) => {
                    tally.add(Err(error.into()));
                    ended.extend(some.iter().map(|tenant| Ended { is_left: true, ..Ended::nothing_in(*tenant) }));
                }
            }
        }
        ended.extend(self.seal_logs(due, &mut tally).await);
        let looked = |ended: &Ended| self.written.looked(noted.get(&ended.tenant).copied().unwrap_or_default(), ended);
        let left = ended.iter().filter(|ended| looked(ended)).count();
        if left == 0 {
            self.written.all_sealed_at.store(now.unix_micros(), Ordering::Relaxed);
        }
        tally.ended()
    }

    /// Seals logs, many at a time, each as far as it is one log's turn. Tells what came of each.
    async fn seal_logs(&self, due: impl IntoIterator<Item = Turn>, tally: &mut Tally) -> Vec<Ended> {
        let mut waiting: VecDeque<_> = due.into_iter().collect();
        let mut ended = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let turns: Vec<_> = waiting.drain(..waiting.len().min(STEP_LOGS)).collect();
            for after in self.seal_step_or_each(&turns).await {
                match after {
                    Ok(ControlFlow::Continue(next)) => waiting.push_back(next),
                    Ok(ControlFlow::Break(end)) => ended.push(end),
                    Err((end, failure)) => {
                        tally.add(Err(failure));
                        ended.push(end);
                    }
                }
            }
        }
        for end in &ended {
            tally.add(Ok(end.rows));
        }
        ended
    }

    /// Seals some rows of these logs; each log by itself where it fails with all of them, so that no other waits for the one that
    /// it failed on.
    async fn seal_step_or_each(&self, turns: &[Turn]) -> Vec<Result<AfterStep, (Ended, Failure)>> {
        match (self.seal_step(turns).await, turns) {
            (Ok(after), _) => return after.into_iter().map(Ok).collect(),
            (Err(failure), [turn]) => return vec![Err((turn.ended(true), failure))],
            (Err(_), _) => {}
        }
        let mut each = Vec::with_capacity(turns.len());
        for turn in turns {
            match self.seal_step(std::slice::from_ref(turn)).await {
                Ok(after) => each.extend(after.into_iter().map(Ok)),
                Err(failure) => each.push(Err((turn.ended(true), failure))),
            }
        }
        each
    }

    /// Seals some rows of these logs in one transaction.
    async fn seal_step(&self, turns: &[Turn]) -> Result<Vec<AfterStep>, Failure> {
        let logs: Vec<_> = turns.iter().map(|turn| turn.log).collect();
        let most = STEP_ROWS / u32::try_from(logs.len()).unwrap_or(STEP_ROWS).clamp(1, STEP_ROWS);
        let unsealed = self.store.unsealed_entries(&logs, most).await?;
        let seals: Vec<_> = unsealed.iter().map(seals_of).collect();
        let taken = self.store.append_seals(&seals).await?;
        let steps = turns.iter().zip(&unsealed).zip(seals.iter().zip(taken));
        Ok(steps.map(|((turn, log), (seals, is_taken))| turn.after(log, is_taken.then_some(seals), most)).collect())
    }
}

/// What becomes of a turn after a step: it goes on, or it has ended.
type AfterStep = ControlFlow<Ended, Turn>;

/// A log whose turn it is.
#[derive(Debug, Clone, Copy)]
struct Turn {
    log: UnsealedQuery,
    /// The newest row that is sealed.
    newest: Option<AuditId>,
    /// How many of its rows were sealed.
    rows: u64,
    /// How many more are before others have their turn again.
    most: u32,
}

/// What came of a log's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ended {
    tenant: TenantId,
    /// How many rows were sealed.
    rows: u64,
    /// The newest row that is sealed, as far as is known.
    newest: Option<AuditId>,
    /// Whether rows are left that are there.
    is_left: bool,
}

impl Turn {
    /// The turn of a log of which `newest` is known to be sealed.
    fn new(tenant: TenantId, newest: Option<AuditId>, reach: Reach, now: Timestamp) -> Self {
        let log = UnsealedQuery { tenant, after: sealed_before(newest, reach, now) };
        Self { log, newest, rows: 0, most: ROWS_OF_TURN }
    }

    /// What becomes of it after a step that found `unsealed` and gave `seals` to at most `most` rows; `None` where somebody else
    /// seals this log, and is further: what he leaves is looked for again.
    fn after(&self, unsealed: &Unsealed, seals: Option<&LogSeals>, most: u32) -> AfterStep {
        let sealed = seals.map_or(&[][..], |log| &log.seals);
        let rows = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
        let id = |seal: &AuditSeal| AuditId::parse(&seal.audit_id).ok();
        let (last, before) = (sealed.last().and_then(id), unsealed.last.as_ref().and_then(id));
        let next = Self {
            log: UnsealedQuery { after: last.unwrap_or(self.log.after), ..self.log },
            // Ids sort as their instants do; a row that came late is not the newest.
            newest: self.newest.max(last).max(before),
            rows: self.rows.saturating_add(rows.into()),
            most: self.most.saturating_sub(seals.map_or(STEP_ROWS, |_| rows)),
        };
        if seals.is_some() && rows < most {
            ControlFlow::Break(next.ended(false))
        } else if next.most == 0 {
            ControlFlow::Break(next.ended(true))
        } else {
            ControlFlow::Continue(next)
        }
    }

    const fn ended(&self, is_left: bool) -> Ended {
        Ended { tenant: self.log.tenant, rows: self.rows, newest: self.newest, is_left }
    }
}

impl Ended {
    /// A log in which there is nothing to be sealed.
    const fn nothing_in(tenant: TenantId) -> Self {
        Self { tenant, rows: 0, newest: None, is_left: false }
    }
}

/// The turns of logs in which rows are looked for.
fn turns_of(chains: &[ChainEnd], reach: Reach, now: Timestamp) -> impl Iterator<Item = Turn> {
    chains.iter().filter(move |chain| is_due(chain, reach, now)).map(move |chain| {
        let newest = chain.newest_sealed.as_deref().and_then(|id| AuditId::parse(id).ok());
        Turn::new(chain.tenant, newest, reach, now)
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
fn sealed_before(newest: Option<AuditId>, reach: Reach, now: Timestamp) -> AuditId {
    // One of the future, of a clock that was wrong or of somebody who wanted that, does not hide what is written now.
    newest.map_or(AuditId::floor(Timestamp::from_unix_micros(0)), |newest| {
        AuditId::floor(newest.made_at().min(now).minus(reach.late()))
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

    /// What a look for what was noted came to: `rows` were sealed.
    fn looked(written: &Written, rows: u64, is_left: bool) -> bool {
        let noted = written.take().remove(&TenantId::SYSTEM).unwrap_or_default();
        let newest = Some(AuditId::floor(NOW));
        written.looked(noted, &Ended { tenant: TenantId::SYSTEM, rows, newest, is_left })
    }

    #[test]
    fn what_was_noted_and_seen_is_not_looked_for_again() {
        let written = Written::default();
        assert!(written.take().is_empty());
        written.note(TenantId::SYSTEM);
        written.note(TenantId::SYSTEM);
        assert!(!looked(&written, 2, false));
        assert!(written.take().is_empty());
        assert_eq!(written.sealed.get(&TenantId::SYSTEM), Some(AuditId::floor(NOW)));
    }

    #[test]
    fn what_was_noted_and_not_seen_is_looked_for_twice() {
        let written = Written::default();
        for _ in 0..3 {
            written.note(TenantId::SYSTEM);
        }
        assert!(!looked(&written, 1, false));
        assert_eq!(written.take(), HashMap::from([(TenantId::SYSTEM, Noted { rows: 2, again: true })]));
        written.put(TenantId::SYSTEM, Noted { rows: 2, again: true });
        assert!(!looked(&written, 1, false), "it may have been committed after the first look");
        assert!(written.take().is_empty(), "one of them was never written");
    }

    #[test]
    fn what_is_left_is_looked_for_until_it_is_sealed() {
        let written = Written::default();
        written.note(TenantId::SYSTEM);
        for _ in 0..3 {
            assert!(looked(&written, 0, true));
        }
        assert!(!looked(&written, 1, false));
        assert!(written.take().is_empty());
    }

    fn unsealed(last: Option<AuditId>) -> Unsealed {
        Unsealed { tenant: TenantId::SYSTEM, last: last.map(seal_of), entries: Vec::new() }
    }

    fn seal_of(id: AuditId) -> AuditSeal {
        AuditSeal { seq: 1, audit_id: id.to_string(), prev: ChainHash::START, hash: ChainHash::START }
    }

    fn sealed(rows: u32, last: AuditId) -> LogSeals {
        LogSeals { tenant: TenantId::SYSTEM, seals: (0..rows).map(|_| seal_of(last)).collect() }
    }

    #[test]
    fn a_turn_goes_on_behind_what_was_sealed_and_ends_in_time() {
        let turn = Turn::new(TenantId::SYSTEM, None, Reach::Now, NOW);
        let last = AuditId::floor(NOW);
        let next = turn.after(&unsealed(None), Some(&sealed(STEP_ROWS, last)), STEP_ROWS).continue_value().unwrap();
        assert_eq!((next.log.after, next.rows), (last, u64::from(STEP_ROWS)));
        let end = next.after(&unsealed(Some(last)), Some(&sealed(1, last)), STEP_ROWS).break_value().unwrap();
        let expected =
            Ended { tenant: TenantId::SYSTEM, rows: u64::from(STEP_ROWS) + 1, newest: Some(last), is_left: false };
        assert_eq!(end, expected);
        // Whoever always comes too late gives up, too.
        let mut turns = 0;
        let mut turn = ControlFlow::Continue(turn);
        while let ControlFlow::Continue(before) = turn {
            turn = before.after(&unsealed(None), None, STEP_ROWS);
            turns += 1;
        }
        assert_eq!((turns, turn.break_value().unwrap().is_left), (20, true));
    }

    #[test]
    fn a_look_learns_of_what_somebody_else_sealed() {
        let (ours, theirs) = (AuditId::floor(NOW.minus(Duration::from_secs(9))), AuditId::floor(NOW));
        let turn = Turn::new(TenantId::SYSTEM, Some(ours), Reach::Now, NOW);
        let end = turn.after(&unsealed(Some(theirs)), Some(&sealed(0, ours)), STEP_ROWS).break_value().unwrap();
        assert_eq!((end.rows, end.newest), (0, Some(theirs)));
        // A row that came late was sealed last.
        let turn = Turn::new(TenantId::SYSTEM, Some(theirs), Reach::Now, NOW);
        let end = turn.after(&unsealed(Some(ours)), Some(&sealed(0, ours)), STEP_ROWS).break_value().unwrap();
        assert_eq!(end.newest, Some(theirs));
    }

    #[test]
    fn a_row_of_the_future_hides_nothing() {
        let future = "ffffffff-ffff-7fff-bfff-ffffffffffff";
        let newest = Some(AuditId::parse(future).unwrap());
        assert_eq!(sealed_before(newest, Reach::Now, NOW), AuditId::floor(NOW.minus(SOON)));
        let chain = ChainEnd { newest_sealed: Some(future.to_owned()), ..chain(Some(1), None) };
        assert!(is_due(&chain, Reach::Now, NOW));
    }

    #[test]
    fn a_log_without_a_seal_is_sealed_from_its_beginning() {
        assert_eq!(sealed_before(None, Reach::Now, NOW), AuditId::floor(Timestamp::from_unix_micros(0)));
    }
}
