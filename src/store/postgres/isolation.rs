//! What the isolation report rests on: reads, and nothing else.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};

use super::PostgresStore;
use super::customers::load_access;
use super::error::Step;
use super::row::{Cells, uuid};
use super::session::Rows;
use super::simulation::{COUNT_CUSTOMERS, TARGETS, firm_target_of};
use super::users::user_of;
use crate::domain::ids::{TargetId, TenantId, UserId};
use crate::domain::isolation::{Activated, IsolationFacts, IsolationReport, SeenUser, Subjects};
use crate::domain::page::PageRequest;
use crate::store::{IsolationStore, MOST_JUMPS_REPORTED, StoreError};

#[async_trait]
impl IsolationStore for PostgresStore {
    async fn isolation_report(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
    ) -> Result<Option<IsolationReport>, StoreError> {
        let (tenant, page) = (*tenant, page.clone());
        self.read(Rows::of(&tenant), move |tx| Box::pin(async move { report(tx, &tenant, &page).await })).await
    }
}

const IS_THERE: &str = "
SELECT 1
FROM tenant
WHERE tenant_id = $1
  AND deleted_at IS NULL
";

/// Without their scopes, which may be long.
const USERS: &str = "
SELECT
    user_id, kind, state, reported_end_customer,
    sealed_secret IS NOT NULL AS has_secret,
    credential_suspect_since IS NOT NULL AS is_suspect
FROM concenter_user
WHERE tenant_id = $1
";

const WHOLE_USERS: &str = "
SELECT
    user_id, user_name, kind, state, providers, display_name, notification_email,
    reported_end_customer, reported_at, reported_source, reported_by, end_customer_at, end_customer_by,
    last_login_succeeded_at, last_login_failed_at, credential_suspect_since,
    secret_version, secret_set_at, created_at, updated_at, version
FROM concenter_user
WHERE tenant_id = $1
  AND user_id = ANY ($2)
";

async fn report(tx: &mut PgConnection, tenant: &TenantId, request: &PageRequest) -> Step<Option<IsolationReport>> {
    let Some(facts) = facts(&mut *tx, tenant).await? else {
        return Ok(None);
    };
    let page = facts.page(request);
    let listed: Vec<_> = page.users.rows.iter().map(|user| uuid(user.user_id.as_bytes())).collect();
    let users = sqlx::query(WHOLE_USERS).bind(uuid(tenant.as_bytes())).bind(listed).fetch_all(&mut *tx).await?;
    let users = users.iter().map(user_of).collect::<Step<_>>()?;
    let targets = sqlx::query(TARGETS).fetch_all(tx).await?;
    let targets = targets.iter().map(firm_target_of).collect::<Step<Vec<_>>>()?;
    Ok(Some(facts.report(page, users, &targets)))
}

async fn facts(tx: &mut PgConnection, tenant: &TenantId) -> Step<Option<IsolationFacts>> {
    if sqlx::query(IS_THERE).bind(uuid(tenant.as_bytes())).fetch_optional(&mut *tx).await?.is_none() {
        return Ok(None);
    }
    let Some(access) = load_access(&mut *tx, tenant).await? else {
        return Ok(None);
    };
    let users = sqlx::query(USERS).bind(uuid(tenant.as_bytes())).fetch_all(&mut *tx).await?;
    let groups = sqlx::query(COUNT_CUSTOMERS).bind(uuid(tenant.as_bytes())).fetch_all(&mut *tx).await?;
    let (mut without_user, mut owners) = (HashMap::new(), HashMap::with_capacity(groups.len()));
    for row in &groups {
        let cells = Cells::of(row, "customer");
        let customers = cells.number("customers")?;
        match cells.id_or_null("user_id", UserId::parse)? {
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
        activated: activated(tx, tenant).await?,
        subjects: subjects(tx, tenant).await?,
    }))
}

fn seen_of(row: &PgRow) -> Step<SeenUser> {
    let cells = Cells::of(row, "concenter_user");
    Ok(SeenUser {
        user_id: cells.id("user_id", UserId::parse)?,
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
    count(DISTINCT a.activation_id) FILTER (WHERE a.sharing_reason IS NULL) AS without_reason,
    count(DISTINCT b.broker_id) AS brokers
FROM broker_activation AS a
JOIN activation_broker AS b
    ON b.tenant_id = a.tenant_id
    AND b.activation_id = a.activation_id
WHERE a.tenant_id = $1
GROUP BY a.user_id
";

async fn activated(tx: &mut PgConnection, tenant: &TenantId) -> Step<HashMap<UserId, Activated>> {
    let rows = sqlx::query(ACTIVATED).bind(uuid(tenant.as_bytes())).fetch_all(tx).await?;
    let mut activated = HashMap::with_capacity(rows.len());
    for row in &rows {
        let cells = Cells::of(row, "broker_activation");
        let of_user = Activated {
            activations: cells.number("activations")?,
            without_reason: cells.number("without_reason")?,
            brokers: cells.number("brokers")?,
        };
        activated.insert(cells.id("user_id", UserId::parse)?, of_user);
    }
    Ok(activated)
}

/// Goes through the newest jumps of the tenant: an index for this alone would make every jump dearer. Who took whom for
/// whom is looked for by the target alone: it knows a subject, and not with which user he came.
const SUBJECTS: &str = "
WITH newest AS MATERIALIZED (
    SELECT user_id, target_id, person_kind, person_id, subject
    FROM jump
    WHERE tenant_id = $1
    ORDER BY jump_id DESC
    LIMIT $2
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
    bool_or((target_id, subject) IN (SELECT target_id, subject FROM shared)) AS are_shared,
    bool_or((target_id, person_id) IN (SELECT target_id, person_id FROM split)) AS are_split
FROM seen
GROUP BY user_id, target_id
";

async fn subjects(tx: &mut PgConnection, tenant: &TenantId) -> Step<HashMap<UserId, BTreeMap<TargetId, Subjects>>> {
    let rows =
        sqlx::query(SUBJECTS).bind(uuid(tenant.as_bytes())).bind(i64::from(MOST_JUMPS_REPORTED)).fetch_all(tx).await?;
    let mut subjects: HashMap<UserId, BTreeMap<_, _>> = HashMap::new();
    for row in &rows {
        let cells = Cells::of(row, "jump");
        let at_target = Subjects {
            customers: cells.number("customers")?,
            subjects: cells.number("subjects")?,
            are_shared: cells.plain("are_shared")?,
            are_split: cells.plain("are_split")?,
        };
        let of_user = subjects.entry(cells.id("user_id", UserId::parse)?).or_default();
        of_user.insert(cells.parsed("target_id", TargetId::parse)?, at_target);
    }
    Ok(subjects)
}
