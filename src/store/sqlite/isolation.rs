//! What the isolation report rests on: reads, and nothing else.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use sqlx::{Connection as _, SqliteConnection};

use super::SqliteStore;
use super::customers::load_access;
use super::error::{Failure, Step};
use super::row::Cells;
use super::simulation::{COUNT_CUSTOMERS, TARGETS, firm_target_of};
use super::users::user_of;
use crate::domain::ids::{TargetId, TenantId, UserId};
use crate::domain::isolation::{Activated, IsolationFacts, Subjects};
use crate::store::{IsolationStore, MOST_JUMPS_REPORTED, StoreError};

#[async_trait]
impl IsolationStore for SqliteStore {
    async fn isolation_facts(&self, tenant: &TenantId) -> Result<Option<IsolationFacts>, StoreError> {
        let mut reader = self.readers().acquire().await.map_err(Failure::from)?;
        let mut snapshot = reader.begin().await.map_err(Failure::from)?;
        let facts = facts(&mut snapshot, tenant).await?;
        snapshot.rollback().await.map_err(Failure::from)?;
        Ok(facts)
    }
}

const IS_THERE: &str = "
SELECT 1
FROM tenant
WHERE tenant_id = ?1
  AND deleted_at IS NULL
";

const USERS: &str = "
SELECT
    user_id, user_name, kind, state, providers, display_name, notification_email,
    reported_end_customer, reported_at, reported_source, reported_by, end_customer_at, end_customer_by,
    last_login_succeeded_at, last_login_failed_at, credential_suspect_since,
    secret_version, secret_set_at, created_at, updated_at, version
FROM concenter_user
WHERE tenant_id = ?1
";

async fn facts(snapshot: &mut SqliteConnection, tenant: &TenantId) -> Step<Option<IsolationFacts>> {
    if sqlx::query(IS_THERE).bind(tenant.to_string()).fetch_optional(&mut *snapshot).await?.is_none() {
        return Ok(None);
    }
    let Some(access) = load_access(&mut *snapshot, tenant).await? else {
        return Ok(None);
    };
    let users = sqlx::query(USERS).bind(tenant.to_string()).fetch_all(&mut *snapshot).await?;
    let targets = sqlx::query(TARGETS).fetch_all(&mut *snapshot).await?;
    let groups = sqlx::query(COUNT_CUSTOMERS).bind(tenant.to_string()).fetch_all(&mut *snapshot).await?;
    let mut customers = HashMap::with_capacity(groups.len());
    for row in &groups {
        let cells = Cells::of(row, "customer");
        let group = (cells.code("segment")?, cells.parsed_or_null("user_id", UserId::parse)?);
        customers.insert(group, number(cells, "customers")?);
    }
    Ok(Some(IsolationFacts {
        users: users.iter().map(user_of).collect::<Step<_>>()?,
        private_user: access.private_user_id,
        commercial_user: access.commercial_user_id,
        commercial_falls_back: access.commercial_falls_back,
        customers,
        activated: activated(snapshot, tenant).await?,
        subjects: subjects(snapshot, tenant).await?,
        targets: targets.iter().map(firm_target_of).collect::<Step<_>>()?,
    }))
}

const ACTIVATED: &str = "
SELECT
    a.user_id,
    count(DISTINCT a.activation_id) AS activations,
    count(DISTINCT iif(a.sharing_reason IS NULL, a.activation_id, NULL)) AS without_reason,
    count(DISTINCT b.broker_id) AS brokers
FROM broker_activation AS a
CROSS JOIN activation_broker AS b
    ON b.tenant_id = a.tenant_id
    AND b.activation_id = a.activation_id
WHERE a.tenant_id = ?1
GROUP BY a.user_id
";

async fn activated(snapshot: &mut SqliteConnection, tenant: &TenantId) -> Step<HashMap<UserId, Activated>> {
    let rows = sqlx::query(ACTIVATED).bind(tenant.to_string()).fetch_all(snapshot).await?;
    let mut activated = HashMap::with_capacity(rows.len());
    for row in &rows {
        let cells = Cells::of(row, "broker_activation");
        let of_user = Activated {
            activations: number(cells, "activations")?,
            without_reason: number(cells, "without_reason")?,
            brokers: number(cells, "brokers")?,
        };
        activated.insert(cells.parsed("user_id", UserId::parse)?, of_user);
    }
    Ok(activated)
}

/// Goes through the newest jumps of the tenant: an index for this alone would make every jump dearer.
const SUBJECTS: &str = "
SELECT
    user_id,
    target_id,
    count(DISTINCT person_id) AS customers,
    count(DISTINCT subject) AS subjects,
    -- A subject is always as long.
    count(DISTINCT subject || person_id) AS pairs
FROM (
    SELECT user_id, target_id, person_kind, person_id, subject
    FROM jump
    WHERE tenant_id = ?1
    ORDER BY jump_id DESC
    LIMIT ?2
) AS newest
WHERE person_kind = 'customer'
  -- Not those that have forgotten their customer.
  AND person_id <> ''
GROUP BY user_id, target_id
";

async fn subjects(
    snapshot: &mut SqliteConnection,
    tenant: &TenantId,
) -> Step<HashMap<UserId, BTreeMap<TargetId, Subjects>>> {
    let rows = sqlx::query(SUBJECTS).bind(tenant.to_string()).bind(MOST_JUMPS_REPORTED).fetch_all(snapshot).await?;
    let mut subjects: HashMap<UserId, BTreeMap<_, _>> = HashMap::new();
    for row in &rows {
        let cells = Cells::of(row, "jump");
        let at_target = Subjects {
            customers: number(cells, "customers")?,
            subjects: number(cells, "subjects")?,
            pairs: number(cells, "pairs")?,
        };
        let of_user = subjects.entry(cells.parsed("user_id", UserId::parse)?).or_default();
        of_user.insert(cells.parsed("target_id", TargetId::parse)?, at_target);
    }
    Ok(subjects)
}

fn number(cells: Cells<'_>, column: &'static str) -> Step<u64> {
    u64::try_from(cells.plain::<i64>(column)?).map_err(|_| cells.corrupt())
}

#[cfg(test)]
mod tests {
    use super::super::plans::assert_plan;
    use super::*;

    #[tokio::test]
    async fn only_what_is_the_tenants_is_read() {
        assert_plan(ACTIVATED, &[], "SEARCH a USING INDEX activation_by_user (tenant_id=?)").await;
        assert_plan(SUBJECTS, &["SCAN newest"], "SEARCH jump USING PRIMARY KEY (tenant_id=?)").await;
    }
}
