//! How fast the service jumps and redeems, as ratios to what the machine can do at best. See `docs/measuring.md`.
//!
//! `cargo bench --bench load` starts two floors and the real program as child processes and calls them in turns, a slice
//! of a second each; `cargo bench --bench load -- growth` compares full databases with small ones, `-- noisy` a tenant that is
//! alone with one that has a noisy neighbour, and `-- landing` the landing page with a bare handler. Only ratios within a round
//! count: a shared machine swings by more than what is measured.
//!
//! The map: `guard` ends what was started; `floors` are the two floors; `data` is where a service keeps its rows and
//! `service` the program on them; `firm` sets it up through its API, `fill` by SQL; `traffic` makes the calls and
//! `rounds` has them take turns; `speed`, `growth`, `noisy` and `landing` are the measurements, and `figures` prints what came of
//! them.

mod data;
mod figures;
mod fill;
mod firm;
mod floors;
mod growth;
mod guard;
mod landing;
mod noisy;
mod postgres;
mod rounds;
mod service;
mod simulate;
mod speed;
mod traffic;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use self::figures::Verdict;
use self::floors::Floor;
use self::guard::Runs;
use self::traffic::Shape;

/// Measure the service under load, against floors of the same run
#[derive(Debug, Parser)]
#[command(
    name = "load",
    after_help = "Exit code 0 if all bounds are met, 1 if one is not, 3 if the machine was too unsteady to tell"
)]
struct Cli {
    /// What to measure; without it how fast the service jumps and redeems.
    #[command(subcommand)]
    what: Option<What>,

    /// How.
    #[command(flatten)]
    plan: Plan,

    /// Cargo passes it to every bench
    #[arg(long, global = true, hide = true)]
    bench: bool,
}

/// What a process of this program is for.
#[derive(Debug, Subcommand)]
enum What {
    /// Compare a million con:center users, and ten thousand tenants, with a few: takes minutes
    Growth,
    /// Have one tenant jump beside another one that calls far more often than it may
    Noisy,
    /// Think a change through for a million customers: takes minutes
    Simulate,
    /// Ask for the landing page, as browsers do
    Landing,
    /// The floor of the landing page
    #[command(hide = true)]
    PageFloor {
        /// How many bytes it answers with.
        bytes: usize,
    },
    /// One of the floors
    #[command(hide = true)]
    Floor {
        /// Which one.
        #[arg(value_enum)]
        floor: Floor,
    },
    /// Runs a program until standard input ends
    #[command(hide = true)]
    Guard {
        /// As whom.
        #[arg(value_enum)]
        runs: Runs,
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<OsString>,
    },
}

/// How to measure.
#[derive(Debug, Clone, Args)]
struct Plan {
    /// Rounds that count; one more comes before them, to warm up
    #[arg(long, global = true, value_name = "NUMBER", default_value = "6", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,

    /// Length of a slice in milliseconds
    #[arg(long, global = true, value_name = "MS", default_value = "1000", value_parser = clap::value_parser!(u64).range(10..=60_000))]
    slice: u64,

    /// Connections, and calls in flight on each; may be given more than once
    #[arg(long, global = true, value_name = "CxS", default_value = "8x8", value_parser = Shape::parse)]
    in_flight: Vec<Shape>,

    /// Two rounds of tiny slices over little data: tries out the generator, and judges nothing
    #[arg(long, global = true)]
    quick: bool,

    /// Leave PostgreSQL out, also where it is installed
    #[arg(long, global = true)]
    without_postgres: bool,

    /// Print one JSON object to standard output, and nothing else
    #[arg(long, global = true)]
    json: bool,
}

impl Plan {
    /// The plan with what `--quick` makes of it.
    fn settled(self) -> Self {
        if self.quick { Self { rounds: 2, slice: 100, ..self } } else { self }
    }

    /// How long a slice takes.
    const fn span(&self) -> Duration {
        Duration::from_millis(self.slice)
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    match cli.what {
        Some(What::Guard { runs, command }) => guard::run(runs, &command),
        Some(What::Floor { floor }) => floors::run(floor),
        Some(What::Growth) => measure(growth::measure(cli.plan.settled()), growth::MOST),
        Some(What::PageFloor { bytes }) => landing::run_floor(bytes),
        Some(What::Landing) => measure(landing::measure(cli.plan.settled()), landing::MOST),
        Some(What::Simulate) => measure(simulate::measure(cli.plan.settled()), simulate::MOST),
        Some(What::Noisy) => measure(noisy::measure(cli.plan.settled()), noisy::MOST),
        None => measure(speed::measure(cli.plan.settled()), speed::MOST),
    }
}

/// Runs a measurement until it is done, hangs, or somebody ends it. Either way all children end with it.
fn measure(
    measurement: impl Future<Output = anyhow::Result<Verdict>> + Send + 'static,
    most: Duration,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    // A task of its own: one that waits for a child that says nothing cannot be interrupted, and must not keep us.
    let measurement = runtime.spawn(measurement);
    let ended = runtime.block_on(async {
        let [mut interrupt, mut terminate] = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        tokio::select! {
            verdict = measurement => Ok(verdict.context("the run ended early")??.into()),
            () = tokio::time::sleep(most) => anyhow::bail!("the run hangs"),
            _ = interrupt.recv() => anyhow::bail!("interrupted"),
            _ = terminate.recv() => anyhow::bail!("ended by a signal"),
        }
    });
    // Drops what is left of it: children end, directories are removed.
    runtime.shutdown_timeout(Duration::from_secs(10));
    ended
}
