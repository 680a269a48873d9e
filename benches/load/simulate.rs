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
/// How long a call may take at most, as a ratio to counting once.
const COUNTS_BELOW: f64 = 3.0;
/// By how many megabytes the memory may grow.
const MEMORY_BELOW: f64 = 100.0;
/// More than any run takes: one that hangs ends.
pub(crate) const MOST: Duration = Duration::from_mins(20);

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

async fn on_store(plan: &Plan, store: &str, data: Data) -> anyhow::Result<Vec<Bounded>> {
    let size = if plan.quick { TRIAL } else { FIRM };
    eprintln!("{store}: {} customers are put. That takes a while.", size.customers);
    let service = Service::start(data, &[])?;
    firm::set_up(&service, size).await?;
    let issuer = service.data().issuer().await?;
    let channel = connect_channel(&service.grpc).await?;
    let mut tenants = TenantServiceClient::new(channel.clone());
    let listed = tenants.list_tenants(by(&issuer.operator()?, ListTenantsRequest::default())).await?.into_inner();
    let tenant = TenantId::parse(&listed.tenants.first().context("a tenant")?.tenant_id)?;
    let admin = issuer.admin(tenant)?;
    let users = UserServiceClient::new(channel)
        .list_users(by(&admin, ListUsersRequest { page_size: 500, ..Default::default() }))
        .await?
        .into_inner();
    let shared = users.users.iter().find(|user| user.kind() == UserKind::EndCustomer).context("a shared user")?;

    let mut client = connect(&service.grpc, 1).await?.pop().context("a connection")?;
    let (_, before) = service.resident_kib()?;
    let mut bounds = Vec::new();
    // All customers differ; and nobody but brokers is read, all of them.
    for (what, change) in [
        ("a shared user is disabled", Change::DisableUserId(shared.user_id.clone())),
        ("a provider is disabled", Change::DisableProductProviderId(PROVIDER.to_owned())),
    ] {
        let mut ratios = Vec::new();
        for round in 0..=plan.rounds {
            let begun = Instant::now();
            service.data().count_customers(tenant).await?;
            let counted = begun.elapsed();
            let begun = Instant::now();
            let request = SimulateChangeRequest { change: Some(change.clone()), page_size: 500, ..Default::default() };
            let told = client.simulate_change(by(&admin, request)).await?.into_inner();
            let simulated = begun.elapsed();
            let lost = told.customers.map(|counts| counts.loses_user);
            anyhow::ensure!(lost == Some(i64::from(size.customers)), "everybody loses his user, but {lost:?}");
            // The first round warms up.
            if round > 0 {
                ratios.push(simulated.as_secs_f64() / counted.as_secs_f64());
            }
        }
        bounds.push(Bounded {
            what: format!("{store}: {what}, beside counting all customers once"),
            unit: " x",
            measured: Spread::of(ratios)?.median,
            limit: Limit::Below(COUNTS_BELOW),
        });
    }
    let (_, most) = service.resident_kib()?;
    bounds.push(Bounded {
        what: format!("{store}: memory beyond what putting the customers took"),
        unit: " MB",
        measured: f64::from(most.saturating_sub(before)) * 1_024.0 / 1e6,
        limit: Limit::Below(MEMORY_BELOW),
    });
    Ok(bounds)
}
