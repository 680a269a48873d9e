//! What the service does by itself, because it is time.
//!
//! May use `app` and `domain`. One more kind of work: an `async fn tick_..(&App, ..) -> Outcome` in the file of its noun,
//! and a line in [`run`] that says how often. A tick must be safe to be cut off at any `await`: the end of the service
//! does that.

pub mod clock;
pub mod keks;
pub mod keys;
pub mod retention;
pub mod sealing;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;
use crate::app::sealing::Reach;
use crate::domain::retention::Retention;

/// How often rows of the audit log are looked for that have no seal.
const EVERY_SECOND: Duration = Duration::from_secs(1);
/// How often the signing keys are read, and the key-encryption keys looked at, which is a read or two each: a key that is revoked verifies nothing on any replica after that.
const EVERY_FIVE_SECONDS: Duration = Duration::from_secs(5);
/// How often the ids of requests and the deleted tenants are looked through, which is one read or two, all by an index; and
/// how often the log of the database is emptied, which is nothing where it is empty.
const EVERY_MINUTE: Duration = Duration::from_secs(60);
/// How often the chains of the audit log are written down elsewhere.
const EVERY_FIVE_MINUTES: Duration = Duration::from_secs(300);
/// How often the jumps are looked through: that is one read for each tenant, of which there may be 10 000; and the notices, which
/// is one read by an index.
const EVERY_HOUR: Duration = Duration::from_secs(3_600);
/// How often the audit logs are looked through for what is old enough, which is one read or two for each tenant. There is
/// something to do once a year.
const EVERY_DAY: Duration = Duration::from_secs(86_400);
/// After how long work that failed is tried again.
const RETRY: Duration = Duration::from_secs(60);
/// After how long the keys are read again: one of them may be revoked.
const RETRY_KEYS: Duration = Duration::from_secs(1);
/// After how long the store is asked again until when there was a service.
const RETRY_TIME: Duration = Duration::from_secs(1);
/// After how long sealing is tried again: what is not sealed can be changed without a trace.
const RETRY_SEALS: Duration = Duration::from_secs(5);

/// What came of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is done; so many things were to be done.
    Done(u64),
    /// It failed, which the log tells more of. What was done by then stays done.
    Failed,
}

/// Learns until when there was a service before, once, as soon as the store tells.
pub async fn learn_time(app: Arc<App>, stopped: watch::Receiver<bool>) {
    let rhythm = Rhythm { every: RETRY_TIME, retry: RETRY_TIME, ends_when_done: true, stopped };
    rhythm
        .keep(|| {
            let app = Arc::clone(&app);
            async move { clock::tick(&app).await }
        })
        .await;
}

/// Works until it is told to stop, each kind of work by itself, the first time at once.
///
/// Ends at the next `await` of what runs then. What the store was asked to do by then, it does to the end.
pub async fn run(app: Arc<App>, retention: Retention, stopped: watch::Receiver<bool>) {
    let rhythm = |every| Rhythm { every, retry: RETRY, ends_when_done: false, stopped: stopped.clone() };
    let requests = rhythm(EVERY_MINUTE).keep(|| {
        let app = Arc::clone(&app);
        async move { retention::tick_requests(&app, &retention).await }
    });
    let tenants = rhythm(EVERY_MINUTE).keep(|| {
        let app = Arc::clone(&app);
        async move { retention::tick_tenants(&app).await }
    });
    let jumps = rhythm(EVERY_HOUR).keep(|| {
        let app = Arc::clone(&app);
        async move { retention::tick_jumps(&app, &retention).await }
    });
    let notices = rhythm(EVERY_HOUR).keep(|| {
        let app = Arc::clone(&app);
        async move { retention::tick_notices(&app).await }
    });
    let log = rhythm(EVERY_MINUTE).keep(|| {
        let app = Arc::clone(&app);
        async move { retention::tick_log(&app).await }
    });
    let seals = Rhythm { retry: RETRY_SEALS, ..rhythm(EVERY_SECOND) }.keep(|| {
        let app = Arc::clone(&app);
        async move { sealing::tick(&app, Reach::Now).await }
    });
    // The first time for everybody: before the service stopped, or the sealing did, rows may have been left.
    let mut reach = Reach::Everybody;
    let late_seals = rhythm(EVERY_MINUTE).keep(|| {
        let (app, reach) = (Arc::clone(&app), std::mem::replace(&mut reach, Reach::Late));
        async move { sealing::tick(&app, reach).await }
    });
    let checkpoints = rhythm(EVERY_FIVE_MINUTES).keep(|| {
        let app = Arc::clone(&app);
        async move { sealing::tick_checkpoints(&app).await }
    });
    let keys = Rhythm { retry: RETRY_KEYS, ..rhythm(EVERY_FIVE_SECONDS) }.keep(|| {
        let app = Arc::clone(&app);
        async move { keys::tick(&app).await }
    });
    let keks = Rhythm { retry: EVERY_FIVE_SECONDS, ..rhythm(EVERY_FIVE_SECONDS) }.keep(|| {
        let app = Arc::clone(&app);
        async move { keks::tick(&app).await }
    });
    let audit = rhythm(EVERY_DAY).keep(|| {
        let app = Arc::clone(&app);
        async move { retention::tick_audit(&app, &retention).await }
    });
    tokio::join!(requests, tenants, jumps, notices, log, seals, late_seals, checkpoints, keys, keks, audit);
}

/// How often something is done, and until when.
struct Rhythm {
    every: Duration,
    /// The pause after a run that failed.
    retry: Duration,
    /// Whether a run that did not fail is the last one.
    ends_when_done: bool,
    stopped: watch::Receiver<bool>,
}

impl Rhythm {
    /// Does it until told to stop, or until it is done where that is the end. Neither a failure nor a panic keeps the next run from being made.
    async fn keep<F>(self, mut tick: impl FnMut() -> F)
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let Self { every, retry, ends_when_done, mut stopped } = self;
        // An error means that the one who could tell is gone; that is a reason to stop too.
        let mut told_to_stop = std::pin::pin!(async move { drop(stopped.wait_for(|stop| *stop).await) });
        let mut times = interval(every);
        // A run that took longer than that puts off the next one, and none is made up for.
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut told_to_stop => return,
                _ = times.tick() => {}
            }
            // A task of its own, so that a panic costs this run only; in a set, so that it ends with who waits for it.
            let mut task = JoinSet::new();
            task.spawn(tick());
            let outcome = tokio::select! {
                biased;
                () = &mut told_to_stop => {
                    task.shutdown().await;
                    return;
                }
                ended = task.join_next() => ended.and_then(Result::ok),
            };
            match outcome {
                Some(Outcome::Done(_)) if ends_when_done => return,
                Some(Outcome::Done(_)) => {}
                Some(Outcome::Failed) => times.reset_after(retry),
                None => {
                    tracing::error!("worker.tick.panicked");
                    times.reset_after(retry);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::mpsc;

    use super::*;

    const SOON: Duration = Duration::from_millis(1);
    /// Longer than any test takes.
    const NEVER: Duration = Duration::from_secs(86_400);

    fn rhythm(every: Duration, retry: Duration) -> (watch::Sender<bool>, Rhythm) {
        let (stop, stopped) = watch::channel(false);
        (stop, Rhythm { every, retry, ends_when_done: false, stopped })
    }

    /// Plays `outcomes` one after the other, tells of each, and then stops.
    async fn played(every: Duration, retry: Duration, outcomes: &'static [fn() -> Outcome]) -> usize {
        let (stop, rhythm) = rhythm(every, retry);
        let (begun, mut runs) = mpsc::unbounded_channel();
        let mut next = outcomes.iter();
        let kept = rhythm.keep(move || {
            let outcome = next.next();
            begun.send(()).unwrap();
            async move { outcome.map_or(Outcome::Done(0), |outcome| outcome()) }
        });
        let watched = async move {
            let mut seen = 0;
            while seen < outcomes.len() {
                runs.recv().await.unwrap();
                seen += 1;
            }
            stop.send(true).unwrap();
            seen
        };
        tokio::join!(kept, watched).1
    }

    #[tokio::test]
    async fn it_runs_at_once_and_again_and_again() {
        assert_eq!(played(SOON, NEVER, &[|| Outcome::Done(1), || Outcome::Done(0), || Outcome::Done(2)]).await, 3);
    }

    #[tokio::test]
    async fn a_failure_is_tried_again_before_the_next_time() {
        assert_eq!(played(NEVER, SOON, &[|| Outcome::Failed, || Outcome::Failed, || Outcome::Done(1)]).await, 3);
    }

    #[tokio::test]
    async fn a_panic_costs_its_run_only() {
        let outcomes: &[fn() -> Outcome] = &[|| panic!("a defect"), || Outcome::Done(1)];
        assert_eq!(played(NEVER, SOON, outcomes).await, 2);
    }

    #[tokio::test]
    async fn what_is_to_be_done_once_is_tried_until_it_is() {
        let (_stop, rhythm) = rhythm(SOON, SOON);
        let runs = AtomicU32::new(0);
        let kept = Rhythm { ends_when_done: true, ..rhythm }.keep(|| {
            let outcome = if runs.fetch_add(1, Ordering::Relaxed) < 2 { Outcome::Failed } else { Outcome::Done(0) };
            async move { outcome }
        });
        kept.await;
        assert_eq!(runs.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn the_end_waits_for_no_next_time() {
        let (stop, rhythm) = rhythm(NEVER, NEVER);
        let runs = AtomicU32::new(0);
        let kept = rhythm.keep(|| {
            runs.fetch_add(1, Ordering::Relaxed);
            stop.send(true).unwrap();
            async { Outcome::Done(0) }
        });
        kept.await;
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn the_end_cuts_off_what_runs_and_waits_until_it_is_gone() {
        let (stop, rhythm) = rhythm(NEVER, NEVER);
        let held = Arc::new(());
        let (begun, mut has_begun) = mpsc::unbounded_channel();
        let holding = Arc::clone(&held);
        let kept = rhythm.keep(move || {
            let (holding, begun) = (Arc::clone(&holding), begun.clone());
            async move {
                begun.send(()).unwrap();
                std::future::pending::<()>().await;
                drop(holding);
                Outcome::Done(0)
            }
        });
        tokio::join!(kept, async move {
            has_begun.recv().await.unwrap();
            stop.send(true).unwrap();
        });
        assert_eq!(Arc::strong_count(&held), 1, "nothing of the run is left");
    }

    #[tokio::test]
    async fn it_ends_when_nobody_is_left_who_could_tell_it_to() {
        let (stop, rhythm) = rhythm(NEVER, NEVER);
        drop(stop);
        rhythm.keep(|| async { Outcome::Done(0) }).await;
    }
}
