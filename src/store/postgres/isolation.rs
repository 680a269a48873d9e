//! What the isolation report rests on: reads, and nothing else.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use sqlx::postgres::PgConnection;

use super::PostgresStore;
use super::customers::load_access;
use super::error::Step;
use super::row::{Cells, uuid};
use super::session::Rows;
use super::simulation::{COUNT_CUSTOMERS, TARGETS, firm_target_of};
use super::users::user_of;
use crate::domain::ids::{TargetId, TenantId, UserId};
use crate::domain::isolation::{Activated, IsolationFacts, Subjects};
use crate::store::{IsolationStore, MOST_JUMPS_REPORTED, StoreError};

#[async_trait]
impl IsolationStore for PostgresStore {
    async fn isolation_facts(&self, tenant: &TenantId) -> Result<Option<IsolationFacts>, StoreError> {
        let tenant = *tenant;
        self.read(Rows::of(&tenant), move |tx| Box::pin(async move { facts(tx, &tenant).await })).await
    }
}

const IS_THERE: &str = "
SELECT 1
FROM tenant
WHERE tenant_id = $1
  AND deleted_at IS NULL
";

const USERS: &str = "
SELECT
    user_id, user_name, kind, state, providers, display_name, notification_email,
    reported_end_customer, reported_at, reported_source, reported_by, end_customer_at, end_customer_by,
    last_login_succeeded_at, last_login_failed_at, credential_suspect_since,
    secret_version, secret_set_at, created_at, updated_at, version
FROM concenter_user
WHERE tenant_id = $1
";

async fn facts(tx: &mut PgConnection, tenant: &TenantId) -> Step<Option<IsolationFacts>> {
    if sqlx::query(IS_THERE).bind(uuid(tenant.as_bytes())).fetch_optional(&mut *tx).await?.is_none() {
        return Ok(None);
    }
    let Some(access) = load_access(&mut *tx, tenant).await? else {
        return Ok(None);
    };
    let users = sqlx::query(USERS).bind(uuid(tenant.as_bytes())).fetch_all(&mut *tx).await?;
    let targets = sqlx::query(TARGETS).fetch_all(&mut *tx).await?;
    let groups = sqlx::query(COUNT_CUSTOMERS).bind(uuid(tenant.as_bytes())).fetch_all(&mut *tx).await?;
    let mut customers = HashMap::with_capacity(groups.len());
    for row in &groups {
        let cells = Cells::of(row, "customer");
        let group = (cells.code("segment")?, cells.id_or_null("user_id", UserId::parse)?);
        customers.insert(group, cells.number("customers")?);
    }
    Ok(Some(IsolationFacts {
        users: users.iter().map(user_of).collect::<Step<_>>()?,
        private_user: access.private_user_id,
        commercial_user: access.commercial_user_id,
        commercial_falls_back: access.commercial_falls_back,
        customers,
        activated: activated(tx, tenant).await?,
        subjects: subjects(tx, tenant).await?,
        targets: targets.iter().map(firm_target_of).collect::<Step<_>>()?,
    }))
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
    WHERE tenant_id = $1
    ORDER BY jump_id DESC
    LIMIT $2
) AS newest
WHERE person_kind = 'customer'
  -- Not those that have forgotten their customer.
  AND person_id <> ''
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
            pairs: cells.number("pairs")?,
        };
        let of_user = subjects.entry(cells.id("user_id", UserId::parse)?).or_default();
        of_user.insert(cells.parsed("target_id", TargetId::parse)?, at_target);
    }
    Ok(subjects)
}
