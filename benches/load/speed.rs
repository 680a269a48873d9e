//! How fast the service jumps and redeems, in turns with the two floors.

use std::sync::Arc;
use std::time::Duration;

use super::Plan;
use super::data::{Data, Stored};
use super::figures::{Bounded, Kept, Limit, Report, Spread, Verdict};
use super::firm::{self, Size, TARGET};
use super::floors::{Floor, RunningFloor};
use super::postgres::{self, PostgresServer};
use super::rounds::{HELLO, Measured, SIGNING, Subject, Traffic, find, measured, rounds_of};
use super::service::{Service, connect};
use super::traffic::{Crowd, Explanations, INTRODUCING, Introductions, Jumps, Redeems, Tokens, slice};
use anyhow::Context as _;

/// Names of services: where their rows are, and how they get there.
const SQLITE: &str = "sqlite";
const SQLITE_ONE_BY_ONE: &str = "sqlite, one by one";
const SQLITE_TLS: &str = "sqlite, TLS";
const POSTGRES: &str = "postgres";
const POSTGRES_ONE_BY_ONE: &str = "postgres, one by one";
/// By how much grouped writes must be faster than those that come one by one.
const GROUPED_AT_LEAST: f64 = 3.5;
/// Calls in flight at which that holds.
const GROUPED_AT: usize = 64;
/// How fast explanations must be at least, beside jumps: they are read afresh, and each leaves its row.
const EXPLAINED_AT_LEAST: f64 = 0.5;
/// Makes the service write every jump in a transaction of its own.
const ONE_BY_ONE: [&str; 2] = ["--most-in-a-batch", "1"];
/// More than any run takes: one that hangs ends.
pub(crate) const MOST: Duration = Duration::from_mins(15);

/// Enough people that nobody jumps more than 30 times a minute.
const FIRMS: Size = Size { firms: 4, activations: 10, customers: 1_000 };
/// Likewise, for a trial.
const FEW_FIRMS: Size = Size { firms: 2, activations: 1, customers: 100 };

/// Measures, prints, and judges.
pub(crate) async fn measure(plan: Plan) -> anyhow::Result<Verdict> {
    run(&plan).await?.tell(plan.json)
}

async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let size = if plan.quick { FEW_FIRMS } else { FIRMS };
    let server = server(plan);
    let mut stages = vec![
        Stage::start(SQLITE, Data::in_directory()?, &[], size).await?,
        Stage::start(SQLITE_ONE_BY_ONE, Data::in_directory()?, &ONE_BY_ONE, size).await?,
        Stage::start(SQLITE_TLS, Data::in_directory()?.with_tls()?, &[], size).await?,
    ];
    if let Some(server) = &server {
        let data = Data::in_postgres(server.database(postgres::GROUPED).await?)?;
        stages.push(Stage::start(POSTGRES, data, &[], size).await?);
        let data = Data::in_postgres(server.database(postgres::ONE_BY_ONE).await?)?;
        stages.push(Stage::start(POSTGRES_ONE_BY_ONE, data, &ONE_BY_ONE, size).await?);
    }
    let [hello, signing] = [RunningFloor::start(Floor::Hello)?, RunningFloor::start(Floor::Signing)?];
    let crowd = &stages.first().context("a service")?.crowd;
    let mut subjects = vec![
        Subject::new(HELLO, &hello.grpc, Traffic::Jumps(Jumps::of(Arc::clone(crowd), None))),
        Subject::new(SIGNING, &signing.grpc, Traffic::Jumps(Jumps::of(Arc::clone(crowd), None))),
    ];
    for stage in &stages {
        subjects.extend(stage.subjects());
    }

    let (mut runs, mut bounds, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for shape in &plan.in_flight {
        let measured = measured(plan, *shape, &subjects).await?;
        if shape.in_flight() == GROUPED_AT {
            bounds.push(grouping(&measured, SQLITE, SQLITE_ONE_BY_ONE)?);
            bounds.push(explaining(&measured, SQLITE)?);
            if server.is_some() {
                bounds.push(explaining(&measured, POSTGRES)?);
                bounds.push(grouping(&measured, POSTGRES, POSTGRES_ONE_BY_ONE)?);
            }
        }
        runs.push(rounds_of(plan, *shape, &measured)?);
    }
    for stage in &stages {
        kept.push(stage.kept().await?);
    }
    Ok(Report { is_trial: plan.quick, runs, floor_swing: None, bounds, kept })
}

/// Starts PostgreSQL, or says why it is left out.
fn server(plan: &Plan) -> Option<PostgresServer> {
    if plan.without_postgres {
        return None;
    }
    match PostgresServer::start() {
        Ok(server) => Some(server),
        Err(reason) => {
            eprintln!("PostgreSQL is left out: {reason:#}");
            None
        }
    }
}

/// How much faster grouped writes are.
fn grouping(measured: &[Measured], grouped: &str, one_by_one: &str) -> anyhow::Result<Bounded> {
    let [many, single] = [find(measured, &jumps_of(grouped))?, find(measured, &jumps_of(one_by_one))?];
    Ok(Bounded {
        what: format!("{grouped}: jumps in grouped transactions / one transaction a jump, {GROUPED_AT} in flight"),
        unit: " x",
        measured: Spread::of(many.ratios_to(single))?.median,
        limit: Limit::AtLeast(GROUPED_AT_LEAST),
    })
}

/// How fast explanations are beside jumps.
fn explaining(measured: &[Measured], service: &str) -> anyhow::Result<Bounded> {
    let [explained, jumps] = [find(measured, &explanations_of(service))?, find(measured, &jumps_of(service))?];
    Ok(Bounded {
        what: format!("{service}: explanations / jumps, {GROUPED_AT} in flight"),
        unit: " x",
        measured: Spread::of(explained.ratios_to(jumps))?.median,
        limit: Limit::AtLeast(EXPLAINED_AT_LEAST),
    })
}

/// The name of the variant that explains on a service.
fn explanations_of(service: &str) -> String {
    format!("{service}: ExplainJump")
}

/// The name of the variant that jumps on a service.
fn jumps_of(service: &str) -> String {
    format!("{service}: JumpToTarif")
}

/// A service that is set up, and what is called there.
struct Stage {
    name: &'static str,
    service: Service,
    crowd: Arc<Crowd>,
    jumps: Arc<Jumps>,
    /// Jumps whose tokens are kept, to be redeemed.
    fill: Arc<Jumps>,
    redeems: Arc<Redeems>,
    tokens: Arc<Tokens>,
}

impl Stage {
    async fn start(name: &'static str, data: Data, more: &[&str], size: Size) -> anyhow::Result<Self> {
        let service = Service::start(data, more)?;
        let crowd = firm::set_up(&service, size).await?;
        let jumps = Jumps::of(Arc::clone(&crowd), None);
        // Whoever jumps for the first time costs more: he gets his pseudonym for the audit log.
        let clients = connect(&service.grpc, INTRODUCING.connections).await?;
        slice(&clients, INTRODUCING, MOST, &Introductions::to(&jumps)).await?;
        let target = service.data().issuer().await?.target(TARGET)?;
        let tokens = Arc::new(Tokens::default());
        Ok(Self {
            name,
            service,
            jumps,
            fill: Jumps::of(Arc::clone(&crowd), Some(Arc::clone(&tokens))),
            redeems: Redeems::of(target, Arc::clone(&tokens)),
            crowd,
            tokens,
        })
    }

    fn subjects(&self) -> [Subject; 3] {
        let redeems = Traffic::Redeems {
            fill: Arc::clone(&self.fill),
            redeems: Arc::clone(&self.redeems),
            tokens: Arc::clone(&self.tokens),
        };
        [
            Subject::new(&jumps_of(self.name), &self.service.grpc, Traffic::Jumps(Arc::clone(&self.jumps))),
            Subject::new(&format!("{}: RedeemJump", self.name), &self.service.grpc, redeems),
            Subject::new(
                &explanations_of(self.name),
                &self.service.grpc,
                Traffic::Explanations(Explanations::of(Arc::clone(&self.crowd))),
            ),
        ]
    }

    /// Checks that what was answered is stored, and nothing else.
    async fn kept(&self) -> anyhow::Result<Kept> {
        let jumps = i64::from(self.jumps.made()) + i64::from(self.fill.made());
        let answered = Stored { jumps, redeemed: i64::from(self.redeems.made()) };
        Kept::check(self.name, answered, self.service.stored().await?)
    }
}
