//! Plays many sequences, several at once, each worker on a service of its own; and makes a failing one short.

use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tokio::runtime::{Builder, Runtime};

use crate::aim::PASSWORD;
use crate::command::{Sequence, Step, Twist, sequence};
use crate::harness::Place;
use crate::play::{Failed, Play, Stage, Tally};

/// Workers; each has a service of its own, whose writer waits for the disk now and then.
const WORKERS: usize = 4;
/// Bytes of a worker's stack.
const STACK: usize = 64 * 1024 * 1024;
/// Sequences on one service: so many that starting one does not count, so few that its lists stay short.
const SEQUENCES_ON_A_STAGE: usize = 50;
/// One of so many sequences is a long one.
const LONG_ONE_IN: u64 = 100;
/// How often a failing sequence is played to make it shorter.
const SHRINKING_PLAYS: usize = 400;

/// Reads a number of the environment.
#[expect(clippy::disallowed_methods, reason = "how much is tested, and with which seed, is said by who runs the tests")]
pub fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number")),
        Err(_) => default,
    }
}

/// The sequence of a seed.
pub fn sequence_of(seed: u64) -> Sequence {
    if seed % LONG_ONE_IN == LONG_ONE_IN - 1 { drawn(seed, sequence(40..=70)) } else { drawn(seed, sequence(4..=9)) }
}

fn drawn<T: std::fmt::Debug>(seed: u64, strategy: impl Strategy<Value = T>) -> T {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    strategy.new_tree(&mut runner).expect("a value").current()
}

/// Plays the sequences of `count` seeds from `first` on. Tells what was seen.
///
/// # Panics
/// With the shortest sequence that fails, if one does.
pub fn play_all(first: u64, count: u64) -> Tally {
    let (next, failed) = (AtomicU64::new(first), AtomicBool::new(false));
    let (failing, tally) = (Mutex::new(None), Mutex::new(Tally::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            spawn(scope, || {
                let mut theatre = Theatre::new();
                while !failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    if let Err(why) = theatre.play(&sequence_of(seed)) {
                        failed.store(true, Ordering::Relaxed);
                        failing.lock().expect("no worker panics").get_or_insert((seed, why));
                    }
                }
                theatre.close();
                let mut tally = tally.lock().expect("no worker panics");
                for (seen, times) in theatre.tally {
                    *tally.entry(seen).or_default() += times;
                }
            });
        }
    });
    if let Some((seed, why)) = failing.into_inner().expect("no worker panics") {
        let report = std::thread::scope(|scope| spawn(scope, || report(seed, &why)).join().expect("a report"));
        panic!("{report}");
    }
    tally.into_inner().expect("no worker panics")
}

/// Starts a thread with room for what a debug build puts on the stack: client, service and driver, all in one.
pub fn spawn<'s, T: Send + 's>(
    scope: &'s std::thread::Scope<'s, '_>,
    work: impl FnOnce() -> T + Send + 's,
) -> std::thread::ScopedJoinHandle<'s, T> {
    std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).expect("a thread")
}

/// Why a play failed, with the last call of it.
#[derive(Debug)]
pub struct Why {
    failed: Failed,
    last: String,
}

/// Makes a failing sequence short and writes down all that is needed to look at it.
fn report(seed: u64, why: &Why) -> String {
    let (steps, why) = shortened(sequence_of(seed), why);
    let mut text = format!("sequence {seed} fails; run it again with CONCENTER_SEED={seed} CONCENTER_SEQUENCES=1\n");
    let _ = writeln!(text, "furnished: {}", steps.furnished);
    for (at, Step { side, command, twist }) in steps.steps.iter().enumerate() {
        let tenant = ["A", "B"][*side];
        let _ = writeln!(text, "{:>3}. {tenant}: {command:?} {twist:?}", at + 1);
    }
    let _ = write!(text, "at step {}: {}\n\nthe last call: {}", why.failed.step, why.failed.what, why.last);
    text
}

/// Drops steps, first many at once and then one by one, as long as it fails without them.
fn shortened(mut steps: Sequence, why: &Why) -> (Sequence, Why) {
    let mut why =
        Why { failed: Failed { step: why.failed.step, what: why.failed.what.clone() }, last: why.last.clone() };
    steps.steps.truncate(why.failed.step.max(1));
    let mut theatre = Theatre::new();
    let mut left = SHRINKING_PLAYS;
    let mut fails = |steps: &Sequence| {
        left = left.checked_sub(1)?;
        theatre.stage = None;
        theatre.play(steps).err()
    };
    let mut length = steps.steps.len() / 2;
    while length > 0 {
        let mut at = 0;
        let mut dropped = false;
        while at < steps.steps.len() {
            let mut fewer = steps.clone();
            fewer.steps.drain(at..(at + length).min(steps.steps.len()));
            match fails(&fewer) {
                Some(still) => (steps, why, dropped) = (fewer, still, true),
                None => at += length,
            }
        }
        if !dropped || length > 1 {
            length /= 2;
        }
    }
    for at in 0..steps.steps.len() {
        let mut simpler = steps.clone();
        simpler.steps[at].twist = Twist::Plain;
        if let Some(still) = fails(&simpler) {
            (steps, why) = (simpler, still);
        }
    }
    let bare = Sequence { furnished: false, ..steps.clone() };
    if let Some(still) = fails(&bare) {
        (steps, why) = (bare, still);
    }
    (steps, why)
}

/// Runs plays that are not to be shortened, with room on the stack.
pub fn run(plays: impl AsyncFnOnce() + Send) {
    std::thread::scope(|scope| {
        let played = spawn(scope, || {
            Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(plays());
        });
        if let Err(panic) = played.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Where one worker plays.
pub struct Theatre {
    runtime: Runtime,
    stage: Option<Stage>,
    played: usize,
    tally: Tally,
}

impl Theatre {
    pub fn new() -> Self {
        // One thread: the workers are many enough.
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, stage: None, played: 0, tally: Tally::new() }
    }

    /// Plays one sequence.
    pub fn play(&mut self, steps: &Sequence) -> Result<(), Why> {
        if self.played >= SEQUENCES_ON_A_STAGE {
            self.close();
        }
        self.played += 1;
        let Self { runtime, stage, tally, .. } = self;
        let mut last = String::new();
        let played = std::panic::catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                if stage.is_none() {
                    *stage = Some(Stage::set().await);
                }
                let mut play = Play::begin(stage.as_mut().expect("a stage")).await;
                let played = play.sequence(steps).await;
                if played.is_err() {
                    last = play.last();
                }
                for (seen, times) in std::mem::take(&mut play.tally) {
                    *tally.entry(seen).or_default() += times;
                }
                let changed = play.model.catalog.changed;
                (played, changed)
            })
        }));
        let (played, changed) = played.unwrap_or_else(|panic| {
            let what = panic.downcast_ref::<String>().cloned();
            let what = what.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let what = format!("a panic: {}", what.unwrap_or_default());
            (Err(Failed { step: steps.steps.len(), what }), true)
        });
        if changed {
            // The next sequence begins with the catalogue as it was made.
            self.close();
        }
        played.map_err(|failed| Why { failed, last })
    }

    /// Ends the service, and looks at what it leaves behind.
    pub fn close(&mut self) {
        self.played = 0;
        if let Some(stage) = self.stage.take() {
            self.runtime.block_on(async {
                no_password_in(stage.service.place()).await;
                drop(stage);
            });
        }
    }
}

/// I8: nothing that is kept, the write-ahead log included, holds a password in the clear.
async fn no_password_in(place: &Place) {
    for (name, bytes) in place.kept().await {
        assert!(!String::from_utf8_lossy(&bytes).contains(PASSWORD), "{name} holds a password in the clear");
    }
}
