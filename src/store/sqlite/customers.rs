//! Customers and the users they share.
//!
//! What changes one customer moves his `jump_version` and revokes his jumps only; the shared users move the tenant's
//! `config_version`.

use async_trait::async_trait;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqliteExecutor};

use super::error::{Failure, Step};
use super::requests::{Changed, Stop, unreadable_resource};
use super::row::{Cells, page_of, rows_to_ask};
use super::users::{self, Dependents};
use super::versions::{check_etag, move_config, tenant_exists};
use super::{SqliteStore, jumps};
use crate::domain::audit::AuditedKind;
use crate::domain::customer::{AccessChange, Customer, CustomerAccess, CustomerEntry, PutCounts, Segment};
use crate::domain::error::{RELATED_SHOWN, Reason, Refusal, Related, Version};
use crate::domain::ids::{CustomerId, TenantId, UserId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::domain::user::UserKind;
use crate::store::codes::Code as _;
use crate::store::{CustomerStore, Effect, Outcome, StoreError};

#[async_trait]
impl CustomerStore for SqliteStore {
    async fn put_customers(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        entries: &[CustomerEntry],
    ) -> Result<Outcome<PutCounts>, StoreError> {
        let (tenant, entries) = (*tenant, entries.to_vec());
        self.change(
            tenant,
            effect,
            move |tx, at| Box::pin(async move { put(tx, at, &tenant, &entries).await }),
            // Counts are what the first request did; they cannot be read again from the customers.
            |_, resource| Box::pin(async move { counts_of(&resource).ok_or_else(unreadable_resource).map(Some) }),
        )
        .await
    }

    async fn get_customer(&self, tenant: &TenantId, customer: &CustomerId) -> Result<Option<Customer>, StoreError> {
        Ok(load(self.readers(), tenant, customer).await?)
    }

    async fn list_customers(
        &self,
        tenant: &TenantId,
        own_user: Option<&UserId>,
        page: &PageRequest,
    ) -> Result<Page<Customer>, StoreError> {
        let list = match own_user {
            None => sqlx::query(LIST).bind(tenant.to_string()),
            Some(user) => sqlx::query(LIST_OF_USER).bind(tenant.to_string()).bind(user.to_string()),
        };
        let rows = list
            .bind(page.after.as_deref().unwrap_or_default())
            .bind(rows_to_ask(page))
            .fetch_all(self.readers())
            .await
            .map_err(Failure::from)?;
        let customers = rows.iter().map(customer_of).collect::<Step<Vec<_>>>()?;
        Ok(page_of(customers, page, |customer| customer.customer_id.to_string()))
    }

    async fn erase_customer(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        customer: &CustomerId,
    ) -> Result<Outcome<()>, StoreError> {
        let (tenant, customer) = (*tenant, customer.clone());
        self.change(
            tenant,
            effect,
            move |tx, at| Box::pin(async move { erase(tx, at, &tenant, &customer).await }),
            |_, _| Box::pin(async { Ok(Some(())) }),
        )
        .await
    }

    async fn assign_user(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        customer: &CustomerId,
        version: Version,
        user: Option<&UserId>,
    ) -> Result<Outcome<Customer>, StoreError> {
        let (tenant, customer, user) = (*tenant, customer.clone(), user.copied());
        let assigned = customer.clone();
        self.change(
            tenant,
            effect,
            move |tx, at| {
                Box::pin(async move {
                    let current = load(&mut *tx, &tenant, &customer).await?.ok_or(Reason::NotFound)?;
                    check_user(tx, &tenant, user, || check_etag(current.version, version)).await?;
                    assign(tx, at, &tenant, &current, user).await
                })
            },
            move |tx, _| Box::pin(async move { load(tx, &tenant, &assigned).await }),
        )
        .await
    }

    async fn get_customer_access(&self, tenant: &TenantId) -> Result<Option<CustomerAccess>, StoreError> {
        Ok(load_access(self.readers(), tenant).await?)
    }

    async fn update_customer_access(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        version: Version,
        change: &AccessChange,
    ) -> Result<Outcome<CustomerAccess>, StoreError> {
        let (tenant, change) = (*tenant, *change);
        self.change(
            tenant,
            effect,
            move |tx, _| Box::pin(async move { update_access(tx, &tenant, version, change).await }),
            move |tx, _| Box::pin(async move { load_access(tx, &tenant).await }),
        )
        .await
    }
}

const LIST: &str = "
SELECT customer_id, segment, user_id, created_at, updated_at, version
FROM customer
WHERE tenant_id = ?1
  AND customer_id > ?2
ORDER BY customer_id
LIMIT ?3
";

const LIST_OF_USER: &str = "
SELECT customer_id, segment, user_id, created_at, updated_at, version
-- Left alone, SQLite walks through all customers of the tenant, for the sake of the order.
FROM customer INDEXED BY customer_by_user
WHERE tenant_id = ?1
  AND user_id = ?2
  -- Always so; it stands in the index before tenant and customer.
  AND user_kind = 'end_customer'
  AND customer_id > ?3
ORDER BY customer_id
LIMIT ?4
";

const DEPENDENTS: &str = "
SELECT customer_id, count(*) OVER () AS total
FROM customer INDEXED BY customer_by_user
WHERE tenant_id = ?1
  AND user_id = ?2
  AND user_kind = 'end_customer'
ORDER BY customer_id
LIMIT ?3
";

fn customer_of(row: &SqliteRow) -> Step<Customer> {
    let cells = Cells::of(row, "customer");
    Ok(Customer {
        customer_id: cells.parsed("customer_id", CustomerId::parse)?,
        segment: cells.code("segment")?,
        user_id: cells.parsed_or_null("user_id", UserId::parse)?,
        created_at: cells.instant("created_at")?,
        updated_at: cells.instant("updated_at")?,
        version: cells.version()?,
    })
}

async fn load(executor: impl SqliteExecutor<'_>, tenant: &TenantId, customer: &CustomerId) -> Step<Option<Customer>> {
    let row = sqlx::query(
        "
        SELECT customer_id, segment, user_id, created_at, updated_at, version
        FROM customer
        WHERE tenant_id = ?1
          AND customer_id = ?2
        ",
    )
    .bind(tenant.to_string())
    .bind(customer.as_str())
    .fetch_optional(executor)
    .await?;
    row.as_ref().map(customer_of).transpose()
}

/// What the request log keeps of a change of one customer: not his id, or erasing him would leave it there. Whoever
/// repeats the request names him again.
const NO_RESOURCE: String = String::new();

fn resource_of(counts: PutCounts) -> String {
    let PutCounts { created, changed, unchanged } = counts;
    format!("{created} {changed} {unchanged}")
}

fn counts_of(resource: &str) -> Option<PutCounts> {
    let mut counts = resource.split(' ').map(str::parse);
    let (created, changed, unchanged) = (counts.next()?.ok()?, counts.next()?.ok()?, counts.next()?.ok()?);
    Some(PutCounts { created, changed, unchanged })
}

// MATERIALIZED: the records are the outer loop, taken apart once, and each is looked up by its key. Left alone, SQLite walks
// through all customers of the tenant and takes the whole text apart for each.

const PUT_KNOWN: &str = "
WITH item AS MATERIALIZED (
    SELECT value ->> 'customer_id' AS customer_id, value ->> 'segment' AS segment
    FROM json_each(?2)
)
UPDATE customer
SET segment = item.segment,
    jump_version = jump_version + 1,
    version = version + 1,
    updated_at = ?3
FROM item
WHERE customer.tenant_id = ?1
  AND customer.customer_id = item.customer_id
  AND customer.segment <> item.segment
";

const PUT_NEW: &str = "
WITH item AS MATERIALIZED (
    SELECT value ->> 'customer_id' AS customer_id, value ->> 'segment' AS segment
    FROM json_each(?2)
)
INSERT INTO customer (tenant_id, customer_id, segment, jump_version, version, created_at, updated_at)
SELECT ?1, item.customer_id, item.segment, 1, 1, ?3, ?3
FROM item
WHERE NOT EXISTS (
    SELECT 1
    FROM customer AS c
    WHERE c.tenant_id = ?1
      AND c.customer_id = item.customer_id
)
";

#[derive(Serialize)]
struct EntryRow<'a> {
    customer_id: &'a str,
    segment: &'static str,
}

async fn put(tx: &mut SqliteConnection, at: Timestamp, tenant: &TenantId, entries: &[CustomerEntry]) -> Changed {
    if !tenant_exists(&mut *tx, tenant).await? {
        return Err(Reason::NotFound.into());
    }
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| EntryRow { customer_id: entry.customer_id.as_str(), segment: entry.segment.code() })
        .collect();
    let rows = serde_json::to_string(&rows).map_err(Failure::from)?;
    let write = async |tx: &mut SqliteConnection, statement| {
        let written = sqlx::query(statement).bind(tenant.to_string()).bind(&rows).bind(at.unix_micros());
        written.execute(tx).await.map(|written| written.rows_affected())
    };
    let changed = write(&mut *tx, PUT_KNOWN).await?;
    let created = write(&mut *tx, PUT_NEW).await?;
    let all = u64::try_from(entries.len()).unwrap_or(u64::MAX);
    let unchanged = all.saturating_sub(changed).saturating_sub(created);
    Ok(resource_of(PutCounts { created, changed, unchanged }))
}

/// Checks that a user, if one is named, may be given to customers: it is there, then `etag`, then it is Endkunde.
async fn check_user(
    tx: &mut SqliteConnection,
    tenant: &TenantId,
    user: Option<UserId>,
    etag: impl FnOnce() -> Result<(), Refusal> + Send,
) -> Result<(), Stop> {
    let kind = match user {
        None => None,
        Some(user) => Some(users::load(tx, tenant, &user).await?.ok_or(Reason::NotFound)?.kind),
    };
    etag()?;
    if kind.is_none_or(|kind| kind == UserKind::EndCustomer) { Ok(()) } else { Err(Reason::EndkundeRequired.into()) }
}

async fn assign(
    tx: &mut SqliteConnection,
    at: Timestamp,
    tenant: &TenantId,
    current: &Customer,
    user: Option<UserId>,
) -> Changed {
    if current.user_id != user {
        sqlx::query(
            "
            UPDATE customer
            SET user_id = ?3,
                jump_version = jump_version + 1,
                version = version + 1,
                updated_at = ?4
            WHERE tenant_id = ?1
              AND customer_id = ?2
            ",
        )
        .bind(tenant.to_string())
        .bind(current.customer_id.as_str())
        .bind(user.map(|user| user.to_string()))
        .bind(at.unix_micros())
        .execute(tx)
        .await?;
    }
    Ok(NO_RESOURCE)
}

async fn erase(tx: &mut SqliteConnection, at: Timestamp, tenant: &TenantId, customer: &CustomerId) -> Changed {
    // First, while the record is there; it touches nothing if there is nothing that the id leads to.
    sqlx::query(
        "
        UPDATE tenant
        SET erased_jump_version = max(erased_jump_version, c.jump_version)
        FROM customer AS c
        WHERE tenant.tenant_id = ?1
          AND c.tenant_id = ?1
          AND c.customer_id = ?2
        ",
    )
    .bind(tenant.to_string())
    .bind(customer.as_str())
    .execute(&mut *tx)
    .await?;
    let records = sqlx::query(
        "
        DELETE FROM customer
        WHERE tenant_id = ?1
          AND customer_id = ?2
        ",
    )
    .bind(tenant.to_string())
    .bind(customer.as_str())
    .execute(&mut *tx)
    .await?;
    let salts = sqlx::query(
        "
        DELETE FROM person_salt
        WHERE tenant_id = ?1
          AND kind = ?2
          AND person_id = ?3
        ",
    )
    .bind(tenant.to_string())
    .bind(AuditedKind::Customer.code())
    .bind(customer.as_str())
    .execute(&mut *tx)
    .await?;
    let jumps = jumps::forget_customer(tx, tenant, customer, at).await?;
    if records.rows_affected() == 0 && salts.rows_affected() == 0 && jumps == 0 {
        return Err(Reason::NotFound.into());
    }
    Ok(NO_RESOURCE)
}

/// Reads the shared users.
pub(super) async fn load_access(executor: impl SqliteExecutor<'_>, tenant: &TenantId) -> Step<Option<CustomerAccess>> {
    let row = sqlx::query(
        "
        SELECT private_user_id, commercial_user_id, commercial_falls_back, version
        FROM customer_access
        WHERE tenant_id = ?1
        ",
    )
    .bind(tenant.to_string())
    .fetch_optional(executor)
    .await?;
    let Some(row) = &row else {
        return Ok(None);
    };
    let cells = Cells::of(row, "customer_access");
    Ok(Some(CustomerAccess {
        private_user_id: cells.parsed_or_null("private_user_id", UserId::parse)?,
        commercial_user_id: cells.parsed_or_null("commercial_user_id", UserId::parse)?,
        commercial_falls_back: cells.plain("commercial_falls_back")?,
        version: cells.version()?,
    }))
}

async fn update_access(
    tx: &mut SqliteConnection,
    tenant: &TenantId,
    version: Version,
    change: AccessChange,
) -> Changed {
    let current = load_access(&mut *tx, tenant).await?.ok_or(Reason::NotFound)?;
    let wished = CustomerAccess {
        private_user_id: change.private_user_id.applied_to(current.private_user_id),
        commercial_user_id: change.commercial_user_id.applied_to(current.commercial_user_id),
        commercial_falls_back: change.commercial_falls_back.applied_to(current.commercial_falls_back),
        version: current.version,
    };
    let mut kinds = Vec::with_capacity(2);
    for user in [wished.private_user_id, wished.commercial_user_id].into_iter().flatten() {
        kinds.push(users::load(&mut *tx, tenant, &user).await?.ok_or(Reason::NotFound)?.kind);
    }
    check_etag(current.version, version)?;
    if kinds.iter().any(|kind| *kind != UserKind::EndCustomer) {
        return Err(Reason::EndkundeRequired.into());
    }
    if wished != current {
        sqlx::query(
            "
            UPDATE customer_access
            SET private_user_id = ?2,
                commercial_user_id = ?3,
                commercial_falls_back = ?4,
                version = version + 1
            WHERE tenant_id = ?1
            ",
        )
        .bind(tenant.to_string())
        .bind(wished.private_user_id.map(|user| user.to_string()))
        .bind(wished.commercial_user_id.map(|user| user.to_string()))
        .bind(wished.commercial_falls_back)
        .execute(&mut *tx)
        .await?;
        move_config(tx, tenant).await?;
    }
    Ok(tenant.to_string())
}

/// Reads whose own user a user is.
pub(super) async fn dependents_of(tx: &mut SqliteConnection, tenant: &TenantId, user: &UserId) -> Step<Dependents> {
    let rows = sqlx::query(DEPENDENTS)
        .bind(tenant.to_string())
        .bind(user.to_string())
        .bind(i64::try_from(RELATED_SHOWN).unwrap_or(i64::MAX))
        .fetch_all(tx)
        .await?;
    let Some(row) = rows.first() else {
        return Ok(Dependents::default());
    };
    let total = Cells::of(row, "customer").plain("total")?;
    let shown = rows
        .iter()
        .map(|row| Ok(Related::Customer(Cells::of(row, "customer").parsed("customer_id", CustomerId::parse)?)));
    Ok(Dependents { shown: shown.collect::<Step<_>>()?, total })
}

/// Reads which segments share a user.
pub(super) async fn segments_of(tx: &mut SqliteConnection, tenant: &TenantId, user: &UserId) -> Step<Dependents> {
    let Some(access) = load_access(tx, tenant).await? else {
        return Ok(Dependents::default());
    };
    let slots = [(Segment::Private, access.private_user_id), (Segment::Commercial, access.commercial_user_id)];
    let used = slots.into_iter().filter(|(_, shared)| shared.as_ref() == Some(user));
    let shown: Vec<_> = used.map(|(segment, _)| Related::SharedUser(segment)).collect();
    let total = u64::try_from(shown.len()).unwrap_or(u64::MAX);
    Ok(Dependents { shown, total })
}

#[cfg(test)]
mod tests {
    use super::super::plans::assert_plan;
    use super::*;

    #[tokio::test]
    async fn a_page_of_customers_is_read_in_the_order_of_an_index() {
        assert_plan(LIST, &[], "SEARCH customer USING PRIMARY KEY (tenant_id=? AND customer_id>?)").await;
        let of_user = "SEARCH customer USING INDEX customer_by_user (user_id=? AND user_kind=? AND tenant_id=? AND customer_id>?)";
        assert_plan(LIST_OF_USER, &[], of_user).await;
    }

    #[tokio::test]
    async fn each_record_of_a_batch_is_looked_up_by_its_key() {
        let batch = ["SCAN json_each VIRTUAL TABLE INDEX 1:", "SCAN item"];
        assert_plan(PUT_KNOWN, &batch, "SEARCH customer USING PRIMARY KEY (tenant_id=? AND customer_id=?)").await;
        assert_plan(PUT_NEW, &batch, "SEARCH c USING PRIMARY KEY (tenant_id=? AND customer_id=?)").await;
    }

    #[tokio::test]
    async fn whoever_depends_on_a_user_is_found_by_the_user() {
        let of_user = "customer_by_user (user_id=? AND user_kind=? AND tenant_id=?)";
        assert_plan(DEPENDENTS, &["SCAN (subquery-2)"], of_user).await;
        // The foreign keys, when a user is deleted, and when he gets another kind.
        for statement in [
            "DELETE FROM concenter_user WHERE tenant_id = ?1 AND user_id = ?2",
            "UPDATE concenter_user SET kind = ?3 WHERE tenant_id = ?1 AND user_id = ?2",
        ] {
            assert_plan(statement, &[], of_user).await;
        }
    }
}
