//! Customers and the users they share.
//!
//! What changes one customer moves his `jump_version` and revokes his jumps only; the shared users move the tenant's
//! `config_version`.

use async_trait::async_trait;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqliteExecutor};

use super::SqliteStore;
use super::error::{Failure, Step};
use super::requests::{Changed, Stop, unreadable_resource};
use super::row::Cells;
use super::users;
use super::versions::{check_etag, move_config, tenant_exists};
use crate::domain::customer::{AccessChange, Customer, CustomerAccess, CustomerEntry, PutCounts, Segment};
use crate::domain::error::{RELATED_SHOWN, Reason, Refusal, Related, Version};
use crate::domain::ids::{CustomerId, TenantId, UserId};
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
            |_, resource| Box::pin(async move { counts_of(&resource).ok_or_else(unreadable_resource) }),
        )
        .await
    }

    async fn get_customer(&self, tenant: &TenantId, customer: &CustomerId) -> Result<Option<Customer>, StoreError> {
        Ok(load(self.readers(), tenant, customer).await?)
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
            move |tx, resource| Box::pin(load_resource(tx, tenant, resource)),
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
            move |tx, _| Box::pin(async move { load_access(tx, &tenant).await?.ok_or_else(unreadable_resource) }),
        )
        .await
    }
}

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

async fn load_resource(tx: &mut SqliteConnection, tenant: TenantId, resource: String) -> Step<Customer> {
    let customer = CustomerId::parse(&resource).map_err(|_| unreadable_resource())?;
    load(tx, &tenant, &customer).await?.ok_or_else(unreadable_resource)
}

fn resource_of(counts: PutCounts) -> String {
    let PutCounts { created, changed, unchanged } = counts;
    format!("{created} {changed} {unchanged}")
}

fn counts_of(resource: &str) -> Option<PutCounts> {
    let mut counts = resource.split(' ').map(str::parse);
    let (created, changed, unchanged) = (counts.next()?.ok()?, counts.next()?.ok()?, counts.next()?.ok()?);
    Some(PutCounts { created, changed, unchanged })
}

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
    let changed = sqlx::query(
        "
        UPDATE customer
        SET segment = item.value ->> 'segment',
            jump_version = jump_version + 1,
            version = version + 1,
            updated_at = ?3
        FROM json_each(?2) AS item
        WHERE customer.tenant_id = ?1
          AND customer.customer_id = item.value ->> 'customer_id'
          AND customer.segment <> item.value ->> 'segment'
        ",
    )
    .bind(tenant.to_string())
    .bind(&rows)
    .bind(at.unix_micros())
    .execute(&mut *tx)
    .await?
    .rows_affected();
    let created = sqlx::query(
        "
        INSERT INTO customer (tenant_id, customer_id, segment, jump_version, version, created_at, updated_at)
        SELECT ?1, item.value ->> 'customer_id', item.value ->> 'segment', 1, 1, ?3, ?3
        FROM json_each(?2) AS item
        WHERE NOT EXISTS (
            SELECT 1
            FROM customer AS c
            WHERE c.tenant_id = ?1
              AND c.customer_id = item.value ->> 'customer_id'
        )
        ",
    )
    .bind(tenant.to_string())
    .bind(&rows)
    .bind(at.unix_micros())
    .execute(&mut *tx)
    .await?
    .rows_affected();
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
    Ok(current.customer_id.to_string())
}

async fn load_access(executor: impl SqliteExecutor<'_>, tenant: &TenantId) -> Step<Option<CustomerAccess>> {
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

/// Refuses as assigned, with the customers whose own user it is, if there are any.
pub(super) async fn check_none_has(tx: &mut SqliteConnection, tenant: &TenantId, user: &UserId) -> Result<(), Stop> {
    let rows = sqlx::query(
        "
        SELECT customer_id, count(*) OVER () AS total
        FROM customer
        WHERE tenant_id = ?1
          AND user_id = ?2
        ORDER BY customer_id
        LIMIT ?3
        ",
    )
    .bind(tenant.to_string())
    .bind(user.to_string())
    .bind(i64::try_from(RELATED_SHOWN).unwrap_or(i64::MAX))
    .fetch_all(tx)
    .await?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let total: u64 = Cells::of(row, "customer").plain("total")?;
    let customers = rows
        .iter()
        .map(|row| Ok(Related::Customer(Cells::of(row, "customer").parsed("customer_id", CustomerId::parse)?)));
    Err(Refusal::with_related(Reason::Assigned, customers.collect::<Step<_>>()?, total).into())
}

/// Refuses as in use, with the segments whose shared user it is, if there are any.
pub(super) async fn check_not_shared(tx: &mut SqliteConnection, tenant: &TenantId, user: &UserId) -> Result<(), Stop> {
    let Some(access) = load_access(tx, tenant).await? else {
        return Ok(());
    };
    let slots = [(Segment::Private, access.private_user_id), (Segment::Commercial, access.commercial_user_id)];
    let used = slots.into_iter().filter(|(_, shared)| shared.as_ref() == Some(user));
    let used: Vec<_> = used.map(|(segment, _)| Related::SharedUser(segment)).collect();
    match used.len() {
        0 => Ok(()),
        1 => Err(Refusal::with_related(Reason::SlotInUse, used, 1).into()),
        _ => Err(Refusal::with_related(Reason::SlotInUse, used, 2).into()),
    }
}
