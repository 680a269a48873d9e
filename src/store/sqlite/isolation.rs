//! What the isolation report rests on: reads, and nothing else.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, SqliteConnection};

use super::SqliteStore;
use super::customers::load_access;
use super::error::{Failure, Step};
use super::row::Cells;
use super::simulation::{COUNT_CUSTOMERS, TARGETS, firm_target_of};
use super::users::user_of;
use crate::domain::ids::{TargetId, TenantId, UserId};
use crate::domain::isolation::{Activated, IsolationFacts, IsolationReport, SeenUser, Subjects};
use crate::domain::page::PageRequest;
use crate::store::{IsolationStore, MOST_JUMPS_REPORTED, StoreError};

#[async_trait]
impl IsolationStore for SqliteStore {
    async fn isolation_report(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
    ) -> Result<Option<IsolationReport>, StoreError> {
        let mut reader = self.readers().acquire().await.map_err(Failure::from)?;
        let mut snapshot = reader.begin().await.map_err(Failure::from)?;
        let report = report(&mut snapshot, tenant, page).await?;
        snapshot.rollback().await.map_err(Failure::from)?;
        Ok(report)
    }
}

const IS_THERE: &str = "
SELECT 1
FROM tenant
WHERE tenant_id = ?1
  AND deleted_at IS NULL
";

/// Without their scopes, which may be long.
const USERS: &str = "
SELECT
    user_id, kind, state, reported_end_customer,
    sealed_secret IS NOT NULL AS has_secret,
    credential_suspect_since IS NOT NULL AS is_suspect
FROM concenter_user
WHERE tenant_id = ?1
";

const WHOLE_USERS: &str = "
SELECT
    u.user_id, u.user_name, u.kind, u.state, u.providers, u.display_name, u.notification_email,
    u.reported_end_customer, u.reported_at, u.reported_source, u.reported_by, u.end_customer_at, u.end_customer_by,
    u.last_login_succeeded_at, u.last_login_failed_at, u.credential_suspect_since,
    u.secret_version, u.secret_set_at, u.created_at, u.updated_at, u.version
FROM json_each(?2) AS q
CROSS JOIN concenter_user AS u
    ON u.tenant_id = ?1
    AND u.user_id = q.value
";

async fn report(
    snapshot: &mut SqliteConnection,
    tenant: &TenantId,
    request: &PageRequest,
) -> Step<Option<IsolationReport>> {
    let Some(facts) = facts(&mut *snapshot, tenant).await? else {
        return Ok(None);
    };
    let page = facts.page(request);
    let listed: Vec<_> = page.users.rows.iter().map(|user| user.user_id.to_string()).collect();
    let users = sqlx::query(WHOLE_USERS)
        .bind(tenant.to_string())
        .bind(serde_json::to_string(&listed)?)
        .fetch_all(&mut *snapshot)
        .await?;
    let users = users.iter().map(user_of).collect::<Step<_>>()?;
    let targets = sqlx::query(TARGETS).fetch_all(snapshot).await?;
    let targets = targets.iter().map(firm_target_of).collect::<Step<Vec<_>>>()?;
    Ok(Some(facts.report(page, users, &targets)))
}

async fn facts(snapshot: &mut SqliteConnection, tenant: &TenantId) -> Step<Option<IsolationFacts>> {
    if sqlx::query(IS_THERE).bind(tenant.to_string()).fetch_optional(&mut *snapshot).await?.is_none() {
        return Ok(None);
    }
    let Some(access) = load_access(&mut *snapshot, tenant).await? else {
        return Ok(None);
    };
    let users = sqlx::query(USERS).bind(tenant.to_string()).fetch_all(&mut *snapshot).await?;
    let groups = sqlx::query(COUNT_CUSTOMERS).bind(tenant.to_string()).fetch_all(&mut *snapshot).await?;
    let (mut without_user, mut owners) = (HashMap::new(), HashMap::with_capacity(groups.len()));
    for row in &groups {
        let cells = Cells::of(row, "customer");
        let customers = number(cells, "customers")?;
        match cells.parsed_or_null("user_id", UserId::parse)? {
            Some(own) => owners.insert(own, customers),
            None => without_user.insert(cells.code("segment")?, customers),
        };
    }
    Ok(Some(IsolationFacts {
        users: users.iter().map(seen_of).collect::<Step<_>>()?,
        private_user: access.private_user_id,
        commercial_user: access.commercial_user_id,
        commercial_falls_back: access.commercial_falls_back,
        without_user,
        owners,
        activated: activated(snapshot, tenant).await?,
        subjects: subjects(snapshot, tenant).await?,
    }))
}

fn seen_of(row: &SqliteRow) -> Step<SeenUser> {
    let cells = Cells::of(row, "concenter_user");
    Ok(SeenUser {
        user_id: cells.parsed("user_id", UserId::parse)?,
        kind: cells.code("kind")?,
        state: cells.code("state")?,
        reported_end_customer: cells.plain("reported_end_customer")?,
        is_suspect: cells.plain("is_suspect")?,
        has_secret: cells.plain("has_secret")?,
    })
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

/// Goes through the newest jumps of the tenant: an index for this alone would make every jump dearer. Who took whom for
/// whom is looked for by the target alone: it knows a subject, and not with which user he came.
const SUBJECTS: &str = "
WITH newest AS MATERIALIZED (
    SELECT user_id, target_id, person_kind, person_id, subject
    FROM jump
    WHERE tenant_id = ?1
    ORDER BY jump_id DESC
    LIMIT ?2
),
seen AS MATERIALIZED (
    SELECT DISTINCT target_id, subject, person_id, user_id
    FROM newest
    WHERE person_kind = 'customer'
      -- Not those that have forgotten their customer.
      AND person_id <> ''
),
shared AS MATERIALIZED (
    SELECT target_id, subject
    FROM seen
    GROUP BY target_id, subject
    HAVING count(DISTINCT person_id) > 1
),
split AS MATERIALIZED (
    SELECT target_id, person_id
    FROM seen
    GROUP BY target_id, person_id
    HAVING count(DISTINCT subject) > 1
)
SELECT
    user_id,
    target_id,
    count(DISTINCT person_id) AS customers,
    count(DISTINCT subject) AS subjects,
    max((target_id, subject) IN (SELECT target_id, subject FROM shared)) AS are_shared,
    max((target_id, person_id) IN (SELECT target_id, person_id FROM split)) AS are_split
FROM seen
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
            are_shared: cells.plain("are_shared")?,
            are_split: cells.plain("are_split")?,
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
        assert_plan(
            SUBJECTS,
            &["SCAN newest", "SCAN seen", "SCAN seen", "SCAN shared", "SCAN seen", "SCAN split"],
            "SEARCH jump USING PRIMARY KEY (tenant_id=?)",
        )
        .await;
    }
}
