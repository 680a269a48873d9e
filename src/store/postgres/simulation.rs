//! What a change would do to the people of a tenant: reads, and nothing else.
//!
//! All of a call sees one moment. Brokers come in chunks and customers counted or a page at a time, so that what is held in
//! memory does not grow with their number.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};

use super::PostgresStore;
use super::catalog::target_of;
use super::error::Step;
use super::questions::user_of;
use super::row::{Cells, uuid};
use super::session::Rows;
use crate::domain::ids::{ActivationId, BrokerId, CustomerId, ProviderId, TenantId, UserId};
use crate::domain::provider::State;
use crate::domain::resolve::{CandidateActivation, CandidateTarget};
use crate::domain::simulation::{
    BrokerScan, CustomerScan, Firm, FirmTarget, Sheet, Simulated, SimulatedChange, SimulationQuery,
};
use crate::domain::tenant::TenantState;
use crate::domain::text::UserName;
use crate::store::codes::Code as _;
use crate::store::{BROKERS_AT_ONCE, SimulationStore, StoreError};

#[async_trait]
impl SimulationStore for PostgresStore {
    async fn simulate_change(
        &self,
        tenant: &TenantId,
        query: &SimulationQuery,
    ) -> Result<Option<Simulated>, StoreError> {
        let (tenant, query) = (*tenant, query.clone());
        self.read(Rows::of(&tenant), move |tx| Box::pin(async move { simulate(tx, &tenant, &query).await })).await
    }
}

async fn simulate(tx: &mut PgConnection, tenant: &TenantId, query: &SimulationQuery) -> Step<Option<Simulated>> {
    let Some(firm) = firm(tx, tenant, &query.change).await? else {
        return Ok(None);
    };
    let Some(mut sheet) = Sheet::begin(firm, query) else {
        return Ok(Some(Simulated::NotFound));
    };
    if sheet.counts_people() {
        count(tx, tenant, &mut sheet).await?;
    }
    if let Some(scan) = sheet.brokers() {
        read_brokers(tx, tenant, scan, &mut sheet).await?;
    }
    if let Some(scan) = sheet.customers() {
        read_customers(tx, tenant, &scan, &mut sheet).await?;
    }
    Ok(Some(Simulated::Done(Box::new(sheet.finish()))))
}

const FIRM: &str = "
SELECT
    t.state AS tenant_state,
    a.private_user_id,
    a.commercial_user_id,
    a.commercial_falls_back,
    EXISTS (
        SELECT 1
        FROM broker_activation AS b
        WHERE b.tenant_id = t.tenant_id
          AND b.user_id = $2
    ) AS user_is_activated,
    EXISTS (
        SELECT 1
        FROM customer AS c
        WHERE c.tenant_id = t.tenant_id
          AND c.user_id = $2
    ) AS user_is_owned
FROM tenant AS t
JOIN customer_access AS a ON a.tenant_id = t.tenant_id
WHERE t.tenant_id = $1
  AND t.deleted_at IS NULL
";

const USERS: &str = "
SELECT
    user_id, user_name, kind, state, providers, reported_end_customer,
    sealed_secret IS NOT NULL AS has_secret,
    credential_suspect_since IS NOT NULL AS is_suspect
FROM concenter_user
WHERE tenant_id = $1
";

const PROVIDERS: &str = "
SELECT provider_id, state
FROM product_provider
ORDER BY provider_id
";

pub(super) const TARGETS: &str = "
SELECT g.*, p.state AS provider_state
FROM target AS g
JOIN product_provider AS p ON p.provider_id = g.provider_id
ORDER BY g.target_id
";

/// Reads the tenant; `None` if there is none, or if it is deleted.
async fn firm(tx: &mut PgConnection, tenant: &TenantId, change: &SimulatedChange) -> Step<Option<Firm>> {
    let named = change.user().map(|user| uuid(user.as_bytes()));
    let row = sqlx::query(FIRM).bind(uuid(tenant.as_bytes())).bind(named).fetch_optional(&mut *tx).await?;
    let Some(row) = &row else {
        return Ok(None);
    };
    let users = sqlx::query(USERS).bind(uuid(tenant.as_bytes())).fetch_all(&mut *tx).await?;
    let names = users.iter().map(name_of).collect::<Step<HashMap<_, _>>>()?;
    let users = users.iter().map(|row| user_of(row).map(|user| (user.user_id, user)));
    let providers = sqlx::query(PROVIDERS).fetch_all(&mut *tx).await?;
    let targets = sqlx::query(TARGETS).fetch_all(tx).await?;
    let cells = Cells::of(row, "customer_access");
    Ok(Some(Firm {
        tenant: cells.code::<TenantState>("tenant_state")?,
        users: users.collect::<Step<HashMap<_, _>>>()?,
        names,
        private_user: cells.id_or_null("private_user_id", UserId::parse)?,
        commercial_user: cells.id_or_null("commercial_user_id", UserId::parse)?,
        commercial_falls_back: cells.plain("commercial_falls_back")?,
        providers: providers.iter().map(provider_of).collect::<Step<BTreeMap<_, _>>>()?,
        targets: targets.iter().map(firm_target_of).collect::<Step<_>>()?,
        user_is_activated: cells.plain("user_is_activated")?,
        user_is_owned: cells.plain("user_is_owned")?,
    }))
}

fn name_of(row: &PgRow) -> Step<(UserId, UserName)> {
    let cells = Cells::of(row, "concenter_user");
    Ok((cells.id("user_id", UserId::parse)?, cells.parsed("user_name", UserName::parse)?))
}

fn provider_of(row: &PgRow) -> Step<(ProviderId, State)> {
    let cells = Cells::of(row, "product_provider");
    Ok((cells.parsed("provider_id", ProviderId::parse)?, cells.code("state")?))
}

/// Reads a target from a row of [`TARGETS`].
pub(super) fn firm_target_of(row: &PgRow) -> Step<FirmTarget> {
    let target = target_of(row)?;
    let seen = CandidateTarget::of(&target, Cells::of(row, "product_provider").code("provider_state")?);
    Ok(FirmTarget { target_id: target.target_id, seen })
}

const COUNT_BROKERS: &str = "
SELECT count(DISTINCT broker_id)
FROM activation_broker
WHERE tenant_id = $1
";

pub(super) const COUNT_CUSTOMERS: &str = "
SELECT segment, user_id, count(*) AS customers
FROM customer
WHERE tenant_id = $1
GROUP BY segment, user_id
";

/// Counts everybody. The number of rows is that of the users at most twice, and two.
async fn count(tx: &mut PgConnection, tenant: &TenantId, sheet: &mut Sheet) -> Step<()> {
    let brokers: i64 = sqlx::query_scalar(COUNT_BROKERS).bind(uuid(tenant.as_bytes())).fetch_one(&mut *tx).await?;
    sheet.count_brokers(u64::try_from(brokers).unwrap_or_default());
    let groups = sqlx::query(COUNT_CUSTOMERS).bind(uuid(tenant.as_bytes())).fetch_all(tx).await?;
    for row in &groups {
        let cells = Cells::of(row, "customer");
        let customers: i64 = cells.plain("customers")?;
        let own_user = cells.id_or_null("user_id", UserId::parse)?;
        sheet.count_customers(cells.code("segment")?, own_user, u64::try_from(customers).unwrap_or_default());
    }
    Ok(())
}

/// The next brokers behind one, each with all of his activations.
const BROKERS: &str = "
SELECT b.broker_id, a.activation_id, a.state, a.user_id
FROM (
    SELECT DISTINCT broker_id
    FROM activation_broker
    WHERE tenant_id = $1
      AND broker_id > $2
    ORDER BY broker_id
    LIMIT $3::BIGINT
) AS n
JOIN activation_broker AS b
    ON b.tenant_id = $1
    AND b.broker_id = n.broker_id
JOIN broker_activation AS a
    ON a.tenant_id = b.tenant_id
    AND a.activation_id = b.activation_id
ORDER BY b.broker_id
";

/// The same of those in an activation with one of some users.
const BROKERS_OF_USERS: &str = "
SELECT b.broker_id, a.activation_id, a.state, a.user_id
FROM (
    SELECT DISTINCT m.broker_id
    FROM broker_activation AS u
    JOIN activation_broker AS m
        ON m.tenant_id = u.tenant_id
        AND m.activation_id = u.activation_id
        AND m.broker_id > $2
    WHERE u.tenant_id = $1
      AND u.user_id = ANY ($4)
    ORDER BY m.broker_id
    LIMIT $3::BIGINT
) AS n
JOIN activation_broker AS b
    ON b.tenant_id = $1
    AND b.broker_id = n.broker_id
JOIN broker_activation AS a
    ON a.tenant_id = b.tenant_id
    AND a.activation_id = b.activation_id
ORDER BY b.broker_id
";

async fn read_brokers(tx: &mut PgConnection, tenant: &TenantId, scan: BrokerScan, sheet: &mut Sheet) -> Step<()> {
    let BrokerScan { with_users, after } = scan;
    let statement = if with_users.is_some() { BROKERS_OF_USERS } else { BROKERS };
    let users: Option<Vec<_>> = with_users.map(|users| users.iter().map(|user| uuid(user.as_bytes())).collect());
    let mut after = after.map(|broker| broker.to_string()).unwrap_or_default();
    loop {
        let chunk = sqlx::query(statement).bind(uuid(tenant.as_bytes())).bind(&after).bind(i64::from(BROKERS_AT_ONCE));
        let chunk = match &users {
            Some(users) => chunk.bind(users.as_slice()),
            None => chunk,
        };
        let rows = chunk.fetch_all(&mut *tx).await?;
        let rows = rows.iter().map(broker_of).collect::<Step<Vec<_>>>()?;
        let mut brokers: u32 = 0;
        for of_one in rows.chunk_by(|(one, _), (other, _)| one == other) {
            let Some((broker, _)) = of_one.first() else { continue };
            brokers += 1;
            let activations: Vec<_> = of_one.iter().map(|(_, activation)| *activation).collect();
            if sheet.broker(broker.clone(), &activations).is_break() {
                return Ok(());
            }
        }
        match rows.last() {
            Some((last, _)) if brokers == BROKERS_AT_ONCE => after = last.to_string(),
            Some(_) | None => return Ok(()),
        }
    }
}

fn broker_of(row: &PgRow) -> Step<(BrokerId, CandidateActivation)> {
    let cells = Cells::of(row, "broker_activation");
    let activation = CandidateActivation {
        activation_id: cells.id("activation_id", ActivationId::parse)?,
        user_id: cells.id("user_id", UserId::parse)?,
        state: cells.code("state")?,
    };
    Ok((cells.parsed("broker_id", BrokerId::parse)?, activation))
}

/// The next customers behind one who are assigned in one of some ways.
const CUSTOMERS: &str = "
SELECT customer_id, segment, user_id
FROM customer
WHERE tenant_id = $1
  AND customer_id > $2
  AND CASE
      WHEN user_id IS NULL THEN segment = ANY ($3)
      ELSE (segment, user_id) IN (SELECT * FROM unnest($4::TEXT[], $5::UUID[]))
  END
ORDER BY customer_id
LIMIT $6
";

async fn read_customers(tx: &mut PgConnection, tenant: &TenantId, scan: &CustomerScan, sheet: &mut Sheet) -> Step<()> {
    let without_user: Vec<_> = scan.without_user.iter().map(|segment| segment.code()).collect();
    let (segments, users): (Vec<_>, Vec<_>) =
        scan.with_user.iter().map(|(segment, user)| (segment.code(), uuid(user.as_bytes()))).unzip();
    let rows = sqlx::query(CUSTOMERS)
        .bind(uuid(tenant.as_bytes()))
        .bind(scan.after.as_ref().map_or("", CustomerId::as_str))
        .bind(without_user)
        .bind(segments)
        .bind(users)
        .bind(i64::from(scan.most))
        .fetch_all(tx)
        .await?;
    for row in &rows {
        let cells = Cells::of(row, "customer");
        let own_user = cells.id_or_null("user_id", UserId::parse)?;
        sheet.customer(cells.parsed("customer_id", CustomerId::parse)?, cells.code("segment")?, own_user);
    }
    Ok(())
}
