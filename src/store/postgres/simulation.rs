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
use crate::domain::provider::{ProviderScope, State};
use crate::domain::resolve::{CandidateActivation, CandidateTarget, CandidateUser};
use crate::domain::simulation::{
    Assigned, BrokerScan, CustomerScan, Firm, FirmTarget, FirmUser, Sheet, Simulated, SimulatedChange, SimulationQuery,
};
use crate::domain::tenant::TenantState;
use crate::domain::text::UserName;
use crate::store::codes::Code as _;
use crate::store::{BROKERS_AT_ONCE, MOST_ASSIGNMENTS_LOOKED_UP, SimulationStore, StoreError};

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

/// The Standard user, and those of a list.
const FEW_USERS: &str = "
SELECT
    user_id, user_name, kind, state, providers, reported_end_customer,
    sealed_secret IS NOT NULL AS has_secret,
    credential_suspect_since IS NOT NULL AS is_suspect
FROM concenter_user
WHERE tenant_id = $1
  AND kind = 'standard'
UNION
SELECT
    user_id, user_name, kind, state, providers, reported_end_customer,
    sealed_secret IS NOT NULL,
    credential_suspect_since IS NOT NULL
FROM concenter_user
WHERE tenant_id = $1
  AND user_id = ANY ($2)
";

/// All users. Of their scopes, which may be long, only whether they hold one product provider.
const ALL_USERS: &str = "
SELECT
    user_id, user_name, kind, state, reported_end_customer,
    sealed_secret IS NOT NULL AS has_secret,
    credential_suspect_since IS NOT NULL AS is_suspect,
    (providers IS NULL OR $2 = ANY (providers)) AS holds_it
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
    let cells = Cells::of(row, "customer_access");
    let private_user = cells.id_or_null("private_user_id", UserId::parse)?;
    let commercial_user = cells.id_or_null("commercial_user_id", UserId::parse)?;
    let users = match change {
        SimulatedChange::DisableProvider(provider) => all_users(tx, tenant, provider).await?,
        SimulatedChange::Standard(_)
        | SimulatedChange::SharedUser { .. }
        | SimulatedChange::EndCustomerOff(_)
        | SimulatedChange::DisableUser(_)
        | SimulatedChange::RemoveProvider { .. } => {
            few_users(tx, tenant, [change.user(), private_user, commercial_user].into_iter().flatten()).await?
        }
    };
    let providers = sqlx::query(PROVIDERS).fetch_all(&mut *tx).await?;
    let targets = sqlx::query(TARGETS).fetch_all(tx).await?;
    Ok(Some(Firm {
        tenant: cells.code::<TenantState>("tenant_state")?,
        users,
        private_user,
        commercial_user,
        commercial_falls_back: cells.plain("commercial_falls_back")?,
        providers: providers.iter().map(provider_of).collect::<Step<BTreeMap<_, _>>>()?,
        targets: targets.iter().map(firm_target_of).collect::<Step<_>>()?,
        user_is_activated: cells.plain("user_is_activated")?,
        user_is_owned: cells.plain("user_is_owned")?,
    }))
}

async fn few_users(
    tx: &mut PgConnection,
    tenant: &TenantId,
    listed: impl Iterator<Item = UserId>,
) -> Step<HashMap<UserId, FirmUser>> {
    let listed: Vec<_> = listed.map(|user| uuid(user.as_bytes())).collect();
    let rows = sqlx::query(FEW_USERS).bind(uuid(tenant.as_bytes())).bind(listed).fetch_all(tx).await?;
    let users = rows.iter().map(|row| {
        let seen = user_of(row)?;
        Ok((seen.user_id, FirmUser { name: name_of(row)?, seen }))
    });
    users.collect()
}

async fn all_users(tx: &mut PgConnection, tenant: &TenantId, provider: &ProviderId) -> Step<HashMap<UserId, FirmUser>> {
    let rows = sqlx::query(ALL_USERS).bind(uuid(tenant.as_bytes())).bind(provider.as_str()).fetch_all(tx).await?;
    let users = rows.iter().map(|row| {
        let cells = Cells::of(row, "concenter_user");
        let seen = CandidateUser {
            user_id: cells.id("user_id", UserId::parse)?,
            kind: cells.code("kind")?,
            state: cells.code("state")?,
            has_secret: cells.plain("has_secret")?,
            is_suspect: cells.plain("is_suspect")?,
            scope: ProviderScope::of_one(cells.plain("holds_it")?),
            reported_end_customer: cells.plain("reported_end_customer")?,
        };
        Ok((seen.user_id, FirmUser { name: name_of(row)?, seen }))
    });
    users.collect()
}

fn name_of(row: &PgRow) -> Step<UserName> {
    Cells::of(row, "concenter_user").parsed("user_name", UserName::parse)
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

/// In two parts: there are many who have no own user, and no groups are made of them, which would take half as long again.
pub(super) const COUNT_CUSTOMERS: &str = "
SELECT s.segment, NULL::UUID AS user_id, s.customers
FROM (
    SELECT
        count(*) FILTER (WHERE segment = 'private') AS private,
        count(*) FILTER (WHERE segment = 'commercial') AS commercial
    FROM customer
    WHERE tenant_id = $1
      AND user_id IS NULL
) AS n
CROSS JOIN LATERAL (VALUES ('private', n.private), ('commercial', n.commercial)) AS s (segment, customers)
UNION ALL
SELECT NULL, user_id, count(*)
FROM customer
WHERE tenant_id = $1
  AND user_id IS NOT NULL
GROUP BY user_id
";

/// Counts everybody. The number of rows is that of the users at most, and two.
async fn count(tx: &mut PgConnection, tenant: &TenantId, sheet: &mut Sheet) -> Step<()> {
    let brokers: i64 = sqlx::query_scalar(COUNT_BROKERS).bind(uuid(tenant.as_bytes())).fetch_one(&mut *tx).await?;
    sheet.count_brokers(u64::try_from(brokers).unwrap_or_default());
    let groups = sqlx::query(COUNT_CUSTOMERS).bind(uuid(tenant.as_bytes())).fetch_all(tx).await?;
    for row in &groups {
        let cells = Cells::of(row, "customer");
        let customers: i64 = cells.plain("customers")?;
        sheet.count_customers(&assigned(cells)?, u64::try_from(customers).unwrap_or_default());
    }
    Ok(())
}

/// How a customer is assigned.
fn assigned(cells: Cells<'_>) -> Step<Assigned<'static>> {
    match cells.id_or_null("user_id", UserId::parse)? {
        Some(own) => Ok(Assigned::Own(own)),
        None => Ok(Assigned::Shared(cells.code("segment")?)),
    }
}

/// Each broker of a subquery with all of his activations. Looked up one by one, whatever is known of how many there are: OFFSET 0
/// keeps the lookups as they stand here.
macro_rules! with_activations {
    ($brokers:literal) => {
        concat!(
            "
            SELECT n.broker_id, a.activation_id, a.state, a.user_id
            FROM (
            ",
            $brokers,
            "
            ) AS n
            CROSS JOIN LATERAL (
                SELECT activation_id
                FROM activation_broker
                WHERE tenant_id = $1
                  AND broker_id = n.broker_id
                OFFSET 0
            ) AS b
            CROSS JOIN LATERAL (
                SELECT activation_id, state, user_id
                FROM broker_activation
                WHERE tenant_id = $1
                  AND activation_id = b.activation_id
                OFFSET 0
            ) AS a
            ORDER BY n.broker_id
            "
        )
    };
}

/// The next brokers behind one.
const BROKERS: &str = with_activations!(
    "
    SELECT DISTINCT broker_id
    FROM activation_broker
    WHERE tenant_id = $1
      AND broker_id > $2
    ORDER BY broker_id
    LIMIT $3::BIGINT
    "
);

/// The next ones behind one who are in an activation with one of some users.
const BROKERS_OF_USERS: &str = with_activations!(
    "
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
    "
);

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

/// The next customers of a segment behind one who have no own user.
const CUSTOMERS_OF_NONE: &str = "
SELECT customer_id
FROM customer
WHERE tenant_id = $1
  AND user_id IS NULL
  AND segment = $2
  AND customer_id > $3
ORDER BY customer_id
LIMIT $4
";

/// The next customers behind one whose own user is one.
const CUSTOMERS_OF_USER: &str = "
SELECT customer_id
FROM customer
WHERE tenant_id = $1
  AND user_id = $2
  AND customer_id > $3
ORDER BY customer_id
LIMIT $4
";

/// The next customers behind one who are assigned in one of many ways.
const CUSTOMERS: &str = "
SELECT customer_id, segment, user_id
FROM customer
WHERE tenant_id = $1
  AND customer_id > $2
  AND CASE
      WHEN user_id IS NULL THEN segment = ANY ($3)
      ELSE user_id IN (SELECT unnest($4::UUID[]))
  END
ORDER BY customer_id
LIMIT $5
";

/// Hands over the next customers, however few of all they are.
async fn read_customers(tx: &mut PgConnection, tenant: &TenantId, scan: &CustomerScan, sheet: &mut Sheet) -> Step<()> {
    if scan.without_user.len() + scan.with_user.len() > MOST_ASSIGNMENTS_LOOKED_UP {
        return search_customers(tx, tenant, scan, sheet).await;
    }
    let without_user = scan.without_user.iter().map(|segment| Assigned::Shared(*segment));
    let with_user = scan.with_user.iter().map(|own| Assigned::Own(*own));
    let mut next = Vec::new();
    for assigned in without_user.chain(with_user) {
        let looked_up = match assigned {
            Assigned::Own(own) => {
                sqlx::query(CUSTOMERS_OF_USER).bind(uuid(tenant.as_bytes())).bind(uuid(own.as_bytes()))
            }
            Assigned::Shared(segment) => {
                sqlx::query(CUSTOMERS_OF_NONE).bind(uuid(tenant.as_bytes())).bind(segment.code())
            }
            Assigned::Broker(_) => continue,
        };
        let behind = scan.after.as_ref().map_or("", CustomerId::as_str);
        for row in &looked_up.bind(behind).bind(i64::from(scan.most)).fetch_all(&mut *tx).await? {
            next.push((Cells::of(row, "customer").parsed("customer_id", CustomerId::parse)?, assigned));
        }
        next.sort_unstable_by(|(one, _), (other, _)| CustomerId::cmp(one, other));
        next.truncate(usize::try_from(scan.most).unwrap_or(usize::MAX));
    }
    for (customer, assigned) in next {
        sheet.customer(customer, &assigned);
    }
    Ok(())
}

/// The same, by a walk through all customers of the tenant until there are enough.
async fn search_customers(
    tx: &mut PgConnection,
    tenant: &TenantId,
    scan: &CustomerScan,
    sheet: &mut Sheet,
) -> Step<()> {
    let without_user: Vec<_> = scan.without_user.iter().map(|segment| segment.code()).collect();
    let with_user: Vec<_> = scan.with_user.iter().map(|user| uuid(user.as_bytes())).collect();
    let rows = sqlx::query(CUSTOMERS)
        .bind(uuid(tenant.as_bytes()))
        .bind(scan.after.as_ref().map_or("", CustomerId::as_str))
        .bind(without_user)
        .bind(with_user)
        .bind(i64::from(scan.most))
        .fetch_all(tx)
        .await?;
    for row in &rows {
        let cells = Cells::of(row, "customer");
        sheet.customer(cells.parsed("customer_id", CustomerId::parse)?, &assigned(cells)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::plans::assert_plan;
    use super::*;

    #[tokio::test]
    async fn customers_are_looked_up_by_how_they_are_assigned() {
        assert_plan(CUSTOMERS_OF_NONE, &["customer (customer_id >, segment =, tenant_id =)"]).await;
        assert_plan(CUSTOMERS_OF_USER, &["customer (customer_id >, tenant_id =, user_id =)"]).await;
    }

    #[tokio::test]
    async fn brokers_are_read_in_the_order_of_a_key_and_their_activations_looked_up() {
        let his = "activation_broker (broker_id =, tenant_id =)";
        let activation = "broker_activation (activation_id =, tenant_id =)";
        assert_plan(BROKERS, &["activation_broker (broker_id >, tenant_id =)", his, activation]).await;
    }
}
