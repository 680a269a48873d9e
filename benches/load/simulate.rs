//! What thinking a change through costs with a million customers, beside counting them once in the same database.

use std::time::Duration;

use anyhow::Context as _;
use concenter_gateway::domain::ids::TenantId;
use concenter_gateway::proto::admin::v1::ListTenantsRequest;
use concenter_gateway::proto::admin::v1::tenant_service_client::TenantServiceClient;
use concenter_gateway::proto::v1::simulate_change_request::Change;
use concenter_gateway::proto::v1::user_service_client::UserServiceClient;
use concenter_gateway::proto::v1::{ListUsersRequest, SimulateChangeRequest, UserKind};
use tokio::time::Instant;
use tonic::metadata::AsciiMetadataValue;

use super::Plan;
use super::data::Data;
use super::figures::{Bounded, Limit, Report, Spread, Verdict};
use super::firm::{self, PROVIDER, Size, by};
use super::postgres::{self, PostgresServer};
use super::service::{Service, connect, connect_channel};

/// A firm with a million customers.
const FIRM: Size = Size { firms: 1, activations: 100, customers: 1_000_000 };
/// The same for a trial, in small.
const TRIAL: Size = Size { firms: 1, activations: 2, customers: 3_000 };
/// Users of whom each is the own one of as many customers.
const OWN_USERS: u32 = 1_000;
/// The same for a trial.
const TRIAL_OWN_USERS: u32 = 10;
/// How long a call may take at most, as a ratio to counting once.
const COUNTS_BELOW: f64 = 3.0;
/// By how many megabytes the memory may grow.
const MEMORY_BELOW: f64 = 100.0;
/// More than any run takes: one that hangs ends.
pub(crate) const MOST: Duration = Duration::from_mins(40);

/// Measures, prints, and judges.
pub(crate) async fn measure(plan: Plan) -> anyhow::Result<Verdict> {
    run(&plan).await?.tell(plan.json)
}

async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let mut bounds = on_store(plan, "sqlite", Data::in_directory()?).await?;
    if !plan.without_postgres {
        match PostgresServer::start() {
            Ok(server) => {
                let data = Data::in_postgres(server.database(postgres::GROUPED).await?)?;
                bounds.extend(on_store(plan, "postgres", data).await?);
            }
            Err(reason) => eprintln!("PostgreSQL is left out: {reason:#}"),
        }
    }
    Ok(Report { is_trial: plan.quick, runs: Vec::new(), floor_swing: None, bounds, kept: Vec::new() })
}

/// A firm whose customers were put.
struct Firm {
    tenant: TenantId,
    admin: AsciiMetadataValue,
    /// The user that all private customers share.
    shared: String,
    /// The user that one commercial customer has, behind all others.
    of_the_last: String,
}

/// A change, and how many customers lose their user by it.
struct Case {
    what: &'static str,
    change: Change,
    lost: u32,
}

async fn on_store(plan: &Plan, store: &str, data: Data) -> anyhow::Result<Vec<Bounded>> {
    let size = if plan.quick { TRIAL } else { FIRM };
    let own_users = if plan.quick { TRIAL_OWN_USERS } else { OWN_USERS };
    eprintln!("{store}: {} customers are put. That takes a while.", size.customers);
    let service = Service::start(data, &[])?;
    let firm = set_up(&service, size).await?;
    let all = size.customers + 1;
    let mut bounds = Vec::new();

    // Everybody differs; nobody but brokers is read one by one; and one differs, behind all others.
    let disabled = |user: &String| Change::DisableUserId(user.clone());
    let no_provider = || Change::DisableProductProviderId(PROVIDER.to_owned());
    let cases = [
        Case { what: "a shared user is disabled", change: disabled(&firm.shared), lost: size.customers },
        Case { what: "a provider is disabled", change: no_provider(), lost: all },
        Case { what: "the user of the last customer is disabled", change: disabled(&firm.of_the_last), lost: 1 },
    ];
    let data = measure_cases(plan, store, service.stop()?, &firm, &cases, &mut bounds).await?;

    eprintln!("{store}: each of them gets one of {own_users} users of their own.");
    let service = Service::start(data, &[])?;
    let mut own = String::new();
    for number in 0..own_users {
        let channel = connect_channel(&service.grpc).await?;
        own = firm::new_user_of_customers(channel, &firm.admin, format!("eigener.{number}")).await?;
    }
    let data = service.stop()?;
    data.give_own_users(firm.tenant).await?;
    let cases = [
        Case { what: "an own user is disabled", change: disabled(&own), lost: size.customers / own_users },
        Case { what: "a provider is disabled, with own users", change: no_provider(), lost: all },
        Case {
            what: "the user of the last customer is disabled, with own users",
            change: disabled(&firm.of_the_last),
            lost: 1,
        },
    ];
    measure_cases(plan, store, data, &firm, &cases, &mut bounds).await?;
    Ok(bounds)
}

async fn set_up(service: &Service, size: Size) -> anyhow::Result<Firm> {
    firm::set_up(service, size).await?;
    let issuer = service.data().issuer().await?;
    let channel = connect_channel(&service.grpc).await?;
    let mut tenants = TenantServiceClient::new(channel.clone());
    let listed = tenants.list_tenants(by(&issuer.operator()?, ListTenantsRequest::default())).await?.into_inner();
    let tenant = TenantId::parse(&listed.tenants.first().context("a tenant")?.tenant_id)?;
    let (admin, portal) = (issuer.admin(tenant)?, issuer.portal(tenant)?);
    let users = UserServiceClient::new(channel.clone())
        .list_users(by(&admin, ListUsersRequest { page_size: 500, ..Default::default() }))
        .await?
        .into_inner();
    let shared = users.users.iter().find(|user| user.kind() == UserKind::EndCustomer).context("a shared user")?;
    let of_the_last = firm::set_up_last_customer(channel, &admin, &portal).await?;
    service.data().settle().await?;
    Ok(Firm { tenant, admin, shared: shared.user_id.clone(), of_the_last })
}

/// Measures each case on a service that was started for it: what it took to write the customers must not hide what it takes to
/// think about them.
async fn measure_cases(
    plan: &Plan,
    store: &str,
    mut data: Data,
    firm: &Firm,
    cases: &[Case],
    bounds: &mut Vec<Bounded>,
) -> anyhow::Result<Data> {
    for Case { what, change, lost } in cases {
        let service = Service::start(data, &[])?;
        let mut counter = service.data().counter(firm.tenant).await?;
        let mut client = connect(&service.grpc, 1).await?.pop().context("a connection")?;
        let (before, _) = service.resident_kib()?;
        let mut ratios = Vec::new();
        for round in 0..=plan.rounds {
            let begun = Instant::now();
            counter.count().await?;
            let counted = begun.elapsed();
            let begun = Instant::now();
            let request = SimulateChangeRequest { change: Some(change.clone()), page_size: 500, ..Default::default() };
            let told = client.simulate_change(by(&firm.admin, request)).await?.into_inner();
            let simulated = begun.elapsed();
            let seen = told.customers.map(|counts| counts.loses_user);
            anyhow::ensure!(seen == Some(i64::from(*lost)), "{what}: {lost} lose their user, but {seen:?}");
            // The first round warms up.
            if round > 0 {
                ratios.push(simulated.as_secs_f64() / counted.as_secs_f64());
            }
        }
        let (_, most) = service.resident_kib()?;
        bounds.push(Bounded {
            what: format!("{store}: {what}, beside counting all customers once"),
            unit: " x",
            measured: Spread::of(ratios)?.median,
            limit: Limit::Below(COUNTS_BELOW),
        });
        bounds.push(Bounded {
            what: format!("{store}: {what}, memory beyond that of a service that has just begun"),
            unit: " MB",
            measured: f64::from(most.saturating_sub(before)) * 1_024.0 / 1e6,
            limit: Limit::Below(MEMORY_BELOW),
        });
        drop(client);
        data = service.stop()?;
    }
    Ok(data)
}
