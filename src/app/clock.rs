//! Whether the clock can be believed: it must not stand before an instant that was seen already.
//!
//! With a clock that was set back, what is over would be good again: jumps, callers' tokens, keys. So nothing that rests on time is
//! done until the clock has caught up ([`App::check_clock`]). What was seen before the process began stands in the audit
//! log, where every effect has a row with its instant ([`App::learn_time`]).

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::chains::Chains;
use super::{App, Failure};
use crate::domain::audit_log::made_at;
use crate::domain::jump::CLOCK_LEEWAY;
use crate::domain::time::Timestamp;

/// The newest instant that was seen, in microseconds.
pub(super) struct ClockWatch(AtomicI64);

/// The clock stands before an instant that was seen already, by more than 5 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the clock stands {by:?} before what was seen")]
pub struct ClockBehind {
    /// By how much, more than 5 s.
    pub by: Duration,
}

impl ClockWatch {
    /// Begins at `now`.
    pub(super) const fn new(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.unix_micros()))
    }

    /// Notes an instant; checks it against the newest.
    fn see(&self, at: Timestamp) -> Result<(), ClockBehind> {
        let newest = Timestamp::from_unix_micros(self.0.fetch_max(at.unix_micros(), Ordering::Relaxed));
        let by = newest.since(at);
        if by > CLOCK_LEEWAY { Err(ClockBehind { by }) } else { Ok(()) }
    }
}

impl App {
    /// Checks that the clock does not stand before what was seen already.
    ///
    /// # Errors
    /// [`ClockBehind`] if it does by more than 5 s; then nothing may be done that rests on time.
    pub fn check_clock(&self) -> Result<(), ClockBehind> {
        self.clock_watch.see(self.now())
    }

    /// Learns from the audit logs of all tenants until when there was a service before. Tells how far the clock stands behind
    /// that, if it does.
    ///
    /// Once, at the start: whoever can put a row of the future into a log must not stop a service that runs.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn learn_time(&self) -> Result<Option<ClockBehind>, Failure> {
        let mut chains = Chains::of(&*self.store);
        while let Some(page) = chains.next().await? {
            for at in page.iter().filter_map(|chain| made_at(chain.newest_entry.as_deref()?)) {
                // What it says of that instant is of no interest, only what it will say of the clock.
                let _ = self.clock_watch.see(at);
            }
        }
        Ok(self.check_clock().err())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_clock_may_go_back_by_5_seconds_and_no_further() {
        let watch = ClockWatch::new(NOW);
        assert_eq!(watch.see(NOW.minus(seconds(5))), Ok(()));
        let behind = Duration::from_micros(5_000_001);
        assert_eq!(watch.see(NOW.minus(behind)), Err(ClockBehind { by: behind }));
        assert_eq!(watch.see(NOW), Ok(()), "it has caught up");
    }

    #[test]
    fn a_clock_is_compared_with_the_newest_instant_that_was_seen() {
        let watch = ClockWatch::new(NOW);
        assert_eq!(watch.see(NOW.plus(seconds(600))), Ok(()));
        assert_eq!(watch.see(NOW.plus(seconds(60))), Err(ClockBehind { by: seconds(540) }));
        assert_eq!(watch.see(NOW.plus(seconds(595))), Ok(()));
    }
}
