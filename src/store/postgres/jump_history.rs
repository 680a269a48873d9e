//! The history of jumps: reading it, revoking what it holds, and forgetting a customer in it.

use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _};
use uuid::Uuid;

use super::PostgresStore;
use super::error::Step;
use super::jumps::actor_of;
use super::requests::{Changed, Stop, unreadable_resource};
use super::row::{Cells, micros, rows_to_ask, uuid};
use super::users;
use crate::domain::error::Reason;
use crate::domain::ids::{
    ActivationId, BrokerId, CustomerId, JumpId, LineOfBusiness, ProviderId, TargetId, TenantId, UserId,
};
use crate::domain::jump::{
    CLOCK_LEEWAY, JumpFilter, JumpRecord, JumpSelection, LONGEST_SESSION, PersonId, PersonKind, ReportedResult,
    RevokedCounts, TokenLife,
};
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::store::codes::Code;
use crate::store::{Effect, MOST_JUMPS_SCANNED, Outcome, StoreError};

/// The longest after it was made that a jump can be redeemed.
const LONGEST_OPEN: Duration = TokenLife::LONGEST.span().saturating_add(CLOCK_LEEWAY);

/// What is told of the jumps of a subquery, and what became of each: the words and the order of
/// [`crate::domain::jump::JumpState::of`]. Binds: tenant, instant, leeway.
macro_rules! records {
    ($jumps:literal, $which:literal) => {
        concat!(
            "
            SELECT
                j.jump_id,
                j.person_kind,
                j.person_id,
                j.actor_role,
                j.actor_id,
                j.target_id,
                j.user_id,
                j.way,
                j.segment,
                j.activation_id,
                j.customer_context,
                j.line_of_business,
                j.provider_id,
                j.issued_at,
                j.expires_at,
                j.redeemed_at,
                j.revoked_at,
                j.session_revoked_at,
                j.result,
                j.result_at,
                b.became
            FROM (
            ",
            $jumps,
            "
            ) AS j
            JOIN service AS s ON s.singleton = 1
            JOIN tenant AS t ON t.tenant_id = j.tenant_id
            CROSS JOIN LATERAL (
                SELECT
                    CASE
                        WHEN j.redeemed_at IS NOT NULL THEN 'redeemed'
                        WHEN j.expires_at + $3 <= $2 THEN 'expired'
                        WHEN j.revoked_at IS NULL
                            AND t.state = 'active'
                            AND s.epoch = j.epoch
                            AND t.config_version = j.config_version
                            AND s.catalog_version = j.catalog_version
                            -- IS NOT DISTINCT FROM, not =: decided on no record, and there is still none.
                            AND (
                                SELECT c.jump_version
                                FROM customer AS c
                                WHERE j.person_kind = 'customer'
                                  AND c.tenant_id = j.tenant_id
                                  AND c.customer_id = j.person_id
                            ) IS NOT DISTINCT FROM j.customer_version
                            THEN 'issued'
                        ELSE 'revoked'
                    END AS became
            ) AS b
            ",
            $which,
        )
    };
}

pub(super) const GET: &str = records!(
    "
    SELECT *
    FROM jump
    WHERE tenant_id = $1
      AND jump_id = $4
    ",
    ""
);

/// The window that one page looks at is a subquery of its own: LIMIT there bounds the work, whatever the filter lets through.
macro_rules! listed {
    ($jumps:literal) => {
        records!(
            $jumps,
            "
            WHERE ($6::UUID IS NULL OR j.user_id = $6)
              AND ($7::TEXT IS NULL OR j.target_id = $7)
              -- What is NULL does not count.
              AND (
                  $8::BIGINT IS NULL
                  OR greatest(j.issued_at, j.redeemed_at, j.revoked_at, j.session_revoked_at, j.result_at) > $8
              )
              AND ($9::TEXT IS NULL OR b.became = $9)
            ORDER BY j.jump_id DESC
            LIMIT $10
            "
        )
    };
}

pub(super) const LIST: &str = listed!(
    "
    SELECT *
    FROM jump
    WHERE tenant_id = $1
      AND jump_id < $4
    ORDER BY jump_id DESC
    LIMIT $5
    "
);

pub(super) const LIST_OF_PERSON: &str = listed!(
    "
    SELECT *
    FROM jump
    WHERE tenant_id = $1
      AND person_kind = $11
      AND person_id = $12
      AND jump_id < $4
    ORDER BY jump_id DESC
    LIMIT $5
    "
);

pub(super) const LAST_SCANNED: &str = "
SELECT jump_id
FROM jump
WHERE tenant_id = $1
  AND jump_id < $2
ORDER BY jump_id DESC
LIMIT 1
OFFSET $3::BIGINT - 1
";

pub(super) const LAST_SCANNED_OF_PERSON: &str = "
SELECT jump_id
FROM jump
WHERE tenant_id = $1
  AND person_kind = $4
  AND person_id = $5
  AND jump_id < $2
ORDER BY jump_id DESC
LIMIT 1
OFFSET $3::BIGINT - 1
";

/// Reads one jump.
pub(super) async fn get(
    tx: &mut PgConnection,
    tenant: &TenantId,
    jump: &JumpId,
    now: Timestamp,
) -> Step<Option<JumpRecord>> {
    let row = sqlx::query(GET)
        .bind(uuid(tenant.as_bytes()))
        .bind(now.unix_micros())
        .bind(micros(CLOCK_LEEWAY))
        .bind(uuid(jump.as_bytes()))
        .fetch_optional(tx)
        .await?;
    row.as_ref().map(record_of).transpose()
}

/// Lists jumps, the newest first.
pub(super) async fn list(
    tx: &mut PgConnection,
    tenant: &TenantId,
    filter: &JumpFilter,
    page: &PageRequest,
    now: Timestamp,
) -> Step<Page<JumpRecord>> {
    // Both reads see the same window.
    let mut records = read_window(tx, tenant, filter, page, now).await?;
    let size = usize::from(page.size.rows());
    let next = if records.len() > size {
        records.truncate(size);
        records.last().map(|record| record.jump_id.to_string())
    } else {
        last_scanned(tx, tenant, filter, page).await?
    };
    Ok(Page { rows: records, next })
}

/// Reads what the filter lets through of the jumps that a page looks at: at most one row more than the page has.
async fn read_window(
    tx: &mut PgConnection,
    tenant: &TenantId,
    filter: &JumpFilter,
    page: &PageRequest,
    now: Timestamp,
) -> Step<Vec<JumpRecord>> {
    let mut query = sqlx::query(if filter.person.is_some() { LIST_OF_PERSON } else { LIST })
        .bind(uuid(tenant.as_bytes()))
        .bind(now.unix_micros())
        .bind(micros(CLOCK_LEEWAY))
        .bind(before_id(page))
        .bind(i64::from(MOST_JUMPS_SCANNED))
        .bind(filter.user_id.map(|user| uuid(user.as_bytes())))
        .bind(filter.target_id.as_ref().map(TargetId::as_str))
        .bind(filter.updated_after.map(Timestamp::unix_micros))
        .bind(filter.state.map(Code::code))
        .bind(rows_to_ask(page));
    if let Some(person) = &filter.person {
        query = query.bind(person.kind().code()).bind(person.as_str());
    }
    query.fetch_all(tx).await?.iter().map(record_of).collect()
}

/// The last of the jumps that a page looks at, if there are as many as it may look at: there may be more behind it.
async fn last_scanned(
    tx: &mut PgConnection,
    tenant: &TenantId,
    filter: &JumpFilter,
    page: &PageRequest,
) -> Step<Option<String>> {
    let mut query = sqlx::query_scalar(if filter.person.is_some() { LAST_SCANNED_OF_PERSON } else { LAST_SCANNED })
        .bind(uuid(tenant.as_bytes()))
        .bind(before_id(page))
        .bind(i64::from(MOST_JUMPS_SCANNED));
    if let Some(person) = &filter.person {
        query = query.bind(person.kind().code()).bind(person.as_str());
    }
    let last: Option<Uuid> = query.fetch_optional(tx).await?;
    Ok(last.map(|last| last.to_string()))
}

/// The id that a page begins before; one that sorts after every id of a jump, where it begins with the newest.
///
/// What is no id comes from nobody who was shown the page before: to him the list is at its end.
fn before_id(page: &PageRequest) -> Uuid {
    match page.after.as_deref() {
        None => Uuid::max(),
        Some(text) => Uuid::try_parse(text).unwrap_or(Uuid::nil()),
    }
}

fn record_of(row: &PgRow) -> Step<JumpRecord> {
    let cells = Cells::of(row, "jump");
    let person_kind = cells.code("person_kind")?;
    Ok(JumpRecord {
        jump_id: cells.id("jump_id", JumpId::parse)?,
        state: cells.code("became")?,
        person_kind,
        person: person_of(cells, person_kind)?,
        actor: actor_of(cells)?,
        target_id: cells.parsed("target_id", TargetId::parse)?,
        user_id: Some(cells.id("user_id", UserId::parse)?),
        way: cells.code("way")?,
        segment: cells.code_or_null("segment")?,
        activation_id: cells.id_or_null("activation_id", ActivationId::parse)?,
        customer_context: cells.parsed_or_null("customer_context", CustomerId::parse)?,
        line_of_business: cells.parsed_or_null("line_of_business", LineOfBusiness::parse)?,
        provider_id: cells.parsed_or_null("provider_id", ProviderId::parse)?,
        issued_at: cells.instant("issued_at")?,
        expires_at: cells.instant("expires_at")?,
        redeemed_at: cells.instant_or_null("redeemed_at")?,
        revoked_at: cells.instant_or_null("revoked_at")?,
        session_revoked_at: cells.instant_or_null("session_revoked_at")?,
        result: result_of(cells)?,
    })
}

fn result_of(cells: Cells<'_>) -> Step<Option<ReportedResult>> {
    match cells.code_or_null("result")? {
        None => Ok(None),
        Some(result) => Ok(Some(ReportedResult { result, at: cells.instant("result_at")? })),
    }
}

fn person_of(cells: Cells<'_>, kind: PersonKind) -> Step<Option<PersonId>> {
    let id: &str = cells.plain("person_id")?;
    match kind {
        PersonKind::Broker => Ok(Some(PersonId::Broker(cells.parsed("person_id", BrokerId::parse)?))),
        PersonKind::Customer if id.is_empty() => Ok(None),
        PersonKind::Customer => Ok(Some(PersonId::Customer(cells.parsed("person_id", CustomerId::parse)?))),
    }
}

/// Marks what is open as revoked, and the sessions of what was redeemed lately. Open is what has time left: a jump that a
/// change revoked already is marked and counted as well. Binds: tenant, instant, leeway, longest session.
macro_rules! revoke {
    ($jumps:literal, $which:literal) => {
        concat!(
            $jumps,
            "
            SET revoked_at = CASE WHEN redeemed_at IS NULL THEN $2 ELSE revoked_at END,
                session_revoked_at = CASE WHEN redeemed_at IS NULL THEN session_revoked_at ELSE $2 END
            WHERE tenant_id = $1
            ",
            $which,
            "
              AND (
                  (redeemed_at IS NULL AND revoked_at IS NULL AND expires_at + $3 > $2)
                  -- The first time counts.
                  OR (redeemed_at + $4 > $2 AND session_revoked_at IS NULL)
              )
            RETURNING redeemed_at IS NOT NULL AS has_session
            ",
        )
    };
}

pub(super) const REVOKE_ONE: &str = revoke!("UPDATE jump", "AND jump_id = $5");

pub(super) const REVOKE_OF_PERSON: &str =
    revoke!("UPDATE jump", "AND jump_id >= $5 AND person_kind = $6 AND person_id = $7");

/// Marks what is open with a user as revoked. The jumps of a tenant that were made lately are walked through, whoever has them:
/// so no sessions, which would be all jumps of 8 h. Binds: tenant, instant, leeway, where the ids begin, user.
pub(super) const REVOKE_OF_USER: &str = "
UPDATE jump
SET revoked_at = $2
WHERE tenant_id = $1
  AND jump_id >= $4
  AND user_id = $5
  AND redeemed_at IS NULL
  AND revoked_at IS NULL
  AND expires_at + $3 > $2
";

/// Revokes what is open of a selection; of one jump or a person, with the sessions of what is not.
pub(super) async fn revoke(
    store: &PostgresStore,
    tenant: &TenantId,
    effect: &Effect,
    selection: &JumpSelection,
) -> Result<Outcome<RevokedCounts>, StoreError> {
    let (tenant, selection) = (*tenant, selection.clone());
    store
        .change(
            tenant,
            effect,
            move |tx, at| Box::pin(async move { revoke_selected(tx, at, &tenant, &selection).await }),
            // Counts are what the first request did; they cannot be read again from the jumps.
            |_, resource| Box::pin(async move { counts_of(&resource).map(Some).ok_or_else(unreadable_resource) }),
        )
        .await
}

async fn revoke_selected(
    tx: &mut PgConnection,
    at: Timestamp,
    tenant: &TenantId,
    selection: &JumpSelection,
) -> Changed {
    check_selection(tx, tenant, selection).await?;
    let counts = match selection {
        JumpSelection::Jump(jump) => {
            counted(with_sessions(REVOKE_ONE, tenant, at).bind(uuid(jump.as_bytes())).fetch_all(tx).await?)?
        }
        JumpSelection::User(user) => revoke_of_user(tx, tenant, user, at).await?,
        JumpSelection::Person(person) => counted(
            with_sessions(REVOKE_OF_PERSON, tenant, at)
                .bind(uuid(oldest_with_session(at).as_bytes()))
                .bind(person.kind().code())
                .bind(person.as_str())
                .fetch_all(tx)
                .await?,
        )?,
    };
    Ok(resource_of(counts))
}

fn with_sessions(statement: &'static str, tenant: &TenantId, at: Timestamp) -> Query<'static, Postgres, PgArguments> {
    sqlx::query(statement)
        .bind(uuid(tenant.as_bytes()))
        .bind(at.unix_micros())
        .bind(micros(CLOCK_LEEWAY))
        .bind(micros(LONGEST_SESSION))
}

fn counted(revoked: Vec<PgRow>) -> Step<RevokedCounts> {
    let mut counts = RevokedCounts::default();
    for row in revoked {
        if row.try_get("has_session")? {
            counts.sessions += 1;
        } else {
            counts.jumps += 1;
        }
    }
    Ok(counts)
}

async fn revoke_of_user(tx: &mut PgConnection, tenant: &TenantId, user: &UserId, at: Timestamp) -> Step<RevokedCounts> {
    let revoked = sqlx::query(REVOKE_OF_USER)
        .bind(uuid(tenant.as_bytes()))
        .bind(at.unix_micros())
        .bind(micros(CLOCK_LEEWAY))
        .bind(uuid(oldest_open(at).as_bytes()))
        .bind(uuid(user.as_bytes()))
        .execute(tx)
        .await?
        .rows_affected();
    Ok(RevokedCounts { jumps: u32::try_from(revoked).unwrap_or(u32::MAX), sessions: 0 })
}

/// Where the ids of jumps begin that may still be open at `at`: the longest life of a token ago, and the leeway.
fn oldest_open(at: Timestamp) -> JumpId {
    JumpId::floor(at.minus(LONGEST_OPEN))
}

/// Where the ids of jumps begin whose sessions may still last at `at`: what was redeemed then was open then.
fn oldest_with_session(at: Timestamp) -> JumpId {
    JumpId::floor(at.minus(LONGEST_SESSION.saturating_add(LONGEST_OPEN)))
}

async fn check_selection(tx: &mut PgConnection, tenant: &TenantId, selection: &JumpSelection) -> Result<(), Stop> {
    let is_known = match selection {
        JumpSelection::Jump(jump) => jump_exists(tx, tenant, jump).await?,
        JumpSelection::User(user) => users::load(tx, tenant, user).await?.is_some(),
        JumpSelection::Person(_) => true,
    };
    if is_known { Ok(()) } else { Err(Reason::NotFound.into()) }
}

async fn jump_exists(tx: &mut PgConnection, tenant: &TenantId, jump: &JumpId) -> Step<bool> {
    let exists = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM jump WHERE tenant_id = $1 AND jump_id = $2)");
    Ok(exists.bind(uuid(tenant.as_bytes())).bind(uuid(jump.as_bytes())).fetch_one(tx).await?)
}

fn resource_of(counts: RevokedCounts) -> String {
    let RevokedCounts { jumps, sessions } = counts;
    format!("{jumps} {sessions}")
}

fn counts_of(resource: &str) -> Option<RevokedCounts> {
    let (jumps, sessions) = resource.split_once(' ')?;
    Some(RevokedCounts { jumps: jumps.parse().ok()?, sessions: sessions.parse().ok()? })
}

pub(super) const FORGET_OWN: &str = "
UPDATE jump
SET revoked_at = CASE WHEN redeemed_at IS NULL THEN coalesce(revoked_at, $3) END,
    session_revoked_at = coalesce(session_revoked_at, CASE WHEN redeemed_at + $4 > $3 THEN $3 END),
    caller = jti_hash,
    content = jti_hash,
    person_id = '',
    actor_role = NULL,
    actor_id = NULL,
    subject = repeat('0', 43),
    actor_subject = NULL,
    customer_context = NULL,
    context = NULL,
    nonce = NULL,
    return_url = NULL,
    target_page = NULL
WHERE tenant_id = $1
  AND person_kind = 'customer'
  AND person_id = $2
";

pub(super) const FORGET_CONTEXT: &str = "
UPDATE jump
SET revoked_at = CASE WHEN redeemed_at IS NULL THEN coalesce(revoked_at, $3) END,
    content = jti_hash,
    customer_context = NULL,
    context = NULL,
    return_url = NULL,
    target_page = NULL
WHERE tenant_id = $1
  AND customer_context = $2
";

/// Makes the jumps of a customer, and those in which somebody worked for him, lead to him no longer, at `at`. What is open is
/// revoked, and so are the sessions that his own jumps opened lately. Tells how many jumps there were.
pub(super) async fn forget_customer(
    tx: &mut PgConnection,
    tenant: &TenantId,
    customer: &CustomerId,
    at: Timestamp,
) -> Step<u64> {
    let own = sqlx::query(FORGET_OWN)
        .bind(uuid(tenant.as_bytes()))
        .bind(customer.as_str())
        .bind(at.unix_micros())
        .bind(micros(LONGEST_SESSION))
        .execute(&mut *tx)
        .await?
        .rows_affected();
    let of_others = sqlx::query(FORGET_CONTEXT)
        .bind(uuid(tenant.as_bytes()))
        .bind(customer.as_str())
        .bind(at.unix_micros())
        .execute(&mut *tx)
        .await?
        .rows_affected();
    Ok(own + of_others)
}
