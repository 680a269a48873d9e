//! Settings of tenants.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgConnection;

use super::PostgresStore;
use super::error::Step;
use super::requests::Changed;
use super::row::{Cells, uuid};
use super::session::Rows;
use super::versions::{check_etag, move_config};
use crate::domain::error::{Reason, Version};
use crate::domain::ids::{MvpUserId, TenantId};
use crate::domain::jump::{PersonKind, TokenLife};
use crate::domain::settings::{Percent, SessionSettings, SessionSpan, Settings, SettingsChange};
use crate::store::{Effect, Outcome, SettingsStore, StoreError};

/// Seconds in a minute.
const MINUTE: u64 = 60;

#[async_trait]
impl SettingsStore for PostgresStore {
    async fn get_settings(&self, tenant: &TenantId) -> Result<Option<Settings>, StoreError> {
        let tenant = *tenant;
        self.read(Rows::of(&tenant), move |tx| Box::pin(async move { load(tx, &tenant).await })).await
    }

    async fn update_settings(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        version: Version,
        change: &SettingsChange,
    ) -> Result<Outcome<Settings>, StoreError> {
        let (tenant, change) = (*tenant, change.clone());
        self.change(
            tenant,
            effect,
            move |tx, _| Box::pin(async move { update(tx, &tenant, version, change).await }),
            move |tx, _| Box::pin(async move { load(tx, &tenant).await }),
        )
        .await
    }
}

/// Reads settings from the columns of `tenant_settings`; the etag stands in the column `settings_version`.
pub(super) fn settings_of(cells: Cells<'_>) -> Step<Settings> {
    Ok(Settings {
        jump_life: jump_life_of(cells)?,
        customer_session: SessionSettings {
            idle: span_of(cells, "customer_idle", PersonKind::Customer.session_limits().idle)?,
            absolute: span_of(cells, "customer_absolute", PersonKind::Customer.session_limits().absolute)?,
        },
        broker_session: SessionSettings {
            idle: span_of(cells, "broker_idle", PersonKind::Broker.session_limits().idle)?,
            absolute: span_of(cells, "broker_absolute", PersonKind::Broker.session_limits().absolute)?,
        },
        import_change_limit: Percent::parse(cells.number("import_change_limit")?).map_err(|_| cells.corrupt())?,
        default_mvp_user: cells.parsed_or_null("default_mvp_user", MvpUserId::parse)?,
        version: Version::from_number(cells.plain("settings_version")?),
    })
}

fn jump_life_of(cells: Cells<'_>) -> Step<TokenLife> {
    let seconds: u64 = cells.number("jump_life")?;
    TokenLife::parse(Duration::from_secs(seconds)).map_err(|_| cells.corrupt())
}

fn span_of(cells: Cells<'_>, column: &'static str, longest: Duration) -> Step<SessionSpan> {
    let minutes: u64 = cells.number(column)?;
    let span = Duration::from_secs(minutes.saturating_mul(MINUTE));
    SessionSpan::new(span, longest).map_err(|_| cells.corrupt())
}

/// A span as the row keeps it: in minutes.
fn minutes(span: SessionSpan) -> i64 {
    i64::try_from(span.span().as_secs() / MINUTE).unwrap_or(i64::MAX)
}

async fn load(tx: &mut PgConnection, tenant: &TenantId) -> Step<Option<Settings>> {
    let row = sqlx::query(
        "
        SELECT
            jump_life, customer_idle, customer_absolute, broker_idle, broker_absolute,
            import_change_limit, default_mvp_user, version AS settings_version
        FROM tenant_settings
        WHERE tenant_id = $1
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .fetch_optional(tx)
    .await?;
    row.as_ref().map(|row| settings_of(Cells::of(row, "tenant_settings"))).transpose()
}

async fn update(tx: &mut PgConnection, tenant: &TenantId, version: Version, change: SettingsChange) -> Changed {
    let current = load(&mut *tx, tenant).await?.ok_or(Reason::NotFound)?;
    check_etag(current.version, version)?;
    let wished = current.clone().changed_by(change);
    if wished != current {
        sqlx::query(
            "
            UPDATE tenant_settings
            SET jump_life = $2,
                customer_idle = $3,
                customer_absolute = $4,
                broker_idle = $5,
                broker_absolute = $6,
                import_change_limit = $7,
                default_mvp_user = $8,
                version = version + 1
            WHERE tenant_id = $1
            ",
        )
        .bind(uuid(tenant.as_bytes()))
        .bind(i64::try_from(wished.jump_life.span().as_secs()).unwrap_or(i64::MAX))
        .bind(minutes(wished.customer_session.idle))
        .bind(minutes(wished.customer_session.absolute))
        .bind(minutes(wished.broker_session.idle))
        .bind(minutes(wished.broker_session.absolute))
        .bind(i64::from(wished.import_change_limit.number()))
        .bind(wished.default_mvp_user.as_ref().map(MvpUserId::as_str))
        .execute(&mut *tx)
        .await?;
    }
    if !wished.decide_like(&current) {
        move_config(tx, tenant).await?;
    }
    Ok(tenant.to_string())
}
