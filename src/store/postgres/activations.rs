//! Broker activations.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};

use super::PostgresStore;
use super::error::Step;
use super::requests::{Changed, Stop, unreadable_resource};
use super::row::{Cells, after_id, page_of, rows_to_ask, uuid};
use super::session::Rows;
use super::users::{self, Dependents};
use super::versions::{check_etag, move_config};
use crate::domain::activation::{ActivationChange, BrokerActivation, BrokerList, NewActivation};
use crate::domain::error::{RELATED_SHOWN, Reason, Related, Version};
use crate::domain::ids::{ActivationId, BrokerId, TenantId, UserId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::provider::State;
use crate::domain::text::Line;
use crate::domain::time::Timestamp;
use crate::domain::user::UserKind;
use crate::store::codes::Code as _;
use crate::store::{ActivationStore, Effect, MOST_ACTIVATIONS_OF_BROKER, Outcome, StoreError};

#[async_trait]
impl ActivationStore for PostgresStore {
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
        let (tenant, activation) = (*tenant, *activation);
        self.read(Rows::of(&tenant), move |tx| Box::pin(async move { load(tx, &tenant, &activation).await })).await
    }

    async fn list_activations(
        &self,
        tenant: &TenantId,
        broker: Option<&BrokerId>,
        page: &PageRequest,
    ) -> Result<Page<BrokerActivation>, StoreError> {
        let (tenant, broker, page) = (*tenant, broker.cloned(), page.clone());
        self.read(Rows::of(&tenant), move |tx| Box::pin(async move { list(tx, &tenant, broker.as_ref(), &page).await }))
            .await
    }

    async fn update_activation(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        activation: &ActivationId,
        version: Version,
        change: &ActivationChange,
    ) -> Result<Outcome<BrokerActivation>, StoreError> {
        let (tenant, activation, change) = (*tenant, *activation, change.clone());
        self.change(
            tenant,
            effect,
            move |tx, at| {
                Box::pin(async move {
                    let current = load_known(tx, &tenant, &activation, version).await?;
                    update(tx, at, &tenant, &current, change).await
                })
            },
            move |tx, resource| Box::pin(load_resource(tx, tenant, resource)),
        )
        .await
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
                    let current = load_known(tx, &tenant, &activation, version).await?;
                    set_state(tx, at, &tenant, &current, state).await
                })
            },
            move |tx, resource| Box::pin(load_resource(tx, tenant, resource)),
        )
        .await
    }

    async fn delete_activation(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        activation: &ActivationId,
        version: Version,
    ) -> Result<Outcome<()>, StoreError> {
        let (tenant, activation) = (*tenant, *activation);
        self.change(
            tenant,
            effect,
            move |tx, _| {
                Box::pin(async move {
                    let current = load_known(tx, &tenant, &activation, version).await?;
                    delete(tx, &tenant, &current).await
                })
            },
            |_, _| Box::pin(async { Ok(Some(())) }),
        )
        .await
    }
}

const LIST: &str = "
SELECT
    a.activation_id, a.display_name, a.user_id, a.state, a.sharing_reason, a.created_at, a.updated_at, a.version,
    (
        SELECT array_agg(b.broker_id)
        FROM activation_broker AS b
        WHERE b.tenant_id = a.tenant_id
          AND b.activation_id = a.activation_id
    ) AS brokers
FROM broker_activation AS a
WHERE a.tenant_id = $1
  AND a.activation_id > $2
ORDER BY a.activation_id
LIMIT $3
";

// MATERIALIZED, with the tenant: PostgreSQL that has not counted the activations yet compares all those of the tenant with each
// of the broker's.
const LIST_OF_BROKER: &str = "
WITH his AS MATERIALIZED (
    SELECT tenant_id, activation_id
    FROM activation_broker
    WHERE tenant_id = $1
      AND broker_id = $2
      AND activation_id > $3
    ORDER BY activation_id
    LIMIT $4
)
SELECT
    a.activation_id, a.display_name, a.user_id, a.state, a.sharing_reason, a.created_at, a.updated_at, a.version,
    (
        SELECT array_agg(b.broker_id)
        FROM activation_broker AS b
        WHERE b.tenant_id = a.tenant_id
          AND b.activation_id = a.activation_id
    ) AS brokers
FROM his
JOIN broker_activation AS a
    ON a.tenant_id = his.tenant_id
    AND a.activation_id = his.activation_id
ORDER BY his.activation_id
";

fn activation_of(row: &PgRow) -> Step<BrokerActivation> {
    let cells = Cells::of(row, "broker_activation");
    let brokers = cells.list_or_null("brokers", BrokerId::parse)?.unwrap_or_default();
    Ok(BrokerActivation {
        activation_id: cells.id("activation_id", ActivationId::parse)?,
        display_name: cells.parsed_or_null("display_name", Line::parse)?,
        brokers: BrokerList::new(brokers).map_err(|_| cells.corrupt())?,
        user_id: cells.id("user_id", UserId::parse)?,
        state: cells.code("state")?,
        sharing_reason: cells.parsed_or_null("sharing_reason", Line::parse)?,
        created_at: cells.instant("created_at")?,
        updated_at: cells.instant("updated_at")?,
        version: cells.version()?,
    })
}

async fn load(tx: &mut PgConnection, tenant: &TenantId, activation: &ActivationId) -> Step<Option<BrokerActivation>> {
    let row = sqlx::query(
        "
        SELECT
            a.activation_id, a.display_name, a.user_id, a.state, a.sharing_reason, a.created_at, a.updated_at,
            a.version,
            (
                SELECT array_agg(b.broker_id)
                FROM activation_broker AS b
                WHERE b.tenant_id = a.tenant_id
                  AND b.activation_id = a.activation_id
            ) AS brokers
        FROM broker_activation AS a
        WHERE a.tenant_id = $1
          AND a.activation_id = $2
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .bind(uuid(activation.as_bytes()))
    .fetch_optional(tx)
    .await?;
    row.as_ref().map(activation_of).transpose()
}

async fn list(
    tx: &mut PgConnection,
    tenant: &TenantId,
    broker: Option<&BrokerId>,
    page: &PageRequest,
) -> Step<Page<BrokerActivation>> {
    let list = match broker {
        None => sqlx::query(LIST).bind(uuid(tenant.as_bytes())),
        Some(broker) => sqlx::query(LIST_OF_BROKER).bind(uuid(tenant.as_bytes())).bind(broker.as_str()),
    };
    let rows = list.bind(after_id(page)).bind(rows_to_ask(page)).fetch_all(tx).await?;
    let activations = rows.iter().map(activation_of).collect::<Step<Vec<_>>>()?;
    Ok(page_of(activations, page, |activation| activation.activation_id.to_string()))
}

async fn load_resource(tx: &mut PgConnection, tenant: TenantId, resource: String) -> Step<Option<BrokerActivation>> {
    let activation = ActivationId::parse(&resource).map_err(|_| unreadable_resource())?;
    load(tx, &tenant, &activation).await
}

/// Reads an activation that a change is about, in the version that the caller knows.
async fn load_known(
    tx: &mut PgConnection,
    tenant: &TenantId,
    activation: &ActivationId,
    version: Version,
) -> Result<BrokerActivation, Stop> {
    let current = load(tx, tenant, activation).await?.ok_or(Reason::NotFound)?;
    check_etag(current.version, version)?;
    Ok(current)
}

/// Reads which activations have a user.
pub(super) async fn dependents_of(tx: &mut PgConnection, tenant: &TenantId, user: &UserId) -> Step<Dependents> {
    dependents_beside(tx, tenant, user, None).await
}

/// The same, without one activation.
async fn dependents_beside(
    tx: &mut PgConnection,
    tenant: &TenantId,
    user: &UserId,
    beside: Option<&ActivationId>,
) -> Step<Dependents> {
    let rows = sqlx::query(
        "
        SELECT activation_id, count(*) OVER () AS total
        FROM broker_activation
        WHERE tenant_id = $1
          AND user_id = $2
          AND activation_id IS DISTINCT FROM $3::UUID
        ORDER BY activation_id
        LIMIT $4
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .bind(uuid(user.as_bytes()))
    .bind(beside.map(|activation| uuid(activation.as_bytes())))
    .bind(i64::try_from(RELATED_SHOWN).unwrap_or(i64::MAX))
    .fetch_all(tx)
    .await?;
    let Some(row) = rows.first() else {
        return Ok(Dependents::default());
    };
    let total = Cells::of(row, "broker_activation").number("total")?;
    let shown = rows.iter().map(|row| {
        let id = Cells::of(row, "broker_activation").id("activation_id", ActivationId::parse)?;
        Ok(Related::Activation(id))
    });
    Ok(Dependents { shown: shown.collect::<Step<_>>()?, total })
}

async fn create(tx: &mut PgConnection, at: Timestamp, tenant: &TenantId, new: &NewActivation) -> Changed {
    check_user(tx, tenant, &new.user_id).await?;
    if new.sharing_reason.is_none() {
        dependents_of(tx, tenant, &new.user_id).await?.refuse(Reason::UserAlreadyAssigned)?;
    }
    check_room_of(tx, tenant, &new.activation_id, &new.brokers).await?;
    sqlx::query(
        "
        INSERT INTO broker_activation (
            tenant_id, activation_id, display_name, user_id, state, sharing_reason, version, created_at, updated_at
        )
        VALUES ($1, $2, $3, $4, 'active', $5, 1, $6, $6)
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .bind(uuid(new.activation_id.as_bytes()))
    .bind(new.display_name.as_ref().map(Line::as_str))
    .bind(uuid(new.user_id.as_bytes()))
    .bind(new.sharing_reason.as_ref().map(Line::as_str))
    .bind(at.unix_micros())
    .execute(&mut *tx)
    .await?;
    insert_brokers(tx, tenant, &new.activation_id, &new.brokers).await?;
    move_config(tx, tenant).await?;
    Ok(new.activation_id.to_string())
}

/// Checks that a user is there and for brokers.
async fn check_user(tx: &mut PgConnection, tenant: &TenantId, user: &UserId) -> Result<(), Stop> {
    match users::load(tx, tenant, user).await?.ok_or(Reason::NotFound)?.kind {
        UserKind::EndCustomer => Err(Reason::EndkundeConflict.into()),
        UserKind::Standard => Err(Reason::StandardNotForJumps.into()),
        UserKind::Broker => Ok(()),
    }
}

fn brokers_array(brokers: &BrokerList) -> Vec<&str> {
    brokers.as_slice().iter().map(BrokerId::as_str).collect()
}

async fn insert_brokers(
    tx: &mut PgConnection,
    tenant: &TenantId,
    activation: &ActivationId,
    brokers: &BrokerList,
) -> Step<()> {
    sqlx::query(
        "
        INSERT INTO activation_broker (tenant_id, broker_id, activation_id)
        SELECT $1, item.broker_id, $2
        FROM unnest($3::TEXT[]) AS item (broker_id)
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .bind(uuid(activation.as_bytes()))
    .bind(brokers_array(brokers))
    .execute(tx)
    .await?;
    Ok(())
}

async fn delete_brokers(tx: &mut PgConnection, tenant: &TenantId, activation: &ActivationId) -> Step<()> {
    sqlx::query(
        "
        DELETE FROM activation_broker
        WHERE tenant_id = $1
          AND activation_id = $2
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .bind(uuid(activation.as_bytes()))
    .execute(tx)
    .await?;
    Ok(())
}

/// Checks that each broker may be in an activation, beside all others that he is in.
async fn check_room_of(
    tx: &mut PgConnection,
    tenant: &TenantId,
    activation: &ActivationId,
    brokers: &BrokerList,
) -> Result<(), Stop> {
    let row = sqlx::query(
        "
        SELECT EXISTS (
            SELECT 1
            FROM unnest($2::TEXT[]) AS item (broker_id)
            WHERE (
                SELECT count(*)
                FROM activation_broker AS b
                WHERE b.tenant_id = $1
                  AND b.broker_id = item.broker_id
                  AND b.activation_id <> $3
            ) >= $4
        ) AS is_full
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .bind(brokers_array(brokers))
    .bind(uuid(activation.as_bytes()))
    .bind(i64::from(MOST_ACTIVATIONS_OF_BROKER))
    .fetch_one(tx)
    .await?;
    if Cells::of(&row, "activation_broker").plain("is_full")? { Err(Reason::LimitReached.into()) } else { Ok(()) }
}

async fn update(
    tx: &mut PgConnection,
    at: Timestamp,
    tenant: &TenantId,
    current: &BrokerActivation,
    change: ActivationChange,
) -> Changed {
    let activation = &current.activation_id;
    let wished = BrokerActivation {
        display_name: change.display_name.applied_to(current.display_name.clone()),
        brokers: change.brokers.applied_to(current.brokers.clone()),
        user_id: change.user_id.applied_to(current.user_id),
        sharing_reason: change.sharing_reason.applied_to(current.sharing_reason.clone()),
        ..current.clone()
    };
    check_user(tx, tenant, &wished.user_id).await?;
    let shares_anew = wished.user_id != current.user_id || current.sharing_reason.is_some();
    // The one that had the user first needs no reason, whatever came after it.
    if wished.sharing_reason.is_none() && shares_anew {
        let others = dependents_beside(tx, tenant, &wished.user_id, Some(activation)).await?;
        others.refuse(Reason::UserAlreadyAssigned)?;
    }
    check_room_of(tx, tenant, activation, &wished.brokers).await?;
    if wished != *current {
        write(tx, at, tenant, &wished).await?;
    }
    if wished.brokers != current.brokers {
        delete_brokers(tx, tenant, activation).await?;
        insert_brokers(tx, tenant, activation, &wished.brokers).await?;
    }
    if wished.brokers != current.brokers || wished.user_id != current.user_id {
        move_config(tx, tenant).await?;
    }
    Ok(activation.to_string())
}

/// Writes all of an activation that can be edited, but for its brokers.
async fn write(tx: &mut PgConnection, at: Timestamp, tenant: &TenantId, wished: &BrokerActivation) -> Step<()> {
    sqlx::query(
        "
        UPDATE broker_activation
        SET display_name = $3,
            user_id = $4,
            sharing_reason = $5,
            version = version + 1,
            updated_at = $6
        WHERE tenant_id = $1
          AND activation_id = $2
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .bind(uuid(wished.activation_id.as_bytes()))
    .bind(wished.display_name.as_ref().map(Line::as_str))
    .bind(uuid(wished.user_id.as_bytes()))
    .bind(wished.sharing_reason.as_ref().map(Line::as_str))
    .bind(at.unix_micros())
    .execute(tx)
    .await?;
    Ok(())
}

async fn set_state(
    tx: &mut PgConnection,
    at: Timestamp,
    tenant: &TenantId,
    current: &BrokerActivation,
    state: State,
) -> Changed {
    if current.state != state {
        sqlx::query(
            "
            UPDATE broker_activation
            SET state = $3,
                version = version + 1,
                updated_at = $4
            WHERE tenant_id = $1
              AND activation_id = $2
            ",
        )
        .bind(uuid(tenant.as_bytes()))
        .bind(uuid(current.activation_id.as_bytes()))
        .bind(state.code())
        .bind(at.unix_micros())
        .execute(&mut *tx)
        .await?;
        move_config(tx, tenant).await?;
    }
    Ok(current.activation_id.to_string())
}

async fn delete(tx: &mut PgConnection, tenant: &TenantId, current: &BrokerActivation) -> Changed {
    let activation = &current.activation_id;
    delete_brokers(tx, tenant, activation).await?;
    sqlx::query(
        "
        DELETE FROM broker_activation
        WHERE tenant_id = $1
          AND activation_id = $2
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .bind(uuid(activation.as_bytes()))
    .execute(&mut *tx)
    .await?;
    move_config(tx, tenant).await?;
    Ok(activation.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::plans::assert_plan;
    use super::*;

    #[tokio::test]
    async fn a_page_of_activations_is_looked_up_by_key() {
        const BROKERS: &str = "activation_broker (activation_id =, tenant_id =)";
        assert_plan(LIST, &["broker_activation (activation_id >, tenant_id =)", BROKERS]).await;
        let of_broker = "activation_broker (activation_id >, broker_id =, tenant_id =)";
        assert_plan(LIST_OF_BROKER, &[of_broker, "broker_activation (activation_id =, tenant_id =)", BROKERS]).await;
    }
}
