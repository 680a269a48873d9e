//! What comes behind the redeem: the session at the target, and how its login went.
//!
//! A jump has one result, and what follows from it stands in the same transaction: the count of failed logins of the con:center
//! user, the mark that his password is suspect, the versions that this moves, and the notice.

use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqliteExecutor};

use super::SqliteStore;
use super::audit::{self, AuditRow};
use super::error::Step;
use super::notices;
use super::requests::{Changed, Stop, unreadable_resource};
use super::row::Cells;
use super::settings::settings_of;
use super::versions::move_config;
use crate::domain::audit::{Action, AuditEntry, AuditObject, AuditOutcome};
use crate::domain::error::Reason;
use crate::domain::ids::{JumpId, TargetId, TenantId, UserId};
use crate::domain::jump::{JumpResult, LoginReport, Session};
use crate::domain::session::{MOST_FAILED_LOGINS, SessionUser};
use crate::domain::time::Timestamp;
use crate::store::codes::{Code as _, NoticeCause};
use crate::store::reports::{marked_in, resource_of};
use crate::store::{Effect, Outcome, StoreError};

const SESSION: &str = "
SELECT
    j.person_kind,
    s.epoch = j.epoch AS is_of_epoch,
    j.redeemed_at,
    j.session_revoked_at,
    t.state AS tenant_state,
    u.state AS user_state,
    u.kind AS user_kind,
    u.reported_end_customer,
    x.jump_life,
    x.customer_idle,
    x.customer_absolute,
    x.broker_idle,
    x.broker_absolute,
    x.import_change_limit,
    x.default_mvp_user,
    x.version AS settings_version
FROM jump AS j
CROSS JOIN tenant AS t ON t.tenant_id = j.tenant_id
CROSS JOIN service AS s ON s.singleton = 1
LEFT JOIN tenant_settings AS x ON x.tenant_id = j.tenant_id
LEFT JOIN concenter_user AS u
    ON u.tenant_id = j.tenant_id
    AND u.user_id = j.user_id
WHERE j.tenant_id = ?1
  AND j.jump_id = ?2
  AND j.target_id = ?3
  AND j.redeemed_at IS NOT NULL
";

/// Reads the session that a redeemed jump opened at a target.
pub(super) async fn get_session(
    executor: impl SqliteExecutor<'_>,
    tenant: &TenantId,
    jump: &JumpId,
    target: &TargetId,
) -> Step<Option<Session>> {
    let row = sqlx::query(SESSION)
        .bind(tenant.to_string())
        .bind(jump.to_string())
        .bind(target.as_str())
        .fetch_optional(executor)
        .await?;
    row.as_ref().map(session_of).transpose()
}

fn session_of(row: &SqliteRow) -> Step<Session> {
    let cells = Cells::of(row, "jump");
    let settings = settings_of(Cells::of(row, "tenant_settings"))?;
    let person_kind = cells.code("person_kind")?;
    Ok(Session {
        person_kind,
        is_of_epoch: cells.plain("is_of_epoch")?,
        redeemed_at: cells.instant("redeemed_at")?,
        revoked_at: cells.instant_or_null("session_revoked_at")?,
        limits: settings.session_limits(person_kind),
        tenant: cells.code("tenant_state")?,
        user: match cells.code_or_null("user_state")? {
            Some(state) => Some(SessionUser {
                state,
                kind: cells.code("user_kind")?,
                reported_end_customer: cells.plain("reported_end_customer")?,
            }),
            None => None,
        },
    })
}

/// What a report is about, and the audit row that tells of it.
#[derive(Clone)]
struct Reported {
    tenant: TenantId,
    report: LoginReport,
    audit: AuditEntry,
}

/// A password that left with a jump: whose, which of his, and when.
struct Used {
    user: UserId,
    secret_version: i64,
    redeemed_at: Timestamp,
}

/// Notes how the login of a jump went; gives the user whose password became suspect by it.
pub(super) async fn report(
    store: &SqliteStore,
    tenant: &TenantId,
    effect: &Effect,
    report: &LoginReport,
) -> Result<Outcome<Option<UserId>>, StoreError> {
    let mark_id = report.mark_id;
    let reported = Reported { tenant: *tenant, report: report.clone(), audit: effect.audit.clone() };
    store
        .change(
            *tenant,
            effect,
            move |tx, at| Box::pin(async move { note(tx, at, &reported).await }),
            move |_, resource| {
                Box::pin(async move { marked_in(&resource, &mark_id).map(Some).map_err(|_| unreadable_resource()) })
            },
        )
        .await
}

async fn note(tx: &mut SqliteConnection, at: Timestamp, reported: &Reported) -> Changed {
    let Reported { tenant, report, .. } = reported;
    let noted = sqlx::query(
        "
        UPDATE jump
        SET result = ?4,
            result_at = ?5
        WHERE tenant_id = ?1
          AND jump_id = ?2
          AND target_id = ?3
          AND redeemed_at IS NOT NULL
          AND result IS NULL
        RETURNING user_id, redeemed_secret_version, redeemed_at
        ",
    )
    .bind(tenant.to_string())
    .bind(report.jump_id.to_string())
    .bind(report.target_id.as_str())
    .bind(report.result.code())
    .bind(at.unix_micros())
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = noted else {
        check_same(tx, reported).await?;
        return Ok(resource_of(report, None));
    };
    let cells = Cells::of(&row, "jump");
    let user = cells.parsed("user_id", UserId::parse)?;
    // Without a password nothing is told of it.
    let Some(secret_version) = cells.plain("redeemed_secret_version")? else {
        return Ok(resource_of(report, None));
    };
    let used = Used { user, secret_version, redeemed_at: cells.instant("redeemed_at")? };
    let is_marked = match report.result {
        JumpResult::LoginSucceeded => {
            note_success(tx, tenant, &used).await?;
            false
        }
        JumpResult::LoginFailed => note_failure(tx, at, reported, &used).await?,
    };
    Ok(resource_of(report, is_marked.then_some(&used.user)))
}

/// Checks that a jump that takes no result has the same one already.
async fn check_same(tx: &mut SqliteConnection, reported: &Reported) -> Result<(), Stop> {
    let Reported { tenant, report, .. } = reported;
    let row = sqlx::query(
        "
        SELECT result
        FROM jump
        WHERE tenant_id = ?1
          AND jump_id = ?2
          AND target_id = ?3
          AND redeemed_at IS NOT NULL
        ",
    )
    .bind(tenant.to_string())
    .bind(report.jump_id.to_string())
    .bind(report.target_id.as_str())
    .fetch_optional(tx)
    .await?
    .ok_or(Reason::NotFound)?;
    let known: JumpResult = Cells::of(&row, "jump").code("result")?;
    if known == report.result { Ok(()) } else { Err(Reason::ResultAlreadyReported.into()) }
}

/// Ends the row of failed logins that came before, if the password is still the user's.
///
/// A login is when its jump was redeemed, here and below: reports come as late as targets like, in any order. Of two at one instant
/// the one comes second that is told second.
async fn note_success(tx: &mut SqliteConnection, tenant: &TenantId, used: &Used) -> Step<()> {
    sqlx::query(
        "
        UPDATE concenter_user
        SET last_login_succeeded_at = ?4,
            failed_logins = CASE
                -- That one came after it. How many of the others did nobody kept.
                WHEN last_login_failed_at > ?4 THEN min(failed_logins, 1)
                ELSE 0
            END
        WHERE tenant_id = ?1
          AND user_id = ?2
          AND secret_version = ?3
          AND (last_login_succeeded_at IS NULL OR last_login_succeeded_at <= ?4)
        ",
    )
    .bind(tenant.to_string())
    .bind(used.user.to_string())
    .bind(used.secret_version)
    .bind(used.redeemed_at.unix_micros())
    .execute(tx)
    .await?;
    Ok(())
}

/// Counts a failed login, if the password is still the user's and none succeeded after it, and makes the password suspect if it is
/// one too many. Tells whether it did.
async fn note_failure(tx: &mut SqliteConnection, at: Timestamp, reported: &Reported, used: &Used) -> Step<bool> {
    let tenant = &reported.tenant;
    sqlx::query(
        "
        UPDATE concenter_user
        SET last_login_failed_at = max(coalesce(last_login_failed_at, ?4), ?4),
            failed_logins = failed_logins + CASE WHEN last_login_succeeded_at > ?4 THEN 0 ELSE 1 END
        WHERE tenant_id = ?1
          AND user_id = ?2
          AND secret_version = ?3
        ",
    )
    .bind(tenant.to_string())
    .bind(used.user.to_string())
    .bind(used.secret_version)
    .bind(used.redeemed_at.unix_micros())
    .execute(&mut *tx)
    .await?;
    let marked = sqlx::query(
        "
        UPDATE concenter_user
        SET credential_suspect_since = ?4
        WHERE tenant_id = ?1
          AND user_id = ?2
          AND secret_version = ?3
          AND failed_logins >= ?5
          -- Once: whoever fails afterwards tells nothing new.
          AND credential_suspect_since IS NULL
        ",
    )
    .bind(tenant.to_string())
    .bind(used.user.to_string())
    .bind(used.secret_version)
    .bind(at.unix_micros())
    .bind(i64::from(MOST_FAILED_LOGINS))
    .execute(&mut *tx)
    .await?;
    if marked.rows_affected() == 0 {
        return Ok(false);
    }
    move_config(tx, tenant).await?;
    let mark_id = reported.report.mark_id;
    let audit = reported.audit.beside(mark_id, Action::SuspectCredential, AuditObject::new(&used.user));
    let row = AuditRow::new(tenant, &audit)?.with(AuditOutcome::Accepted);
    audit::append(&mut *tx, std::iter::once(row)).await?;
    notices::add(tx, tenant, &mark_id, (NoticeCause::CredentialSuspect, &used.user), at).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::plans::assert_plan;
    use super::*;

    #[tokio::test]
    async fn a_session_is_found_by_its_jump() {
        assert_plan(SESSION, &[], "SEARCH j USING PRIMARY KEY (tenant_id=? AND jump_id=?)").await;
    }
}
