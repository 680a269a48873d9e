//! Broker activations.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqliteExecutor};

use super::SqliteStore;
use super::error::{Failure, Step};
use super::requests::{Changed, Stop, unreadable_resource};
use super::row::{Cells, page_of, rows_to_ask};
use super::users;
use super::versions::{check_etag, move_config};
use crate::domain::activation::{BrokerActivation, BrokerList, NewActivation};
use crate::domain::error::{RELATED_SHOWN, Reason, Refusal, Related, Version};
use crate::domain::ids::{ActivationId, BrokerId, TenantId, UserId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::provider::State;
use crate::domain::text::Line;
use crate::domain::time::Timestamp;
use crate::domain::user::UserKind;
use crate::store::codes::Code as _;
use crate::store::{ActivationStore, Effect, MOST_ACTIVATIONS_OF_BROKER, Outcome, StoreError};

#[async_trait]
impl ActivationStore for SqliteStore {
    async fn create_activation(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        new: &NewActivation,
    ) -> Result<Outcome<BrokerActivation>, StoreError> {
        let (tenant, new) = (*tenant, new.clone());
        self.change(
            tenant,
            effect,
            move |tx, at| Box::pin(async move { create(tx, at, &tenant, &new).await }),
            move |tx, resource| Box::pin(load_resource(tx, tenant, resource)),
        )
        .await
    }

    async fn get_activation(
        &self,
        tenant: &TenantId,
        activation: &ActivationId,
    ) -> Result<Option<BrokerActivation>, StoreError> {
        Ok(load(self.readers(), tenant, activation).await?)
    }

    async fn list_activations(
        &self,
        tenant: &TenantId,
        broker: Option<&BrokerId>,
        page: &PageRequest,
    ) -> Result<Page<BrokerActivation>, StoreError> {
        let list = match broker {
            None => sqlx::query(LIST).bind(tenant.to_string()),
            Some(broker) => sqlx::query(LIST_OF_BROKER).bind(tenant.to_string()).bind(broker.as_str()),
        };
        let rows = list
            .bind(page.after.as_deref().unwrap_or_default())
            .bind(rows_to_ask(page))
            .fetch_all(self.readers())
            .await
            .map_err(Failure::from)?;
        let activations = rows.iter().map(activation_of).collect::<Step<Vec<_>>>()?;
        Ok(page_of(activations, page, |activation| activation.activation_id.to_string()))
    }

    async fn set_activation_state(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        activation: &ActivationId,
        version: Version,
        state: State,
    ) -> Result<Outcome<BrokerActivation>, StoreError> {
        let (tenant, activation) = (*tenant, *activation);
        self.change(
            tenant,
            effect,
            move |tx, at| {
                Box::pin(async move {
                    let current = load(&mut *tx, &tenant, &activation).await?.ok_or(Reason::NotFound)?;
                    check_etag(current.version, version)?;
                    set_state(tx, at, &tenant, &current, state).await
                })
            },
            move |tx, resource| Box::pin(load_resource(tx, tenant, resource)),
        )
        .await
    }
}

const LIST: &str = "
SELECT
    a.activation_id, a.display_name, a.user_id, a.state, a.sharing_reason, a.created_at, a.updated_at, a.version,
    (
        SELECT json_group_array(b.broker_id)
        FROM activation_broker AS b
        WHERE b.tenant_id = a.tenant_id
          AND b.activation_id = a.activation_id
    ) AS brokers
FROM broker_activation AS a
WHERE a.tenant_id = ?1
  AND a.activation_id > ?2
ORDER BY a.activation_id
LIMIT ?3
";

const LIST_OF_BROKER: &str = "
SELECT
    a.activation_id, a.display_name, a.user_id, a.state, a.sharing_reason, a.created_at, a.updated_at, a.version,
    (
        SELECT json_group_array(b.broker_id)
        FROM activation_broker AS b
        WHERE b.tenant_id = a.tenant_id
          AND b.activation_id = a.activation_id
    ) AS brokers
FROM activation_broker AS his
CROSS JOIN broker_activation AS a
    ON a.tenant_id = his.tenant_id
    AND a.activation_id = his.activation_id
WHERE his.tenant_id = ?1
  AND his.broker_id = ?2
  AND his.activation_id > ?3
ORDER BY his.activation_id
LIMIT ?4
";

fn activation_of(row: &SqliteRow) -> Step<BrokerActivation> {
    let cells = Cells::of(row, "broker_activation");
    let brokers = cells.list_or_null("brokers", BrokerId::parse)?.unwrap_or_default();
    Ok(BrokerActivation {
        activation_id: cells.parsed("activation_id", ActivationId::parse)?,
        display_name: cells.parsed_or_null("display_name", Line::parse)?,
        brokers: BrokerList::new(brokers).map_err(|_| cells.corrupt())?,
        user_id: cells.parsed("user_id", UserId::parse)?,
        state: cells.code("state")?,
        sharing_reason: cells.parsed_or_null("sharing_reason", Line::parse)?,
        created_at: cells.instant("created_at")?,
        updated_at: cells.instant("updated_at")?,
        version: cells.version()?,
    })
}

async fn load(
    executor: impl SqliteExecutor<'_>,
    tenant: &TenantId,
    activation: &ActivationId,
) -> Step<Option<BrokerActivation>> {
    let row = sqlx::query(
        "
        SELECT
            a.activation_id, a.display_name, a.user_id, a.state, a.sharing_reason, a.created_at, a.updated_at,
            a.version,
            (
                SELECT json_group_array(b.broker_id)
                FROM activation_broker AS b
                WHERE b.tenant_id = a.tenant_id
                  AND b.activation_id = a.activation_id
            ) AS brokers
        FROM broker_activation AS a
        WHERE a.tenant_id = ?1
          AND a.activation_id = ?2
        ",
    )
    .bind(tenant.to_string())
    .bind(activation.to_string())
    .fetch_optional(executor)
    .await?;
    row.as_ref().map(activation_of).transpose()
}

async fn load_resource(tx: &mut SqliteConnection, tenant: TenantId, resource: String) -> Step<BrokerActivation> {
    let activation = ActivationId::parse(&resource).map_err(|_| unreadable_resource())?;
    load(tx, &tenant, &activation).await?.ok_or_else(unreadable_resource)
}

/// Refuses for `reason`, with the activations that have the user, if there are any.
pub(super) async fn check_none_of(
    tx: &mut SqliteConnection,
    tenant: &TenantId,
    user: &UserId,
    reason: Reason,
) -> Result<(), Stop> {
    let rows = sqlx::query(
        "
        SELECT activation_id, count(*) OVER () AS total
        FROM broker_activation
        WHERE tenant_id = ?1
          AND user_id = ?2
        ORDER BY activation_id
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
    let total: u64 = Cells::of(row, "broker_activation").plain("total")?;
    let activations = rows.iter().map(|row| {
        let id = Cells::of(row, "broker_activation").parsed("activation_id", ActivationId::parse)?;
        Ok(Related::Activation(id))
    });
    Err(Refusal::with_related(reason, activations.collect::<Step<_>>()?, total).into())
}

async fn create(tx: &mut SqliteConnection, at: Timestamp, tenant: &TenantId, new: &NewActivation) -> Changed {
    let user = users::load(&mut *tx, tenant, &new.user_id).await?.ok_or(Reason::NotFound)?;
    match user.kind {
        UserKind::EndCustomer => return Err(Reason::EndkundeConflict.into()),
        UserKind::Standard => return Err(Reason::StandardNotForJumps.into()),
        UserKind::Broker => {}
    }
    if new.sharing_reason.is_none() {
        check_none_of(tx, tenant, &new.user_id, Reason::UserAlreadyAssigned).await?;
    }
    let brokers: Vec<_> = new.brokers.as_slice().iter().map(BrokerId::as_str).collect();
    let brokers = serde_json::to_string(&brokers).map_err(Failure::from)?;
    check_room_of(tx, tenant, &brokers).await?;
    sqlx::query(
        "
        INSERT INTO broker_activation (
            tenant_id, activation_id, display_name, user_id, state, sharing_reason, version, created_at, updated_at
        )
        VALUES (?1, ?2, ?3, ?4, 'active', ?5, 1, ?6, ?6)
        ",
    )
    .bind(tenant.to_string())
    .bind(new.activation_id.to_string())
    .bind(new.display_name.as_ref().map(Line::as_str))
    .bind(new.user_id.to_string())
    .bind(new.sharing_reason.as_ref().map(Line::as_str))
    .bind(at.unix_micros())
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "
        INSERT INTO activation_broker (tenant_id, broker_id, activation_id)
        SELECT ?1, item.value, ?2
        FROM json_each(?3) AS item
        ",
    )
    .bind(tenant.to_string())
    .bind(new.activation_id.to_string())
    .bind(brokers)
    .execute(&mut *tx)
    .await?;
    move_config(tx, tenant).await?;
    Ok(new.activation_id.to_string())
}

/// Checks that each broker of the JSON array `brokers` may be in one activation more.
async fn check_room_of(tx: &mut SqliteConnection, tenant: &TenantId, brokers: &str) -> Result<(), Stop> {
    let row = sqlx::query(
        "
        SELECT EXISTS (
            SELECT 1
            FROM json_each(?2) AS item
            WHERE (
                SELECT count(*)
                FROM activation_broker AS b
                WHERE b.tenant_id = ?1
                  AND b.broker_id = item.value
            ) >= ?3
        ) AS is_full
        ",
    )
    .bind(tenant.to_string())
    .bind(brokers)
    .bind(MOST_ACTIVATIONS_OF_BROKER)
    .fetch_one(tx)
    .await?;
    if Cells::of(&row, "activation_broker").plain("is_full")? { Err(Reason::LimitReached.into()) } else { Ok(()) }
}

async fn set_state(
    tx: &mut SqliteConnection,
    at: Timestamp,
    tenant: &TenantId,
    current: &BrokerActivation,
    state: State,
) -> Changed {
    if current.state != state {
        sqlx::query(
            "
            UPDATE broker_activation
            SET state = ?3,
                version = version + 1,
                updated_at = ?4
            WHERE tenant_id = ?1
              AND activation_id = ?2
            ",
        )
        .bind(tenant.to_string())
        .bind(current.activation_id.to_string())
        .bind(state.code())
        .bind(at.unix_micros())
        .execute(&mut *tx)
        .await?;
        move_config(tx, tenant).await?;
    }
    Ok(current.activation_id.to_string())
}
