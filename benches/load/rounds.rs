//! Slices in turns: every variant once a round, so that all of them meet the same machine.

use std::sync::Arc;

use anyhow::Context as _;

use super::Plan;
use super::figures::{Rounds, Row, Spread};
use super::service::{Address, Client, connect};
use super::traffic::{Explanations, Jumps, Redeems, Shape, Slice, Tokens, slice};

/// The variant that all others are compared with.
pub(crate) const HELLO: &str = "hello";
/// The variant that no service with signed tokens is faster than.
pub(crate) const SIGNING: &str = "signing floor";

/// What is measured.
pub(crate) struct Subject {
    name: String,
    grpc: Address,
    traffic: Traffic,
}

/// What is called in a slice.
pub(crate) enum Traffic {
    /// Jumps.
    Jumps(Arc<Jumps>),
    /// Explanations.
    Explanations(Arc<Explanations>),
    /// Redemptions, of jumps that are made before the slice is measured.
    Redeems {
        /// What makes the jumps.
        fill: Arc<Jumps>,
        /// What redeems them.
        redeems: Arc<Redeems>,
        /// Where they wait.
        tokens: Arc<Tokens>,
    },
}

impl Subject {
    /// A variant that is called at an address.
    pub(crate) fn new(name: &str, grpc: &Address, traffic: Traffic) -> Self {
        Self { name: name.to_owned(), grpc: grpc.clone(), traffic }
    }

    async fn slice(&self, plan: &Plan, shape: Shape, clients: &[Client]) -> anyhow::Result<Slice> {
        match &self.traffic {
            Traffic::Jumps(jumps) => slice(clients, shape, plan.span(), jumps).await,
            Traffic::Explanations(explanations) => slice(clients, shape, plan.span(), explanations).await,
            Traffic::Redeems { fill, redeems, tokens } => {
                tokens.clear();
                slice(clients, shape, plan.span(), fill).await?;
                slice(clients, shape, plan.span(), redeems).await
            }
        }
    }
}

/// What the slices of one variant came to, those of the warm-up left out.
pub(crate) struct Measured {
    /// Its name.
    pub(crate) name: String,
    /// Calls a second in each round.
    rates: Vec<f64>,
    /// How long its calls took, in microseconds, sorted.
    latencies: Vec<u32>,
}

impl Measured {
    /// Round by round, how much faster it was than another variant.
    pub(crate) fn ratios_to<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = f64> + 'a {
        self.rates.iter().zip(&other.rates).map(|(this, other)| this / other)
    }
}

/// How long so many of a hundred calls took at most, of latencies that are sorted.
pub(crate) fn percentile(latencies: &[u32], percent: usize) -> u32 {
    let rank = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
    latencies.get(rank).copied().unwrap_or_default()
}

/// Measures all subjects in turns, with as many calls in flight as `shape` says.
pub(crate) async fn measured(plan: &Plan, shape: Shape, subjects: &[Subject]) -> anyhow::Result<Vec<Measured>> {
    let mut all = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let clients = connect(&subject.grpc, shape.connections).await?;
        all.push((subject, clients, Measured { name: subject.name.clone(), rates: Vec::new(), latencies: Vec::new() }));
    }
    for round in 0..=plan.rounds {
        for (subject, clients, measured) in &mut all {
            let slice = subject.slice(plan, shape, clients).await?;
            // The first round warms up.
            if round > 0 {
                measured.rates.push(slice.rate());
                measured.latencies.extend(slice.latencies);
            }
        }
    }
    let mut all: Vec<_> = all.into_iter().map(|(_, _, measured)| measured).collect();
    for measured in &mut all {
        measured.latencies.sort_unstable();
    }
    Ok(all)
}

/// The variant of that name.
pub(crate) fn find<'a>(measured: &'a [Measured], name: &str) -> anyhow::Result<&'a Measured> {
    measured.iter().find(|one| one.name == name).with_context(|| format!("`{name}` was not measured"))
}

/// What the variants came to, beside the two floors.
pub(crate) fn rounds_of(plan: &Plan, shape: Shape, measured: &[Measured]) -> anyhow::Result<Rounds> {
    let [hello, signing] = [find(measured, HELLO)?, find(measured, SIGNING)?];
    let row = |one: &Measured| {
        anyhow::Ok(Row {
            variant: one.name.clone(),
            to_hello: Spread::of(one.ratios_to(hello))?,
            to_signing: Spread::of(one.ratios_to(signing))?,
            p50_us: percentile(&one.latencies, 50),
            p99_us: percentile(&one.latencies, 99),
        })
    };
    let swing = Spread::of(hello.rates.iter().copied())?;
    Ok(Rounds {
        in_flight: shape.to_string(),
        counted: plan.rounds,
        hello_swing: swing.most / swing.least,
        variants: measured.iter().map(row).collect::<anyhow::Result<_>>()?,
    })
}
