//! What one tenant notices when another one calls fifty times as often as it may: nearly nothing.
//!
//! The quiet tenant jumps at a steady pace, each call at its time whether the ones before were answered or not. In turns it is
//! alone and beside the noisy one, whose calls the service refuses but for its rate. Compared is how long the quiet one waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tonic::Code;

use super::Plan;
use super::data::{Data, Stored};
use super::figures::{Bounded, Kept, Limit, Report, Spread, Verdict};
use super::firm::{self, Size};
use super::rounds::percentile;
use super::service::{Client, Service, connect};
use super::traffic::{INTRODUCING, Introductions, Jumps, slice};

/// Jumps a second that a tenant may make.
const RATE: u32 = 100;
/// The same for the service.
const RATES: [&str; 1] = ["--rate-jumps=100"];
/// Jumps a second of the quiet tenant.
const QUIET: u32 = RATE / 2;
/// Calls a second of the noisy one.
const NOISY: u32 = 50 * RATE;
/// Those of them that go out at one instant, so that timers of a millisecond do.
const AT_ONCE: u32 = 5;
/// So many slices make one stretch: enough calls for their 99th of 100.
const SLICES: u32 = 4;
/// What 99 of 100 calls take at most beside the noise, as a ratio to what they take alone.
const WAITS_BELOW: f64 = 2.0;
/// More than any run takes: one that hangs ends.
pub(crate) const MOST: Duration = Duration::from_mins(10);
/// Longer than a call may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Enough people that nobody jumps more than 30 times a minute.
const FIRMS: Size = Size { firms: 2, activations: 10, customers: 1_000 };

/// Measures, prints, and judges.
pub(crate) async fn measure(plan: Plan) -> anyhow::Result<Verdict> {
    run(&plan).await?.tell(plan.json)
}

async fn run(plan: &Plan) -> anyhow::Result<Report> {
    // Whoever is introduced calls as often as he likes.
    let service = Service::start(Data::in_directory()?, &[])?;
    let crowd = firm::set_up(&service, FIRMS).await?;
    let all = Jumps::of(Arc::clone(&crowd), None);
    let clients = connect(&service.grpc, INTRODUCING.connections).await?;
    slice(&clients, INTRODUCING, MOST, &Introductions::to(&all)).await?;
    drop(clients);
    let service = Service::start(service.stop()?, &RATES)?;

    let quiet = Jumps::of(crowd.of_firm(0).context("a firm")?, None);
    let noisy = Jumps::of(crowd.of_firm(1).context("a firm")?, None);
    let [quiet_clients, noisy_clients] = [connect(&service.grpc, 1).await?, connect(&service.grpc, 8).await?];
    let (mut ratios, mut refused) = (Vec::new(), 0_u32);
    for round in 0..=plan.rounds {
        let span = SLICES * plan.span();
        let mut alone = paced(&quiet_clients, QUIET, 1, span, &quiet).await?;
        let beside = async {
            tokio::try_join!(
                paced(&quiet_clients, QUIET, 1, span, &quiet),
                paced(&noisy_clients, NOISY / AT_ONCE, AT_ONCE, span, &noisy),
            )
        };
        let (mut beside, noise) = beside.await?;
        ensure!(alone.refused == 0 && beside.refused == 0, "the quiet tenant was refused");
        refused = refused.saturating_add(noise.refused);
        // The first round warms up.
        if round > 0 {
            let [alone, beside] = [&mut alone, &mut beside].map(|paced| {
                paced.latencies.sort_unstable();
                f64::from(percentile(&paced.latencies, 99))
            });
            ratios.push(beside / alone);
        }
    }
    ensure!(plan.quick || refused > 0, "the noisy tenant was not refused");
    let what = format!("99 of 100 jumps of one tenant, beside {NOISY} calls a second of another / alone");
    let waits = Bounded { what, unit: " x", measured: Spread::of(ratios)?.median, limit: Limit::Below(WAITS_BELOW) };
    let jumps = [&all, &quiet, &noisy].iter().map(|jumps| i64::from(jumps.made())).sum();
    let kept = vec![Kept::check("sqlite", Stored { jumps, redeemed: 0 }, service.stored().await?)?];
    Ok(Report { is_trial: plan.quick, runs: Vec::new(), floor_swing: None, bounds: vec![waits], kept })
}

/// What came of calls at a pace.
struct Paced {
    /// How long those took that were served, in microseconds.
    latencies: Vec<u32>,
    /// How many were refused because they came too often.
    refused: u32,
}

/// Calls so many times a second, so many calls each time, until `span` is over; waits for the last answers.
async fn paced(
    clients: &[Client],
    times: u32,
    calls: u32,
    span: Duration,
    jumps: &Arc<Jumps>,
) -> anyhow::Result<Paced> {
    let refused = Arc::new(AtomicU32::new(0));
    let mut tick = interval(Duration::from_secs(1) / times);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut callers = JoinSet::new();
    let mut latencies = Vec::new();
    let end = Instant::now() + span;
    let mut next = clients.iter().cycle();
    while Instant::now() < end {
        tick.tick().await;
        for _ in 0..calls {
            let client = next.next().context("a connection")?.clone();
            callers.spawn(timeout(PATIENCE, call(client, Arc::clone(jumps), Arc::clone(&refused))));
        }
        while let Some(ended) = callers.try_join_next() {
            latencies.extend(ended.context("a caller")?.context("a call took too long")??);
        }
    }
    while let Some(ended) = callers.join_next().await {
        latencies.extend(ended.context("a caller")?.context("a call took too long")??);
    }
    Ok(Paced { latencies, refused: refused.load(Ordering::Relaxed) })
}

/// One jump: how long it took, or nothing if it came too often.
async fn call(mut client: Client, jumps: Arc<Jumps>, refused: Arc<AtomicU32>) -> anyhow::Result<Option<u32>> {
    let begun = Instant::now();
    match jumps.jump(&mut client).await {
        Ok(()) => Ok(Some(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX))),
        Err(status) if status.code() == Code::ResourceExhausted => {
            refused.fetch_add(1, Ordering::Relaxed);
            Ok(None)
        }
        Err(status) => Err(status).context("a call was refused"),
    }
}
