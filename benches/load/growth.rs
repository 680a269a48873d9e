//! What a million con:center users, or ten thousand tenants, change: nothing that a caller would notice.
//!
//! Three databases are filled by SQL, a small one and one that is large in either way, and one is left empty. They are
//! started in turns, and then called in turns. What is compared is a service that runs: each portal has called before, twice,
//! and each person comes once. So all that differs is the database.

use std::sync::Arc;
use std::time::Duration;

use super::Plan;
use super::data::{Data, Stored};
use super::figures::{Bounded, Kept, Limit, Report, Spread, Verdict};
use super::fill::{Filled, Filling, fill};
use super::floors::{Floor, RunningFloor};
use super::rounds::{HELLO, SIGNING, Subject, Traffic, find, measured, rounds_of};
use super::service::{Service, connect};
use super::traffic::{Crowd, INTRODUCING, Introductions, Jumps, Shape, slice};
use anyhow::Context as _;

/// A firm with ten users.
///
/// As of the others, 90 000 brokers and 100 000 customers can jump, more than do in a run: each of them comes once, so that what a
/// service remembers of people is no part of the comparison.
const SMALL: Filling = Filling { firms: 1, users: 10, activations: 100, brokers: 100, customers: 100_000 };
/// A million users.
const MANY_USERS: Filling = Filling { firms: 1_000, users: 1_000, activations: 1, brokers: 1, customers: 100 };
/// Ten thousand tenants.
const MANY_TENANTS: Filling = Filling { firms: 10_000, users: 10, activations: 1, brokers: 1, customers: 10 };
/// The same for a trial, in small.
const TRIAL: [Filling; 3] = [
    Filling { firms: 1, users: 4, activations: 3, brokers: 50, customers: 500 },
    Filling { firms: 5, users: 100, activations: 1, brokers: 1, customers: 100 },
    Filling { firms: 50, users: 10, activations: 1, brokers: 1, customers: 10 },
];

/// Portals that call each of them: as many, so that what a service remembers of callers is no part of the comparison.
const PORTALS: usize = 10_000;
/// Starts of each database.
const STARTS: usize = 9;
/// What remains of the jumps a second, at least: they change by less than 15 %.
const SPEED_AT_LEAST: f64 = 0.85;
/// What the start may take, as a ratio to the start of an empty database.
const START_BELOW: f64 = 1.5;
/// By how many megabytes the memory may grow.
const MEMORY_BELOW: f64 = 150.0;
/// More than any run takes: one that hangs ends.
pub(crate) const MOST: Duration = Duration::from_mins(30);

/// Measures, prints, and judges.
pub(crate) async fn measure(plan: Plan) -> anyhow::Result<Verdict> {
    run(&plan).await?.tell(plan.json)
}

async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let [small, users, tenants] = if plan.quick { TRIAL } else { [SMALL, MANY_USERS, MANY_TENANTS] };
    eprintln!("Three databases are filled. That takes a while.");
    let filled = vec![
        Database::filled("10 users, 1 tenant", small).await?,
        Database::filled("1 000 000 users", users).await?,
        Database::filled("10 000 tenants", tenants).await?,
    ];
    let (filled, mut bounds) = starts(filled)?;

    let mut stages = Vec::with_capacity(filled.len());
    for database in filled {
        stages.push(Stage::start(database).await?);
    }
    let [hello, signing] = [RunningFloor::start(Floor::Hello)?, RunningFloor::start(Floor::Signing)?];
    let small = stages.first().context("a small database")?;
    let mut subjects = vec![
        Subject::new(HELLO, &hello.grpc, Traffic::Jumps(Jumps::of(Arc::clone(&small.crowd), None))),
        Subject::new(SIGNING, &signing.grpc, Traffic::Jumps(Jumps::of(Arc::clone(&small.crowd), None))),
    ];
    for stage in &stages {
        subjects.push(Subject::new(stage.name, &stage.service.grpc, Traffic::Jumps(Arc::clone(&stage.jumps))));
    }
    let mut runs = Vec::new();
    for shape in &plan.in_flight {
        let measured = measured(plan, *shape, &subjects).await?;
        let base = find(&measured, small.name)?;
        for stage in stages.iter().skip(1) {
            let ratios = find(&measured, stage.name)?.ratios_to(base);
            bounds.push(speed(stage, small, *shape, Spread::of(ratios)?));
        }
        runs.push(rounds_of(plan, *shape, &measured)?);
    }
    for stage in stages.iter().skip(1) {
        bounds.extend(stage.memory_beyond(small)?);
    }
    let mut kept = Vec::new();
    for stage in &stages {
        kept.push(stage.kept().await?);
    }
    Ok(Report { is_trial: plan.quick, runs, floor_swing: None, bounds, kept })
}

fn speed(large: &Stage, small: &Stage, shape: Shape, ratios: Spread) -> Bounded {
    Bounded {
        what: format!("jumps a second, {} / {}, {shape} in flight", large.name, small.name),
        unit: " x",
        measured: ratios.median,
        limit: Limit::AtLeast(SPEED_AT_LEAST),
    }
}

/// A database on which no service runs.
struct Database {
    name: &'static str,
    data: Data,
    crowd: Arc<Crowd>,
}

impl Database {
    async fn filled(name: &'static str, filling: Filling) -> anyhow::Result<Self> {
        let Filled { data, tenants } = fill(filling).await?;
        let issuer = data.issuer().await?;
        let portals = tenants.iter().cycle().take(PORTALS.max(tenants.len()));
        let portals = portals.map(|tenant| issuer.portal(*tenant)).collect::<anyhow::Result<_>>()?;
        Ok(Self { name, data, crowd: Crowd::new(portals, filling.people()) })
    }

    /// Starts a service and ends it; gives how long the start took, in seconds.
    fn start_once(self) -> anyhow::Result<(f64, Self)> {
        let (took, data) = start_once(self.data)?;
        Ok((took, Self { data, ..self }))
    }
}

fn start_once(data: Data) -> anyhow::Result<(f64, Data)> {
    let service = Service::start(data, &[])?;
    Ok((service.started_in.as_secs_f64(), service.stop()?))
}

/// Starts all databases in turns with an empty one.
fn starts(mut databases: Vec<Database>) -> anyhow::Result<(Vec<Database>, Vec<Bounded>)> {
    // The first start makes the schema and the keys.
    let (_, mut empty) = start_once(Data::in_directory()?)?;
    let mut ratios = vec![Vec::new(); databases.len()];
    for _ in 0..STARTS {
        let (base, data) = start_once(empty)?;
        empty = data;
        let mut ended = Vec::with_capacity(databases.len());
        for (database, ratios) in databases.into_iter().zip(&mut ratios) {
            let (took, database) = database.start_once()?;
            ratios.push(took / base);
            ended.push(database);
        }
        databases = ended;
    }
    let bounded = |(database, ratios): (&Database, Vec<f64>)| {
        anyhow::Ok(Bounded {
            what: format!("time from start to serving, {} / an empty database", database.name),
            unit: " x",
            measured: Spread::of(ratios)?.median,
            limit: Limit::Below(START_BELOW),
        })
    };
    let bounds = databases.iter().zip(ratios).map(bounded).collect::<anyhow::Result<_>>()?;
    Ok((databases, bounds))
}

/// A service on a database that was filled.
struct Stage {
    name: &'static str,
    service: Service,
    jumps: Arc<Jumps>,
    crowd: Arc<Crowd>,
}

impl Stage {
    async fn start(Database { name, data, crowd }: Database) -> anyhow::Result<Self> {
        let (service, jumps) = (Service::start(data, &[])?, Jumps::of(Arc::clone(&crowd), None));
        let clients = connect(&service.grpc, INTRODUCING.connections).await?;
        slice(&clients, INTRODUCING, MOST, &Introductions::to_portals(&jumps)).await?;
        Ok(Self { name, service, jumps, crowd })
    }

    /// How much more memory it takes than the small one, now and at most so far.
    fn memory_beyond(&self, base: &Self) -> anyhow::Result<[Bounded; 2]> {
        let (now, most) = self.service.resident_kib()?;
        let (base_now, base_most) = base.service.resident_kib()?;
        let bounded = |when: &str, this: u32, that: u32| Bounded {
            what: format!("memory {when}, {} beyond {}", self.name, base.name),
            unit: " MB",
            measured: (f64::from(this) - f64::from(that)) * 1_024.0 / 1e6,
            limit: Limit::Below(MEMORY_BELOW),
        };
        Ok([bounded("after the jumps", now, base_now), bounded("at its peak", most, base_most)])
    }

    /// Checks that what was answered is stored, and nothing else.
    async fn kept(&self) -> anyhow::Result<Kept> {
        Kept::check(self.name, Stored { jumps: self.jumps.made().into(), redeemed: 0 }, self.service.stored().await?)
    }
}
