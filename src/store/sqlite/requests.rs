//! What every effect other than a jump has in common: the request log, and the audit row of its outcome.
//!
//! An effect is a change and a read. The change makes its checks, then writes, and names the resource that it was on;
//! the read answers with that resource as it is now. The same request a second time is the read alone; where the
//! resource is gone meanwhile, it is refused as not found.

use futures_core::future::BoxFuture;
use sqlx::{Row as _, SqliteConnection};

use super::SqliteStore;
use super::audit::{self, AuditRow};
use super::error::{Failure, Step};
use super::row::Cells;
use crate::domain::audit::AuditOutcome;
use crate::domain::error::{Reason, Refusal};
use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;
use crate::store::{Effect, Outcome, StoreError};

/// Why a change ends early.
pub(super) enum Stop {
    /// A rule refuses it. It must not have written anything before.
    Refused(Refusal),
    /// The database failed it.
    Failed(Failure),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason.into())
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// What a change gives: the resource that it was on, as the read takes it.
pub(super) type Changed = Result<String, Stop>;

impl SqliteStore {
    /// Runs an effect, with its audit row in the log of `tenant`.
    pub(super) async fn change<T, C, R>(
        &self,
        tenant: TenantId,
        effect: &Effect,
        change: C,
        read: R,
    ) -> Result<Outcome<T>, StoreError>
    where
        T: Send + 'static,
        C: for<'c> FnOnce(&'c mut SqliteConnection, Timestamp) -> BoxFuture<'c, Changed> + Send + 'static,
        R: for<'c> FnOnce(&'c mut SqliteConnection, String) -> BoxFuture<'c, Step<Option<T>>> + Send + 'static,
    {
        let effect = effect.clone();
        self.writer()?.effect(move |tx| Box::pin(async move { run(tx, &tenant, &effect, change, read).await })).await
    }
}

async fn run<T, C, R>(
    tx: &mut SqliteConnection,
    tenant: &TenantId,
    effect: &Effect,
    change: C,
    read: R,
) -> Step<Outcome<T>>
where
    C: for<'c> FnOnce(&'c mut SqliteConnection, Timestamp) -> BoxFuture<'c, Changed>,
    R: for<'c> FnOnce(&'c mut SqliteConnection, String) -> BoxFuture<'c, Step<Option<T>>>,
{
    let changed = match begin(tx, effect).await? {
        Begun::Repeated(resource) => match read(tx, resource).await? {
            Some(now) => return Ok(Outcome::Done(now)),
            None => return refuse(tx, effect, Reason::NotFound.into()).await,
        },
        Begun::Reused => Err(Stop::from(Reason::RequestIdReused)),
        Begun::Fresh => change(tx, effect.at).await,
    };
    match changed {
        Ok(resource) => {
            log(tx, effect, &resource).await?;
            append_audit(tx, tenant, effect, AuditOutcome::Accepted).await?;
            // What was written a moment ago is there.
            Ok(Outcome::Done(read(tx, resource).await?.ok_or_else(unreadable_resource)?))
        }
        Err(Stop::Refused(refusal)) => refuse(tx, effect, refusal).await,
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

/// Answers with a refusal, and writes it down in the caller's own log: an operator may have named a tenant that is not
/// there.
async fn refuse<T>(tx: &mut SqliteConnection, effect: &Effect, refusal: Refusal) -> Step<Outcome<T>> {
    append_audit(tx, &effect.scope, effect, AuditOutcome::Refused(refusal.reason)).await?;
    Ok(Outcome::Refused(refusal))
}

/// Whether a request was seen before.
enum Begun {
    /// It was not.
    Fresh,
    /// It was, and this is the resource that it was on.
    Repeated(String),
    /// Its id was, with another content.
    Reused,
}

async fn begin(tx: &mut SqliteConnection, effect: &Effect) -> Step<Begun> {
    let request = &effect.request;
    let earlier = sqlx::query(
        "
        SELECT content, resource
        FROM request_log
        WHERE tenant_id = ?1
          AND caller = ?2
          AND request_id = ?3
        ",
    )
    .bind(effect.scope.to_string())
    .bind(request.caller.as_slice())
    .bind(request.request_id.to_string())
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(row) = &earlier {
        let cells = Cells::of(row, "request_log");
        let is_same = cells.bytes32("content")? == request.content;
        return Ok(if is_same { Begun::Repeated(cells.plain("resource")?) } else { Begun::Reused });
    }
    let had_a_jump = sqlx::query(
        "
        SELECT EXISTS (
            SELECT 1
            FROM jump
            WHERE tenant_id = ?1
              AND caller = ?2
              AND request_id = ?3
        ) AS had_a_jump
        ",
    )
    .bind(effect.scope.to_string())
    .bind(request.caller.as_slice())
    .bind(request.request_id.to_string())
    .fetch_one(tx)
    .await?;
    Ok(if had_a_jump.try_get("had_a_jump")? { Begun::Reused } else { Begun::Fresh })
}

async fn log(tx: &mut SqliteConnection, effect: &Effect, resource: &str) -> Step<()> {
    sqlx::query(
        "
        INSERT INTO request_log (tenant_id, caller, request_id, content, resource, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ",
    )
    .bind(effect.scope.to_string())
    .bind(effect.request.caller.as_slice())
    .bind(effect.request.request_id.to_string())
    .bind(effect.request.content.as_slice())
    .bind(resource)
    .bind(effect.at.unix_micros())
    .execute(tx)
    .await?;
    Ok(())
}

async fn append_audit(
    tx: &mut SqliteConnection,
    tenant: &TenantId,
    effect: &Effect,
    outcome: AuditOutcome,
) -> Step<()> {
    let row = AuditRow::new(tenant, &effect.audit)?.with(outcome);
    audit::append(tx, std::iter::once(row)).await
}

/// What to answer where the resource of a repeated request does not read.
pub(super) const fn unreadable_resource() -> Failure {
    Failure(StoreError::Corrupt { table: "request_log" })
}
