//! What a change would do to the people of a tenant: reads, and nothing else.
//!
//! All of a call sees one moment. Brokers come in chunks and customers counted or a page at a time, so that what is held in
//! memory does not grow with their number.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, SqliteConnection};

use super::SqliteStore;
use super::catalog::target_of;
use super::error::{Failure, Step};
use super::questions::user_of;
use super::row::Cells;
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
impl SimulationStore for SqliteStore {
    async fn simulate_change(
        &self,
        tenant: &TenantId,
        query: &SimulationQuery,
    ) -> Result<Option<Simulated>, StoreError> {
        let mut reader = self.readers().acquire().await.map_err(Failure::from)?;
        let mut snapshot = reader.begin().await.map_err(Failure::from)?;
        let simulated = simulate(&mut snapshot, tenant, query).await?;
        snapshot.rollback().await.map_err(Failure::from)?;
        Ok(simulated)
    }
}

async fn simulate(
    snapshot: &mut SqliteConnection,
    tenant: &TenantId,
    query: &SimulationQuery,
) -> Step<Option<Simulated>> {
    let Some(firm) = firm(snapshot, tenant, &query.change).await? else {
        return Ok(None);
    };
    let Some(mut sheet) = Sheet::begin(firm, query) else {
        return Ok(Some(Simulated::NotFound));
    };
    if sheet.counts_people() {
        count(snapshot, tenant, &mut sheet).await?;
    }
    if let Some(scan) = sheet.brokers() {
        read_brokers(snapshot, tenant, scan, &mut sheet).await?;
    }
    if let Some(scan) = sheet.customers() {
        read_customers(snapshot, tenant, &scan, &mut sheet).await?;
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
          AND b.user_id = ?2
    ) AS user_is_activated,
    EXISTS (
        SELECT 1
        FROM customer AS c
        WHERE c.tenant_id = t.tenant_id
          AND c.user_id = ?2
          -- Always so; it stands in the index before the tenant.
          AND c.user_kind = 'end_customer'
    ) AS user_is_owned
FROM tenant AS t
CROSS JOIN customer_access AS a ON a.tenant_id = t.tenant_id
WHERE t.tenant_id = ?1
  AND t.deleted_at IS NULL
";

/// The Standard user, and those of a list.
const FEW_USERS: &str = "
SELECT
    user_id, user_name, kind, state, providers, reported_end_customer,
    sealed_secret IS NOT NULL AS has_secret,
    credential_suspect_since IS NOT NULL AS is_suspect
FROM concenter_user
WHERE tenant_id = ?1
  AND kind = 'standard'
UNION
SELECT
    u.user_id, u.user_name, u.kind, u.state, u.providers, u.reported_end_customer,
    u.sealed_secret IS NOT NULL,
    u.credential_suspect_since IS NOT NULL
FROM json_each(?2) AS q
CROSS JOIN concenter_user AS u
    ON u.tenant_id = ?1
    AND u.user_id = q.value
";

/// All users. Of their scopes, which may be long, only whether they hold one product provider.
const ALL_USERS: &str = "
SELECT
    user_id, user_name, kind, state, reported_end_customer,
    sealed_secret IS NOT NULL AS has_secret,
    credential_suspect_since IS NOT NULL AS is_suspect,
    providers IS NULL OR EXISTS (SELECT 1 FROM json_each(providers) AS p WHERE p.value = ?2) AS holds_it
FROM concenter_user
WHERE tenant_id = ?1
";

const PROVIDERS: &str = "
SELECT provider_id, state
FROM product_provider
ORDER BY provider_id
";

pub(super) const TARGETS: &str = "
SELECT g.*, p.state AS provider_state
FROM target AS g
CROSS JOIN product_provider AS p ON p.provider_id = g.provider_id
ORDER BY g.target_id
";

/// Reads the tenant; `None` if there is none, or if it is deleted.
async fn firm(snapshot: &mut SqliteConnection, tenant: &TenantId, change: &SimulatedChange) -> Step<Option<Firm>> {
    let named = change.user().map(|user| user.to_string());
    let row = sqlx::query(FIRM).bind(tenant.to_string()).bind(named).fetch_optional(&mut *snapshot).await?;
    let Some(row) = &row else {
        return Ok(None);
    };
    let cells = Cells::of(row, "customer_access");
    let private_user = cells.parsed_or_null("private_user_id", UserId::parse)?;
    let commercial_user = cells.parsed_or_null("commercial_user_id", UserId::parse)?;
    let users = match change {
        SimulatedChange::DisableProvider(provider) => all_users(snapshot, tenant, provider).await?,
        SimulatedChange::Standard(_)
        | SimulatedChange::SharedUser { .. }
        | SimulatedChange::EndCustomerOff(_)
        | SimulatedChange::DisableUser(_)
        | SimulatedChange::RemoveProvider { .. } => {
            few_users(snapshot, tenant, [change.user(), private_user, commercial_user].into_iter().flatten()).await?
        }
    };
    let providers = sqlx::query(PROVIDERS).fetch_all(&mut *snapshot).await?;
    let targets = sqlx::query(TARGETS).fetch_all(snapshot).await?;
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
    snapshot: &mut SqliteConnection,
    tenant: &TenantId,
    listed: impl Iterator<Item = UserId>,
) -> Step<HashMap<UserId, FirmUser>> {
    let listed: Vec<_> = listed.map(|user| user.to_string()).collect();
    let rows = sqlx::query(FEW_USERS)
        .bind(tenant.to_string())
        .bind(serde_json::to_string(&listed)?)
        .fetch_all(snapshot)
        .await?;
    let users = rows.iter().map(|row| {
        let seen = user_of(row)?;
        Ok((seen.user_id, FirmUser { name: name_of(row)?, seen }))
    });
    users.collect()
}

async fn all_users(
    snapshot: &mut SqliteConnection,
    tenant: &TenantId,
    provider: &ProviderId,
) -> Step<HashMap<UserId, FirmUser>> {
    let rows = sqlx::query(ALL_USERS).bind(tenant.to_string()).bind(provider.as_str()).fetch_all(snapshot).await?;
    let users = rows.iter().map(|row| {
        let cells = Cells::of(row, "concenter_user");
        let seen = CandidateUser {
            user_id: cells.parsed("user_id", UserId::parse)?,
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

fn name_of(row: &SqliteRow) -> Step<UserName> {
    Cells::of(row, "concenter_user").parsed("user_name", UserName::parse)
}

fn provider_of(row: &SqliteRow) -> Step<(ProviderId, State)> {
    let cells = Cells::of(row, "product_provider");
    Ok((cells.parsed("provider_id", ProviderId::parse)?, cells.code("state")?))
}

/// Reads a target from a row of [`TARGETS`].
pub(super) fn firm_target_of(row: &SqliteRow) -> Step<FirmTarget> {
    let target = target_of(row)?;
    let seen = CandidateTarget::of(&target, Cells::of(row, "product_provider").code("provider_state")?);
    Ok(FirmTarget { target_id: target.target_id, seen })
}

const COUNT_BROKERS: &str = "
SELECT count(DISTINCT broker_id)
FROM activation_broker
WHERE tenant_id = ?1
";

/// Each kind of assignment by its part of an index: by one GROUP BY over all of them SQLite would sort them, in memory. Whatever
/// kind the users are of: that may have been changed by hand.
pub(super) const COUNT_CUSTOMERS: &str = "
SELECT segment, NULL AS user_id, count(*) AS customers
FROM customer INDEXED BY customer_without_user
WHERE tenant_id = ?1
  AND user_id IS NULL
GROUP BY segment
UNION ALL
SELECT NULL, u.user_id, count(*)
FROM concenter_user AS u
CROSS JOIN customer AS c INDEXED BY customer_by_user
    ON c.user_id = u.user_id
    -- Always so; it stands in the index before the tenant.
    AND c.user_kind = 'end_customer'
    AND c.tenant_id = u.tenant_id
WHERE u.tenant_id = ?1
GROUP BY u.user_id
";

/// Counts everybody. The number of rows is that of the users at most, and two.
async fn count(snapshot: &mut SqliteConnection, tenant: &TenantId, sheet: &mut Sheet) -> Step<()> {
    let brokers: i64 = sqlx::query_scalar(COUNT_BROKERS).bind(tenant.to_string()).fetch_one(&mut *snapshot).await?;
    sheet.count_brokers(u64::try_from(brokers).unwrap_or_default());
    let groups = sqlx::query(COUNT_CUSTOMERS).bind(tenant.to_string()).fetch_all(snapshot).await?;
    for row in &groups {
        let cells = Cells::of(row, "customer");
        let customers: i64 = cells.plain("customers")?;
        sheet.count_customers(&assigned(cells)?, u64::try_from(customers).unwrap_or_default());
    }
    Ok(())
}

/// How a customer is assigned.
fn assigned(cells: Cells<'_>) -> Step<Assigned<'static>> {
    match cells.parsed_or_null("user_id", UserId::parse)? {
        Some(own) => Ok(Assigned::Own(own)),
        None => Ok(Assigned::Shared(cells.code("segment")?)),
    }
}

/// Each broker of a subquery with all of his activations.
macro_rules! with_activations {
    ($brokers:literal) => {
        concat!(
            "
            SELECT b.broker_id, a.activation_id, a.state, a.user_id
            FROM (
            ",
            $brokers,
            "
            ) AS n
            CROSS JOIN activation_broker AS b
                ON b.tenant_id = ?1
                AND b.broker_id = n.broker_id
            CROSS JOIN broker_activation AS a
                ON a.tenant_id = b.tenant_id
                AND a.activation_id = b.activation_id
            ORDER BY b.broker_id
            "
        )
    };
}

/// The next brokers behind one.
const BROKERS: &str = with_activations!(
    "
    SELECT DISTINCT broker_id
    FROM activation_broker
    WHERE tenant_id = ?1
      AND broker_id > ?2
    ORDER BY broker_id
    LIMIT ?3
    "
);

/// The next ones behind one who are in an activation with one of some users.
const BROKERS_OF_USERS: &str = with_activations!(
    "
    SELECT DISTINCT m.broker_id
    FROM json_each(?4) AS q
    CROSS JOIN broker_activation AS u
        ON u.tenant_id = ?1
        AND u.user_id = q.value
    CROSS JOIN activation_broker AS m
        ON m.tenant_id = u.tenant_id
        AND m.activation_id = u.activation_id
        AND m.broker_id > ?2
    ORDER BY m.broker_id
    LIMIT ?3
    "
);

async fn read_brokers(
    snapshot: &mut SqliteConnection,
    tenant: &TenantId,
    scan: BrokerScan,
    sheet: &mut Sheet,
) -> Step<()> {
    let BrokerScan { with_users, after } = scan;
    let statement = if with_users.is_some() { BROKERS_OF_USERS } else { BROKERS };
    let users: Option<Vec<_>> = with_users.map(|users| users.iter().map(UserId::to_string).collect());
    let users = users.as_ref().map(serde_json::to_string).transpose()?;
    let mut after = after.map(|broker| broker.to_string()).unwrap_or_default();
    loop {
        let chunk = sqlx::query(statement).bind(tenant.to_string()).bind(&after).bind(BROKERS_AT_ONCE);
        let chunk = match &users {
            Some(users) => chunk.bind(users),
            None => chunk,
        };
        let rows = chunk.fetch_all(&mut *snapshot).await?;
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

fn broker_of(row: &SqliteRow) -> Step<(BrokerId, CandidateActivation)> {
    let cells = Cells::of(row, "broker_activation");
    let activation = CandidateActivation {
        activation_id: cells.parsed("activation_id", ActivationId::parse)?,
        user_id: cells.parsed("user_id", UserId::parse)?,
        state: cells.code("state")?,
    };
    Ok((cells.parsed("broker_id", BrokerId::parse)?, activation))
}

/// The next customers of a segment behind one who have no own user.
const CUSTOMERS_OF_NONE: &str = "
SELECT customer_id
FROM customer INDEXED BY customer_without_user
WHERE tenant_id = ?1
  AND user_id IS NULL
  AND segment = ?2
  AND customer_id > ?3
ORDER BY customer_id
LIMIT ?4
";

/// The next customers behind one whose own user is one.
const CUSTOMERS_OF_USER: &str = "
SELECT customer_id
FROM customer INDEXED BY customer_by_user
WHERE tenant_id = ?1
  AND user_id = ?2
  -- Always so; it stands in the index before the tenant.
  AND user_kind = 'end_customer'
  AND customer_id > ?3
ORDER BY customer_id
LIMIT ?4
";

/// The next customers behind one who are assigned in one of many ways.
const CUSTOMERS: &str = "
SELECT customer_id, segment, user_id
FROM customer
WHERE tenant_id = ?1
  AND customer_id > ?2
  AND CASE
      WHEN user_id IS NULL THEN segment IN (SELECT value FROM json_each(?3))
      ELSE user_id IN (SELECT value FROM json_each(?4))
  END
ORDER BY customer_id
LIMIT ?5
";

/// Hands over the next customers, however few of all they are.
async fn read_customers(
    snapshot: &mut SqliteConnection,
    tenant: &TenantId,
    scan: &CustomerScan,
    sheet: &mut Sheet,
) -> Step<()> {
    if scan.without_user.len() + scan.with_user.len() > MOST_ASSIGNMENTS_LOOKED_UP {
        return search_customers(snapshot, tenant, scan, sheet).await;
    }
    let without_user = scan.without_user.iter().map(|segment| Assigned::Shared(*segment));
    let with_user = scan.with_user.iter().map(|own| Assigned::Own(*own));
    let mut next = Vec::new();
    for assigned in without_user.chain(with_user) {
        let looked_up = match assigned {
            Assigned::Own(own) => sqlx::query(CUSTOMERS_OF_USER).bind(tenant.to_string()).bind(own.to_string()),
            Assigned::Shared(segment) => sqlx::query(CUSTOMERS_OF_NONE).bind(tenant.to_string()).bind(segment.code()),
            Assigned::Broker(_) => continue,
        };
        let behind = scan.after.as_ref().map_or("", CustomerId::as_str);
        for row in &looked_up.bind(behind).bind(scan.most).fetch_all(&mut *snapshot).await? {
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
    snapshot: &mut SqliteConnection,
    tenant: &TenantId,
    scan: &CustomerScan,
    sheet: &mut Sheet,
) -> Step<()> {
    let without_user: Vec<_> = scan.without_user.iter().map(|segment| segment.code()).collect();
    let with_user: Vec<_> = scan.with_user.iter().map(UserId::to_string).collect();
    let rows = sqlx::query(CUSTOMERS)
        .bind(tenant.to_string())
        .bind(scan.after.as_ref().map_or("", CustomerId::as_str))
        .bind(serde_json::to_string(&without_user)?)
        .bind(serde_json::to_string(&with_user)?)
        .bind(scan.most)
        .fetch_all(snapshot)
        .await?;
    for row in &rows {
        let cells = Cells::of(row, "customer");
        sheet.customer(cells.parsed("customer_id", CustomerId::parse)?, &assigned(cells)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::plans::{assert_plan, plan};
    use super::*;

    #[tokio::test]
    async fn who_a_change_is_about_is_found_by_the_user() {
        assert_plan(FIRM, &[], "customer_by_user (user_id=? AND user_kind=? AND tenant_id=?)").await;
        let listed = ["SCAN q VIRTUAL TABLE INDEX 1:", "SCAN n"];
        assert_plan(BROKERS_OF_USERS, &listed, "activation_by_user (tenant_id=? AND user_id=?)").await;
    }

    #[tokio::test]
    async fn customers_are_counted_and_looked_up_by_how_they_are_assigned() {
        let of_none =
            "COVERING INDEX customer_without_user (tenant_id=? AND segment=? AND user_id=? AND customer_id>?)";
        assert_plan(CUSTOMERS_OF_NONE, &[], of_none).await;
        let of_user = "COVERING INDEX customer_by_user (user_id=? AND user_kind=? AND tenant_id=? AND customer_id>?)";
        assert_plan(CUSTOMERS_OF_USER, &[], of_user).await;
        let of_users = "COVERING INDEX customer_by_user (user_id=? AND user_kind=? AND tenant_id=?)";
        assert_plan(COUNT_CUSTOMERS, &[], of_users).await;
        assert_plan(COUNT_CUSTOMERS, &[], "COVERING INDEX customer_without_user (tenant_id=?)").await;
        assert!(!plan(COUNT_CUSTOMERS).await.iter().any(|step| step.contains("TEMP B-TREE")), "nothing is sorted");
    }

    #[tokio::test]
    async fn everybody_is_read_in_the_order_of_a_key() {
        assert_plan(BROKERS, &["SCAN n"], "SEARCH activation_broker USING PRIMARY KEY (tenant_id=? AND broker_id>?)")
            .await;
        let lists = ["SCAN json_each VIRTUAL TABLE INDEX 1:", "SCAN json_each VIRTUAL TABLE INDEX 1:"];
        assert_plan(CUSTOMERS, &lists, "SEARCH customer USING PRIMARY KEY (tenant_id=? AND customer_id>?)").await;
    }
}
