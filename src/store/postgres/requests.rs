//! What every effect other than a jump has in common: the request log, and the audit row of its outcome.
//!
//! An effect is a change and a read. The change makes its checks, then writes, and names the resource that it was on;
//! the read answers with that resource as it is now. The same request a second time is the read alone; where the
//! resource is gone meanwhile, it is refused as not found.
//!
//! Whatever a check saw must still be so at commit, and other replicas write too: so an effect takes the row of its
//! tenant first, that of the service where it is about the catalogue, and the next one waits.

use futures_core::future::BoxFuture;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::PostgresStore;
use super::audit::{self, AuditRow};
use super::error::{Failure, Step};
use super::row::{Cells, uuid};
use super::session::Rows;
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

impl PostgresStore {
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
        C: for<'c> FnOnce(&'c mut PgConnection, Timestamp) -> BoxFuture<'c, Changed> + Clone + Send + Sync + 'static,
        R: for<'c> FnOnce(&'c mut PgConnection, String) -> BoxFuture<'c, Step<Option<T>>>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        let rows = Rows::Of(vec![tenant, effect.scope]);
        let (done, settled) = (effect.clone(), effect.clone());
        let read_again = read.clone();
        self.write_in_turn(
            Some(tenant),
            rows,
            move |tx| Box::pin(async move { run(tx, &tenant, &done, change, read).await }),
            move |tx| Box::pin(async move { settle(tx, &settled, read_again).await }),
        )
        .await
    }
}

async fn run<T, C, R>(tx: &mut PgConnection, tenant: &TenantId, effect: &Effect, change: C, read: R) -> Step<Outcome<T>>
where
    C: for<'c> FnOnce(&'c mut PgConnection, Timestamp) -> BoxFuture<'c, Changed>,
    R: for<'c> FnOnce(&'c mut PgConnection, String) -> BoxFuture<'c, Step<Option<T>>>,
{
    take_turn(tx, tenant).await?;
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

/// What an effect did whose COMMIT nobody answered: its request stands in the log exactly if it was committed.
async fn settle<T, R>(tx: &mut PgConnection, effect: &Effect, read: R) -> Step<Option<Outcome<T>>>
where
    R: for<'c> FnOnce(&'c mut PgConnection, String) -> BoxFuture<'c, Step<Option<T>>>,
{
    match begin(tx, effect).await? {
        Begun::Repeated(resource) => Ok(read(tx, resource).await?.map(Outcome::Done)),
        // A refusal leaves nothing in the log, and is the same the next time.
        Begun::Fresh | Begun::Reused => Ok(None),
    }
}

/// Waits until no other effect of the tenant is under way. Jumps do not wait: they compare versions.
///
/// Where there is no such tenant there is nothing to take, and nothing to change.
pub(super) async fn take_turn(tx: &mut PgConnection, tenant: &TenantId) -> Step<()> {
    if *tenant == TenantId::SYSTEM {
        sqlx::query("SELECT 1 FROM service FOR NO KEY UPDATE").execute(tx).await?;
        return Ok(());
    }
    sqlx::query(
        "
        SELECT 1
        FROM tenant
        WHERE tenant_id = $1
        -- Not FOR UPDATE: the foreign keys of jumps look at the tenant meanwhile.
        FOR NO KEY UPDATE
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .execute(tx)
    .await?;
    Ok(())
}

/// Answers with a refusal, and writes it down in the caller's own log: an operator may have named a tenant that is not
/// there.
async fn refuse<T>(tx: &mut PgConnection, effect: &Effect, refusal: Refusal) -> Step<Outcome<T>> {
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

async fn begin(tx: &mut PgConnection, effect: &Effect) -> Step<Begun> {
    let request = &effect.request;
    let earlier = sqlx::query(
        "
        SELECT content, resource
        FROM request_log
        WHERE tenant_id = $1
          AND caller = $2
          AND request_id = $3
        ",
    )
    .bind(uuid(effect.scope.as_bytes()))
    .bind(request.caller.as_slice())
    .bind(uuid(request.request_id.as_bytes()))
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
            WHERE tenant_id = $1
              AND caller = $2
              AND request_id = $3
        ) AS had_a_jump
        ",
    )
    .bind(uuid(effect.scope.as_bytes()))
    .bind(request.caller.as_slice())
    .bind(uuid(request.request_id.as_bytes()))
    .fetch_one(tx)
    .await?;
    Ok(if had_a_jump.try_get("had_a_jump")? { Begun::Reused } else { Begun::Fresh })
}

async fn log(tx: &mut PgConnection, effect: &Effect, resource: &str) -> Step<()> {
    let logged = sqlx::query(
        "
        INSERT INTO request_log (tenant_id, caller, request_id, content, resource, created_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING
        ",
    )
    .bind(uuid(effect.scope.as_bytes()))
    .bind(effect.request.caller.as_slice())
    .bind(uuid(effect.request.request_id.as_bytes()))
    .bind(effect.request.content.as_slice())
    .bind(resource)
    .bind(effect.at.unix_micros())
    .execute(tx)
    .await?;
    // The same request of somebody who did not have to wait for this one: of another tenant, or for a new one. Again,
    // from the beginning, it is a repeated one.
    if logged.rows_affected() == 0 { Err(Failure::overtaken()) } else { Ok(()) }
}

async fn append_audit(tx: &mut PgConnection, tenant: &TenantId, effect: &Effect, outcome: AuditOutcome) -> Step<()> {
    let row = AuditRow::new(tenant, &effect.audit);
    audit::append(tx, std::iter::once(row.with(outcome))).await
}

/// What to answer where the resource of a repeated request does not read.
pub(super) const fn unreadable_resource() -> Failure {
    Failure(StoreError::Corrupt { table: "request_log" })
}
